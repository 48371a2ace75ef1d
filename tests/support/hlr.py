"""The real osmo-hlr of Debian, on an address of its own of the loopback network: its ports cannot be chosen."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.support.patience import PATIENCE

from simwarden.edge.throttle import Allowance
from simwarden.southbound.osmo_hlr import vty
from simwarden.southbound.osmo_hlr.address import HlrAddress
from simwarden.southbound.osmo_hlr.settings import OsmoHlrSettings
from simwarden.southbound.osmo_hlr.source import SOURCE, OsmoHlrSource
from simwarden.southbound.source import SourceServices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import aiohttp
    from tests.support.world import World

    from simwarden.southbound.osmo_hlr.vty import Subscriber

COUNTED: Counter[tuple[str, str]] = Counter()
"""What the newest source counted."""
PROGRAM = shutil.which("osmo-hlr")
needs_osmo_hlr = pytest.mark.skipif(PROGRAM is None, reason="needs osmo-hlr (Debian package osmo-hlr)")
_CONFIGURATION = """
log stderr
 logging level set-all error
line vty
 bind {host}
ctrl
 bind {host}
hlr
 store-imei
 gsup
  bind ip {host}
"""


def free_host() -> str:
    """An address of the loopback network on which nothing listens to the ports of an HLR."""
    while True:
        host = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in (4222, 4258, 4259):
                stack.enter_context(socket.socket()).bind((host, port))
            return host


class Hlr:
    """A running osmo-hlr."""

    def __init__(self, directory: Path) -> None:
        self.address = HlrAddress(free_host())
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """As it is registered."""
        return f"osmo-hlr://{self.address.host}"

    async def start(self) -> None:
        """Start it with its database, and wait until it answers."""
        assert PROGRAM is not None
        configuration = self._directory / "osmo-hlr.cfg"
        configuration.write_text(_CONFIGURATION.format(host=self.address.host))
        arguments = "-c", str(configuration), "-l", str(self._directory / "hlr.db")
        with (self._directory / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(PROGRAM, *arguments, stderr=log, stdout=log)
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(self.address.host, self.address.gsup)
                    writer.close()
                    return
                assert self._process.returncode is None, (self._directory / "log").read_text()
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Kill it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def do(self, *commands: str) -> list[str]:
        """Type commands on its VTY."""
        return await vty.run(self.address, commands, password=None, enable=True, seconds=PATIENCE)

    async def subscribe(self, imsi: str) -> None:
        """Create a subscriber that may use everything."""
        await self.do(f"subscriber imsi {imsi} create")

    async def shows(self, imsi: str) -> Subscriber | None:
        """A subscriber."""
        (text,) = await self.do(vty.show(imsi))
        return vty.read_subscriber(text, imsi)


@contextlib.asynccontextmanager
async def running_hlr(directory: Path) -> AsyncIterator[Hlr]:
    """Started, and stopped."""
    hlr = Hlr(directory)
    await hlr.start()
    try:
        yield hlr
    finally:
        await hlr.stop()


def source_of(world: World, **settings: Any) -> OsmoHlrSource:
    """The source as the server builds it, for a world."""
    services = SourceServices(
        elements=world.gateways,
        ingest=world.ingest,
        db=world.db,
        session=cast("aiohttp.ClientSession", None),
        guesses=Allowance(1),
        command_timeout=5.0,
        counted=lambda *words: COUNTED.update([words]),
    )
    COUNTED.clear()
    return OsmoHlrSource(services, OsmoHlrSettings(**settings))


async def register(world: World, hlr: Hlr, name: str = "hlr-1", **more: Any) -> int:
    """Enter it in the register."""
    given = {"kind": SOURCE.name, "command_url": hlr.url, "username": None, "password": None} | more
    id_, _ = await world.gateways.add(name, **given)
    return id_
