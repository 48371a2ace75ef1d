"""A progress bar for commands that read files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    pass


class ProgressBar:
    """On a terminal; nothing in a pipe."""

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        """`total`: of what `advance` and `reach` count; None: not known."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        counts = MofNCompleteColumn() if total is not None else TextColumn("")
        self._progress = Progress(
            BarColumn(),
            counts,
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, by: int) -> None:
        """So much more is done."""
        self._progress.advance(self._task, by)

    def reach(self, done: int, text: str = "") -> None:
        """So much is done in all; `text` stands beside it."""
        self._progress.update(self._task, completed=done, description=text)

    def say(self, text: str) -> None:
        """A line on standard error."""
        click.echo(text, err=True)
