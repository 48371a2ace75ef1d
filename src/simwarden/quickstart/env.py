"""The files that the quickstart leaves: for the developer's shell, and for the server beside it."""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEAD = "# Written by `simwarden quickstart`; `simwarden quickstart --remove` deletes it. It holds a secret.\n"


def read(path: Path) -> dict[str, str]:
    """The variables that the file exports; none when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found = {}
    for line in text.splitlines():
        name, equals, value = line.removeprefix("export ").partition("=")
        if equals and name.isidentifier():
            try:
                found[name] = "".join(shlex.split(value))
            except ValueError:
                continue
    return found


def write(path: Path, variables: Mapping[str, str]) -> None:
    """Replace the file, readable by its owner only."""
    _replace(path, _HEAD + "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))


def announce(path: Path, control: str) -> None:
    """Say in this file of the server where the control server of the virtual gateways is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, f"{control}\n")


def withdraw(path: Path, control: str) -> None:
    """They run no more. What others announced stays."""
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8", errors="replace").strip() == control:
            path.unlink()


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
