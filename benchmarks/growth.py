"""The same figures at more and more SIMs: cost per sighting must stay nearly flat.

SIM n sits in gateway n / 32, port n % 32 + 1. The register, the ports and the last sightings are written by SQL, so
that ten million take minutes; the reports then come over HTTP from gateways drawn at random.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks import http_load, machine, twins
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.demo.story import FRAUD
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.gateways import token_hash

PORTS = 32
IMEI_BASE = 35_000_000_000_000
_CHUNK = 500_000


class Row(msgspec.Struct, frozen=True):
    """One line of the table."""

    sims: int
    steady: float
    """Sightings/s, nothing changed."""
    moved: float
    """Sightings/s, 2 % seen in another device."""
    cost: float
    """Microseconds of processor time a steady sighting takes, the server's and PostgreSQL's: what the machine does
    beside is not in it."""
    moved_cost: float
    queries: float
    query_p99: float
    """Milliseconds, at 2,300 queries/s."""
    bytes_per_sim: float
    memory: float


async def measure(world: Bench, sims: int, seconds: float) -> Row:
    """Fill an empty database to `sims` and measure."""
    began = time.monotonic()
    app_key, secret = await world.fill(0)
    size = await fill(world, sims)
    print(f"{sims:,} SIMs written by SQL in {time.monotonic() - began:.0f} s", flush=True)
    await world.log_in(app_key, secret)
    url = f"{world.url}/southbound/ejoin/x"
    sequences: dict[int, int] = {}
    postgres = EmbeddedPostgres(world.directory / "data").process_id()
    assert postgres is not None
    await http_load.run(url, reports(sims, 0.0, sequences), seconds=2, connections=32)
    times = [machine.cpu_of(world.server.pid, postgres)]
    steady = await http_load.run(url, reports(sims, 0.0, sequences), seconds=seconds, connections=32)
    times.append(machine.cpu_of(world.server.pid, postgres))
    moved = await http_load.run(url, reports(sims, 0.02, sequences), seconds=seconds, connections=32)
    times.append(machine.cpu_of(world.server.pid, postgres))
    async with world.database() as db:
        seen = await db.fetchval("select count(*) from event where type = 'DEVICE_CHANGED'")
    changed = 0.02 * PORTS * len(moved.latencies)
    assert seen > 0.5 * changed, f"{seen} changes of device of about {changed:.0f} were taken in"
    queried = await http_load.run(world.url, queries(world, sims), seconds=seconds, connections=48)
    paced = await http_load.run(world.url, queries(world, sims), seconds=seconds, connections=64, rate=2_300)
    for result in (steady, moved, queried, paced):
        assert set(result.statuses) == {200}, result.statuses
    ordered = sorted(paced.latencies)
    return Row(
        sims,
        steady.rate * PORTS,
        moved.rate * PORTS,
        1e6 * (times[1] - times[0]) / (len(steady.latencies) * PORTS),
        1e6 * (times[2] - times[1]) / (len(moved.latencies) * PORTS),
        queried.rate,
        ordered[int(0.99 * len(ordered))],
        size / max(sims, 1),
        machine.memory_of(world.server.pid)["python"],
    )


async def fill(world: Bench, sims: int) -> int:
    """SIMs, names, gateways, ports; returns the database's size in bytes."""
    async with world.database() as db:
        account = await db.fetchval("select id from account where name = 'bench'")
        gateways = -(-sims // PORTS)
        await db.execute(
            "insert into gateway (name, token_hash, report_interval, boot) "
            "select 'g' || n, sha256(('growth' || n)::bytea), 3600, 1 from generate_series(0, $1 - 1) n order by n",
            gateways,
        )
        first = await db.fetchval("select min(id) from gateway")
        assert token_hash("growth0") == await db.fetchval("select token_hash from gateway where name = 'g0'")
        for begin in range(0, sims, _CHUNK):
            end = min(begin + _CHUNK, sims) - 1
            await db.execute(_SIMS, begin, end, account, first)
            await db.execute(_NAMES, begin, end, account)
            await db.execute(_NUMBERS, begin, end, account)
            await db.execute(_PORTS, begin, end, first)
        await db.execute("vacuum analyze")
        size: int = await db.fetchval("select pg_database_size(current_database())")
        return size


_SIMS = f"""
insert into sim (bucket, imsi, account_id, msisdn, seen_at, seen_imei, seen_gateway, seen_port, seen_slot, event_count,
                 created_at, number_new)
select crc32(({IMSI_BASE} + n)::text::bytea) & 255, ({IMSI_BASE} + n)::text, $3, '+8690' || lpad(n::text, 10, '0'),
       now(), ({IMEI_BASE} + n)::text, $4 + n / {PORTS}, n % {PORTS} + 1, 1, 1, now() - interval '3 years',
       case when n % 10 > 0 then true end
from generate_series($1::bigint, $2::bigint) n
"""
_NAMES = f"""
insert into sim_identifier (kind, value, bucket, imsi, account_id)
select 'msisdn', '+8690' || lpad(n::text, 10, '0'), crc32(({IMSI_BASE} + n)::text::bytea) & 255,
       ({IMSI_BASE} + n)::text, $3
from generate_series($1::bigint, $2::bigint) n
"""
_NUMBERS = f"""
insert into number_assignment (bucket, number, since, until, imsi, account_id, sim_since, owner_since, begin_known)
select crc32(number::bytea) & 255, number, since, until, imsi, $3, since, since, true
from generate_series($1::bigint, $2::bigint) n,
     lateral (select '+8690' || lpad(n::text, 10, '0') as number) named,
     lateral (values (now() - interval '300 days', now() - interval '30 days', 'x'),
                     (now() - interval '30 days', 'infinity'::timestamptz, ({IMSI_BASE} + n)::text))
     as held (since, until, imsi)
where n % 10 = 0
"""
"""One in ten was another SIM's before; the others were registered with it three years ago."""
_PORTS = f"""
insert into gateway_port (gateway_id, port, slot, boot, status, imei, imsi, plmn, changed_at, reported_at)
select $3 + n / {PORTS}, n % {PORTS} + 1, 1, 1, 3, ({IMEI_BASE} + n)::text, ({IMSI_BASE} + n)::text, '46000', now(),
       now()
from generate_series($1::bigint, $2::bigint) n
"""


def reports(sims: int, moved: float, sequences: dict[int, int]) -> Callable[[int], bytes]:
    """Whole statuses of gateways drawn at random, which go on in `sequences`; a share of their SIMs is seen in another
    device each time."""
    chance = random.Random(7)
    gateways = sims // PORTS

    def make(_number: int) -> bytes:
        gateway = chance.randrange(gateways)
        sequence = sequences[gateway] = sequences.get(gateway, 1) + 1
        ports = []
        for port in range(PORTS):
            n = gateway * PORTS + port
            imei = IMEI_BASE + n
            if moved and chance.random() < moved:
                imei += 10**12 * chance.randrange(1, 9)
            ports.append(_PORT % (port + 1, sequence, imei, IMSI_BASE + n))
        body = f'{{"type":"dev-status","seq":{sequence},"max-ports":32,"max-slot":1,"status":[{",".join(ports)}]}}'
        return http_load.request(f"http://x/southbound/ejoin/growth{gateway}", body.encode(), {})

    return make


_PORT = (
    '{"port":"%d.01","sim":"","seq":%d,"st":3,"imei":"%d0","iccid":"","imsi":"%d","sn":"","opr":"46000 CHINA MOBILE",'
    '"bal":"0.00","sig":20,"tot_dur":"1/-1","mon_dur":"1/-1","day_dur":"1/-1"}'
)


def queries(world: Bench, sims: int) -> Callable[[int], bytes]:
    """CAMARA query for SIMs drawn at random."""
    chance = random.Random(3)
    headers = {"Authorization": f"Bearer {world.token}"}

    def make(_number: int) -> bytes:
        device = {"phoneNumber": f"+8690{chance.randrange(sims):010}"}
        body = json.dumps({"device": device, "queryType": "IMEIBIND"}).encode()
        return http_load.request(f"{world.url}{FRAUD}/query", body, headers)

    return make


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| SIMs | sightings/s, steady | CPU each | 2 % moved | CPU each | queries/s | p99 at 2,300/s | bytes/SIM "
        "| Python MiB |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in rows:
        sightings = f"{r.steady:,.0f} | {r.cost:.0f} us | {r.moved:,.0f} | {r.moved_cost:.0f} us"
        calls = f"{r.queries:,.0f} | {r.query_p99:.0f} ms"
        lines.append(f"| {r.sims:,} | {sightings} | {calls} | {r.bytes_per_sim:,.0f} | {r.memory:.0f} |")
    return "\n".join(lines)


async def plot(rows: list[Row], path: Path) -> None:
    """The rows as a picture, drawn with matplotlib in the environment of the peers."""
    process = await asyncio.create_subprocess_exec(
        str(twins.UVICORN.with_name("python")),
        Path(__file__).parent / "peers" / "growth_plot.py",
        path,
        stdin=asyncio.subprocess.PIPE,
    )
    await process.communicate(msgspec.json.encode(rows))
    if process.returncode:
        raise SystemExit("The plot could not be drawn; make bench installs what it needs")
    print(f"Drawn: {path}", flush=True)
