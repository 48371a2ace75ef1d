"""Who asks for equipment checks by Diameter (MMEs, agents before them) as a kind of network element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.equipment import EquipmentStatus
from simwarden.engine.equipment import Asker, EquipmentChecks, EquipmentPolicy
from simwarden.engine.ports import ElementRules
from simwarden.southbound.address_book import AddressBook
from simwarden.southbound.passive import PassiveDriver
from simwarden.southbound.s13.receiver import S13Listener
from simwarden.southbound.s13.settings import S13Settings
from simwarden.southbound.source import ElementKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from simwarden.engine.ports import Registration
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

KIND = "s13"


class S13Source:
    """They ask on a port of its own; nothing is commanded there: the answer is what acts."""

    def __init__(self, services: SourceServices, settings: S13Settings) -> None:
        self._settings = settings
        self._book: AddressBook[Asker] = AddressBook(
            services.elements, KIND, lambda access: Asker(access.id, access.name, access.account_id)
        )
        policy = EquipmentPolicy(EquipmentStatus(settings.s13_unlisted), EquipmentStatus(settings.s13_mismatch))
        self._checks = EquipmentChecks(services.db, services.ingest, policy)
        self._listener = S13Listener(self._book.of, self._checks, settings, services.counted)

    def routes(self) -> Sequence[BaseRoute]:
        """None: a peer does not speak HTTP."""
        return ()

    async def start(self) -> None:
        """Listen, if a port is set. Raises OSError, StoreUnavailable."""
        if self._settings.s13_port:
            await self._book.turn()
            self._book.start()
            await self._listener.listen()

    async def stop(self) -> None:
        """Listen no more; what is in work is answered, and written."""
        await self._listener.stop()
        await self._book.stop()
        await self._checks.drain()

    def driver(self, access: CommandAccess) -> PassiveDriver:
        """There is nothing to command."""
        return PassiveDriver()


def check(wanted: Registration) -> None:
    """It is known by its addresses, and there is nothing to command. Raises ValueError."""
    if not wanted.source_addresses:
        raise ValueError("sourceAddresses: who asks for equipment checks is known by the addresses it asks from")
    if wanted.command_url is not None:
        raise ValueError("commandUrl: who asks for equipment checks takes no commands")


SOURCE = ElementKind(
    name=KIND, settings=S13Settings, rules=ElementRules(check=check, reports_to_url=False), build=S13Source
)
