"""Which file of the data directory says that virtual gateways run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from simwarden.quickstart import env
from simwarden.sandbox.gateways import VirtualGateways

if TYPE_CHECKING:
    from pathlib import Path

CONTROL = "http://127.0.0.1:40123"
NOBODY = aiohttp.ClientSession.__new__(aiohttp.ClientSession)


def is_there(path: Path) -> bool:
    return VirtualGateways(path, NOBODY).is_there()


def test_while_it_is_announced_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "data" / "simulator"
    assert not is_there(path)
    env.announce(path, CONTROL)
    assert is_there(path)
    env.withdraw(path, "http://127.0.0.1:1")
    assert is_there(path), "somebody else's"
    env.withdraw(path, CONTROL)
    env.withdraw(path, CONTROL)
    assert not is_there(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:80/x",
        "http://127.0.0.1:80@192.0.2.1",
        "http://127.0.0.1:80\nx",
        "http://192.0.2.1:80",
        "http://localhost:80",
        "https://127.0.0.1:80",
        "file:///etc/passwd",
    ],
)
def test_it_leads_to_this_machine_only(tmp_path: Path, text: str) -> None:
    env.announce(tmp_path / "simulator", text)
    assert not is_there(tmp_path / "simulator")


def test_what_others_could_have_written_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "simulator"
    env.announce(path, CONTROL)
    path.chmod(0o620)
    assert not is_there(path)
    path.chmod(0o600)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to("elsewhere")
    assert not is_there(path)
    path.unlink()
    path.mkdir()
    assert not is_there(path)
