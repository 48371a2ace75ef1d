"""What README.md asks a newcomer to paste, pasted."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from tests.conftest import REPOSITORY
from tests.support.terminal import terminal

from simwarden.demo.processes import free_port

if TYPE_CHECKING:
    from pathlib import Path

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- terminal: (?P<terminal>[a-z ]+) -->\n)?```sh\n(?P<text>.*?)```", re.DOTALL)
HOME = "https://github.com/simwarden/simwarden"


def blocks() -> list[tuple[str | None, str]]:
    """Terminal and text of every block that is to be pasted, in order."""
    return [(found["terminal"], found["text"]) for found in BLOCK.finditer(README)]


def checkout(folder: Path) -> Path:
    """A fresh clone whose environment is made already: ours."""
    made = folder / "simwarden"
    made.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements", "src", "README.md"):
        (made / name).symlink_to(REPOSITORY / name)
    (made / ".venv").mkdir()
    (made / ".venv" / "bin").symlink_to(f"{sys.prefix}/bin")
    (made / ".venv" / ".runtime").touch()
    return made


def test_every_block_is_pasted_by_a_test() -> None:
    named = [name for name, _ in blocks()]
    assert named[0] is None  # git clone and `make demo`, which .ci/run plays; its story is test_stolen_sim.py
    assert blocks()[0][1].splitlines() == [f"git clone {HOME}", "cd simwarden", "make demo"]
    assert named[1:] == ["server", "quickstart", *["customer"] * 5, "customer after the quickstart has stopped"]


async def test_the_first_ten_minutes(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    port = free_port()
    environment = {
        "HOME": str(tmp_path),
        "SIMWARDEN_DATA_DIR": str(tmp_path / "data"),
        "SIMWARDEN_PORT": str(port),
    }
    pasted = [text for _, text in blocks()]
    async with (
        terminal(folder, "server", environment) as server,
        terminal(folder, "quickstart", environment) as quickstart,
        terminal(folder, "customer", environment) as customer,
    ):
        server.type(pasted[1])
        await server.shows(f"Simwarden 0.1.0 on http://127.0.0.1:{port}")
        await customer.paste(
            f"until curl -sf http://127.0.0.1:{port}/readyz >{tmp_path}/ready; do sleep 0.2; done"
        )  # the reader's patience
        quickstart.type(pasted[2])
        await quickstart.shows("Ctrl-C ends.")

        token, bind_and_subscribe, steal, explain, put_back, remove = pasted[3:]
        await customer.paste(token)
        bind, subscribe = bind_and_subscribe.splitlines()
        assert '{"bound":true}' in await customer.paste(bind)
        assert '"status":"ACTIVE"' in await customer.paste(subscribe)
        await customer.paste(steal)
        await quickstart.shows("The customer's sink receives imei-change")
        await quickstart.shows("Gateway virtual2 is commanded: lock 6.01")
        told = await customer.paste(explain)
        assert "DIFFERED" in told
        assert "barred: the SIM is not in the device that it is bound to" in told
        await customer.paste(put_back)
        await quickstart.shows("Gateway virtual2 is commanded: unlock 6.01")
        await quickstart.interrupt()
        assert "its 8 SIMs" in await customer.paste(remove)
        assert not (folder / "quickstart.env").exists()


def test_links_work_on_the_package_index_too() -> None:
    links = re.findall(r"\]\(([^)]*)\)", README)
    assert links
    for link in links:
        assert link.startswith(f"{HOME}/blob/main/"), f"{link} is relative: it leads nowhere on the package index"
        path = link.removeprefix(f"{HOME}/blob/main/").removesuffix("?raw=true")  # pictures are linked raw
        assert (REPOSITORY / path).exists(), f"{link} is not in the repository"
