"""`python -m benchmarks.tenants`: does the time of an answer tell whether a SIM is foreign or unknown?

Asks a running server for foreign and unknown SIMs in turn, thousands each, one call at a time over one connection so
that nothing but the answer's own time counts. Prints both distributions and the ratio of their medians, beside the
same for two sets of unknown SIMs, which shows how much of it is noise.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.setup import bench
from simwarden.accounts.applications import issue, open_account
from simwarden.accounts.scopes import SETS
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from benchmarks.setup import Bench

QUERY = "/iot-sim-fraud-prevention/v0.1/query"
SIMS = 20_000


async def measure(world: Bench, rounds: int) -> dict[str, list[float]]:
    """Answer times in microseconds: of foreign SIMs, of unknown ones, and of other unknown ones."""
    chance = random.Random(1)
    times: dict[str, list[float]] = {"foreign": [], "unknown": [], "unknown too": []}
    for turn in range(rounds + 200):
        number = chance.randrange(SIMS)
        asked = [("foreign", number), ("unknown", SIMS * 10 + number), ("unknown too", SIMS * 20 + number)]
        chance.shuffle(asked)
        for kind, wanted in asked:
            body = {"device": {"phoneNumber": f"+8690{wanted:010}"}, "queryType": "IMEIBIND"}
            began = time.perf_counter_ns()
            answer = await world.call(QUERY, body, 404)
            took = (time.perf_counter_ns() - began) / 1000
            assert answer["code"] == "IDENTIFIER_NOT_FOUND"
            if turn >= 200:  # connections, plans and caches are warm then
                times[kind].append(took)
    return times


def ratio(times: dict[str, list[float]], kind: str) -> float:
    """Median of a kind by that of unknown SIMs."""
    return statistics.median(times[kind]) / statistics.median(times["unknown"])


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3000, help="SIMs of each kind [3000]")
    rounds: int = parser.parse_args().rounds
    async with bench() as world:
        await world.fill(SIMS)
        async with world.database() as db:
            await open_account(Accounts(db), "stranger")
            made = await issue(Accounts(db), "stranger", "stranger", SETS["all"])
        await world.log_in(made.application.app_key, made.app_secret)
        times = await measure(world, rounds)
    for kind, found in times.items():
        cuts = statistics.quantiles(found, n=100)
        print(
            f"{kind:<12} {len(found):,} answers: p10 {cuts[9]:.0f}  p50 {cuts[49]:.0f}  p90 {cuts[89]:.0f}  "
            f"p99 {cuts[98]:.0f} us"
        )
    print(f"Foreign by unknown, medians: {ratio(times, 'foreign'):.4f}")
    print(f"Unknown by unknown, medians: {ratio(times, 'unknown too'):.4f} (noise)")


if __name__ == "__main__":
    asyncio.run(main())
