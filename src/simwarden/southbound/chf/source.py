"""Functions that charge (SMFs) as a kind of network element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.engine.ports import ElementRules
from simwarden.southbound.address_book import AddressBook
from simwarden.southbound.chf.driver import ChfDriver
from simwarden.southbound.chf.notifying import origin_of
from simwarden.southbound.chf.receiver import NF_TYPE, SERVICE, ChargingApp
from simwarden.southbound.chf.settings import ChfSettings
from simwarden.southbound.sbi.client import SbiClient
from simwarden.southbound.sbi.listener import SbiListener, tls_of
from simwarden.southbound.sbi.nrf import NetworkFunction, endpoints_of, instance_id, registration
from simwarden.southbound.sbi.tokens import NrfTokens, load_keys
from simwarden.southbound.source import ElementKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from simwarden.engine.ports import Registration
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

KIND = "chf"


class ChfSource:
    """They report and ask on a port of its own, and are told to end sessions at addresses that they name."""

    def __init__(self, services: SourceServices, settings: ChfSettings) -> None:
        self._services = services
        self._settings = settings
        where = endpoints_of(settings.chf_advertised, settings.chf_host, settings.chf_port)
        function = NetworkFunction(
            id=instance_id(settings.chf_instance_id, NF_TYPE, where),
            type=NF_TYPE,
            service=SERVICE,
            version=("v3", "3.2.0"),
            scheme="http" if settings.chf_tls_certificate is None else "https",
            endpoints=where,
        )
        tokens = None
        if settings.chf_token_keys is not None:
            tokens = NrfTokens(load_keys(settings.chf_token_keys), SERVICE, frozenset({NF_TYPE, function.id}))
        self._book: AddressBook[CommandAccess] = AddressBook(services.elements, KIND, lambda access: access)
        app = ChargingApp(self._book.of, services, settings, tokens)
        tls = tls_of(settings.chf_tls_certificate, settings.chf_tls_key, settings.chf_tls_clients)
        self._listener = SbiListener(app, settings.chf_host, settings.chf_port, tls, counted=services.refused)
        self._client = SbiClient(services.command_timeout)
        self.registration = registration(services, settings.chf_nrf, function)

    def routes(self) -> Sequence[BaseRoute]:
        """Nothing on the server's own port."""
        return ()

    async def start(self) -> None:
        """Listen, if a port is set. Raises OSError, StoreUnavailable."""
        if self._settings.chf_port:
            await self._book.turn()
            self._book.start()
            await self._listener.start()
            if self.registration is not None:
                self.registration.start()

    async def stop(self) -> None:
        """Listen no more; what is in work is answered."""
        if self.registration is not None:
            await self.registration.stop()
        await self._listener.stop()
        await self._book.stop()
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
