"""Making the network match: at every target of every network element, until it is seen to be so.

One lane per element: a dead one waits alone. Commands for many targets go together. A command is followed by the proof
(the report that the element sends) or, when none comes, by asking for its state; only the proof counts.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec
import structlog

from simwarden.domain import attachment as rules
from simwarden.domain.alarm import UNREACHABLE_AFTER, AlarmKind, gateway_key, of_gateway
from simwarden.domain.attachment import Attachment, AttachmentStatus
from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.engine.ports import CommandFailed, ProvenBy, TargetReader, TargetState
from simwarden.engine.unit_of_work import TargetView, UnitOfWork, enforcement_data
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import alarms, attachments, gateways, ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from simwarden.domain.reports import Report
    from simwarden.domain.sim import NetworkTarget
    from simwarden.engine.ingest import Ingest
    from simwarden.engine.ports import Driver, DriverFactory
    from simwarden.store.database import Database
    from simwarden.store.gateways import CommandAccess, Gateways
    from simwarden.store.leases import Leases

_log = structlog.get_logger()
T = TypeVar("T")
BATCH = 500
"""SIMs taken up at once."""
IDLE = timedelta(seconds=5)
"""How long to sleep at most."""
PAUSE = timedelta(seconds=1)
"""How long to wait after a trouble that is not a gateway's."""


class DueTarget(msgspec.Struct, frozen=True):
    """One target to be acted upon, for one SIM."""

    imsi: str
    attachment: Attachment


class Enforcement(Worker):
    """Reconciles what is desired with what is applied, for the SIMs whose buckets this worker holds."""

    worker_name = "enforcement"

    def __init__(
        self,
        db: Database,
        gateways: Gateways,
        ingest: Ingest,
        leases: Leases,
        driver_for: DriverFactory,
        *,
        observed: Callable[[str, str, float], None] = lambda _command, _result, _seconds: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        super().__init__()
        self._db = db
        self._gateways = gateways
        self._ingest = ingest
        self._leases = leases
        self._driver_for = driver_for
        self._observed = observed
        self._clock = clock
        self._lanes: dict[int, asyncio.Task[None]] = {}
        self._shares: dict[int, frozenset[int]] = {}
        """Shares of the buckets that each lane works on."""

    async def stop(self) -> None:
        """Stop at once: what is under way is repeated by whoever takes over, which may be now."""
        await super().stop()
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        await self._leases.leave()

    async def turn(self) -> float:
        """Begin what is due at every gateway that nothing is under way at; returns the seconds until more is due."""
        buckets = sorted(await self._leases.refresh())
        await self._let_go()
        pause = await self._start_lanes(buckets) if buckets else IDLE
        return max(min(pause.total_seconds(), self._leases.interval), 0.01)

    async def _let_go(self) -> None:
        """Give away the shares that others should have, once nothing of them is under way."""
        if self._leases.leaving:
            await self._leases.release(self._leases.leaving.difference(*self._shares.values()))

    async def _start_lanes(self, buckets: Sequence[int]) -> timedelta:
        """Start a lane for every gateway with due work; returns how long nothing else will be due."""
        async with self._db.connection() as connection:
            now = self._clock()  # one for both: what becomes due between two would be neither due nor upcoming
            due = await attachments.due(connection, buckets, now, BATCH, list(self._lanes))
            upcoming = await attachments.next_due(connection, buckets, now)
        work: dict[int, set[str]] = defaultdict(set)
        for item in due:
            work[item.element_id].add(item.imsi)
        for gateway_id, imsis in work.items():
            if gateway_id not in self._lanes:
                lane = asyncio.create_task(self._lane(gateway_id, imsis), name=f"gateway-{gateway_id}")
                self._lanes[gateway_id] = lane
                self._shares[gateway_id] = frozenset(self._leases.share_of(bucket_of(imsi)) for imsi in imsis)
                lane.add_done_callback(functools.partial(self._lane_done, gateway_id))
        if len(due) == BATCH:
            return timedelta(0)  # there may be more, at other gateways
        # What is due already runs in a lane that wakes us when it ends.
        return IDLE if upcoming is None else min(IDLE, upcoming - self._clock())

    def _lane_done(self, gateway_id: int, _task: asyncio.Task[None]) -> None:
        self._lanes.pop(gateway_id, None)
        self._shares.pop(gateway_id, None)
        self.wake()

    async def _lane(self, gateway_id: int, imsis: set[str]) -> None:
        try:
            await self._attend(gateway_id, imsis)
        except StoreUnavailable as error:
            _log.warning("enforcement interrupted", gateway=gateway_id, reason=str(error))
            await asyncio.sleep(PAUSE.total_seconds())
        except Exception:
            _log.exception(
                "enforcement at a gateway failed, retrying", gateway=gateway_id, seconds=PAUSE.total_seconds()
            )
            await asyncio.sleep(PAUSE.total_seconds())

    async def _attend(self, gateway_id: int, imsis: set[str]) -> None:
        try:
            access = await self._gateways.access(gateway_id)
            await self._serve(access, self._driver_for(access), imsis)
        except StoreUnavailable:
            raise
        except SimwardenError as error:
            _log.debug("enforcement failed", gateway=gateway_id, reason=error.message)  # the alarm is logged, once
            work = await self._due_work(gateway_id, imsis)
            await self._fail(gateway_id, work, error.message, commanded=False)

    async def _serve(self, access: CommandAccess, driver: Driver, imsis: set[str]) -> None:
        began = self._clock()
        work = await self._due_work(access.id, imsis)
        if any(item.attachment.commanded_at is not None for item in work):
            # Commanded before, and no proof came: ask, rather than command blindly again.
            if driver.capabilities.proof is ProvenBy.READ_BACK:
                try:
                    report = await self._observe("status", _state(driver, work))
                except CommandFailed as error:
                    await self._command_failed(access, work, error, began, commanded=False)
                    return
                await self._answered(access)
                if report is not None:
                    await self._ingest.submit(report)
            work = await self._judge(access, await self._due_work(access.id, imsis))
        work = await self._announce(access, work)
        for off in (True, False):  # deny first
            group = [item for item in work if bool(item.attachment.wanted) is off]
            if group:
                await self._command(access, driver, group, off=off)
        if driver.generation is not None and driver.generation != access.generation:
            await self._gateways.remember_generation(access.id, driver.generation)

    async def _command(self, access: CommandAccess, driver: Driver, group: list[DueTarget], *, off: bool) -> None:
        states = [TargetState(item.attachment.target.key, item.attachment.off) for item in group]
        began = self._clock()
        try:
            await self._observe("lock" if off else "unlock", driver.apply(states))
        except CommandFailed as error:
            targets = error.targets
            failed = [item for item in group if targets is None or item.attachment.target.key in targets]
            await self._command_failed(access, failed, error, began, commanded=True)
            group = [item for item in group if item not in failed]
            if not group:
                return
        else:
            await self._answered(access)
        proves = driver.capabilities.proof is ProvenBy.ANSWER
        if proves or not off:
            await self._note_answer(access, group, proves=proves)

    async def _observe(self, command: str, attempt: Awaitable[T]) -> T:
        """Carry out one request to a gateway, counted and measured whatever comes of it."""
        started = time.monotonic()
        try:
            got = await attempt
        except CommandFailed as error:
            self._observed(command, "refused" if error.reached else "unreachable", time.monotonic() - started)
            raise
        self._observed(command, "answered", time.monotonic() - started)
        return got

    async def _answered(self, access: CommandAccess) -> None:
        """The gateway answered, be it by a refusal: it is reachable again."""
        if not access.unreachable_count:
            return
        async with self._db.transaction() as connection:
            await gateways.answered(connection, access.id)
            key = gateway_key(AlarmKind.GATEWAY_UNREACHABLE, access.id)
            await alarms.clear_all(connection, [key], self._clock(), "The gateway answers commands again")

    async def _note_answer(self, access: CommandAccess, group: list[DueTarget], *, proves: bool) -> None:
        """The element took a command. `proves`: that is the proof. Otherwise of a command to switch on, where no card
        is, it is all the proof that there will be."""
        now = self._clock()
        cause = Cause(CauseKind.ENFORCEMENT, access.name, now, "answer")
        unseen = TargetView(off=None, ours=True)
        lifted = []
        async with self._db.transaction() as connection:
            changes = UnitOfWork(connection, now)
            await changes.lock({item.imsi for item in group})
            taken = await ports.sims_at(connection, [item.attachment.target for item in group])
            for item in group:
                target = item.attachment.target
                current = changes.attachment(item.imsi, target)
                if current is None or current.commanded_at != item.attachment.commanded_at:
                    continue
                changes.replace(item.imsi, rules.answered(current))
                if proves:
                    changes.observe(target, TargetView(off=int(current.wanted), ours=True), cause)
                elif current.held is None and target not in taken:
                    changes.observe(target, unseen, cause)
                    lifted += [target] if changes.is_done_with(target, unseen) else []
            await changes.write()
            if lifted:
                await ports.forget_locks(connection, lifted)

    async def _due_work(self, gateway_id: int, imsis: set[str]) -> list[DueTarget]:
        now = self._clock()
        async with self._db.connection() as connection:
            found = await attachments.of_sims(connection, sorted(imsis))
        return [
            DueTarget(imsi, item)
            for imsi, items in found.items()
            for item in items
            if item.target.element_id == gateway_id and item.next_attempt_at is not None and item.next_attempt_at <= now
        ]

    async def _judge(self, access: CommandAccess, work: list[DueTarget]) -> list[DueTarget]:
        """The status shows that commands had no effect: count that, and command again when the wait is over."""
        unproven = [item for item in work if item.attachment.commanded_at is not None]
        fresh = [item for item in work if item.attachment.commanded_at is None]
        reason = "The gateway answered, but its status does not show the effect"
        given_up = [
            item
            for item in unproven
            if item.attachment.attempts >= rules.FAILED_AFTER and item.attachment.status is not AttachmentStatus.FAILED
        ]
        again = [item for item in unproven if item not in given_up]
        if given_up:
            await self._fail(access.id, given_up, reason, commanded=True)
        return fresh + again

    async def _announce(self, access: CommandAccess, work: list[DueTarget]) -> list[DueTarget]:
        """Commit that commands are about to be sent; leave out what changed meanwhile."""
        if not work:
            return []
        now = self._clock()
        cause = Cause(CauseKind.ENFORCEMENT, access.name, now, "command")
        announced = []
        async with self._db.transaction() as connection:
            changes = UnitOfWork(connection, now)
            await changes.lock({item.imsi for item in work})
            for item in work:
                current = changes.attachment(item.imsi, item.attachment.target)
                if current != item.attachment:
                    continue
                after = rules.commanded(current, now)
                changes.replace(item.imsi, after)
                if current.commanded_at is None:
                    command = "lock" if after.wanted else "unlock"
                    data = enforcement_data(after.target, access.name, command=command)
                    changes.record(item.imsi, EventType.ENFORCEMENT_COMMANDED, cause, after.event, data)
                announced.append(DueTarget(item.imsi, after))
            await changes.write()
        return announced

    async def _command_failed(
        self, access: CommandAccess, work: list[DueTarget], error: CommandFailed, began: datetime, *, commanded: bool
    ) -> None:
        if error.reached:
            await self._answered(access)
        since = None if error.reached else began
        await self._fail(
            access.id, work, error.message, commanded=commanded, unreached_since=since, command_url=access.url
        )

    async def _fail(
        self,
        gateway_id: int,
        work: list[DueTarget],
        reason: str,
        *,
        commanded: bool,
        unreached_since: datetime | None = None,
        command_url: str | None = None,
    ) -> None:
        """Note a failed attempt and when to try again; say so once when it has failed too often.

        `commanded`: the attempt was counted when its command was announced. `unreached_since`: when an attempt began
        that did not reach the gateway. Together with the failure the gateway is marked, so that its next report makes
        all of this due. A report that came during the attempt, before there was a mark, counts as the next one.
        """
        now = self._clock()
        names = await self._gateways.names([gateway_id])
        cause = Cause(CauseKind.ENFORCEMENT, names.get(gateway_id, str(gateway_id)), now, "command")
        async with self._db.transaction() as connection:
            is_back = False
            if unreached_since is not None:
                # First, as a report locks the gateway first: either it sees the failure, or it came before.
                count, reported_at = await gateways.mark_unreachable(connection, gateway_id, now)
                is_back = reported_at is not None and reported_at >= unreached_since
                if count >= UNREACHABLE_AFTER:
                    facts = {"attempts": count, "reason": reason, "commandUrl": command_url}
                    trouble = of_gateway(AlarmKind.GATEWAY_UNREACHABLE, gateway_id, **facts)
                    await alarms.raise_all(connection, [trouble], now)
            changes = UnitOfWork(connection, now)
            await changes.lock({item.imsi for item in work})
            for imsi, target in sorted({(item.imsi, item.attachment.target) for item in work}, key=_order):
                item = changes.attachment(imsi, target)
                if item is None or not item.is_open or item.next_attempt_at is None:
                    continue
                after = rules.failed(item, reason, now, commanded=commanded, soon=is_back)
                changes.replace(imsi, after)
                if after.status is AttachmentStatus.FAILED and item.status is not AttachmentStatus.FAILED:
                    data = enforcement_data(target, names.get(gateway_id), attempts=after.attempts, reason=reason)
                    changes.record(imsi, EventType.ENFORCEMENT_FAILED, cause, after.event, data)
            await changes.write()


async def _state(driver: Driver, work: Sequence[DueTarget]) -> Report | None:
    """What the element shows of these targets, or of all that it has."""
    if isinstance(driver, TargetReader):
        return await driver.read([item.attachment.target.key for item in work])
    return await driver.observe()


def _order(item: tuple[str, NetworkTarget]) -> tuple[str, int, str]:
    imsi, target = item
    return imsi, target.element_id, target.key
