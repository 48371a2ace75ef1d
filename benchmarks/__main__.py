"""`python -m benchmarks`: prints figures with the machine's shape."""

from __future__ import annotations

import argparse
import asyncio
import time

from benchmarks import calls, deliveries, latency, machine, sightings, twins
from benchmarks.setup import bench


async def run(sims: int, rounds: int, seconds: float, moves: int) -> None:
    """Everything, on a fresh server."""
    print(f"Machine: {machine.shape()}")
    async with bench() as world:
        began = time.monotonic()
        app_key, app_secret = await world.fill(sims)
        print(f"Register {sims:,} SIMs: {sims / (time.monotonic() - began):,.0f} rows/s")
        await world.log_in(app_key, app_secret)
        queries = await calls.measure(world, "query", sims, seconds, rounds)
        await twins.naive_query(world, sims, seconds, queries)
        await twins.pyhss(world, sims, seconds)
        await calls.measure(world, "bind", sims, seconds, rounds)
        memory = machine.memory_of(world.server.pid)
        print(f"Memory of the server: Python {memory['python']:.0f} MiB, PostgreSQL {memory['postgres']:.0f} MiB (PSS)")
    for changed, name in ((0.0, "steady"), (0.02, "2 % moved")):
        figures = []
        for _ in range(rounds):
            async with bench() as world:
                await world.fill(sims)
                figures.append(
                    await sightings.measure(world, gateways=60, changed=changed, offered=60_000, seconds=seconds)
                )
        middle, ceiling = machine.median(figures), sightings.CEILING[name]
        spread = ", ".join(f"{figure:,.0f}" for figure in figures)
        print(
            f"Durable sightings/s over HTTP, {name}: {middle:,.0f} (rounds {spread}); "
            f"PostgreSQL alone {ceiling:,}/s, ratio {middle / ceiling:.2f}"
        )
    async with bench() as world:
        await world.fill(sims)
        await world.start_simulators("--gateways", "2", "--slots", "2", "--fill", "0.5", "--interval", "5")
        await world.add_gateways()
        times = await latency.report_to_lock(world, moves)
        print(f"Report to lock command, {moves} moves, otherwise idle: {machine.percentiles(times)}")
    async with bench() as world:
        await world.fill(20_000)
        await deliveries.measure(world, 10_000)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sims", type=int, default=100_000, help="SIMs in the register (default 100,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each throughput figure (default 3)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a round (default 8)")
    parser.add_argument("--moves", type=int, default=100, help="moves for the latency figure (default 100)")
    given = parser.parse_args()
    asyncio.run(run(given.sims, given.rounds, given.seconds, given.moves))


if __name__ == "__main__":
    main()
