"""Network access servers (packet gateways) as a kind of network element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote
from simwarden.engine.ports import ElementRules
from simwarden.southbound.quarantine import Quarantine
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.book import KIND, NasBook
from simwarden.southbound.radius.driver import RadiusDriver, check
from simwarden.southbound.radius.receiver import AccountingReceiver
from simwarden.southbound.radius.settings import RadiusSettings
from simwarden.southbound.source import ElementKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.routing import BaseRoute

    from simwarden.southbound.radius.accounting import Accounting
    from simwarden.southbound.radius.book import Nas
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

_PHASES = {
    AccountingStatus.START: Phase.BEGAN,
    AccountingStatus.INTERIM: Phase.GOES_ON,
    AccountingStatus.STOP: Phase.ENDED,
}


class RadiusSource:
    """They send accounting to a UDP port of the server, and take Disconnect-Requests."""

    def __init__(self, services: SourceServices, settings: RadiusSettings) -> None:
        self._services = services
        self._settings = settings
        self._book = NasBook(services.elements)
        self._quarantine = Quarantine(services.elements)
        self.receiver = AccountingReceiver(
            self._book.of,
            self._take_in,
            rejected=self._keep,
            most=settings.radius_packets,
            counted=services.counted,
        )

    def routes(self) -> Sequence[BaseRoute]:
        """RADIUS does not speak HTTP."""
        return ()

    async def start(self) -> None:
        """Listen, if a port is set. Raises OSError, StoreUnavailable."""
        if self._settings.radius_port:
            await self._book.turn()
            self._book.start()
            await self.receiver.listen(self._settings.radius_host, self._settings.radius_port)

    async def stop(self) -> None:
        """Listen no more; what is in work is answered first."""
        await self.receiver.stop()
        await self._book.stop()

    def driver(self, access: CommandAccess) -> RadiusDriver:
        """Raises ValueError for a NAS that is not registered as `check` wants it."""
        return RadiusDriver(self._services, access)

    async def _take_in(self, nas: Nas, told: Accounting, now: datetime) -> None:
        if told.status is not None:
            await self._services.ingest.submit(to_report(nas, told, now))

    async def _keep(self, nas: Nas, reason: str, data: bytes) -> None:
        await self._quarantine.keep(nas.ref, reason, "application/octet-stream", data)


def to_report(nas: Nas, told: Accounting, now: datetime) -> Report:
    """What an accounting packet says, in the engine's words."""
    assert told.status is not None
    phase = _PHASES.get(told.status)
    notes: tuple[SessionNote, ...] = ()
    if phase is not None:
        notes = (
            SessionNote(
                key=told.session,
                phase=phase,
                at=told.at,
                began_at=told.began_at,
                imsi=told.imsi,
                msisdn=told.msisdn,
                imei=told.imei,
                cells=told.cells,
                cells_at=told.cells_at,
                svn=told.svn,
                plmn=told.plmn,
            ),
        )
    return Report(
        gateway_id=nas.ref.id,
        gateway_name=nas.ref.name,
        received_at=now,
        message=f"accounting-{told.status.name.lower()}",
        sessions=notes,
        restarted_at=told.at if phase is None else None,
        authentic=True,
    )


SOURCE = ElementKind(
    name=KIND,
    settings=RadiusSettings,
    rules=ElementRules(check=check, reports_to_url=False),
    build=RadiusSource,
)
