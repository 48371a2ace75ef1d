"""`python -m benchmarks`: prints figures with the machine's shape."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks import (
    attacks,
    bare,
    billing,
    bulk,
    calls,
    console,
    cost,
    deliveries,
    eir,
    growth,
    hlr,
    hotzone,
    isolation,
    latency,
    machine,
    messages,
    place,
    pool,
    radius,
    reads,
    retention,
    rules,
    s13,
    sightings,
    twins,
)
from benchmarks.setup import bench

DEAD_SINKS = "dead_sinks"
GROWTH = (10_000, 100_000, 1_000_000)
COUNTS = 1_000_000
"""Counts of days, for `hotzone`."""


async def measure_calls(given: argparse.Namespace) -> None:
    """Registering, CAMARA calls, the usual way beside them, memory."""
    figures = []
    for _ in range(given.rounds):
        async with bench() as world:
            await world.fill(0)
            figures.append(await world.import_file(200_000))
    spread = ", ".join(f"{figure:,.0f}" for figure in figures)
    print(f"Import of a file, 200,000 rows: {machine.median(figures):,.0f} rows/s (rounds {spread}); aim 50,000/s")
    async with bench() as world:
        app_key, app_secret = await world.fill(0)
        await growth.fill(world, given.sims)
        await world.log_in(app_key, app_secret)
        queries = await calls.measure(world, "query", given.sims, given.seconds, given.rounds)
        await twins.naive_query(world, given.sims, given.seconds, queries)
        await twins.pyhss(world, given.sims, given.seconds)
        await calls.measure(world, "bind", given.sims, given.seconds, given.rounds)
        await calls.measure(world, "manage", given.sims, given.seconds, given.rounds)
        memory = machine.memory_of(world.server.pid)
        print(f"Memory of the server's Python processes: {memory['python']:.0f} MiB (PSS)", flush=True)


async def measure_reads(given: argparse.Namespace) -> None:
    """Calls that ask what the record knows of a number, and one that every figure can be compared with."""
    os.environ["SIMWARDEN_WORKERS"] = str(given.workers or os.cpu_count() or 1)
    async with bench() as world, bare.serving() as beside:
        app_key, app_secret = await world.fill(0)
        await growth.fill(world, given.sims)
        await world.log_in(app_key, app_secret)
        for operation in ("query", *calls.READS):
            await reads.measure(world, operation, given.sims, given.seconds, given.rounds, given.connections, beside)


async def measure_eir(given: argparse.Namespace) -> None:
    """Equipment checks of a 5G core."""
    with eir.listening() as port:
        async with bench() as world, bare.serving() as beside:
            await world.fill(0)
            await eir.measure(world, port, given.sims, given.seconds, given.rounds, beside)


async def measure_s13(given: argparse.Namespace) -> None:
    """Equipment checks of a 4G core."""
    with eir.listening(s13.SETTING) as port:
        async with bench() as world:
            await world.fill(0)
            await s13.measure(world, port, given.sims, given.seconds, given.rounds)


async def measure_hotzone(given: argparse.Namespace) -> None:
    """Whether traffic was unusual, on a million counts of days."""
    async with bench() as world:
        app_key, app_secret = await world.fill(0)
        await growth.fill(world, given.sims)
        await world.log_in(app_key, app_secret)
        await hotzone.measure(world, given.sims, COUNTS, given.seconds, given.rounds)


async def measure_sightings(given: argparse.Namespace) -> None:
    """Durable sightings/s, from virtual gateways; one database for all rounds of a kind."""
    for changed, name in ((0.0, "steady"), (0.02, "2 % moved")):
        figures = []
        for _ in range(given.rounds):
            async with bench() as world:
                await world.fill(given.sims)
                figures.append(
                    await sightings.measure(world, gateways=60, changed=changed, offered=60_000, seconds=given.seconds)
                )
        middle, ceiling = machine.median(figures), sightings.CEILING[name]
        spread = ", ".join(f"{figure:,.0f}" for figure in figures)
        print(
            f"Durable sightings/s over HTTP, {name}: {middle:,.0f} (rounds {spread}); "
            f"PostgreSQL alone {ceiling:,}/s, ratio {middle / ceiling:.2f}",
            flush=True,
        )


async def measure_latency(given: argparse.Namespace) -> None:
    """From report to lock and to sink, idle and under load."""
    async with bench() as world:
        await world.log_in(*await world.fill(given.sims))
        await world.start_simulators("--gateways", "2", "--slots", "2", "--fill", "0.5", "--interval", "5")
        await world.add_gateways()
        for offered in (0, 2_000):
            load = await world.start_load(gateways=20, rate=offered, changed=0.02) if offered else None
            locks, events = await latency.report_to_lock(world, given.moves)
            beside = f"beside {offered:,} sightings/s" if offered else "otherwise idle"
            print(f"Report to lock command, {given.moves} moves, {beside}: {machine.percentiles(locks)}")
            print(
                f"Report to event at the sink, {given.moves} moves, {beside}: {machine.percentiles(events)}", flush=True
            )
            if load is not None:
                load.terminate()
                await load.wait()


async def measure_messages(given: argparse.Namespace) -> None:
    """From a received message to the sink, idle and under load; messages/s with a message centre."""
    async with bench() as world:
        await world.log_in(*await world.fill(given.sims))
        await world.start_simulators("--gateways", "2", "--slots", "2", "--fill", "0.5", "--interval", "5")
        await world.add_gateways()
        await messages.subscribe(world)
        for offered in (0, 2_000):
            load = await world.start_load(gateways=20, rate=offered, changed=0.02) if offered else None
            took = await messages.to_sink(world, given.moves)
            beside = f"beside {offered:,} sightings/s" if offered else "otherwise idle"
            print(f"Received message to event at the sink, {given.moves}, {beside}: {machine.percentiles(took)}")
            if load is not None:
                load.terminate()
                await load.wait()
    async with bench() as world:
        await world.fill(given.sims)
        await messages.smpp(world, given.sims, given.messages)


async def measure_deliveries(given: argparse.Namespace) -> None:
    """Deliveries/s with dead sinks among them."""
    figures = []
    for _ in range(given.rounds):
        async with bench() as world:
            await world.fill(20_000)
            figures.append(await deliveries.measure(world, 10_000))
    print(f"Deliveries/s, the middle of {given.rounds} rounds: {machine.median(figures):,.0f}; aim 2,000/s", flush=True)


async def measure_isolation(given: argparse.Namespace) -> None:
    """What a dead sink costs the others, and what each attacker of tests/attacks costs an honest tenant."""
    if DEAD_SINKS in (given.attacker or [DEAD_SINKS]):
        async with bench() as world:
            await world.fill(20_000)
            await isolation.measure(world, 5_000, given.seconds, given.rounds)
    chosen = [name for name in attacks.names() if name in (given.attacker or [name])]
    failed = [name for name in chosen if not await attacks.measure(name, given.seconds, given.rounds)]
    if failed:
        sys.exit(f"The honest tenant was not served as it should be beside {', '.join(failed)}.")


async def measure_growth(given: argparse.Namespace) -> None:
    """The same figures at more and more SIMs, as a table."""
    rows = []
    for sims in (*GROWTH, *((10_000_000,) if given.large else ())):
        async with bench() as world:
            rows.append(await growth.measure(world, sims, given.seconds))
    print(growth.table(rows), flush=True)
    if given.plot:
        await growth.plot(rows, given.plot)


async def measure_bulk(given: argparse.Namespace) -> None:
    """SIMs changed in bulk, and what calls beside it feel."""
    async with bench() as world:
        sims = min(given.sims, 100_000)
        await world.log_in(*await world.fill(sims))
        await bulk.measure(world, sims)
        await bulk.idle(world, sims)


async def measure_place(given: argparse.Namespace) -> None:
    """What area limits cost a sighting, cells imported and verification calls a second."""
    async with bench() as world:
        await place.measure(world, given.sims, given.seconds, given.rounds, given.connections)


async def measure_radius(given: argparse.Namespace) -> None:
    """Accounting and admission by RADIUS."""
    radius.prepare(given.workers or 1)
    async with bench() as world:
        sims = min(given.sims, 100_000)
        await world.fill(sims)
        await radius.measure(world, sims, given.seconds, given.rounds)


async def measure_rules(given: argparse.Namespace) -> None:
    """What ten rules cost a record."""
    async with bench() as world:
        await rules.measure(world, given.sims, given.seconds, given.rounds, given.workers or 2)


async def measure_pool(_given: argparse.Namespace) -> None:
    """What releasing a pool's connection costs."""
    await pool.measure()


async def measure_cost(_given: argparse.Namespace) -> None:
    """What the token check, the limits and the meter cost a call."""
    await cost.measure()


async def measure_retention(given: argparse.Namespace) -> None:
    """How fast old records are deleted, and what storing new ones feels of it."""
    async with bench() as world:
        await world.fill(0)
        await retention.measure(world, given.records)


async def measure_billing(given: argparse.Namespace) -> None:
    """Previews of a large account, closing a month of many."""
    async with bench() as world:
        await billing.measure(world, given.accounts, given.rounds)


async def measure_console(given: argparse.Namespace) -> None:
    """Pages of the console."""
    async with bench() as world:
        await world.fill(0)
        await console.measure(world, given.sims, given.pages)


async def measure_hlr(given: argparse.Namespace) -> None:
    """A stolen card at the real osmo-hlr."""
    with tempfile.TemporaryDirectory(prefix="simwarden-hlr-") as directory:
        await hlr.measure(given.moves, Path(directory))


SECTIONS = {
    "pool": measure_pool,
    "cost": measure_cost,
    "calls": measure_calls,
    "reads": measure_reads,
    "eir": measure_eir,
    "s13": measure_s13,
    "hotzone": measure_hotzone,
    "sightings": measure_sightings,
    "latency": measure_latency,
    "hlr": measure_hlr,
    "messages": measure_messages,
    "deliveries": measure_deliveries,
    "isolation": measure_isolation,
    "bulk": measure_bulk,
    "place": measure_place,
    "radius": measure_radius,
    "retention": measure_retention,
    "rules": measure_rules,
    "billing": measure_billing,
    "console": measure_console,
    "growth": measure_growth,
}


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"what to measure: {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--sims", type=int, default=1_000_000, help="SIMs in the register (default 1,000,000)")
    parser.add_argument("--records", type=int, default=2_000_000, help="messages, and half as many calls (retention)")
    parser.add_argument("--accounts", type=int, default=1000, help="billing: accounts to be closed (default 1,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each throughput figure (default 3)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a round (default 8)")
    parser.add_argument("--connections", type=int, default=128, help="reads and place: HTTP connections (default 128)")
    parser.add_argument(
        "--moves", type=int, default=100, help="moves, or received messages, of a latency (default 100)"
    )
    workers = (
        "rules: processes beside each other (default 2); worker processes of radius (default 1), reads (the cores)"
    )
    parser.add_argument("--workers", type=int, help=workers)
    parser.add_argument("--messages", type=int, default=5_000, help="by SMPP, in each direction (default 5,000)")
    parser.add_argument("--pages", type=int, default=60, help="console: how often each page is asked for (default 60)")
    parser.add_argument("--large", action="store_true", help="growth up to 10 million SIMs too (12 GB of disk)")
    parser.add_argument("--plot", type=Path, help="draw growth into this SVG file")
    cases = [DEAD_SINKS, *attacks.names()]
    several = f"isolation: only this one, may be repeated: {', '.join(cases)}"
    parser.add_argument("-a", "--attacker", action="append", choices=cases, metavar="NAME", help=several)
    given = parser.parse_args()
    unknown = [section for section in given.sections if section not in SECTIONS]
    if unknown:
        parser.error(f"there is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    # `timeout` and a supervisor send SIGTERM: what was started for the measurement is stopped then too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    print(f"Machine: {machine.shape()}", flush=True)
    print(f"Repeat: python -m benchmarks {' '.join(sys.argv[1:])}".rstrip(), flush=True)
    try:
        for section in given.sections or SECTIONS:
            uvloop.run(SECTIONS[section](given))
    except KeyboardInterrupt:
        sys.exit("Interrupted; the servers are stopped")


if __name__ == "__main__":
    main()
