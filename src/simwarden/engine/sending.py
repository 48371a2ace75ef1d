"""Sending short messages from SIMs: queued in one commit, brought forward by what is heard of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import NothingSends, RecipientOptedOut, SendingBarred, TooManyMessages
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.messages import Recipient, peer_of
from simwarden.domain.sending import REPORTED, MessageKey, MessageMove, Stage, after_report, after_sending
from simwarden.domain.sim import Function, Lifecycle, Sim
from simwarden.domain.usage import Usage
from simwarden.engine.subscriptions import new_id
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.kit.clock import now_utc
from simwarden.store import messages, opt_outs, usage
from simwarden.store import sending as store
from simwarden.store.sending import MessageContent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import asyncpg

    from simwarden.domain.reports import SmsRecord
    from simwarden.engine.idempotency import IdempotencyStore, IdempotentRequest
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

TOPIC = EventType.SMS_STATUS
NO_CARRIER = "none"
"""In the place of a kind of network element: none was told to send the message, or it is gone."""
_MINUTE = timedelta(minutes=1)


class SendingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be sent. The names are those of the settings."""

    messages_waiting_per_account: int = 10_000
    messages_per_account_and_minute: int = 6_000
    opt_out_spares_transactions: bool = False


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer wants to be sent."""

    sim: Sim
    app_key: str
    to: tuple[str, ...]
    """E.164, each once."""
    text: str
    category: str | None = None
    usage: Usage | None = None
    """What it counts as, once for each receiver."""


class Route(msgspec.Struct, frozen=True):
    """Which network element a message would go by."""

    element_id: int
    is_centre: bool
    """It sends from the SIM's phone number, else from the slot that the SIM is in."""


class QueuedMessage(msgspec.Struct, frozen=True):
    """It will be sent."""

    id: str
    at: datetime


class Sending:
    """Takes what is to be sent."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        answers: IdempotencyStore,
        carriers: Collection[str],
        centres: Collection[str] = (),
        *,
        limits: SendingLimits | None = None,
        refused: Callable[[str], None] = lambda _limit: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`carriers`: kinds of network elements that send from the slot that a SIM is in, `centres` from any number.
        `refused` is called with the name of a limit."""
        self._db = db
        self._vault = vault
        self._answers = answers
        self._carriers = frozenset(carriers)
        self._centres = frozenset(centres)
        self._limits = limits or SendingLimits()
        self._refused = refused
        self._clock = clock

    async def submit(self, new: NewMessage, once: IdempotentRequest | None = None) -> QueuedMessage:
        """Queue a message. Raises SendingBarred, NothingSends, RecipientOptedOut, TooManyMessages, StoreUnavailable;
        with `once` ReplayedResponse, KeyReused."""
        route = await self._route(new.sim)
        centre = route.element_id if route.is_centre else None
        now, sim = self._clock(), new.sim
        queued = QueuedMessage(new_id(sim.bucket, now), now)
        contents = [
            (MessageContent(to, new.text, new.category), opt_outs.peer_key(self._vault, sim.account_id, to))
            for to in new.to
        ]
        async with self._db.transaction() as connection:
            if once is not None:
                await self._answers.claim_one(connection, once)
            await self._check(connection, new, now)
            await store.add(connection, self._vault, sim, new.app_key, queued.id, contents, now, centre)
            if once is not None:
                await self._answers.keep(connection, [(once, queued)])
            if new.usage is not None:
                await usage.count(connection, {(now.astimezone(UTC).date(), sim.bucket, new.usage): len(new.to)})
        return queued

    async def preview(self, new: NewMessage) -> Route:
        """What `submit` would do now. Raises what it raises, and changes nothing."""
        route = await self._route(new.sim)
        async with self._db.transaction() as connection:
            await self._check(connection, new, self._clock())
        return route

    async def _route(self, sim: Sim) -> Route:
        """The slot where it was seen last, if it can be told to send, else a message centre. Raises SendingBarred,
        NothingSends."""
        if not may_send(sim):
            raise SendingBarred
        slot = sim.seen.slot if sim.seen is not None else None
        carrier = None if slot is None else await store.carrier(self._db, slot.gateway_id)
        if slot is not None and carrier is not None and carrier[0] in self._carriers and carrier[1] is not None:
            return Route(slot.gateway_id, is_centre=False)
        found = None
        if sim.msisdn is not None and self._centres:
            found = await store.centre(self._db, self._centres, sim.account_id)
        if found is None:
            raise NothingSends
        return Route(found, is_centre=True)

    async def _check(self, connection: asyncpg.Connection, new: NewMessage, now: datetime) -> None:
        limits, account = self._limits, new.sim.account_id
        if not (limits.opt_out_spares_transactions and new.category == "TRANSACTION"):
            sim = Recipient(new.sim.bucket, new.sim.imsi, account, new.sim.msisdn, new.sim.nai)
            gone = await opt_outs.opted_out(connection, self._vault, sim, new.to)
            if gone:
                places = ", ".join(str(n) for n, to in enumerate(new.to, 1) if to in gone)
                raise RecipientOptedOut(f"Receivers want no messages from this number: {places} of the list")
        most = limits.messages_waiting_per_account - len(new.to)
        if await store.waiting(connection, account, most + 1) > most:
            raise self._too_many("messages_waiting_per_account", limits.messages_waiting_per_account, "wait to be sent")
        most = limits.messages_per_account_and_minute - len(new.to)
        if await store.lately(connection, account, now - _MINUTE, most + 1) > most:
            name = "messages_per_account_and_minute"
            raise self._too_many(name, limits.messages_per_account_and_minute, "be sent within a minute")

    def _too_many(self, setting: str, most: int, what: str) -> TooManyMessages:
        self._refused(setting)
        return TooManyMessages(f"At most {most} messages of this account may {what} ({setting})")


def may_send(sim: Sim) -> bool:
    """Whether the SIM may send short messages now."""
    return sim.lifecycle is Lifecycle.ACTIVE and not sim.functions_off & Function.SMS


async def settle(
    connection: asyncpg.Connection,
    vault: Vault,
    records: Sequence[tuple[int, SmsRecord, datetime]],
    causes: Mapping[str, Cause],
    now: datetime,
) -> Outcome:
    """Bring forward the messages that newly stored records are about: reports of tasks, and of deliveries. `causes`: by
    IMSI, where the records name the SIM."""
    told = await _by_task(connection, vault, records) + await _by_report(connection, vault, records, now)
    if not told:
        return Outcome()
    moves = [one for _, one in told]
    unnamed = {one.imsi: Cause(CauseKind.REPORT, f"element {gateway}", now) for gateway, one in told}
    return await advance(connection, moves, unnamed | dict(causes), now)


async def _by_task(
    connection: asyncpg.Connection, vault: Vault, records: Sequence[tuple[int, SmsRecord, datetime]]
) -> list[tuple[int, MessageMove]]:
    told = {
        (gateway, record.task): record
        for gateway, record, _ in records
        if record.direction in ("outbound", "task") and record.task is not None and record.receiver
    }
    found = await store.of_tasks(connection, told) if told else {}
    moves = []
    for place, message in found.items():
        record = told.get(place)
        if record is None:
            continue
        peer = opt_outs.peer_key(vault, message.account_id, peer_of(record.receiver, message.imsi))
        if peer == message.peer:  # else the task of somebody else who uses the gateway
            stage, reason = after_sending(record.status)
            moves.append((place[0], MessageMove(message.key, message.imsi, message.account_id, stage, None, reason)))
    return moves


async def _by_report(
    connection: asyncpg.Connection, vault: Vault, records: Sequence[tuple[int, SmsRecord, datetime]], now: datetime
) -> list[tuple[int, MessageMove]]:
    """A report names the receiver and no message: it is about the oldest one of which none has come."""
    reports = [
        (gateway, record.imsi, record.receiver, after)
        for gateway, record, _ in records
        if record.direction == "report" and record.imsi and record.receiver and (after := after_report(record.status))
    ]
    if not reports:
        return []
    sims = await messages.recipients(connection, {imsi for _, imsi, _, _ in reports})
    known = [
        (gateway, imsi, opt_outs.peer_key(vault, sims[imsi].account_id, peer_of(receiver, imsi)), after)
        for gateway, imsi, receiver, after in reports
        if imsi in sims
    ]
    counts = Counter((imsi, peer) for _, imsi, peer, _ in known)
    open_ = await store.unreported(connection, counts, now - REPORTED)
    moves = []
    for gateway, imsi, peer, (stage, reason) in known:
        if waiting := open_.get((imsi, peer)):
            moves.append((gateway, MessageMove(waiting.pop(0), imsi, sims[imsi].account_id, stage, None, reason)))
    return moves


async def advance(
    connection: asyncpg.Connection, moves: Sequence[MessageMove], causes: Mapping[str, Cause], now: datetime
) -> Outcome:
    """Bring messages to other stages and tell who of their account waits for that. `causes`: by IMSI.

    SIMs are locked before messages.
    """
    last: dict[MessageKey, MessageMove] = {}
    for one in moves:
        if one.key not in last or last[one.key].stage < one.stage:
            last[one.key] = one
    telling = {one.imsi for one in last.values() if one.stage >= Stage.SENT}
    waiting = {each.subject for each in await messages.listeners(connection, telling, TOPIC)} if telling else set()
    changes = UnitOfWork(connection, now)
    if waiting:
        await changes.lock(waiting)
    moved = await store.move(connection, list(last.values()), now)
    kinds = await store.kinds(connection, {element for element in moved.values() if element is not None})
    counted = tuple((kinds.get(element or 0, NO_CARRIER), last[key].stage.name) for key, element in moved.items())
    for key in sorted(moved):
        one = last[key]
        sim = changes.sims.get(one.imsi)
        if sim is not None and sim.account_id == one.account_id and (told := one.told) is not None:
            changes.record(one.imsi, TOPIC, causes[one.imsi], None, told)
    return (await changes.write() if waiting else Outcome()).plus(Outcome(messages=counted))
