"""The outbox of a subscription: what is added to its queue of deliveries in the transaction that commits an event."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.events import EventType
from simwarden.domain.telling import naming
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

Q = load("outbox")


class Status(enum.StrEnum):
    """Where a subscription stands (CAMARA)."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    """Ended by time, by its number of events, by its token, or by its sink."""
    DELETED = "DELETED"
    """Ended by its client, who does not see it any more."""


class EndReason(enum.StrEnum):
    """Why a subscription ended (CAMARA terminationReason)."""

    MAX_EVENTS_REACHED = "MAX_EVENTS_REACHED"
    NETWORK_TERMINATED = "NETWORK_TERMINATED"
    SUBSCRIPTION_EXPIRED = "SUBSCRIPTION_EXPIRED"
    ACCESS_TOKEN_EXPIRED = "ACCESS_TOKEN_EXPIRED"  # noqa: S105 - a reason, not a token
    SUBSCRIPTION_DELETED = "SUBSCRIPTION_DELETED"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one sink, as it is written."""

    n: int
    event: int | None
    """The SIM's event; None for the life of the subscription itself, and for an initial event."""
    event_id: str
    type: str
    time: datetime
    data: dict[str, Any]
    correlator: str | None = None
    ends: bool = False


class Outbox(msgspec.Struct, kw_only=True):
    """A subscription, locked, and what is to be added to the end of its queue. `save` writes it."""

    bucket: int
    id: str
    imsi: str
    topic: str
    type: str
    device: dict[str, Any] | None
    delivery_count: int
    event_count: int
    max_events: int | None
    expires_at: datetime | None
    ends_at: datetime | None
    """The earliest time at which it ends by itself."""
    told_event: int = 0
    """The SIM's last event that was added, or that was committed before the subscription was made."""
    status: str = Status.ACTIVE
    ended_at: datetime | None = None
    ended_reason: str | None = None
    about: dict[str, Any] = {}
    """What all its events carry beside their own data, those of its own life too."""
    added: list[Delivery] = []

    @classmethod
    def of_row(cls, row: asyncpg.Record) -> Outbox:
        """The outbox of a locked subscription; nothing was added to it."""
        return cls(**{name: row[name] for name in _COLUMNS}, about=about(row["config"]), added=[])

    def start(self, now: datetime) -> None:
        """Say that the subscription exists (CAMARA subscription-started)."""
        self._add(self._life("subscription-started"), now, {"initiationReason": "SUBSCRIPTION_CREATED"})

    def append(self, data: dict[str, Any], at: datetime, *, event: int | None, correlator: str | None = None) -> None:
        """Add an event of the SIM: none to a subscription that has ended, and no event twice.

        Ends the subscription before the event when its time is over, after it when it was the last one wanted.
        """
        if event is not None:
            if event <= self.told_event:
                return
            self.told_event = event
        if self.ended_at is None and self.ends_at is not None and self.ends_at <= at:
            self.end(self.due_reason(), at)
        if self.ended_at is not None:
            return
        named = {**data, **naming(self.type, self.device)}
        self._add(self.type, at, named, event=event, correlator=correlator)
        self.event_count += 1
        if self.max_events is not None and self.event_count >= self.max_events:
            self.end(EndReason.MAX_EVENTS_REACHED, at)

    def end(self, reason: EndReason, now: datetime) -> None:
        """End the subscription, and say so (CAMARA subscription-ended)."""
        self.close(reason, now)
        self._add(self._life("subscription-ended"), now, {"terminationReason": str(reason)}, ends=True)

    def close(self, reason: EndReason, now: datetime) -> None:
        """End the subscription without a word."""
        self.status = Status.DELETED if reason is EndReason.SUBSCRIPTION_DELETED else Status.EXPIRED
        self.ended_at, self.ended_reason = now, reason

    def test(self, kind: str, now: datetime) -> None:
        """Add a test event of this CloudEvents type; it counts towards nothing."""
        self._add(kind, now, {"message": "A test event, sent by the operator"})

    def due_reason(self) -> EndReason:
        """Which of its two limits in time comes first."""
        by_time = self.expires_at is not None and self.expires_at == self.ends_at
        return EndReason.SUBSCRIPTION_EXPIRED if by_time else EndReason.ACCESS_TOKEN_EXPIRED

    def _life(self, name: str) -> str:
        return f"{self.type.rpartition('.')[0]}.{name}"

    def _add(
        self,
        type: str,  # noqa: A002 - the attribute's name in CloudEvents
        time: datetime,
        data: dict[str, Any],
        *,
        event: int | None = None,
        correlator: str | None = None,
        ends: bool = False,
    ) -> None:
        self.delivery_count += 1
        n = self.delivery_count
        self.added.append(
            Delivery(
                n=n,
                event=event,
                event_id=f"{self.id}-{n}",
                type=type,
                time=time,
                data={**data, **self.about},
                correlator=correlator,
                ends=ends,
            )
        )


_COLUMNS = tuple(
    name for name in Outbox.__struct_fields__ if name not in {"about", "added", "status", "ended_at", "ended_reason"}
)


def about(config: dict[str, Any]) -> dict[str, Any]:
    """What of a subscription's configuration is in all its events: the area of a geofence (CAMARA)."""
    detail = config.get("subscriptionDetail", {})
    return {"area": detail["area"]} if "area" in detail else {}


async def save_outboxes(connection: asyncpg.Connection, outboxes: Iterable[Outbox]) -> int:
    """Write what was added to locked queues; returns the number of deliveries. Wakes the notifiers at the commit."""
    grown = list(outboxes)
    if not grown:
        return 0
    ended = [one for one in grown if one.ended_at is not None]
    if ended:
        await connection.execute(Q["uncount"], [one.bucket for one in ended], [one.id for one in ended])
    watching = [one for one in ended if one.topic == EventType.HOTZONE_ANOMALY]
    if watching:
        await connection.execute(Q["unwatch"], [one.bucket for one in watching], [one.id for one in watching])
        await connection.execute(Q["unwatch_all"], sorted(one.id for one in watching))
    rows = [
        (one.bucket, one.id, d.n, one.imsi, d.event, d.event_id, d.type, d.time, d.data, d.correlator, d.ends)
        for one in grown
        for d in one.added
    ]
    if rows:
        await connection.execute(Q["add_deliveries"], *map(list, zip(*rows, strict=True)))
    ends = [
        (
            one.bucket,
            one.id,
            one.delivery_count,
            one.event_count,
            str(one.status),
            one.ended_at,
            one.ended_reason,
            bool(one.added),
            one.told_event,
        )
        for one in grown
    ]
    await connection.execute(Q["save"], *map(list, zip(*ends, strict=True)))
    if rows:
        await connection.execute(Q["wake"])
    return len(rows)
