"""Commands that the documentation shows can be typed as they stand: they exist, and so do their options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from simwarden.cli import main

REPOSITORY = Path(__file__).parents[3]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\w+=\S+ )*(simwarden .*)$")


def shown() -> list[tuple[str, str]]:
    """Page and command, without remarks, what a shell does with it, and places for names."""
    found = []
    for page in PAGES:
        for block in FENCE.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                for part in line.split("; "):
                    match = COMMAND.match(part.strip())
                    if match and "|" not in match[1].split("  ")[0] and "[" not in match[1].split("  ")[0]:
                        found.append((page.name, re.split(r"  +|\s#", match[1])[0]))
    return found


def parsed(words: list[str]) -> None:
    """Parse a command line, without doing anything. Raises click.ClickException."""
    command: click.Command = main
    context: click.Context | None = None
    while True:
        context = command.make_context(command.name, list(words), parent=context)
        if not isinstance(command, click.Group):
            return
        words = [*context._protected_args, *context.args]
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command = found


def test_the_pages_show_commands() -> None:
    assert len({command for page, command in shown() if page == "night.md"}) >= 20
    assert len(shown()) > 60


@pytest.mark.parametrize(("page", "command"), shown(), ids=lambda text: text.replace(" ", "-")[:60])
def test_a_command_of_the_documentation_can_be_typed(
    page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        "sims.csv",
        "meters.pub.pem",
        "devices.csv",
        "lines.csv",
        "plan.json",
        "sites.csv",
        "master.key",
        "FILE",
        "simwarden.dump",
        "simwarden-2026-11-21.dump",
    ):
        (tmp_path / name).touch()
    monkeypatch.setenv("SIMWARDEN_APP_KEY", "k")
    monkeypatch.setenv("SIMWARDEN_APP_SECRET", "s")
    monkeypatch.setenv("SIMWARDEN_SIMULATOR", "http://127.0.0.1:1")
    try:
        parsed(shlex.split(command)[1:])
    except click.exceptions.Exit:
        pass
    except click.ClickException as error:
        pytest.fail(f"{page}: {command}: {error.format_message()}")
