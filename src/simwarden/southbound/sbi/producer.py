"""What sources of a service based interface share: their own port, who may ask there, registration at an NRF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

import msgspec

from simwarden.southbound.address_book import AddressBook
from simwarden.southbound.sbi.listener import SbiListener, tls_of
from simwarden.southbound.sbi.nrf import NetworkFunction, NrfAlarm, endpoints_of, instance_id, registration
from simwarden.southbound.sbi.service import E, ServiceGate
from simwarden.southbound.sbi.tokens import NrfTokens, load_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess


class CoreService(msgspec.Struct, frozen=True):
    """A service as the core knows it."""

    kind: str
    """The kind of network element that asks it, which its settings begin with."""
    name: str
    type: str
    """NFType of who serves it: `5G_EIR`, `CHF`."""
    version: tuple[str, str]
    """In the URL and in full."""


class PortSettings(msgspec.Struct, frozen=True):
    """The settings that every service has, under names that begin with its kind."""

    host: str
    port: int
    token_keys: str | None
    tls_certificate: str | None
    tls_key: str | None
    tls_clients: str | None
    nrf: str | None
    advertised: str
    instance_id: str | None


class SbiProducer(Generic[E]):
    """One service in one worker process."""

    def __init__(
        self,
        services: SourceServices,
        settings: msgspec.Struct,
        service: CoreService,
        made: Callable[[CommandAccess], E],
        app: Callable[[ServiceGate[E]], ASGIApp],
        *,
        most: int,
    ) -> None:
        """`made`: what is kept of an element. `app`: what answers. `most`: requests in work at once."""
        port = _port_settings(settings, service.kind)
        where = endpoints_of(port.advertised, port.host, port.port)
        function = NetworkFunction(
            id=instance_id(port.instance_id, service.type, where),
            type=service.type,
            service=service.name,
            version=service.version,
            scheme="http" if port.tls_certificate is None else "https",
            endpoints=where,
        )
        tokens = None
        if port.token_keys is not None:
            audiences = frozenset({service.type, function.id})
            tokens = NrfTokens(load_keys(port.token_keys), service.name, audiences)
        self._listens = port.port != 0
        self._book = AddressBook(services.elements, service.kind, made)
        gate = ServiceGate(service=service.name, who=self._book.of, tokens=tokens, most=most, counted=services.counted)
        tls = tls_of(port.tls_certificate, port.tls_key, port.tls_clients)
        self._listener = SbiListener(app(gate), port.host, port.port, tls, counted=services.refused)
        self.registration = registration(services, port.nrf, function)
        self._alarm = NrfAlarm(services.db, service.type)

    def routes(self) -> Sequence[BaseRoute]:
        """Nothing on the server's own port."""
        return ()

    async def start(self) -> None:
        """Listen, if a port is set. Raises OSError, StoreUnavailable."""
        if self._listens:
            await self._book.turn()
            self._book.start()
            await self._listener.start()
            if self.registration is None:
                await self._alarm.over("No NRF is set any more")
            else:
                self.registration.start()

    async def stop(self) -> None:
        """Listen no more; what is in work is answered."""
        if self.registration is not None:
            await self.registration.stop()
        await self._listener.stop()
        await self._book.stop()


def _port_settings(settings: msgspec.Struct, kind: str) -> PortSettings:
    given = {name: getattr(settings, f"{kind}_{name}") for name in PortSettings.__struct_fields__}
    return msgspec.convert(given, PortSettings)
