"""How many calls and messages SIMs had on a day (`traffic_day`)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from simwarden.domain.daily import Direction, TrafficKind
from simwarden.domain.hotzone import DIRECTIONS, DayCount, SimTraffic
from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.outliers import FEWEST_BASELINE_DAYS
from simwarden.store.columns import keys_of, lines, numbers, texts
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.domain.daily import DayKey
    from simwarden.domain.hotzone import HotZones, Question
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("daily")
_MIGRATION = "traffic_days"
"""With this one the counting begins."""


class Days:
    """Reading the counts, in UTC."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._began: datetime | None = None

    async def of_sim(self, sim: Sim, zones: HotZones, first: date, last: date) -> SimTraffic:
        """What is counted of a SIM from the first to the last day: what it had with the zones, and of each kind, with
        none of them, the last day on which it had anything."""
        hot = list(zones.countries), list(zones.prefixes)
        rows = await self._db.fetch(Q["of_sim"], sim.bucket, sim.imsi, await self._begin(), first, last, *hot)
        if not rows:  # deleted meanwhile
            return SimTraffic(last)
        days = [
            DayCount(row["day"], TrafficKind(row["kind"]), Direction(row["direction"]), row["zone"], row["hot"])
            for row in rows
            if row["day"] is not None
        ]
        return SimTraffic(rows[0]["since"].astimezone(UTC).date(), rows[0]["first_day"], tuple(days))

    async def of_its_like(self, sim: Sim, zones: HotZones, asked: Question) -> list[int]:
        """Counts of each of the days before those asked for, of SIMs of the same account whose devices are of the same
        model, and that are registered for so long; none where counting began later."""
        begin = max(asked.baseline_first, (await self._begin()).astimezone(UTC).date())
        days = [begin + timedelta(days=n) for n in range((asked.before - begin).days + 1)]
        if sim.seen is None or sim.seen.imei is None or len(days) < FEWEST_BASELINE_DAYS:
            return []
        registered = datetime.combine(begin + timedelta(days=1), time(), UTC)
        like = await self._db.fetch(Q["like_it"], ALL_BUCKETS, sim.account_id, sim.imsi, sim.seen.imei[:8], registered)
        if not like:
            return []
        imsis = [row["imsi"] for row in like]
        rows = await self._db.fetch(
            Q["days_of_all"],
            sorted({row["bucket"] for row in like}),
            imsis,
            begin,
            asked.before,
            list(zones.countries),
            list(zones.prefixes),
            list(asked.kinds),
            list(DIRECTIONS[asked.side]),
        )
        hot = {(row["imsi"], row["day"]): row["hot"] for row in rows}
        return [max(hot.get((imsi, day), 0), 0) for imsi in imsis for day in days]

    async def _begin(self) -> datetime:
        """Since when this installation counts."""
        if self._began is None:
            self._began = await self._db.fetchval(Q["counting_began"], _MIGRATION)
        assert self._began is not None
        return self._began


async def add(connection: asyncpg.Connection, changes: Sequence[tuple[DayKey, int, int]]) -> None:
    """Add records and seconds to counts of registered SIMs, in the transaction that stores the records.

    Call it after everything that locks SIMs: whoever waits here holds those locks already, in one order for everybody.
    """
    if not changes:
        return
    keys = [key for key, _, _ in changes]
    _, buckets, imsis = keys_of([key.imsi for key in keys])
    await connection.execute(
        Q["add"],
        buckets,
        imsis,
        lines([key.day for key in keys]),
        lines([key.kind for key in keys]),
        lines([key.direction for key in keys]),
        texts([key.zone for key in keys]),
        texts([key.prefix for key in keys]),
        numbers([count for _, count, _ in changes]),
        numbers([seconds for _, _, seconds in changes]),
    )


async def forget(connection: asyncpg.Connection, imsis: Sequence[str]) -> None:
    """Nothing of these SIMs is kept."""
    await connection.execute(Q["forget"], [bucket_of(imsi) for imsi in imsis], list(imsis))


async def prune(db: Database, before: date, at_once: int) -> int:
    """Delete counts of days before this one, `at_once` rows a statement and a bucket at a time; returns how many."""
    count = 0
    for bucket in ALL_BUCKETS:
        done = at_once
        while done >= at_once:
            done = await db.execute(Q["prune"], bucket, before, at_once)
            count += done
    return count
