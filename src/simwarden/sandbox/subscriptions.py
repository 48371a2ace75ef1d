"""Subscriptions to virtual SIMs: real ones, delivered like any other, about changes that are only played.

When a subscription is made its changes are written down with their times, in the same transaction; `Player` puts them
into its queue when they are due. From there on all is as with a real SIM.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from simwarden.domain.allowance import reached
from simwarden.domain.events import EventType
from simwarden.domain.hotzone import alert
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.messages import Wish
from simwarden.domain.outliers import Risk
from simwarden.domain.record_news import TOPICS, RecordWish
from simwarden.domain.records import OfAccount, OfSim
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.domain.standing import remembered
from simwarden.domain.telling import initially
from simwarden.engine.subscriptions import Subscriptions
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.northbound.connected_network_type.part import VirtualConnections
from simwarden.northbound.device_data_volume.part import VirtualVolumes
from simwarden.sandbox import messages, rules
from simwarden.sandbox.records import VirtualRecords, told_of
from simwarden.store import sandbox as store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from simwarden.domain.hotzone import HotzoneWatch
    from simwarden.domain.place import Place
    from simwarden.domain.standing import Remembered
    from simwarden.engine.idempotency import IdempotentRequest
    from simwarden.engine.subscriptions import NewSubscription, Subscription
    from simwarden.store.database import Database
    from simwarden.store.outbox import Outbox
    from simwarden.store.vault import Vault

POLL = 5.0
"""Longest time between two looks: for what another process, gone since, had written down."""


class SandboxSubscriptions(Subscriptions):
    """Subscriptions of the sandbox."""

    def __init__(self, player: Player, db: Database, vault: Vault, **options: Any) -> None:
        """`player` plays what is written down; the rest is as for live subscriptions."""
        super().__init__(db, vault, **options)
        self._player = player

    async def create(self, new: NewSubscription, once: IdempotentRequest | None = None) -> tuple[Subscription, str]:
        """As for live ones. What stands for all virtual SIMs is not what stands for all of the account's own."""
        if new.all_devices:
            subject = f"sandbox:{new.sim.imsi}"
            sim = msgspec.structs.replace(new.sim, imsi=subject, bucket=bucket_of(subject))
            new = msgspec.structs.replace(new, sim=sim)
        return await super().create(new, once)

    async def _device(self, connection: asyncpg.Connection, new: NewSubscription) -> tuple[str | None, int]:
        del connection
        return None if new.sim.seen is None else new.sim.seen.imei, 0

    async def _place(self, connection: asyncpg.Connection, new: NewSubscription) -> Place | None:
        del connection
        return rules.place(new.sim, self._clock())

    async def _stand(self, connection: asyncpg.Connection, new: NewSubscription) -> Remembered:
        del connection
        now = self._clock()
        stand = remembered(new.sim, rules.shown(new.sim, now), now)
        found, used = await VirtualConnections().of(new.sim), await VirtualVolumes().used(new.sim, now)
        allowance = new.sim.limits.data_allowance
        return msgspec.structs.replace(
            stand,
            generation=None if found is None else found.generation,
            volume=None if allowance is None or used is None else reached(allowance, used, now),
        )

    async def _watch(self, connection: asyncpg.Connection, new: NewSubscription, id_: str, watch: HotzoneWatch) -> None:
        """Nothing is counted of virtual SIMs, and the account's own are none of the sandbox's."""

    async def _begun(self, connection: asyncpg.Connection, new: NewSubscription, outbox: Outbox) -> None:
        now = self._clock()
        # What a virtual SIM is called by stands at the end of its IMSI.
        changes = rules.changes_of(messages.ANY_SIM if new.all_devices else new.sim.imsi, new.topic)
        if new.topic is EventType.DATA_USED and initially(new.type, await self._stand(connection, new)) is not None:
            changes = ()  # each mark is reached once a month
        if new.topic is EventType.SMS_RECEIVED:
            played = self._messages(new, [now + one.after for one in changes])
        elif new.topic in TOPICS:
            played = await self._records(new, [now + one.after for one in changes])
        else:
            played = [
                (now + one.after, rules.played(new.topic, new.type, n, one, new.sim.imsi))
                for n, one in enumerate(changes, 1)
            ]
        if new.watch is not None:
            named = {"device": {"phoneNumber": messages.ANY_SIM}} if new.all_devices else {}
            played = [(at, {**alert(new.watch, at.date(), Risk.HIGH), **named}) for at, _ in played]
        await store.write_down(connection, outbox.bucket, outbox.id, played)
        self._player.wake()

    def _messages(self, new: NewSubscription, times: Sequence[datetime]) -> list[tuple[datetime, dict[str, Any]]]:
        """A message at each of these times, of those that the subscription is about."""
        sim = new.sim
        if new.all_devices:
            found = rules.virtual(new.account_id, SimRef(IdentifierKind.MSISDN, messages.ANY_SIM), self._clock())
            assert found is not None
            sim = found
        wish, named = Wish.of_config(new.config), {"device": {"phoneNumber": sim.msisdn}} if new.all_devices else {}
        came = [(at, messages.message(sim, n, at)) for n, at in enumerate(times, 1)]
        return [(at, {**msgspec.to_builtins(each), **named}) for at, each in came if wish.wants(each)]

    async def _records(self, new: NewSubscription, times: Sequence[datetime]) -> list[tuple[datetime, dict[str, Any]]]:
        """Those of the list of records that the subscription is about, one at each of these times, in turn."""
        of = OfAccount(new.account_id) if new.all_devices else OfSim(new.sim.imsi, new.account_id)
        told = await told_of(VirtualRecords(self._clock), of, new.topic, RecordWish.of_config(new.config))
        named = {"device": {"phoneNumber": messages.ANY_SIM}} if new.all_devices else {}
        return [(at, {**told[n % len(told)], **named}) for n, at in enumerate(times)] if told else []


class Player(Worker):
    """Plays what was written down. Any number of them may run: each change is played by one."""

    worker_name = "sandbox"

    def __init__(self, db: Database) -> None:
        super().__init__()
        self._db = db

    def wake(self) -> None:
        """Something was written down, in a transaction that is about to commit."""
        asyncio.get_running_loop().call_later(0.05, super().wake)

    async def turn(self) -> float:
        """Play what is due; returns the seconds until more is."""
        await store.play(self._db, now_utc())
        due = await store.next_due(self._db)
        return POLL if due is None else min(max(due, 0.02), POLL)
