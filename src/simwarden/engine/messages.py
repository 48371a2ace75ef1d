"""Short messages that SIMs receive: stored for their customers and told to those who wait for them, in one commit."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.messages import INBOUND, Arrived, Recipient, arrived, received
from simwarden.domain.telling import SHORT_MESSAGE
from simwarden.domain.texts import OptOut
from simwarden.engine import sending
from simwarden.engine.deciding import AT_ONCE, DecidingWorker
from simwarden.engine.new_subscription import whole_account
from simwarden.engine.subscriptions import new_id
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.store import messages as store
from simwarden.store import opt_outs
from simwarden.store.outbox import save_outboxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    import asyncpg

    from simwarden.domain.messages import ReceivedMessage
    from simwarden.domain.reports import SmsRecord
    from simwarden.store.database import Database
    from simwarden.store.holders import Holder
    from simwarden.store.messages import WaitingMessage
    from simwarden.store.vault import Vault

TOPIC = EventType.SMS_RECEIVED
WAIT = timedelta(hours=24)
"""So long a message waits until its SIM is known."""
POLL = 5.0
"""Seconds between two looks at messages that wait,"""
BETWEEN = 0.1
"""and between two pages of them."""


async def take_in(
    connection: asyncpg.Connection,
    vault: Vault,
    records: Sequence[tuple[int, SmsRecord, datetime]],
    causes: Mapping[str, Cause],
    now: datetime,
    registered: Mapping[str, Holder],
) -> Outcome:
    """Messages that were stored just now for the first time (with gateway and time of receipt), in their order.

    Those that a SIM received are its customer's from here on; one of an unknown SIM waits. What is reported of messages
    that were sent brings those forward. `causes`, and the SIMs that are `registered`: by IMSI.
    """
    settled = await sending.settle(connection, vault, records, causes, now)
    came = [(gateway, record, arrived(record, at)) for gateway, record, at in records if _is_received(record)]
    if not came:
        return settled
    known: list[tuple[Recipient, Arrived]] = []
    unknown = []
    for gateway, record, message in came:
        sim = registered.get(record.imsi or "")
        if sim is not None:
            known.append((Recipient(sim.bucket, sim.imsi, sim.account_id, sim.msisdn, sim.nai), message))
        elif record.imsi is not None or record.port is not None:
            unknown.append((gateway, record, message))
    await store.wait(connection, vault, unknown)
    return settled.plus(await _hand_on(connection, vault, known, causes, now)) if known else settled


def _is_received(record: SmsRecord) -> bool:
    """By the SIM, or by the platform from it."""
    return record.direction == INBOUND or (record.carried is not None and record.carried.uplink)


async def _hand_on(
    connection: asyncpg.Connection,
    vault: Vault,
    messages: Sequence[tuple[Recipient, Arrived]],
    causes: Mapping[str, Cause],
    now: datetime,
) -> Outcome:
    """Store messages of registered SIMs and tell who waits for them.

    Rows are locked in this order: SIMs, turns of accounts, subscriptions to SIMs, subscriptions to accounts.
    """
    words = await opt_outs.words_of(connection, {sim.account_id for sim, _ in messages})
    ready = [
        (sim, received(new_id(sim.bucket, now), message, sim, words.get(sim.account_id))) for sim, message in messages
    ]
    wide = {sim.account_id: whole_account(sim.account_id).imsi for sim, _ in ready}
    subjects = {sim.imsi for sim, _ in ready} | set(wide.values())
    waiting: dict[str, list[store.MessageListener]] = {}
    for each in await store.listeners(connection, subjects, TOPIC):
        waiting.setdefault(each.subject, []).append(each)
    told = [
        (sim, message, ids)
        for sim, message in ready
        if (ids := sorted(each.id for each in waiting.get(sim.imsi, ()) if each.wish.wants(message)))
    ]
    changes = UnitOfWork(connection, now)
    if told:
        await changes.lock({sim.imsi for sim, _, _ in told})
    await store.add(connection, vault, ready)
    for sim, message in ready:
        await _opt_out(connection, vault, sim, message, now)
    for sim, message, ids in told:
        if sim.imsi in changes.sims:  # else deleted meanwhile
            data: dict[str, object] = {SHORT_MESSAGE: message.message_id, "subscriptions": ids}
            changes.record(sim.imsi, TOPIC, causes[sim.imsi], None, data)
    outcome = await changes.write() if told else Outcome()
    wanted = {account: waiting[subject] for account, subject in wide.items() if subject in waiting}
    return outcome.plus(Outcome(deliveries=await _tell_accounts(connection, ready, wanted)))


async def _tell_accounts(
    connection: asyncpg.Connection,
    messages: Sequence[tuple[Recipient, ReceivedMessage]],
    waiting: Mapping[str, Sequence[store.MessageListener]],
) -> int:
    """Add messages to the queues of those who wait for messages to any SIM of an account; returns how many."""
    grown = []
    for account, listeners in sorted(waiting.items(), key=lambda item: bucket_of(item[1][0].subject)):
        wishes = {each.id: each.wish for each in listeners}
        mine = [(sim, message) for sim, message in messages if sim.account_id == account]
        wanting = [id_ for id_, wish in wishes.items() if any(wish.wants(message) for _, message in mine)]
        if not wanting:
            continue
        for outbox in await store.lock_wide(connection, whole_account(account).imsi, TOPIC, wanting):
            for sim, message in mine:
                if wishes[outbox.id].wants(message):
                    data: dict[str, Any] = {SHORT_MESSAGE: message.message_id}
                    if sim.device is not None:
                        data["device"] = sim.device
                    outbox.append(data, message.received_at, event=None)
            grown.append(outbox)
    return await save_outboxes(connection, grown)


async def _opt_out(
    connection: asyncpg.Connection, vault: Vault, sim: Recipient, message: ReceivedMessage, now: datetime
) -> None:
    if message.opt_out is OptOut.STOP:
        await opt_outs.opt_out(connection, vault, sim, message.from_, now)
    elif message.opt_out is OptOut.START:
        await opt_outs.opt_in(connection, vault, sim, message.from_)


class WaitingMessages(DecidingWorker):
    """Hands on messages when it becomes known whose they are, for a day. Any number of them may run."""

    worker_name = "waiting-messages"

    def __init__(self, db: Database, vault: Vault, **options: Any) -> None:
        super().__init__(db, **options)
        self._vault = vault
        self._after: store.Place | None = None

    async def turn(self) -> float:
        """Look at some of them; returns the seconds until the next look."""
        now = self._clock()
        found = await store.waiting(self._db, self._after, AT_ONCE)
        self._after = found[-1].place if len(found) == AT_ONCE else None
        if found:
            await self._look(found, now)
        if self._after is None:
            await store.forget_waiting(self._db, now - WAIT)
            return POLL
        return BETWEEN

    async def _look(self, found: Sequence[WaitingMessage], now: datetime) -> None:
        slots = {
            (one.gateway_id, one.port, one.slot or 0) for one in found if one.imsi is None and one.port is not None
        }
        there = await store.in_slots(self._db, slots)
        names: dict[tuple[int, bytes], tuple[str, str | None]] = {}
        for one in found:
            if one.imsi is not None:
                names[one.gateway_id, one.key] = one.imsi, one.pinned
            elif held := there.get((one.gateway_id, one.port or 0, one.slot or 0)):
                names[one.gateway_id, one.key] = held
        if not names:
            return
        async with self._db.transaction() as connection:
            imsis = {imsi for imsi, _ in names.values()}
            sims = await store.recipients(connection, imsis)
            if not sims:
                return
            before = await store.lives(connection, sims)
            ripe: list[tuple[WaitingMessage, Recipient]] = []
            late: list[tuple[WaitingMessage, Recipient]] = []
            for one in found:
                imsi, pinned = names.get((one.gateway_id, one.key), ("", None))
                sim = sims.get(imsi)
                if sim is None or pinned not in (None, sim.account_id):
                    continue
                gone = before.get(imsi)
                (late if gone is not None and one.received_at <= gone else ripe).append((one, sim))
            taken = await store.take(connection, self._vault, [one for one, _ in [*ripe, *late]])
            known = [(sim, taken[one.gateway_id, one.key]) for one, sim in ripe if (one.gateway_id, one.key) in taken]
            if not known:
                return
            cause = Cause(CauseKind.TIME, "clock", now, "SIM known")
            outcome = await _hand_on(connection, self._vault, known, {sim.imsi: cause for sim, _ in known}, now)
        self._committed(outcome)
