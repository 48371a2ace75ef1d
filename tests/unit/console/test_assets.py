"""Static files: small, named by what they hold, and nothing in them that is loaded from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import simwarden.console
from simwarden.console import assets

ROOM = Path(str(simwarden.console.__file__)).parent
MOST = 250 * 1024
"""Bytes of all of them, packed: any page is to come with less than 300 KiB."""


def test_all_of_them_together_are_small() -> None:
    assert sum(len(asset.packed) for asset in assets.assets().values()) < MOST


def test_nothing_is_loaded_from_elsewhere() -> None:
    named = {
        (file.name, address)
        for file in (ROOM / "static").iterdir()
        for address in re.findall(r"https?://[^\s\"')]+", file.read_text("utf-8"))
    }
    assert {address for _, address in named} <= {"http://www.w3.org/2000/svg"}


def test_scripts_import_only_what_is_there() -> None:
    files = {file.name for file in (ROOM / "static").iterdir()}
    for script in (ROOM / "static").glob("*.js"):
        imported = re.findall(r'from "\./([^"]+)"', script.read_text("utf-8"))
        assert set(imported) <= files


def test_every_symbol_that_is_named_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (ROOM / "static" / "icons.svg").read_text("utf-8")))
    named = {
        name
        for file in ROOM.rglob("*.html")
        for name in re.findall(r'\b(?:icon|empty)\("([a-z]+)"', file.read_text("utf-8"))
    }
    named |= {
        name
        for file in ROOM.rglob("page.py")
        for name in re.findall(r'Nav\("\w+", \d+, "([a-z]+)"', file.read_text("utf-8"))
    }
    assert named <= drawn
