"""What all commands share: groups, settings, the option --json."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simwarden import settings as settings_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.settings import Settings

JSON = "simwarden.json"
"""In the context's `meta`, where the command was asked for JSON."""


def _remember(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:  # noqa: FBT001
    ctx.meta[JSON] = value
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=_remember, help="Print JSON, errors too."
)
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")


class Group(click.Group):
    """Commands under one word. Each is made when it is used; help shows whole sentences, whatever their length."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("subcommand_metavar", "COMMAND [ARGS]")
        super().__init__(*args, **options)
        self._later: dict[str, Callable[[], click.Command]] = {}

    def later(self, name: str, make: Callable[[], click.Command]) -> None:
        """Add a command that is made when it is used."""
        self._later[name] = make

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *self._later})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name."""
        if cmd_name not in self.commands and cmd_name in self._later:
            self.add_command(self._later[cmd_name]())
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One sentence for each."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=1000)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a word that is none of the commands is answered with the nearest one."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(known)}"
            raise click.UsageError(f"There is no command {args[0]!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)


def current_settings(**flags: Any) -> tuple[Settings, dict[str, str]]:
    """The settings in force for this command line; `flags` are the command's own. Raises InvalidSettings."""
    given: dict[str, Any] = dict(click.get_current_context().find_root().obj or {})
    file: Path | None = given.pop("file", None)
    given.update({name: value for name, value in flags.items() if value is not None})
    return settings_module.load(given, os.environ, file)
