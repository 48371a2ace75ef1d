"""Who waits for records of SIMs is told of those that a batch of reports stored, in its commit.

Where nobody waits, this costs a look into an empty index for each batch that stored a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from simwarden.domain.events import EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.record_news import DayUse, RecordNews
from simwarden.domain.record_views import call_view, message_view
from simwarden.domain.telling import CONTENT
from simwarden.engine.new_subscription import whole_account
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.store import messages as received
from simwarden.store import record_news as store
from simwarden.store.outbox import save_outboxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.counters import CounterDay
    from simwarden.domain.events import Cause
    from simwarden.domain.record_news import NewRecord
    from simwarden.store.record_news import RecordListener
    from simwarden.store.vault import Vault


class _Item(msgspec.Struct, frozen=True):
    """Something that is told of a SIM."""

    imsi: str
    account_id: str
    topic: EventType
    data: dict[str, Any]
    """Of its event in the SIM's history, but for who waits for it."""
    told: dict[str, Any]
    """Of the delivery, without text and numbers."""
    waiting: list[RecordListener]

    def told_to(self, listener: RecordListener) -> dict[str, Any]:
        """The data of the delivery to one of those who wait."""
        place = self.data.get("place")
        return {**self.told, CONTENT: place} if place is not None and listener.wish.content else self.told


class RecordBook:
    """Of one transaction: what is stored in it, and who is told of that."""

    def __init__(self, connection: asyncpg.Connection, vault: Vault | None, now: datetime) -> None:
        self._connection = connection
        self._vault = vault
        self._now = now
        self.news = RecordNews()
        """To be filled by who stores messages and calls."""
        self._waiting: dict[str, list[RecordListener]] = {}
        self._wide: list[_Item] = []

    async def tell_sims(self, days: Sequence[CounterDay], causes: Mapping[int, Cause]) -> Outcome:
        """Tell those who wait for records of single SIMs; those who wait for an account's are found out.

        `days`: what counters say was used by this transaction; `causes`: by network element. SIMs are locked, then
        subscriptions to them.
        """
        news = self.news
        accounts = {each.imsi: each.account_id for each in (*news.messages, *news.calls)}
        accounts |= {day.imsi: day.account_id for day in days}
        if not accounts:
            return Outcome()
        wide = {whole_account(account).imsi for account in accounts.values()}
        for listener in await store.listeners(self._connection, accounts.keys() | wide):
            self._waiting.setdefault(listener.subject, []).append(listener)
        if not self._waiting:
            return Outcome()
        changes = UnitOfWork(self._connection, self._now)
        items = [*await self._messages(), *await self._calls()]
        items = [(item, element) for item, element in items if item.waiting]
        counted = [day for day in days if self._of(day.imsi, day.account_id, EventType.USAGE_REACHED)]
        narrow = {item.imsi for item, _ in items if any(each.subject == item.imsi for each in item.waiting)}
        await changes.lock(narrow | {day.imsi for day in counted})
        items += [pair for pair in await self._uses(counted) if pair[0].waiting]
        for item, element in items:
            mine = [each for each in item.waiting if each.subject == item.imsi]
            if mine and item.imsi in changes.sims:  # else deleted meanwhile
                data: dict[str, object] = {**item.data, "subscriptions": sorted(each.id for each in mine)}
                if "place" in data:
                    data["content"] = sorted(each.id for each in mine if each.wish.content)
                changes.record(item.imsi, item.topic, causes[element], None, data)
        self._wide = [item for item, _ in items if any(each.subject != item.imsi for each in item.waiting)]
        return await changes.write() if changes.sims else Outcome()

    async def tell_accounts(self) -> Outcome:
        """Tell those who wait for records of any SIM of an account. Their subscriptions are locked behind all SIMs."""
        if not self._wide:
            return Outcome()
        queues: dict[tuple[str, EventType], set[str]] = {}
        wanting: dict[str, list[tuple[_Item, RecordListener]]] = {}
        for item in self._wide:
            for each in item.waiting:
                if each.subject != item.imsi:
                    queues.setdefault((each.subject, item.topic), set()).add(each.id)
                    wanting.setdefault(each.id, []).append((item, each))
        sims = await received.recipients(self._connection, {item.imsi for item in self._wide})
        grown = []
        for subject, topic in sorted(queues, key=lambda key: (bucket_of(key[0]), key)):
            ids = sorted(queues[subject, topic])
            for outbox in await received.lock_wide(self._connection, subject, topic, ids):
                for item, listener in wanting[outbox.id]:
                    sim = sims.get(item.imsi)
                    device = None if sim is None or sim.account_id != item.account_id else sim.device
                    named = {} if device is None else {"device": device}
                    outbox.append({**item.told_to(listener), **named}, self._now, event=None)
                grown.append(outbox)
        return Outcome(deliveries=await save_outboxes(self._connection, grown))

    def _of(self, imsi: str, account_id: str, topic: EventType) -> list[RecordListener]:
        """Who waits for such records. A late report of what was another account's is nobody's business here."""
        subjects = (imsi, whole_account(account_id).imsi)
        found = [each for subject in subjects for each in self._waiting.get(subject, ())]
        return [each for each in found if each.topic == topic and each.account_id == account_id]

    async def _messages(self) -> list[tuple[_Item, int]]:
        topic = EventType.MESSAGE_RECORDED
        wanted = [each for each in self.news.messages if self._of(each.imsi, each.account_id, topic)]
        if not wanted:
            return []
        assert self._vault is not None, "messages are stored sealed"
        rows = await store.messages(self._connection, self._vault, wanted)
        made = []
        for each in wanted:
            view = message_view(rows[each.place], UNSET, clear=False)
            waiting = [one for one in self._of(each.imsi, each.account_id, topic) if one.wish.wants_message(view.kind)]
            made.append(_item(each, topic, view, store.MESSAGES, waiting))
        return made

    async def _calls(self) -> list[tuple[_Item, int]]:
        topic = EventType.CALL_ENDED
        wanted = [each for each in self.news.calls if self._of(each.imsi, each.account_id, topic)]
        if not wanted:
            return []
        assert self._vault is not None, "calls are stored sealed"
        rows = await store.calls(self._connection, self._vault, wanted)
        made = []
        for each in wanted:
            view = call_view(rows[each.place], UNSET, clear=False)
            direction = None if view.direction is UNSET else view.direction
            waiting = [one for one in self._of(each.imsi, each.account_id, topic) if one.wish.wants_call(direction)]
            made.append(_item(each, topic, view, store.CALLS, waiting))
        return made

    async def _uses(self, counted: Sequence[CounterDay]) -> list[tuple[_Item, int]]:
        """What days came up to. The SIMs are locked, so of two transactions the second one counts on."""
        if not counted:
            return []
        topic, made = EventType.USAGE_REACHED, []
        total = await store.used(self._connection, {(day.imsi, day.day, day.account_id) for day in counted})
        # Two elements of one batch may have counted the same SIM: the last one's rise ends at the total.
        for day in reversed(counted):
            now = total[day.imsi, day.day]
            for meter, amount in day.used.items():
                use = DayUse(day.day, meter, now[meter] - amount, now[meter])
                now[meter] -= amount
                waiting = [each for each in self._of(day.imsi, day.account_id, topic) if each.wish.wants_use(use)]
                made.append((_Item(day.imsi, day.account_id, topic, use.told, use.told, waiting), day.element_id))
        return made[::-1]


def _item(
    record: NewRecord, topic: EventType, view: Any, table: str, waiting: list[RecordListener]
) -> tuple[_Item, int]:
    told = msgspec.to_builtins(view)
    data = {"record": told, "place": record.place.of(table)}
    return _Item(record.imsi, record.account_id, topic, data, told, waiting), record.place.gateway_id
