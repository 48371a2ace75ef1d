"""Files of many lines on their way to the server: read whole, sent in pieces, refused line by line."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
import msgspec

from simwarden.cli.printing import print_json
from simwarden.cli.progress import ProgressBar
from simwarden.cli.remote import Remote, with_server
from simwarden.domain.device_model import BadLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from simwarden.cli.remote import Access

AT_ONCE = 500
"""Rows of one call."""
_SHOWN = 20
"""Refused lines that are printed."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What is imported, and how that is said."""

    path: str
    """The operation's, which takes `{field: [row, ...]}` and answers with `imported` and `total`."""
    field: str
    total: str
    """How many the server has by now."""
    done: str
    """Behind the number of rows that were taken: `codes imported`;"""
    held: str
    """behind the total: `in the table`."""


def text_of(file: Path) -> str:
    """What is in a file, or on standard input for `-`. Raises click.UsageError when it is not UTF-8."""
    try:
        return (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"The file is not UTF-8 text (byte {error.start})") from error


def import_table(
    table: Table,
    file: Path,
    read: Callable[[Iterable[str]], Iterator[msgspec.Struct]],
    access: Access,
    *,
    as_json: bool,
) -> None:
    """Send the rows of a file, and print what came of it; the exit status is 1 when lines were refused.

    `read` makes rows of lines, and a BadLine of each that cannot be taken.
    """
    lines = text_of(file).splitlines(keepends=True)
    bad: list[BadLine] = []
    imported = 0

    async def work(remote: Remote) -> int | None:
        nonlocal imported
        total = None
        rows = read(lines)
        with ProgressBar(len(lines), quiet=as_json) as bar:
            while piece := list(islice(rows, AT_ONCE)):
                good = [_plain(row) for row in piece if not isinstance(row, BadLine)]
                bad.extend(row for row in piece if isinstance(row, BadLine))
                if good:
                    answer: dict[str, Any] = await remote.call("POST", table.path, {table.field: good})
                    imported, total = imported + answer["imported"], answer[table.total]
                bar.advance(len(piece))
        return total

    try:
        total = with_server(work, access)
    except KeyboardInterrupt:
        click.echo(f"Stopped: at least {imported} {table.done}. The same file again adds the rest.", err=True)
        raise SystemExit(130) from None
    if as_json:
        print_json({"imported": imported, table.total: total, "refused": len(bad), "badLines": bad})
    else:
        for each in bad[:_SHOWN]:
            click.echo(f"line {each.line}: {each.reason}", err=True)
        if len(bad) > _SHOWN:
            click.echo(f"... and {len(bad) - _SHOWN} more lines", err=True)
        held = "" if total is None else f", {total} {table.held}"
        click.echo(f"{imported} {table.done}, {len(bad)} lines refused{held}")
    if bad:
        raise SystemExit(1)


def _plain(row: msgspec.Struct) -> dict[str, Any]:
    """Without what is not known."""
    found: dict[str, Any] = msgspec.to_builtins(row)
    return {key: value for key, value in found.items() if value is not None}
