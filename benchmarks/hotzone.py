"""`fraud-hotzone` on many counts of days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import calls

if TYPE_CHECKING:
    from benchmarks.setup import Bench

DAYS = 118
"""What one check reads: 90 days, and the 28 before."""
SLICES = 16
"""Statements in which SIMs are made older: one for all may take longer than a statement is allowed to."""
_FILL = """
insert into traffic_day (bucket, imsi, day, kind, direction, zone, prefix, count, seconds)
select s.bucket, s.imsi, (now() at time zone 'utc')::date - d, case when d % 3 = 0 then 'SMS' else 'CALL' end,
       case when d % 2 = 0 then 'inbound' else 'outbound' end,
       case when d % 7 = 0 then 'KH' else 'CN' end, case when d % 7 = 0 then '85512' else '86137' end, 1 + d % 5, 60
from (select bucket, imsi from sim order by imsi limit $1) s, generate_series(0, $2::int - 1) d
"""


async def measure(world: Bench, sims: int, rows: int, seconds: float, rounds: int) -> None:
    """Print how many checks a second go through, and their times, with so many counts in the database."""
    busy = max(1, min(sims, rows // DAYS))
    async with world.database() as db:
        await db.execute("update schema_migration set applied_at = applied_at - interval '400 days'")
        for part in range(SLICES):
            await db.execute(
                "update sim set created_at = created_at - interval '400 days' where bucket % $1::int = $2", SLICES, part
            )
        filled = await db.execute(_FILL, busy, DAYS)
        await db.execute("analyze traffic_day")
    print(f"Counts of days: {filled:,} rows, {DAYS} of each of {busy:,} SIMs", flush=True)
    await calls.measure(world, calls.HOTZONE, busy, seconds, rounds)
