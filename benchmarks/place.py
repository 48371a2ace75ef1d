"""Where SIMs are: what area limits cost a sighting, cells imported per second, verification calls per second.

The register is that of `growth`: SIM n sits in gateway n / 32, port n % 32 + 1. Gateways with an even number stand in
a city, the others 900 km away. Of the SIMs in the first half of the gateways 20 % are limited to the city; in the
second half none is, and both halves are measured in turns, so that what the machine does beside falls on both.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator

from benchmarks import growth, http_load, machine
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.domain.area import Circle
from simwarden.domain.reports import PortObservation, Report
from simwarden.domain.sim import AreaLimit, OnMismatch, Policy
from simwarden.engine.cells import CellImport
from simwarden.engine.ingest import Ingest
from simwarden.kit.clock import now_utc
from simwarden.store.database import Database, to_json

LIMITED = 5
"""Every so many SIMs of the first half of the gateways is under a limit."""
MOVED = 0.02
"""Share of the SIMs of a report that came from a gateway elsewhere since the last one."""
AT_ONCE = 32
"""Reports under way together."""
CITY, FAR = (52.52, 13.405, 500.0), (48.857, 2.352, 500.0)
_IMEI = 35_000_000_000_000
_SITES = """
update gateway set latitude = case when (id - $1) % 2 = 0 then $2::float8 else $5 end,
                   longitude = case when (id - $1) % 2 = 0 then $3::float8 else $6 end,
                   radius = case when (id - $1) % 2 = 0 then $4::float8 else $7 end
where id >= $1
"""
_NOTES = """
insert into sim_place (bucket, imsi, source, ref, changes, changed_at)
select bucket, imsi, 'SITE', seen_gateway::text, 1, seen_at from sim
"""
_LIMITS = """
update sim set area = $1::jsonb where seen_gateway < $2 and seen_port % $3 = 0
"""


class Fleet:
    """Gateways that report, and move cards among themselves."""

    def __init__(self, first: int, gateways: int) -> None:
        """`first`: id of the first of them."""
        self._first = first
        self._half = gateways // 2
        self._cards = [[IMSI_BASE + g * growth.PORTS + p for p in range(growth.PORTS)] for g in range(gateways)]
        self._sequences = [1] * gateways
        self._chance = random.Random(5)
        self.moves = 0

    def reports(self, *, limited: bool, moved: float) -> list[Report]:
        """Of a gateway drawn at random in one half, perhaps with cards of its neighbour, whose report comes behind."""
        gateway = self._chance.randrange(self._half - 1) + (0 if limited else self._half)
        changed = [gateway]
        for port in range(growth.PORTS):
            if moved and self._chance.random() < moved:
                one, other = self._cards[gateway], self._cards[gateway + 1]
                one[port], other[port] = other[port], one[port]
                changed = [gateway, gateway + 1]
                self.moves += 1
        return [self._report(each) for each in changed]

    def _report(self, gateway: int) -> Report:
        self._sequences[gateway] += 1
        sequence = self._sequences[gateway]
        ports = tuple(
            PortObservation(
                port=port + 1,
                slot=1,
                sequence=sequence,
                status=3,
                locked=False,
                imei=str(_IMEI + gateway * growth.PORTS + port),
                imsi=str(card),
            )
            for port, card in enumerate(self._cards[gateway])
        )
        return Report(
            gateway_id=self._first + gateway,
            gateway_name=f"g{gateway}",
            received_at=now_utc(),
            message="dev-status",
            whole=True,
            sequence=sequence,
            digest=hashlib.sha256(f"{gateway} {sequence}".encode()).digest()[:16],
            ports=ports,
        )


async def _turn(ingest: Ingest, fleet: Fleet, count: int, *, limited: bool, moved: float) -> float:
    """Microseconds a sighting, of so many reports."""
    batches = [fleet.reports(limited=limited, moved=moved) for _ in range(count)]
    places = asyncio.Semaphore(AT_ONCE)

    async def submit(reports: list[Report]) -> None:
        async with places:
            for report in reports:  # of two gateways: what came together is of one
                await ingest.submit(report)

    begun = time.perf_counter()
    await asyncio.gather(*(submit(reports) for reports in batches))
    return (time.perf_counter() - begun) * 1e6 / (sum(len(reports) for reports in batches) * growth.PORTS)


async def limits(db: Database, sims: int, seconds: float, rounds: int) -> None:
    """Print what a sighting costs with and without limits, and the median of the pairs' ratios."""
    gateways = sims // growth.PORTS
    first = await db.fetchval("select min(id) from gateway")
    limit = AreaLimit(policy=Policy(on_mismatch=OnMismatch.ALERT), since=now_utc(), area=Circle(*CITY[:2], 100_000.0))
    await db.execute(_SITES, first, *CITY, *FAR)
    await db.execute(_NOTES)
    await db.execute(_LIMITS, json.loads(to_json(limit)), first + gateways // 2, LIMITED)
    await db.execute("vacuum analyze sim")
    fleet, ingest = Fleet(first, gateways), Ingest(db)
    for moved in (0.0, MOVED):
        count = 40
        for half in (True, False):
            await _turn(ingest, fleet, 4 * count, limited=half, moved=moved)
        pairs: list[tuple[float, float]] = []
        until = time.monotonic() + seconds * rounds
        while time.monotonic() < until or len(pairs) < 5:
            order = (True, False) if len(pairs) % 2 else (False, True)  # neither is always the first
            each = {half: await _turn(ingest, fleet, count, limited=half, moved=moved) for half in order}
            pairs.append((each[True], each[False]))
        ratio = machine.median([with_ / without for with_, without in pairs])
        print(
            f"A sighting in process, {moved:.0%} moved to another site: "
            f"{machine.median([pair[0] for pair in pairs]):.0f} us where 20 % of the SIMs are under an area limit, "
            f"{machine.median([pair[1] for pair in pairs]):.0f} us where none is; "
            f"ratio {ratio:.2f} (median of {len(pairs)} pairs); aim at most 1.15",
            flush=True,
        )
    judged = await db.fetchval("select count(*) from event where type in ('AREA_CHANGED')")
    print(f"{fleet.moves:,} moves, {judged:,} crossings of limited SIMs were decided", flush=True)


async def cells(db: Database, count: int) -> None:
    """Print rows/s of an import into an empty table, and of the same cells again: as they are, and moved."""
    for shift, name, moved in ((0.0, "new", count), (0.0, "known", 0), (0.001, "known, all of them moved", count)):
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            file.writelines(_table(count, shift))
            file.seek(0)
            begun = time.perf_counter()
            tally = await CellImport(db, now_utc).run(file)
            rate = count / (time.perf_counter() - begun)
        assert (tally.stored, tally.moved, tally.refused) == (count, moved, 0)
        print(f"Cell import, {count:,} {name}: {rate:,.0f} rows/s; aim 100,000/s", flush=True)


def _table(count: int, shift: float) -> Iterator[str]:
    """Cells as OpenCelliD lists them, by networks and not by cells."""
    yield "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal\n"
    chance = random.Random(11)
    for number in range(count):
        cell = (number * 7919) % (1 << 28)
        lat, lon = 47 + chance.random() * 8, 6 + chance.random() * 9 + shift
        site = f"{lon:.6f},{lat:.6f},{number % 3000}"
        yield f"LTE,262,{number % 4 + 1},{cell >> 12},{cell},0,{site},7,1,1459692342,1488347104,0\n"


async def verify(world: Bench, sims: int, seconds: float, rounds: int, connections: int) -> None:
    """Print CAMARA location-verification calls/s, token checked."""
    url = f"{world.url}/location-verification/v3/verify"
    headers = {"Authorization": f"Bearer {world.token}"}
    chance = random.Random(1)
    area = {"areaType": "CIRCLE", "center": {"latitude": CITY[0], "longitude": CITY[1]}, "radius": 20_000}
    bodies = ({"device": {"phoneNumber": f"+8690{chance.randrange(sims):010}"}, "area": area} for _ in range(20_000))
    ready = [http_load.request(url, json.dumps(body).encode(), headers) for body in bodies]
    make: Callable[[int], bytes] = lambda n: ready[n % len(ready)]  # noqa: E731
    await http_load.run(url, make, seconds=2, connections=16)
    results = [await http_load.run(url, make, seconds=seconds, connections=connections) for _ in range(rounds)]
    for result in results:
        assert set(result.statuses) == {200}, result.statuses
    rates = [result.rate for result in results]
    print(
        f"CAMARA location-verification, most: {machine.median(rates):,.0f} calls/s "
        f"(rounds {', '.join(f'{rate:,.0f}' for rate in rates)}; {connections} connections, "
        f"{machine.percentiles(results[0].latencies)}); aim 5,000/s",
        flush=True,
    )


async def measure(world: Bench, sims: int, seconds: float, rounds: int, connections: int) -> None:
    """All of it on one register."""
    app_key, secret = await world.fill(0)
    await growth.fill(world, sims)
    await world.log_in(app_key, secret)
    async with world.database() as db:
        await limits(db, sims, seconds, rounds)
        await verify(world, sims, seconds, rounds, connections)
        await cells(db, sims)
