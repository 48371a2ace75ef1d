"""Network functions that ask for equipment checks (AMFs, or an SCP before them) as a kind of network element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.equipment import EquipmentStatus
from simwarden.engine.equipment import Asker, EquipmentChecks, EquipmentPolicy
from simwarden.engine.ports import ElementRules
from simwarden.southbound.address_book import AddressBook
from simwarden.southbound.eir.receiver import NF_TYPE, SERVICE, CheckApp
from simwarden.southbound.eir.settings import EirSettings
from simwarden.southbound.passive import PassiveDriver
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

KIND = "eir"


class EirSource:
    """They ask on a port of its own; nothing is commanded there: the answer is what acts."""

    def __init__(self, services: SourceServices, settings: EirSettings) -> None:
        self._settings = settings
        where = endpoints_of(settings.eir_advertised, settings.eir_host, settings.eir_port)
        self._function = NetworkFunction(
            id=instance_id(settings.eir_instance_id, NF_TYPE, where),
            type=NF_TYPE,
            service=SERVICE,
            version=("v1", "1.2.0"),
            scheme="http" if settings.eir_tls_certificate is None else "https",
            endpoints=where,
        )
        self._book = AddressBook(services.elements, KIND, asker_of)
        policy = EquipmentPolicy(EquipmentStatus(settings.eir_unlisted), EquipmentStatus(settings.eir_mismatch))
        self._checks = EquipmentChecks(services.db, services.ingest, policy)
        keys = None if settings.eir_token_keys is None else load_keys(settings.eir_token_keys)
        app = CheckApp(
            self._book.of,
            self._checks,
            None if keys is None else NrfTokens(keys, SERVICE, frozenset({NF_TYPE, self._function.id})),
            most=settings.eir_checks,
            counted=services.counted,
        )
        tls = tls_of(settings.eir_tls_certificate, settings.eir_tls_key, settings.eir_tls_clients)
        self._listener = SbiListener(app, settings.eir_host, settings.eir_port, tls, counted=services.refused)
        self.registration = registration(services, settings.eir_nrf, self._function)

    def routes(self) -> Sequence[BaseRoute]:
        """Nothing on the server's own port."""
        return ()

    async def start(self) -> None:
        """Listen, if a port is set. Raises OSError, StoreUnavailable."""
        if self._settings.eir_port:
            await self._book.turn()
            self._book.start()
            await self._listener.start()
            if self.registration is not None:
                self.registration.start()

    async def stop(self) -> None:
        """Listen no more; what is in work is answered, and written."""
        if self.registration is not None:
            await self.registration.stop()
        await self._listener.stop()
        await self._book.stop()
        await self._checks.drain()

    def driver(self, access: CommandAccess) -> PassiveDriver:
        """There is nothing to command."""
        return PassiveDriver()


def asker_of(access: CommandAccess) -> Asker:
    """What is kept of a registered element."""
    return Asker(access.id, access.name, access.account_id)


def check(wanted: Registration) -> None:
    """It is known by its addresses, and there is nothing to command. Raises ValueError."""
    if not wanted.source_addresses:
        raise ValueError("sourceAddresses: who asks for equipment checks is known by the addresses it asks from")
    if wanted.command_url is not None:
        raise ValueError("commandUrl: who asks for equipment checks takes no commands")


SOURCE = ElementKind(
    name=KIND, settings=EirSettings, rules=ElementRules(check=check, reports_to_url=False), build=EirSource
)
