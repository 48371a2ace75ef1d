"""Functions that charge (SMFs) as a kind of network element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.engine.ports import ElementRules
from simwarden.southbound.chf.driver import ChfDriver
from simwarden.southbound.chf.notifying import origin_of
from simwarden.southbound.chf.receiver import ChargingApp
from simwarden.southbound.chf.settings import ChfSettings
from simwarden.southbound.sbi.client import SbiClient
from simwarden.southbound.sbi.producer import CoreService, SbiProducer
from simwarden.southbound.source import ElementKind
from simwarden.store.gateways import CommandAccess

if TYPE_CHECKING:
    from simwarden.engine.ports import Registration
    from simwarden.southbound.source import SourceServices

KIND = "chf"
_SERVICE = CoreService(KIND, "nchf-convergedcharging", "CHF", ("v3", "3.2.0"))


class ChfSource(SbiProducer[CommandAccess]):
    """They report and ask on a port of its own, and are told to end sessions at addresses that they name."""

    def __init__(self, services: SourceServices, settings: ChfSettings) -> None:
        self._services = services
        self._client = SbiClient(services.command_timeout)
        super().__init__(
            services,
            settings,
            _SERVICE,
            lambda access: access,
            lambda gate: ChargingApp(gate, services, settings),
            most=settings.chf_requests,
        )

    async def stop(self) -> None:
        """Listen no more; what is in work is answered."""
        await super().stop()
        await self._client.close()

    def driver(self, access: CommandAccess) -> ChfDriver:
        """How a function is told to end sessions."""
        return ChfDriver(self._services, self._client, access)


def check(wanted: Registration) -> None:
    """It is known by its addresses; a command URL, if any, is where its sessions may be ended. Raises ValueError."""
    if not wanted.source_addresses:
        raise ValueError("sourceAddresses: a function that charges is known by the addresses that it sends from")
    if wanted.command_url is not None and origin_of(wanted.command_url) is None:
        raise ValueError("commandUrl must be http://HOST[:PORT] or https://HOST[:PORT]")


SOURCE = ElementKind(
    name=KIND, settings=ChfSettings, rules=ElementRules(check=check, reports_to_url=False), build=ChfSource
)
