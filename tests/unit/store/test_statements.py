"""What every statement of the store keeps to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from simwarden.store.queries import load

SOURCE = Path(__file__).parent.parent.parent.parent / "src" / "simwarden"
QUERIES = sorted((SOURCE / "store" / "queries").glob("*.sql"))
ON_ITS_OWN_CONNECTION = {"store/backup.py", "store/migrate.py", "store/promotion.py"}
"""Modules whose statements run on connections that no pool has."""
SESSION_STATE = re.compile(
    r"""^\s*(set\s+(?!local\b)|listen\s|declare\s|load\s|prepare\s|create\s+temp)   # at the beginning of a statement
    |;\s*(set\s+(?!local\b)[\w.]+\s*(=|\bto\b)|listen\s|declare\s)                # or of a later one
    |\bpg_(try_)?advisory_lock                                                      # kept beyond the transaction
    |\bset_config\s*\([^)]*,\s*false\s*\)
    |\bcreate\s+(local\s+|global\s+)?temp""",
    re.IGNORECASE | re.VERBOSE,
)


def strings_of(path: Path) -> list[str]:
    """String constants of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone
    ]


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_no_named_query_leaves_anything_in_its_session(path: Path) -> None:
    """Connections go back into the pool without a reset (store/database.py)."""
    wrong = [name for name, text in load(path.stem).items() if SESSION_STATE.search(text)]
    assert wrong == []


def test_no_other_statement_leaves_anything_in_its_session() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}: {text[:60]}"
        for path in sorted((SOURCE / "store").rglob("*.py"))
        if str(path.relative_to(SOURCE)) not in ON_ITS_OWN_CONNECTION
        for text in strings_of(path)
        if SESSION_STATE.search(text)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("statement", "leaves"),
    [
        ("set work_mem = '1MB'", True),
        ("select 1; set search_path = x", True),
        ("select pg_advisory_lock(1)", True),
        ("create temporary table t (a int) on commit drop", True),
        ("set local lock_timeout = '10s'", False),
        ("update sim set a = 1", False),
        ("select pg_advisory_xact_lock(1)", False),
    ],
)
def test_what_leaves_something_is_recognised(statement: str, leaves: bool) -> None:
    assert bool(SESSION_STATE.search(statement)) is leaves
