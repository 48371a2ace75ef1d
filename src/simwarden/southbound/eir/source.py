"""Network functions that ask for equipment checks (AMFs, or an SCP before them) as a kind of network element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.equipment import EquipmentStatus
from simwarden.engine.equipment import Asker, EquipmentChecks, EquipmentPolicy
from simwarden.engine.ports import ElementRules
from simwarden.southbound.eir.receiver import CheckApp
from simwarden.southbound.eir.settings import EirSettings
from simwarden.southbound.passive import PassiveDriver
from simwarden.southbound.sbi.producer import CoreService, SbiProducer
from simwarden.southbound.source import ElementKind

if TYPE_CHECKING:
    from simwarden.engine.ports import Registration
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

KIND = "eir"
_SERVICE = CoreService(KIND, "n5g-eir-eic", "5G_EIR", ("v1", "1.2.0"))


class EirSource(SbiProducer[Asker]):
    """They ask on a port of its own; nothing is commanded there: the answer is what acts."""

    def __init__(self, services: SourceServices, settings: EirSettings) -> None:
        policy = EquipmentPolicy(EquipmentStatus(settings.eir_unlisted), EquipmentStatus(settings.eir_mismatch))
        self._checks = EquipmentChecks(services.db, services.ingest, policy)
        super().__init__(
            services,
            settings,
            _SERVICE,
            asker_of,
            lambda gate: CheckApp(gate, self._checks),
            most=settings.eir_checks,
        )

    async def stop(self) -> None:
        """Listen no more; what is in work is answered, and written."""
        await super().stop()
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
