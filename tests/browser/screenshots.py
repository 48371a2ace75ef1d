"""`python -m tests.browser.screenshots FOLDER`: every page of the console as a picture, of a sample installation.

In the light, in the dark and as on a phone; on a database of its own.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.browser import chrome
from tests.browser.console import SIZES, Tab, paths
from tests.conftest import at_database
from tests.support.console_rich import enrich
from tests.support.console_sample import furnish
from tests.support.server import serving
from tests.support.virtual_gateways import virtual_gateways

from simwarden.settings.keys import key_of
from simwarden.store import migrate
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.vault import Vault

KEY = "42" * 32
MORE = ["/console/sims?q=nobody", "/console/alarms?state=CLEARED", "/console/sims/nobody"]
OPEN = ["/console/sign-in", "/console/set-up"]
COUNTED = 20.0
"""Seconds until the installation has been counted for the first time."""


async def run(folder: Path) -> None:
    """Take the pictures."""
    program = chrome.found()
    if program is None:
        sys.exit("A browser is needed: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="simwarden-pictures-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        server = EmbeddedPostgres(directory / "postgres")
        url = at_database(await asyncio.to_thread(server.acquire), "postgres")
        try:
            await migrate.migrate(url)
            key = key_of(KEY)
            assert key is not None
            db = await Database.connect(url)
            await furnish(db, Vault(key))
            await enrich(db, Vault(key))
            await db.close()
            async with (
                serving(directory, url, secret_key=KEY) as address,
                virtual_gateways(directory / "data" / "simulator"),
                chrome.browser(program, directory) as browser,
                browser.tab() as page,
            ):
                await _walk(Tab(page, address), folder)
        finally:
            await asyncio.to_thread(server.release)


async def _walk(tab: Tab, folder: Path) -> None:
    for mode in SIZES:
        await tab.look(mode)
        for path in OPEN:
            await tab.go(path)
            await tab.picture(folder / f"{_named(path)}-{mode}.png")
    await tab.look()
    await tab.sign_in("admin")
    await asyncio.sleep(COUNTED)
    for mode in SIZES:
        await tab.look(mode)
        for path in [*paths(), *MORE]:
            await tab.go(path)
            await asyncio.sleep(0.3)
            await tab.picture(folder / f"{_named(path)}-{mode}.png")
    print(f"The pictures are in {folder}")


def _named(path: str) -> str:
    plain = path.removeprefix("/console").strip("/").replace("?", "-").replace("=", "-").replace("/", "-")
    return plain or "overview"


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots")
    out.mkdir(parents=True, exist_ok=True)
    asyncio.run(run(out))
