"""The house's plan as a test: each room imports only from the rooms that the architecture lets it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from simwarden.store import migrate

SOURCE = Path(__file__).parent.parent.parent / "src" / "simwarden"
KERNEL = {"domain", "kit", "store"}
SERVER = {"accounts", "billing", "edge", "engine", "management", "northbound", "notify", "reference", "sandbox"}
SERVER |= {"console", "southbound"}
MAY: dict[str, set[str]] = {
    "domain": set(),
    "kit": {"domain"},
    "store": {"domain", "kit"},
    "engine": KERNEL,
    "notify": KERNEL,
    "billing": KERNEL,
    "edge": {"domain", "settings"},
    "southbound": KERNEL | {"engine", "edge"},
    "accounts": KERNEL | {"edge"},
    # listen/ hosts inboxes: it hands events out in the notifier's place (decision 0009)
    "northbound": KERNEL | {"billing", "engine", "accounts", "notify", "edge"},
    "management": KERNEL | {"billing", "engine", "accounts", "northbound", "edge"},
    "reference": {"accounts", "edge"},
    # Speaks to the management API as a browser would, and knows nothing else of the house.
    "console": set(),
    "sandbox": KERNEL | {"billing", "engine", "northbound", "notify"},
    # Programs of their own that speak to the server from outside.
    "simulator": {"southbound"},
    "demo": {"simulator"},
    "listener": {"accounts", "domain", "kit", "northbound", "notify"},
    "quickstart": KERNEL | {"accounts", "cli", "engine", "listener", "northbound", "simulator"},
    "cli": KERNEL | SERVER | {"demo", "listener", "logs", "quickstart", "settings", "simulator", "standby"},
    # Modules beside the rooms: the server's own, put together by container.
    "settings": {"domain", "edge", "kit", "southbound"},
    "logs": {"settings"},
    "claim": set(),
    "standby": {"settings"},
    "access": {"northbound"},
    "opening": {"domain", "northbound"},
    "fleet_page": KERNEL,
    "telemetry": KERNEL | {"engine", "fleet_page", "northbound"},
    "watching": KERNEL | {"claim", "edge", "engine", "notify", "settings", "telemetry"},
    "customers": KERNEL
    | {"accounts", "billing", "claim", "engine", "identity", "northbound", "notify", "sandbox", "settings"},
    "identity": KERNEL | {"accounts", "edge", "sandbox", "settings"},
    "ready": KERNEL | {"settings", "standby"},
    "probes": KERNEL | {"accounts", "edge", "management", "northbound"},
    "container": KERNEL
    | SERVER
    | {
        "access",
        "identity",
        "claim",
        "customers",
        "logs",
        "probes",
        "ready",
        "settings",
        "standby",
        "telemetry",
        "watching",
    },
    "app": {"container", "edge", "logs", "northbound", "opening", "settings", "telemetry"},
    "__main__": {"cli"},
    "__init__": set(),
}
"""Room, or module beside the rooms, to what it may import from, itself aside."""


def rooms() -> dict[str, list[Path]]:
    """The modules of each room; a module beside the rooms is one of its own."""
    found = {path.stem: [path] for path in SOURCE.glob("*.py")}
    return found | {path.parent.name: sorted(path.parent.rglob("*.py")) for path in SOURCE.glob("*/__init__.py")}


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


def test_every_room_has_its_place_in_the_plan() -> None:
    assert set(MAY) == set(rooms())
    assert set(SOURCE.rglob("*.py")) == {path for paths in rooms().values() for path in paths}


@pytest.mark.parametrize("room", MAY)
def test_no_import_runs_upwards(room: str) -> None:
    wrong = {
        str(path.relative_to(SOURCE)): sorted(upwards)
        for path in rooms()[room]
        if (upwards := (imports(path) & set(MAY)) - MAY[room] - {room})
    }
    assert wrong == {}


def strings_of(path: Path) -> list[str]:
    """String constants of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value.strip()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone
    ]


SQL = re.compile(
    r"(select\b.+\bfrom\b|select\s+\w+\s*\(|insert\s+into\b|update\b.+\bset\b|delete\s+from\b|with\b.+\bas\s*\("
    r"|copy\b.+\bfrom\b|lock\s+table\b|(create|alter|drop)\s+(table|index|database)\b)",
    re.IGNORECASE | re.DOTALL,
)


def test_sql_is_in_the_store_only() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}: {text[:60]}"
        for path in sorted(SOURCE.rglob("*.py"))
        if not path.is_relative_to(SOURCE / "store")
        for text in strings_of(path)
        if SQL.match(text)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "select pg_notify('x', '')",
        "SELECT 1 FROM sim",
        "insert into sim values (1)",
        "update sim set a = 1",
        "with gone as (delete from sim) select 1",
    ],
)
def test_sql_is_recognised(text: str) -> None:
    assert SQL.match(text)


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
