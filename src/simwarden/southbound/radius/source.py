"""Network access servers (packet gateways) as a kind of network element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote
from simwarden.engine.admission import Admission
from simwarden.engine.ports import ElementRules
from simwarden.southbound.address_book import AddressBook
from simwarden.southbound.quarantine import Quarantine
from simwarden.southbound.radius import accounting
from simwarden.southbound.radius.access import AccessService
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Code
from simwarden.southbound.radius.driver import RadiusDriver, check
from simwarden.southbound.radius.exchange import Exchange, Response
from simwarden.southbound.radius.nas import KIND, nas_of
from simwarden.southbound.radius.radsec import RadsecListener
from simwarden.southbound.radius.receiver import UdpReceiver
from simwarden.southbound.radius.settings import RadiusSettings
from simwarden.southbound.source import ElementKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.routing import BaseRoute

    from simwarden.engine.ingest import Ingest
    from simwarden.southbound.radius.accounting import Accounting
    from simwarden.southbound.radius.codec import Packet
    from simwarden.southbound.radius.exchange import RequestService
    from simwarden.southbound.radius.nas import Nas
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

_PHASES = {
    AccountingStatus.START: Phase.BEGAN,
    AccountingStatus.INTERIM: Phase.GOES_ON,
    AccountingStatus.STOP: Phase.ENDED,
}
_WORDS: dict[AccountingStatus | None, str] = {None: "other"} | {each: each.name.lower() for each in AccountingStatus}
"""For the metrics."""


class AccountingService:
    """Takes in what NAS report."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def read(self, packet: Packet, now: datetime) -> tuple[str, Accounting]:
        """Which session, and how far it has come. Raises InvalidPacket."""
        told = accounting.read(packet, now)
        return _WORDS[told.status], told

    async def answer(self, nas: Nas, told: Sequence[Accounting], now: datetime) -> Sequence[Response]:
        """All are committed, or none. Raises StoreUnavailable, UnacceptableReport."""
        await self._ingest.submit(*(to_report(nas, each, now) for each in told if each.status is not None))
        return [_ACCOUNTED] * len(told)


_ACCOUNTED = Response(Code.ACCOUNTING_RESPONSE)


class RadiusSource:
    """They ask for admission and send accounting to UDP ports of the server, and take Disconnect-Requests."""

    def __init__(self, services: SourceServices, settings: RadiusSettings) -> None:
        self._services = services
        self._settings = settings
        self._book = AddressBook(services.elements, KIND, nas_of)
        self._quarantine = Quarantine(services.elements)
        accounts = AccountingService(services.ingest)
        access = AccessService(Admission(services.db, services.ingest), settings)
        self.exchange = Exchange(
            rejected=self._keep,
            most=settings.radius_packets,
            ready=self._book.check,
            counted=services.counted,
        )
        self.receiver = UdpReceiver(
            self._book.of, self.exchange, {Code.ACCOUNTING_REQUEST: accounts}, Code.ACCOUNTING_RESPONSE
        )
        self.access_receiver = UdpReceiver(
            self._book.of, self.exchange, {Code.ACCESS_REQUEST: access}, Code.ACCESS_ACCEPT
        )
        both: dict[int, RequestService] = {Code.ACCOUNTING_REQUEST: accounts, Code.ACCESS_REQUEST: access}
        self.radsec = RadsecListener(self._book.of, self.exchange, both, settings)

    def routes(self) -> Sequence[BaseRoute]:
        """None: a NAS does not speak HTTP."""
        return ()

    async def start(self) -> None:
        """Listen, where ports are set. Raises OSError, StoreUnavailable."""
        settings = self._settings
        if settings.radius_port or settings.radius_access_port or settings.radius_tls_port:
            await self._book.turn()
            self._book.start()
        if settings.radius_port:
            await self.receiver.listen(settings.radius_host, settings.radius_port)
        if settings.radius_access_port:
            await self.access_receiver.listen(settings.radius_host, settings.radius_access_port)
        if settings.radius_tls_port:
            await self.radsec.listen()

    async def stop(self) -> None:
        """Listen no more; what is in work is answered first."""
        await self.exchange.stop()
        self.receiver.close()
        self.access_receiver.close()
        self.radsec.close()
        await self._book.stop()

    def driver(self, access: CommandAccess) -> RadiusDriver:
        """Raises ValueError for a NAS that is not registered as `check` wants it."""
        return RadiusDriver(self._services, access)

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
                apn=told.apn,
                rat=told.rat,
                ipv4=told.ipv4,
                ipv6=told.ipv6,
                octets=told.octets,
                decision=told.decision,
            ),
        )
    return Report(
        gateway_id=nas.ref.id,
        gateway_name=nas.ref.name,
        received_at=now,
        message=f"accounting-{_WORDS[told.status]}",
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
