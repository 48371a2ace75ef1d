"""The GSUP port: MSC and SGSN connect here in the place of their HLR.

Which HLR is meant is known by the peer's address (`sourceAddresses` of the registered HLR). Every worker process may
have the port. A bar reaches the process that holds the peer through the HLR itself: it sends Delete Subscriber Data to
all peers when a network access mode is changed. What is missed so is found in the store every few seconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.equipment import EquipmentStatus
from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.domain.reports import SubscriberNote
from simwarden.domain.sim import Function, NetworkTarget
from simwarden.engine.equipment import Asker, EquipmentChecks, EquipmentPolicy
from simwarden.kit.worker import Worker
from simwarden.southbound.address_book import AddressBook
from simwarden.southbound.osmo_hlr import ctrl
from simwarden.southbound.osmo_hlr.driver import GROUPS
from simwarden.southbound.osmo_hlr.gsup import Domain
from simwarden.southbound.osmo_hlr.poller import KIND
from simwarden.southbound.osmo_hlr.relay import Relay
from simwarden.southbound.osmo_hlr.vty import CIRCUIT, PACKET
from simwarden.southbound.shares import WorkShares
from simwarden.store import attachments

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from simwarden.southbound.osmo_hlr.driver import OsmoHlrDriver
    from simwarden.southbound.osmo_hlr.settings import OsmoHlrSettings
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

SWEEP = 5.0
"""Seconds between two looks for what goes on although it is switched off."""
SWEPT = 200
"""SIMs of one look."""
NEWLY_MOST = 10_000
"""SIMs whose location update waits to be looked at; of more the next round of questions tells."""
CANCELS_MOST = 256
"""Cancellations under way; others are found again by the next sweep."""
_DOMAINS = {Domain.CIRCUIT: CIRCUIT, Domain.PACKET: PACKET}
_log = structlog.get_logger()


class GsupProxy(Worker):
    """Of one worker process. `driver(access)` reads subscribers of one HLR."""

    worker_name = "osmo-hlr-gsup"

    def __init__(
        self, services: SourceServices, settings: OsmoHlrSettings, driver: Callable[[CommandAccess], OsmoHlrDriver]
    ) -> None:
        super().__init__()
        self._services = services
        self._settings = settings
        self._driver = driver
        self._book: AddressBook[CommandAccess] = AddressBook(services.elements, KIND, lambda access: access)
        policy = EquipmentPolicy(mismatch=EquipmentStatus.BLACKLISTED)
        self._checks = EquipmentChecks(services.db, services.ingest, policy)
        self._shares = WorkShares(settings.osmo_hlr_gsup_peers)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], tuple[str, CommandAccess]] = {}
        """By what serves one, its address and the element that it was when it connected."""
        self._links: dict[int, dict[str, _Link]] = {}
        """By HLR and name."""

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def listen(self) -> None:
        """Open the port; worker processes share it. Raises OSError, StoreUnavailable."""
        await self._book.turn()
        self._book.start()
        host, port = self._settings.osmo_hlr_gsup_host, self._settings.osmo_hlr_gsup_port
        self._server = await asyncio.start_server(self._accept, host, port, reuse_port=True, limit=65_536)
        self.start()

    async def stop(self) -> None:
        """Close the port and hang up. Peers connect again, to this server or another."""
        await super().stop()
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._book.stop()
        await self._checks.drain()

    async def turn(self) -> float:
        """Look for what goes on although it is switched off, and hang up on peers whose element was changed or deleted:
        they connect again as what they are now. Raises StoreUnavailable."""
        for task, (address, access) in list(self._connections.items()):
            now = self._book.of(address)
            if now is None or _what_counts(now) != _what_counts(access):
                self._services.counted("element_changed", "gsup")
                task.cancel()
        for element_id, links in list(self._links.items()):
            if not links:
                continue
            async with self._services.db.connection() as connection:
                imsis = await attachments.lingering(connection, element_id, SWEPT)
            if imsis:
                await next(iter(links.values())).hlr.sweep(imsis, links)
        return SWEEP

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        access = self._book.of(address)
        if access is None or not self._shares.take(access.id):
            self._services.counted("unknown_source" if access is None else "too_many", "gsup")
            writer.transport.abort()
            return
        task = asyncio.create_task(self._connect(access, reader, writer), name=f"gsup-{address}")
        self._connections[task] = address, access
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        _, access = self._connections.pop(task)
        self._shares.give_back(access.id)

    async def _connect(self, access: CommandAccess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            driver = self._driver(access)
            async with asyncio.timeout(self._services.command_timeout):
                upstream = await asyncio.open_connection(driver.address.host, driver.address.gsup)
        except (OSError, TimeoutError, ValueError) as error:
            self._services.counted("hlr_unreachable", "gsup")
            _log.warning("the HLR of a GSUP peer cannot be reached", element=access.name, reason=str(error))
            writer.transport.abort()
            return
        link = _Link(
            self._services, _Hlr(self._services, access, driver), self._checks, self._links.setdefault(access.id, {})
        )
        link.relay = Relay(
            (reader, writer),
            upstream,
            link,
            checks=self._settings.osmo_hlr_checks,
            deny_undecided=self._settings.osmo_hlr_deny_undecided,
        )
        try:
            await link.relay.run()
        except Exception:  # the boundary of one peer
            _log.exception("a GSUP connection failed", element=access.name)
        finally:
            link.relay.abort()
            await link.close()


def _what_counts(access: CommandAccess) -> tuple[object, ...]:
    """What of an element its peers are served by."""
    return access.id, access.account_id, access.url, access.username, access.password


class _Hlr:
    """An HLR behind a peer."""

    def __init__(self, services: SourceServices, access: CommandAccess, driver: OsmoHlrDriver) -> None:
        self.services = services
        self.access = access
        self.driver = driver
        self.asker = Asker(access.id, access.name, access.account_id)

    async def sweep(self, imsis: Sequence[str], links: dict[str, _Link]) -> None:
        """Cancel what goes on where the HLR says that it is registered."""
        try:
            shown = await ctrl.accesses(self.driver.address, imsis, seconds=self.services.command_timeout)
        except SimwardenError as error:
            _log.info("who serves barred SIMs is not known", element=self.access.name, reason=error.message)
            return
        for imsi, access in shown.items():
            for name in {access.vlr, access.sgsn}:
                if name is not None and name in links:
                    links[name].begin_cancel(imsi)

    async def report(self, imsi: str, off: Function, idle: Function) -> None:
        """Tell the engine that nothing of some functions goes on."""
        note = SubscriberNote(imsi=imsi, groups=GROUPS, off=off, idle=idle)
        await self.services.ingest.submit(self.driver.report("location-cancel", [note]))


class _Link:
    """One peer, and what is done for it beside passing on. Verdicts of its relay."""

    relay: Relay

    def __init__(self, services: SourceServices, hlr: _Hlr, checks: EquipmentChecks, links: dict[str, _Link]) -> None:
        self._services = services
        self.hlr = hlr
        self._equipment = checks
        self._links = links
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelling: set[str] = set()
        self._newly: dict[str, None] = {}
        self._looking = False

    async def close(self) -> None:
        """The connection is over."""
        name = self.relay.name
        if name is not None and self._links.get(name) is self:
            del self._links[name]
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def device(self, imsi: str, imei: str | None) -> bool | None:
        """Verdicts.device: by lists and binding; the check is a sighting, committed before the answer."""
        try:
            status = await self._equipment.check(self.hlr.asker, imei, imsi)
        except SimwardenError as error:
            _log.warning("a device was not checked", element=self.hlr.access.name, reason=error.message)
            return None
        except Exception:
            _log.exception("a check of a device failed", element=self.hlr.access.name)
            return None
        return status is not EquipmentStatus.BLACKLISTED

    def claims(self, relay: Relay) -> bool:
        """Verdicts.claims: the first who has a name keeps it as long as it answers."""
        assert relay.name is not None
        other = self._links.get(relay.name)
        if other is not None:
            self.counted("name_clash", "gsup")
            other._begin(other.relay.probe())
            return False
        self._links[relay.name] = self
        return True

    def registered(self, imsi: str) -> None:
        """Verdicts.registered."""
        self.counted("accepted", "update-location")
        if len(self._newly) < NEWLY_MOST:
            self._newly[imsi] = None
        if not self._looking:
            self._looking = True
            self._begin(self._look())

    def refused(self, relay: Relay, imsi: str, domain: Domain) -> None:
        """Verdicts.refused: who is refused is served by nobody."""
        self.counted("refused", "update-location")
        if len(self._tasks) < CANCELS_MOST:
            self._begin(self._gone(imsi, _DOMAINS[domain]))

    def deleted(self, relay: Relay, imsi: str) -> None:
        """Verdicts.deleted."""
        self.begin_cancel(imsi)

    def counted(self, outcome: str, message: str) -> None:
        """Verdicts.counted."""
        self._services.counted(outcome, message)

    def begin_cancel(self, imsi: str) -> None:
        """Cancel what goes on of a SIM here, if something does."""
        if imsi not in self._cancelling and len(self._tasks) < CANCELS_MOST:
            self._cancelling.add(imsi)
            self._begin(self._cancel(imsi))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._guarded(work), name="gsup-work")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except StoreUnavailable:
            pass  # the next sweep finds it
        except SimwardenError as error:
            _log.info("not done for a GSUP peer", element=self.hlr.access.name, reason=error.message)
        except Exception:
            _log.exception("work for a GSUP peer failed", element=self.hlr.access.name)

    async def _cancel(self, imsi: str) -> None:
        try:
            lingering = await self._lingering(imsi)
            if not lingering:
                return
            address, seconds = self.hlr.driver.address, self._services.command_timeout
            shown = (await ctrl.accesses(address, [imsi], seconds=seconds)).get(imsi)
            if shown is None:
                return
            servers = ((Domain.CIRCUIT, shown.vlr), (Domain.PACKET, shown.sgsn))
            for domain, server in servers:
                group = _DOMAINS[domain]
                if server != self.relay.name or not lingering & group & shown.off:
                    continue
                answered = await self.relay.cancel(imsi, domain)
                self.counted("accepted" if answered else "unanswered", "location-cancel")
                if answered:
                    await self.hlr.report(imsi, shown.off, group)
        finally:
            self._cancelling.discard(imsi)

    async def _gone(self, imsi: str, group: Function) -> None:
        if not await self._lingering(imsi) & group:
            return
        address, seconds = self.hlr.driver.address, self._services.command_timeout
        shown = (await ctrl.accesses(address, [imsi], seconds=seconds)).get(imsi)
        if shown is not None and shown.off & group:
            await self.hlr.report(imsi, shown.off, group)

    async def _lingering(self, imsi: str) -> Function:
        async with self._services.db.connection() as connection:
            found = (await attachments.of_sims(connection, [imsi]))[imsi]
        target = NetworkTarget(self.hlr.access.id, imsi)
        return Function(next((item.lingering for item in found if item.target == target), 0))

    async def _look(self) -> None:
        """Read subscribers that registered, some at a time: so they are attached, and seen."""
        try:
            while self._newly:
                imsis = list(self._newly)[:50]
                for imsi in imsis:
                    del self._newly[imsi]
                found = await self.hlr.driver.subscribers(imsis)
                notes = [self.hlr.driver.note(imsi, each) for imsi, each in found.items() if each is not None]
                await self._services.ingest.submit(self.hlr.driver.report("update-location", notes))
                await asyncio.sleep(0.1)
        finally:
            self._looking = False
