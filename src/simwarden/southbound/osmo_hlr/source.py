"""Home location registers of Osmocom (osmo-hlr) as a kind of network element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.engine.ports import ElementRules
from simwarden.southbound.osmo_hlr.address import check
from simwarden.southbound.osmo_hlr.driver import OsmoHlrDriver
from simwarden.southbound.osmo_hlr.poller import KIND, Poller
from simwarden.southbound.osmo_hlr.proxy import GsupProxy
from simwarden.southbound.osmo_hlr.settings import OsmoHlrSettings
from simwarden.southbound.source import ElementKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess


class OsmoHlrSource:
    """They are asked for their subscribers, and told where these may register."""

    def __init__(self, services: SourceServices, settings: OsmoHlrSettings) -> None:
        self._services = services
        self._settings = settings
        self.poller = Poller(services, settings, self.driver)
        self.proxy = GsupProxy(services, settings, self.driver)

    def routes(self) -> Sequence[BaseRoute]:
        """An HLR does not speak HTTP."""
        return ()

    async def start(self) -> None:
        """Begin to ask, and listen, if a port is set. Raises OSError, StoreUnavailable."""
        if self._settings.osmo_hlr_gsup_port:
            await self.proxy.listen()
        if self._settings.osmo_hlr_poll_rate:
            self.poller.start()

    async def stop(self) -> None:
        """Ask no more, and hang up."""
        await self.proxy.stop()
        if self._settings.osmo_hlr_poll_rate:
            await self.poller.stop()

    def driver(self, access: CommandAccess) -> OsmoHlrDriver:
        """Raises ValueError for one that is not registered as `check` wants it."""
        return OsmoHlrDriver(self._services, access, self._settings)


SOURCE = ElementKind(
    name=KIND,
    settings=OsmoHlrSettings,
    rules=ElementRules(check=check, reports_to_url=False),
    build=OsmoHlrSource,
)
