"""A NAS with a real socket before the source as the server builds it, on a real database."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from tests.support.nas import SECRET, TestNas
from tests.support.patience import PATIENCE
from tests.support.world import World, device, imsi

from simwarden.demo.processes import free_port
from simwarden.domain.identifiers import full_imei
from simwarden.edge.throttle import Allowance
from simwarden.kit.clock import now_utc
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.settings import RadiusSettings
from simwarden.southbound.radius.source import SOURCE, RadiusSource
from simwarden.southbound.source import SourceServices
from simwarden.store import sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from simwarden.engine.ports import Driver
    from simwarden.store.gateways import CommandAccess

HOME, OTHER = device(1), device(2)


class Mobile:
    """A world with one NAS, `pgw-1`, whose accounting is taken in."""

    def __init__(self, world: World, nas: TestNas) -> None:
        self.world = world
        self.nas = nas
        self.counted: Counter[tuple[str, str]] = Counter()
        self.id = 0
        self.source = self.another_source()

    def another_source(self, **settings: Any) -> RadiusSource:
        """As another process would have it, with a port of its own."""
        services = SourceServices(
            elements=self.world.gateways,
            ingest=self.world.ingest,
            db=self.world.db,
            session=cast("aiohttp.ClientSession", None),
            guesses=Allowance(1),
            counted=lambda *words: self.counted.update([words]),
            command_timeout=5.0,
        )
        return RadiusSource(
            services, RadiusSettings(radius_port=free_port(), radius_access_port=free_port(), **settings)
        )

    async def register(self) -> None:
        """Enter the NAS in the register."""
        self.id, _ = await self.world.gateways.add(
            "pgw-1",
            kind=SOURCE.name,
            command_url=f"radius://127.0.0.1:{self.nas.disconnect_port}",
            username=None,
            password=SECRET.decode(),
            source_addresses=["127.0.0.1/32"],
        )

    async def start(self, source: RadiusSource | None = None) -> None:
        """Listen, and let the NAS send there from now on."""
        self.source = source or self.source
        await self.source.start()
        await self.nas.connect(self.source.receiver.address[1])
        await self.nas.connect_access(self.source.access_receiver.address[1])

    def driver_for(self, access: CommandAccess) -> Driver:
        """As the registry would have it."""
        return self.source.driver(access)

    async def tell(
        self, status: AccountingStatus, session: str, imei: str | None = HOME, at: int | None = None
    ) -> None:
        """The NAS reports a session of card 1, now or at a second."""
        stamp = int(now_utc().timestamp()) if at is None else at
        serial = None if imei is None else full_imei(imei) + "1"
        await self.nas.account(status, session, imsi=imsi(1), imei=serial, at=stamp)

    async def live(self) -> list[str]:
        """The sessions of card 1 that are known to go on."""
        async with self.world.db.connection() as connection:
            return [session.key for session in await sessions.live(connection, self.id, [imsi(1)])]


def seconds() -> int:
    """Now, as Event-Timestamp has it."""
    return int(time.time())


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110 - nobody tells when a packet was dropped
            await asyncio.sleep(0.01)
