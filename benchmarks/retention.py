"""How fast old messages and calls are deleted, and how long one statement of that takes, while new ones come in.

`--rows` messages and half as many calls lie there, a third of them too old. They are deleted as a server does it
(`engine.keeping`: at most 1,000 rows of a table and statement), without its pauses; meanwhile another connection stores
messages one by one, and it is seen how long each waits.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from benchmarks import machine
from benchmarks.setup import Bench
from simwarden.domain.reports import SmsRecord
from simwarden.engine.keeping import DELETED_AT_ONCE
from simwarden.kit.clock import now_utc
from simwarden.store import personal, records
from simwarden.store.database import Database
from simwarden.store.vault import Vault

AT_ONCE = 50_000
DAYS = 45
KEPT = timedelta(days=30)
_SMS = """
insert into sms (bucket, gateway_id, key, direction, imsi, port, slot, at, received_at, sealed, account_id, peer)
select n % 256, n % 500, sha256(n::text::bytea), 'inbound', (460000990000000 + n % 1000000)::text, 1, 1, t, t,
       decode(repeat(md5(n::text), 10), 'hex'), 'bench', substr(sha256(n::text::bytea), 1, 16)
from (select n, now() - make_interval(days => $1) * (1 - n::float8 / $4) as t
      from generate_series($2::bigint, $3::bigint) n) i
"""
_CALLS = """
insert into call_record (bucket, gateway_id, key, call_id, imsi, port, slot, direction, begin_at, at, received_at,
                         sealed_caller, sealed_detail, account_id, peer)
select n % 256, n % 500, sha256(n::text::bytea), n::text, (460000990000000 + n % 1000000)::text, 1, 1, 'inbound', t,
       t, t, decode(repeat(md5(n::text), 3), 'hex'), decode(repeat(md5(n::text), 20), 'hex'), 'bench',
       substr(sha256(n::text::bytea), 1, 16)
from (select n, now() - make_interval(days => $1) * (1 - n::float8 / $4) as t
      from generate_series($2::bigint, $3::bigint) n) i
"""


async def measure(world: Bench, rows: int) -> None:
    """Fill, delete, and print what it took."""
    async with world.database() as db:
        began = time.monotonic()
        for statement, count in ((_SMS, rows), (_CALLS, rows // 2)):
            for first in range(1, count + 1, AT_ONCE):
                await db.execute(statement, DAYS, first, min(first + AT_ONCE - 1, count), count)
            print(f"  filled {count:,} rows in {time.monotonic() - began:.0f} s", flush=True)
        await db.execute("vacuum analyze sms")
        await db.execute("vacuum analyze call_record")
        alone = await _delete(db, KEPT + timedelta(days=10))
        vault, done = Vault(bytes(32)), asyncio.Event()
        storing = asyncio.create_task(_store(db, vault, done))
        beside = await _delete(db, KEPT)
        done.set()
        waits = await storing
        await db.execute("vacuum sms")
        await db.execute("vacuum call_record")
        for statement, count in ((_SMS, rows), (_CALLS, rows // 2)):  # into the space that became free
            await db.execute(statement, 1, count + 1, count + count // 3, count + count // 3)
        await _delete(db, KEPT)
        began = time.monotonic()
        await personal.Pruning(db).step(now_utc() - KEPT - timedelta(minutes=5), DELETED_AT_ONCE)
        idle = time.monotonic() - began
    for name, (deleted, statements) in (("alone", alone), ("while messages come in", beside)):
        took = sum(statements)
        print(
            f"Deleting old records, {rows + rows // 2:,} rows there, {name}: {deleted / took:,.0f} rows/s, a step of "
            f"{3 * DELETED_AT_ONCE:,} rows at most takes {machine.median(statements) * 1000:.0f} ms, the longest "
            f"{max(statements) * 1000:.0f} ms; {deleted:,} deleted",
            flush=True,
        )
    waits.sort()
    print(
        f"  a message stored meanwhile: median {machine.median(waits) * 1000:.1f} ms, 99 % below "
        f"{waits[len(waits) * 99 // 100] * 1000:.1f} ms, the longest {waits[-1] * 1000:.1f} ms; a look without "
        f"anything to delete, after new records took the space of old ones: {idle * 1000:.0f} ms",
        flush=True,
    )


async def _delete(db: Database, kept: timedelta) -> tuple[int, list[float]]:
    """How many rows, and the seconds of each step."""
    before, count = now_utc() - kept, 0
    steps: list[float] = []
    pruning = personal.Pruning(db)
    while True:
        began = time.monotonic()
        deleted = await pruning.step(before, DELETED_AT_ONCE)
        if not deleted:
            return count, steps
        steps.append(time.monotonic() - began)
        count += deleted


async def _store(db: Database, vault: Vault, done: asyncio.Event) -> list[float]:
    """The seconds of each message."""
    waits: list[float] = []
    while not done.is_set():
        now, n = now_utc(), len(waits)
        message = SmsRecord(key=b"new %d" % n, direction="inbound", at=now, imsi="460000990000001", content="x" * 80)
        began = time.monotonic()
        async with db.transaction() as connection:
            await records.add_sms(connection, vault, [(1, message, now)])
        waits.append(time.monotonic() - began)
        await asyncio.sleep(0.005)
    return waits
