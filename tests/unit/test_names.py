"""The name of a class means one thing in the whole house."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parent.parent.parent / "src" / "simwarden"
SHARED = {
    "Answer": 2,
    "Bar": 2,
    "CallRecord": 2,
    "Caller": 2,
    "Enforcement": 2,
    "Operation": 2,
    "PortState": 2,
    "Request": 2,
    "Seen": 2,
    "SimSource": 2,
    "Step": 2,
    "Work": 2,
}
"""Names that several public classes have today, with how many. No error is among them. This list may only shrink."""


def test_no_two_public_classes_have_one_name() -> None:
    names = Counter(
        node.name
        for path in SOURCE.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    shared = {name: count for name, count in names.items() if count > 1}
    assert {name: count for name, count in shared.items() if count > SHARED.get(name, 0)} == {}, "give it another name"
    assert {name for name in SHARED if shared.get(name, 0) < SHARED[name]} == set(), "take it from the list"
