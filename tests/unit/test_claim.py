"""Names of workers: never twice the same, and what a dead one leaves goes to who takes its place."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from simwarden.claim import claim

if TYPE_CHECKING:
    from pathlib import Path


def test_places_are_taken_in_order_and_names_are_never_the_same(tmp_path: Path) -> None:
    with claim(tmp_path) as first, claim(tmp_path) as second:
        assert (first.name.split(":")[1], second.name.split(":")[1]) == ("1", "2")
        assert (first.heir_of, second.heir_of) == ((), ())
    with claim(tmp_path / "other") as third:
        assert third.name.split(":")[:2] == first.name.split(":")[:2]
        assert len({first.name, second.name, third.name}) == 3


def test_who_takes_a_place_inherits_from_all_that_died_there(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        with claim(tmp_path) as taken:
            names.append(taken.name)
    with claim(tmp_path) as heir:
        assert heir.heir_of == tuple(reversed(names))


def test_who_was_killed_is_inherited_from(tmp_path: Path) -> None:
    program = "import os,sys,pathlib\nfrom simwarden.claim import claim\n"
    program += "with claim(pathlib.Path(sys.argv[1])) as it:\n print(it.name, flush=True)\n os.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert killed.returncode == -9
    with claim(tmp_path) as heir:
        assert heir.heir_of == (killed.stdout.strip(),)


def test_a_copied_data_directory_inherits_nothing(tmp_path: Path) -> None:
    """Its files name workers that live."""
    with claim(tmp_path / "a"):
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        with claim(tmp_path / "b") as copied:
            assert copied.heir_of == ()


def test_what_cannot_be_read_inherits_nothing(tmp_path: Path) -> None:
    with claim(tmp_path):
        pass
    file = tmp_path / "run" / "worker-1.lock"
    file.write_bytes(file.read_bytes()[:-9])
    with claim(tmp_path) as heir:
        assert heir.heir_of == ()
    with claim(tmp_path) as next_one:
        assert next_one.heir_of == (heir.name,)


def test_the_line_of_the_dead_does_not_grow_for_ever(tmp_path: Path) -> None:
    for _ in range(40):
        with claim(tmp_path) as taken:
            pass
    assert len(taken.heir_of) == 15
