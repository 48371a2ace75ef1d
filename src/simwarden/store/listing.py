"""What the operator looks at: lists with filters, page by page, each page behind the last row of the one before."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.events import Event
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.sim import BarCause, BindingState, Lifecycle, Sim
from simwarden.store import sims as sim_store
from simwarden.store.delivery_history import Listed
from simwarden.store.queries import load
from simwarden.store.subscriptions import Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("listing")
LONG = 10
"""Digits of an IMSI's beginning that few SIMs share."""
LAST_BUCKET = ALL_BUCKETS[-1]
_MARKED_STATES = (BindingState.ARMED, BindingState.DIFFERED)
_MARKED_BARS = (BarCause.IMEI_MISMATCH, BarCause.AREA_EXIT, BarCause.SUSPENDED, BarCause.RISK, BarCause.QUOTA)
"""What is a mark (`sim.marks`, migration 0071), like every lifecycle but ACTIVE. Other SIMs are found without that
index."""
_HIDDEN = ("password", "token_hash", "boot_digests", "lines")


class SimFilter(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True):
    """Which SIMs: those for which all of this holds."""

    account: str | None = None
    """Id of the account."""
    state: str | None = None
    """Of the binding."""
    lifecycle: str | None = None
    barred: bool | None = None
    """Whether something is barred, for whatever cause."""
    bar: str | None = None
    """A cause for which something is barred."""
    tags: tuple[str, ...] = ()
    """All of these."""
    imei: str | None = None
    """The device it was last seen in: 14 digits, or the 8 of a TAC."""
    seen_before: datetime | None = None
    seen_after: datetime | None = None
    gateway: int | None = None
    """Number of the gateway at which it was last seen."""
    text: str | None = None
    """Part of its IMSI, ICCID, phone number or NAI."""

    @property
    def values(self) -> tuple[Any, ...]:
        """In the order of the query's parameters from $5."""
        bar = None if self.bar is None else [{"cause": self.bar}]
        tags = list(self.tags) or None
        return (
            *(self.account, self.state, self.lifecycle, bar, tags, self.imei),
            *(self.seen_before, self.seen_after, self.gateway, self.text, self.barred),
            self._marks or None,
        )

    @property
    def is_indexed(self) -> bool:
        """Whether an index finds those few that it may concern. For a tag that nobody has the planner takes none."""
        return bool(self._marks or self.imei or self.gateway is not None)

    @property
    def _marks(self) -> list[str]:
        """What of it is to be found by the index of `sim.marks`."""
        found = [f"state:{self.state}"] if self.state in _MARKED_STATES else []
        if self.lifecycle not in (None, Lifecycle.ACTIVE):
            found.append(f"life:{self.lifecycle}")
        if self.bar in _MARKED_BARS:
            found.append(f"bar:{self.bar}")
        return found


class Tagged(msgspec.Struct, frozen=True):
    """A SIM, and the operator's words about it."""

    sim: Sim
    tags: tuple[str, ...]


async def sims(
    connection: asyncpg.Connection, wanted: SimFilter, *, after: tuple[int, str], last: int, limit: int
) -> list[Tagged]:
    """SIMs behind the one with this bucket and IMSI, in the order of these; `last`: the bucket up to which to look.

    A SIM that matches all the time is in exactly one page of a walk, whatever is added, changed or removed meanwhile.
    """
    rows = await connection.fetch(Q["sims"], *after, last, limit, *wanted.values)
    return [Tagged(sim_store.from_row(row), tuple(row["tags"] or ())) for row in rows]


async def page(
    db: Database, wanted: SimFilter, *, after: tuple[int, str] = (0, ""), limit: int, seconds: float | None = None
) -> tuple[list[Tagged], tuple[int, str] | None]:
    """A page of `sims`, and None; or, where that takes longer than about `seconds`, those that were found till then,
    and behind which bucket and IMSI to go on.

    What no index helps to find it looks for in one bucket, then in more at a time, as many as the time that is left is
    likely to do for.
    """
    async with db.transaction() as connection:
        await connection.execute(Q["plan_for_values"])
        if seconds is None or wanted.is_indexed:
            return await sims(connection, wanted, after=after, last=LAST_BUCKET, limit=limit), None
        found: list[Tagged] = []
        ends, width = time.monotonic() + seconds, 1
        while True:
            began = time.monotonic()
            last = min(after[0] + width - 1, LAST_BUCKET)
            found += await sims(connection, wanted, after=after, last=last, limit=limit - len(found))
            if len(found) == limit or last == LAST_BUCKET:
                return found, None
            after, now = (last + 1, ""), time.monotonic()
            width = min(2 * width, int(width * (ends - now) / (now - began)))
            if width < 1:
                return found, after


async def starting(db: Database, text: str, number: str | None, *, limit: int) -> list[Tagged]:
    """SIMs that have an IMSI, ICCID, phone number or NAI that begins so: by indexes, however many SIMs there are.

    `number`: what `text` is as the beginning of a phone number.
    """
    end = "\U0010ffff"
    found: dict[tuple[int, str], None] = {}
    if text.isdecimal():
        query = Q["imsis_starting" if len(text) >= LONG else "imsis_starting_soon"]
        rows = await db.fetch(query, list(ALL_BUCKETS), text, text + end, limit)
        found |= {(row["bucket"], row["imsi"]): None for row in rows}
    for kind, value in (("iccid", text), ("msisdn", number), ("nai", text)):
        if value is not None and len(found) < limit:
            rows = await db.fetch(Q["names_starting"], kind, value, value + end, limit)
            found |= {(row["bucket"], row["imsi"]): None for row in rows}
    keys = list(found)[:limit]
    rows = await db.fetch(Q["by_keys"], [bucket for bucket, _ in keys], [imsi for _, imsi in keys])
    sims = {row["imsi"]: Tagged(sim_store.from_row(row), tuple(row["tags"] or ())) for row in rows}
    return [sims[imsi] for _, imsi in keys if imsi in sims]


async def tags_of(db: Database, sim: Sim) -> tuple[str, ...]:
    """The tags of a SIM."""
    return tuple(await db.fetchval(Q["tags"], sim.bucket, sim.imsi) or ())


async def tag(connection: asyncpg.Connection, sim: Sim, tags: Sequence[str]) -> None:
    """Give a SIM its tags, in the caller's transaction."""
    await connection.execute(Q["set_tags"], sim.bucket, sim.imsi, sorted(set(tags)))


async def set_tags(db: Database, sim: Sim, tags: Sequence[str]) -> bool:
    """Replace a SIM's tags; returns whether it is still there."""
    return await db.execute(Q["set_tags"], sim.bucket, sim.imsi, sorted(set(tags))) > 0


async def events(db: Database, sim: Sim, *, before: int, limit: int) -> list[Event]:
    """A SIM's events, the newest first, from behind the one with this number."""
    rows = await db.fetch(Q["events"], sim.bucket, sim.imsi, sim.first_event, before, limit)
    return [msgspec.convert(dict(row), Event) for row in rows]


async def gateways(db: Database, *, after: str, limit: int) -> list[dict[str, Any]]:
    """Gateways in the order of their names, without their secrets."""
    return [_bare(row) for row in await db.fetch(Q["gateways"], after, limit)]


async def gateway(db: Database, name: str) -> dict[str, Any] | None:
    """One gateway, without its secrets."""
    row = await db.fetchrow(Q["gateway"], name)
    return None if row is None else _bare(row)


async def subscriptions(
    db: Database,
    *,
    before: tuple[datetime, str],
    account_id: str | None = None,
    status: str | None = None,
    imsi: str | None = None,
    is_failing: bool = False,
    limit: int,
) -> list[Subscription]:
    """Subscriptions, the newest first, without their secrets.

    `is_failing`: only those with an event that was given up, or that its sink has not taken yet at the first attempt.
    """
    rows = await db.fetch(Q["subscriptions"], ALL_BUCKETS, *before, account_id, status, imsi, limit, is_failing)
    return [_subscription(row) for row in rows]


async def subscription(db: Database, bucket: int, id: str) -> Subscription | None:  # noqa: A002
    """One subscription, whosever it is."""
    row = await db.fetchrow(Q["subscription"], bucket, id)
    return None if row is None else _subscription(row)


async def deliveries(
    db: Database,
    *,
    before: tuple[datetime, str],
    account_id: str | None = None,
    status: str | None = None,
    imsi: str | None = None,
    subscription_id: str | None = None,
    since: datetime | None = None,
    limit: int,
) -> list[Listed]:
    """Deliveries, the newest first; `since`: of events that came then or later."""
    args = (*before, account_id, status, imsi, subscription_id, limit, since)
    rows = await db.fetch(Q["deliveries"], ALL_BUCKETS, *args)
    return [Listed(**{name: row[name] for name in Listed.__struct_fields__}) for row in rows]


def _bare(row: asyncpg.Record) -> dict[str, Any]:
    bare = {name: value for name, value in row.items() if name not in _HIDDEN}
    return {**bare, "has_password": row["password"] is not None}


def _subscription(row: asyncpg.Record) -> Subscription:
    return Subscription(**{name: row[name] for name in Subscription.__struct_fields__})
