"""The house's plan as a test: each room imports only from the rooms that the architecture lets it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from simwarden.store import migrate

SOURCE = Path(__file__).parent.parent.parent / "src" / "simwarden"
MAY = {
    "domain": set(),
    "store": {"domain"},
    "engine": {"domain", "store"},
    "notify": {"domain", "store"},
    "edge": {"domain"},
    "southbound": {"engine", "domain", "store", "edge"},
    "accounts": {"store", "domain", "edge"},
    # listen/ hosts inboxes: it hands events out in the notifier's place (decision 0009)
    "northbound": {"engine", "domain", "store", "accounts", "notify", "edge"},
    "management": {"engine", "accounts", "domain", "store", "northbound", "edge"},
    "simulator": {"southbound"},
}
"""Room to the rooms it may import from, itself aside. Rooms that are not named here may import everything."""


def imports(path: Path) -> set[str]:
    """Rooms of this package that a module imports from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "simwarden" else [f"simwarden.{alias.name}" for alias in node.names]
        for name in names:
            package, _, rest = name.partition(".")
            if package == "simwarden" and rest:
                found.add(rest.split(".")[0])
    return found


@pytest.mark.parametrize("room", MAY)
def test_no_import_runs_upwards(room: str) -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    wrong = {
        str(path.relative_to(SOURCE)): sorted(upwards)
        for path in sorted((SOURCE / room).rglob("*.py"))
        if (upwards := (imports(path) & rooms) - MAY[room] - {room})
    }
    assert wrong == {}


def test_sql_is_in_the_store_only() -> None:
    words = ("select ", "insert into ", "update ", "delete from ")
    wrong = []
    for path in SOURCE.rglob("*.py"):
        if path.is_relative_to(SOURCE / "store"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value.strip().lower()
                if text.startswith(words) and any(
                    f" {word} " in f" {text} " for word in ("from", "values", "set", "where")
                ):
                    wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno}: {text[:60]}")
    assert [line for line in wrong if "pg_notify" not in line] == []


def test_no_file_of_the_package_holds_an_unresolved_conflict() -> None:
    marks = tuple(mark * 7 for mark in "<>")
    suffixes = {".py", ".sql", ".yaml", ".toml", ".md", ".html", ".js", ".css", ".yml", ".conf", ".json"}
    wrong = [
        f"{path.relative_to(SOURCE)}:{number}"
        for path in SOURCE.rglob("*")
        if path.suffix in suffixes and path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if line.startswith(marks)
    ]
    assert wrong == []


def test_migrations_are_numbered_without_gaps_or_doubles() -> None:
    assert migrate.known()
