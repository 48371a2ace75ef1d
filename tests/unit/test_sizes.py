"""A module can be read in one sitting."""

from __future__ import annotations

from pathlib import Path
from statistics import median

SOURCE = Path(__file__).parent.parent.parent / "src" / "simwarden"
MOST = 400
TYPICAL = 110
"""The median of all modules."""
LONGER: dict[str, int] = {}
"""Modules that are longer today, with the lines that they may have. This list may only shrink."""


def lines() -> dict[str, int]:
    """Lines of each module of the package."""
    return {
        str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }


def test_no_module_is_too_long_to_be_read_in_one_sitting() -> None:
    found = lines()
    assert {name: count for name, count in found.items() if count > LONGER.get(name, MOST)} == {}, "split it"
    assert [name for name in LONGER if found.get(name, 0) <= MOST] == [], "take it from the list"


def test_the_typical_module_is_short() -> None:
    assert median(lines().values()) <= TYPICAL
