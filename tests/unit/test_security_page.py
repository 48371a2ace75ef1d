"""docs/security.md names a test for every sentence, and each of them is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
ROW = re.compile(r"^\| (?!the profile|attack|---)(.+?) \| (.*?) \| (.*?) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, ...]]:
    return ROW.findall((REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8"))


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_sentence_names_a_test() -> None:
    assert len(rows()) > 60
    assert [sentence for sentence, _, tests in rows() if not NAMED.search(tests)] == []


def test_every_named_test_exists() -> None:
    named = {pair for *_, tests in rows() for pair in NAMED.findall(tests)}
    known = {path: names_in(REPOSITORY / path) for path in {path for path, _ in named}}
    assert [f"{path}::{name}" for path, name in sorted(named) if name not in known[path]] == []
    texts = " ".join(tests for *_, tests in rows())
    assert len(NAMED.findall(texts)) == texts.count("::"), "a test is written in another form"
