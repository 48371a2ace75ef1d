"""Handing queued messages to the network elements in which their SIMs are.

One lane per element: a dead one waits alone. A message has its task's number before the element is told, so that
telling it again, after a crash or where no answer came, sends it once. It is told only while the slot's last report
shows its SIM there: whoever else is in it does not send it.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.sending import AGAIN, TIMEOUT, UNANSWERED, FailureReason, MessageMove, Stage, task_of
from simwarden.domain.sim import CardSlot, NetworkTarget
from simwarden.engine.ports import CommandFailed, MessageCarrier, OutgoingText, ProvenBy
from simwarden.engine.sending import advance, may_send
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import sending as store
from simwarden.store import sims as sims_store
from simwarden.store.messages import lives

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.sending import MessageKey
    from simwarden.domain.sim import Sim
    from simwarden.engine.ports import DriverFactory
    from simwarden.store.database import Database
    from simwarden.store.gateways import Gateways
    from simwarden.store.leases import Leases
    from simwarden.store.sending import DueMessage
    from simwarden.store.vault import Vault

CHANNEL = "simwarden_sending"
BATCH = 500
"""Messages looked at in one turn,"""
AT_ONCE = 50
"""and told to an element in one request."""
IDLE = timedelta(seconds=5)
"""How long to sleep at most."""
_log = structlog.get_logger()


class Ready(msgspec.Struct, frozen=True):
    """A message with the task that it is about to be."""

    message: DueMessage
    text: OutgoingText


class Texting(Worker):
    """Works on the buckets that this worker leases: no message is told to two elements."""

    worker_name = "texting"

    def __init__(
        self,
        db: Database,
        vault: Vault,
        gateways: Gateways,
        leases: Leases,
        driver_for: DriverFactory,
        *,
        committed: Callable[[Outcome], None] = lambda _outcome: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        super().__init__()
        self._db = db
        self._vault = vault
        self._gateways = gateways
        self._leases = leases
        self._driver_for = driver_for
        self._committed = committed
        self._clock = clock
        self._lanes: dict[int, asyncio.Task[None]] = {}
        self._shares: dict[int, frozenset[int]] = {}

    async def stop(self) -> None:
        """Stop at once: what is under way is told again, under the same numbers, by whoever takes over."""
        await super().stop()
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        await self._leases.leave()

    async def turn(self) -> float:
        """Begin what is due at every element at which nothing is under way; returns the seconds until more is."""
        buckets = sorted(await self._leases.refresh())
        if self._leases.leaving:
            await self._leases.release(self._leases.leaving.difference(*self._shares.values()))
        pause = await self._begin(buckets) if buckets else IDLE
        return max(min(pause.total_seconds(), self._leases.interval), 0.01)

    async def _begin(self, buckets: Sequence[int]) -> timedelta:
        now = self._clock()
        due = await store.due(self._db, buckets, now, list(self._lanes), BATCH)
        upcoming = await store.next_due(self._db, buckets)
        over, homeless = [], []
        work: dict[int, list[DueMessage]] = defaultdict(list)
        for one in due:
            if not one.is_there:
                over.append(_failed(one, FailureReason.SIM_REMOVED))
            elif one.stage is Stage.SUBMITTED or one.queued_at + TIMEOUT <= now:
                over.append(_failed(one, FailureReason.TIMEOUT))
            elif one.gateway_id is not None:
                work[one.gateway_id].append(one)
            elif one.slot is not None:
                work[one.slot.gateway_id].append(one)
            else:
                homeless.append(one.key)
        if homeless:
            await store.put_off(self._db, homeless, now + AGAIN)
        if over:
            await self._advance(over, Cause(CauseKind.TIME, "clock", now, "send"))
        for gateway_id, items in work.items():
            lane = asyncio.create_task(self._lane(gateway_id, items), name=f"texting-{gateway_id}")
            self._lanes[gateway_id] = lane
            self._shares[gateway_id] = frozenset(self._leases.share_of(one.key.bucket) for one in items)
            lane.add_done_callback(partial(self._lane_done, gateway_id))
        if len(due) == BATCH:
            return timedelta(0)
        return IDLE if upcoming is None or upcoming <= now else min(IDLE, upcoming - now)

    def _lane_done(self, gateway_id: int, _task: asyncio.Task[None]) -> None:
        self._lanes.pop(gateway_id, None)
        self._shares.pop(gateway_id, None)
        self.wake()

    async def _lane(self, gateway_id: int, items: Sequence[DueMessage]) -> None:
        try:
            for at in range(0, len(items), AT_ONCE):
                await self._send(gateway_id, items[at : at + AT_ONCE])
        except StoreUnavailable as error:
            _log.warning("sending interrupted", gateway=gateway_id, reason=str(error))
            await asyncio.sleep(1)
        except Exception:
            _log.exception("sending by a gateway failed, retrying", gateway=gateway_id)
            await asyncio.sleep(1)

    async def _send(self, gateway_id: int, items: Sequence[DueMessage]) -> None:
        try:
            access = await self._gateways.access(gateway_id)
            driver = self._driver_for(access)
            if not isinstance(driver, MessageCarrier):
                raise CommandFailed("Elements of this kind send no messages")
        except StoreUnavailable:
            raise
        except SimwardenError as error:  # removed, or cannot be commanded as it is registered
            _log.debug("sending failed", gateway=gateway_id, reason=error.message)
            await store.put_off(self._db, [one.key for one in items], self._clock() + AGAIN)
            return
        proves = driver.capabilities.proof is ProvenBy.ANSWER
        ready = await self._prepare(gateway_id, access.name, items, repeats=not proves)
        if not ready:
            return
        try:
            answers = await driver.send([one.text for one in ready])
        except CommandFailed as error:
            _log.info("sending failed", gateway=access.name, messages=len(ready), reason=error.message)
            if error.reached:
                await self._put_off(ready)
            return  # else nobody knows whether it took them: they keep their numbers
        await self._answered(access.name, ready, answers, Stage.SENT if proves else Stage.SUBMITTED)
        if driver.generation is not None and driver.generation != access.generation:
            await self._gateways.remember_generation(access.id, driver.generation)

    async def _prepare(self, gateway_id: int, name: str, items: Sequence[DueMessage], *, repeats: bool) -> list[Ready]:
        """Give messages their numbers; those that are not to be sent any more fail."""
        now = self._clock()
        async with self._db.transaction() as connection:
            changes = UnitOfWork(connection, now)
            await changes.lock({one.imsi for one in items})
            sims = changes.sims
            ends = await _ends(connection, sims, items, repeats=repeats)
            shown = await sims_store.confirmed(connection, sorted(sims))
            left = [one for one in items if one.key not in ends]
            wanted = [one for one in left if _sends_from(one, sims[one.imsi], shown)]
            astray = [one for one in left if one not in wanted]
            if astray:
                await store.wait(connection, [one.key for one in astray], now + AGAIN)
            fresh = [one for one in wanted if one.task is None]
            begin = random.randrange(1 << 22)  # noqa: S311 - not to begin with numbers that others use
            numbers = iter(await store.new_tasks(connection, gateway_id, len(fresh), begin) if fresh else ())
            told = []
            for one in wanted:
                if one.task is not None and one.target is not None:
                    told.append((one, one.target, one.task))
                elif one.target is not None:
                    told.append((one, one.target, task_of(next(numbers), one.key.bucket)))
                elif one.slot is not None:
                    told.append((one, one.slot.target.key, task_of(next(numbers), one.key.bucket)))
            assigned = [(one.key, gateway_id, target, task) for one, target, task in told]
            queued = await store.assign(connection, assigned, now + UNANSWERED) if assigned else set()
            cause = Cause(CauseKind.ENFORCEMENT, name, now, "send")
            outcome = Outcome()
            moves = [_failed(one, ends[one.key]) for one in items if one.key in ends]
            if moves:
                outcome = await advance(connection, moves, {one.imsi: cause for one in moves}, now)
        self._committed(outcome)
        ready = []
        for one, target, task in told:
            if one.key in queued:
                content = store.opened(self._vault, one.key, one.sealed)
                ready.append(Ready(one, OutgoingText(task, target, content.to, content.text)))
        return ready

    async def _answered(
        self, name: str, ready: Sequence[Ready], answers: Mapping[int, str | None], taken: Stage
    ) -> None:
        """What was said to each is so; of what nothing was said nobody knows whether it was taken."""
        now = self._clock()
        moves, later = [], []
        for one in ready:
            key, imsi = one.message.key, one.message.imsi
            if one.text.task not in answers:
                continue
            refusal = answers[one.text.task]
            if refusal is None:
                moves.append(
                    MessageMove(
                        key, imsi, one.message.account_id, taken, None if taken is Stage.SENT else now + TIMEOUT
                    )
                )
            elif refusal == OutgoingText.LATER:
                later.append(one)
            else:
                moves.append(_failed(one.message, f"{FailureReason.REFUSED}: {refusal}"))
        await self._put_off(later)
        if moves:
            await self._advance(moves, Cause(CauseKind.ENFORCEMENT, name, now, "send"))

    async def _put_off(self, refused: Sequence[Ready]) -> None:
        """Messages that were not taken now go by any slot and under a new number next time. Those that were told before
        may have been taken then: they keep their numbers, and are due when `_prepare` said."""
        keys = [one.message.key for one in refused if one.message.task is None]
        if keys:
            await store.put_off(self._db, keys, self._clock() + AGAIN)

    async def _advance(self, moves: Sequence[MessageMove], cause: Cause) -> None:
        async with self._db.transaction() as connection:
            outcome = await advance(connection, moves, {one.imsi: cause for one in moves}, cause.at)
        self._committed(outcome)


def _sends_from(message: DueMessage, sim: Sim, shown: Collection[str]) -> bool:
    """Whether it is the SIM whose message it is that sends from there. `shown`: IMSIs of SIMs that the last report of
    the slot shows in which they were seen."""
    if message.target is None or message.gateway_id is None:
        slot = message.slot
    elif (named := NetworkTarget(message.gateway_id, message.target).slot) is not None:
        slot = CardSlot(message.gateway_id, *named)
    else:
        return True  # from its phone number
    return sim.imsi in shown and sim.seen is not None and sim.seen.slot == slot


async def _ends(
    connection: asyncpg.Connection, sims: Mapping[str, Sim], items: Sequence[DueMessage], *, repeats: bool
) -> dict[MessageKey, FailureReason]:
    """Which messages are not to be sent, and why. `sims`: by IMSI, locked. Without `repeats` the carrier would send
    twice what it was told before."""
    again = {sim.imsi for sim in sims.values() if sim.first_event > 1}
    deleted = await lives(connection, again) if again else {}
    found = {}
    for one in items:
        sim = sims.get(one.imsi)
        last = deleted.get(one.imsi)
        if sim is None or sim.account_id != one.account_id or (last is not None and last >= one.queued_at):
            found[one.key] = FailureReason.SIM_REMOVED
        elif not may_send(sim):
            found[one.key] = FailureReason.BARRED
        elif one.task is not None and not repeats:
            found[one.key] = FailureReason.UNANSWERED
        elif one.target is not None and one.target.startswith("+") and one.target != sim.msisdn:
            found[one.key] = FailureReason.NUMBER_MOVED
    return found


def _failed(message: DueMessage, reason: str) -> MessageMove:
    return MessageMove(message.key, message.imsi, message.account_id, Stage.FAILED, None, str(reason))
