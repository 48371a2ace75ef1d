"""The file that the quickstart leaves for the developer's shell."""

from __future__ import annotations

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
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    text = _HEAD + "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
