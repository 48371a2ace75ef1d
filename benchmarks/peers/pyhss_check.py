"""PyHSS's way of checking an equipment identity, written anew from its description (mobile-core.md).

One exact lookup by SQL per check; on a miss all pattern rules are fetched and tried one after the other in Python.
"""

from __future__ import annotations

import re
import time

import asyncpg


async def prepare(connection: asyncpg.Connection, sims: int, patterns: int) -> None:
    """A table of exact pairs and of TAC patterns."""
    await connection.execute("create temp table eir (id serial, imei text, imsi text, regex_mode int, response int)")
    await connection.execute(
        "insert into eir (imei, imsi, regex_mode, response) "
        "select (35000000000000 + n)::text, (460000990000000 + n)::text, 0, 0 from generate_series(1, $1) n",
        sims,
    )
    await connection.execute(
        "insert into eir (imei, imsi, regex_mode, response) "
        "select '^' || (36000000 + n)::text || '.*', '', 1, 1 from generate_series(1, $1) n",
        patterns,
    )
    await connection.execute("create index on eir (imei)")
    await connection.execute("analyze eir")


async def check(connection: asyncpg.Connection, imei: str, imsi: str) -> int:
    """0 allowed, 1 barred, 2 unknown."""
    row = await connection.fetchrow(
        "select response from eir where imei = $1 and regex_mode = 0 and imsi = $2", imei, imsi
    )
    if row is not None:
        return int(row["response"])
    for rule in await connection.fetch("select imei, imsi, response from eir where regex_mode = 1"):
        if re.match(rule["imei"], imei) and (not rule["imsi"] or re.match(rule["imsi"], imsi)):
            return int(rule["response"])
    return 2


async def rate(connection: asyncpg.Connection, seconds: float, *, missing: bool) -> float:
    """Checks per second, of pairs that are known or (in another device) not."""
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        number = done % 1000 + 1
        imei = str((37 if missing else 35) * 10**12 + number)
        await check(connection, imei, str(460000990000000 + number))
        done += 1
    return done / (time.perf_counter() - began)
