"""Help texts, of every command that there is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from simwarden.cli import main
from simwarden.cli.common import Group

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 80
NO_EXAMPLE = {("demo",), ("quickstart",)}


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All commands, subcommands included."""
    yield path
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(command, (*path, name))


PATHS = list(commands(main))


def help_of(path: tuple[str, ...], width: int = WIDTH) -> str:
    """What `--help` prints on a terminal of this width."""
    result = CliRunner(env={**os.environ, "COLUMNS": str(width)}).invoke(main, [*path, "--help"])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_fits_80_columns_and_leaves_nothing_out(path: tuple[str, ...]) -> None:
    text = help_of(path)
    too_long = [line for line in text.splitlines() if len(line) > WIDTH]
    assert [line for line in too_long if " " in line.strip()] == [], "a scope may be longer than a line"
    assert "…" not in text
    assert "..." not in text


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_says_what_a_command_does_and_shows_how(path: tuple[str, ...]) -> None:
    text = help_of(path)
    assert len(text.split("Options:")[0].split("\n", 1)[1].strip()) > 10
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    if not isinstance(command, Group):
        assert "Example" in text, "a command shows an example"
    elif path:
        for name in command.list_commands(click.Context(command)):
            assert f"\n  {name} " in text


def test_an_unknown_word_is_answered_with_the_nearest_command() -> None:
    wrong = CliRunner().invoke(main, ["sim", "lst"])
    assert (wrong.exit_code, "Did you mean 'list'?" in wrong.output) == (2, True)
    wrong = CliRunner().invoke(main, ["gatway"])
    assert "Did you mean 'gateway'?" in wrong.output
