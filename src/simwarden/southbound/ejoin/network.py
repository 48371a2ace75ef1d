"""The engine's NetworkDriver for Ejoin gateways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.engine.ports import CommandFailed
from simwarden.kit.clock import now_utc
from simwarden.southbound.ejoin import translate
from simwarden.southbound.ejoin.codec import decode
from simwarden.southbound.ejoin.commands import Generation, Slot
from simwarden.southbound.ejoin.driver import EjoinDriver
from simwarden.southbound.ejoin.messages import DeviceStatus, Undecodable
from simwarden.store.gateways import GatewayRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from simwarden.domain.reports import Report
    from simwarden.domain.sim import Place
    from simwarden.store.gateways import CommandAccess


class EjoinNetwork:
    """Commands to one gateway. A lock stops every function of a SIM: voice, SMS and data cannot be separated."""

    def __init__(self, session: aiohttp.ClientSession, access: CommandAccess, timeout: float) -> None:
        assert access.url is not None
        self._ref = GatewayRef(access.id, access.name, 0, None)
        self._driver = EjoinDriver(
            session,
            access.url,
            access.username or "",
            access.password or "",
            generation=Generation(access.generation) if access.generation else None,
            timeout=timeout,
        )

    @property
    def generation(self) -> str | None:
        """The generation that answered."""
        return self._driver.generation

    async def lock(self, places: Sequence[Place]) -> None:
        """Lock slots. Raises CommandFailed."""
        await self._driver.lock(_slots(places))

    async def unlock(self, places: Sequence[Place]) -> None:
        """Unlock slots. Raises CommandFailed."""
        await self._driver.unlock(_slots(places))

    async def status(self) -> Report:
        """The state of all slots, as a report like those that the gateway pushes. Raises CommandFailed.

        It counts as of the moment when it was asked for: what the gateway pushes while it answers is newer.
        """
        asked = now_utc()
        body = await self._driver.read_status()
        try:
            decoded = decode(body)
        except Undecodable as error:
            raise CommandFailed(f"The gateway's status cannot be read: {error.reason}") from error
        for message in decoded.messages:
            if isinstance(message, DeviceStatus):
                return translate.to_report(self._ref, message, body, asked, polled=True)
        raise CommandFailed("The gateway answered something else than its status")


def _slots(places: Sequence[Place]) -> list[Slot]:
    return [Slot(place.port, place.slot or None) for place in places]
