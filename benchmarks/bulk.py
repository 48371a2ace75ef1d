"""What 100,000 SIMs changed in bulk do to the calls beside them: rows/s, and p99 with and without, in one run."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks import calls, http_load, machine
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.accounts.applications import issue_operator
from simwarden.store.accounts import Accounts

RATE = 500
"""Calls a second beside it: about the busy hour's."""
ROUNDS = 10
ALLOWED = 1.33
"""So much longer may the slowest hundredth of calls take while it runs."""


async def measure(world: Bench, sims: int) -> float:
    """Print how fast SIMs are closed and bound in bulk, and how much longer p99 of `query` is meanwhile; returns that.

    The SIMs are done in ROUNDS. Each is followed by the same time without bulk, so that whatever else the machine does
    falls on both alike; the middle of the rounds' ratios counts.
    """
    url, make = calls.requests(world, "query", sims)
    customer = world.token
    await _as_operator(world)
    await http_load.run(url, make, seconds=2, connections=16)
    ratios, rates = [], []
    alone: list[float] = []
    beside: list[float] = []
    for number in range(ROUNDS):
        body = ({"action": "close", "functions": ["DATA"]}, {"action": "bind", "firstSeen": True})[number % 2]
        first, last = sims * number // ROUNDS, sims * (number + 1) // ROUNDS
        listed = "imsi\n" + "\n".join(str(IMSI_BASE + sim) for sim in range(first, last)) + "\n"
        began = time.monotonic()
        task = asyncio.create_task(_bulk(world, {**body, "csv": listed}))
        with_bulk: list[float] = []
        while not task.done():
            with_bulk += (await http_load.run(url, make, seconds=1, connections=64, rate=RATE)).latencies
        done, took = await task
        assert done == last - first, f"{done} of {last - first} were done"
        seconds = time.monotonic() - began
        without = (await http_load.run(url, make, seconds=seconds, connections=64, rate=RATE)).latencies
        ratios.append(_p99(with_bulk) / _p99(without))
        rates.append(done / took)
        alone += without
        beside += with_bulk
    world.token = customer
    ratio = machine.median(ratios)
    print(f"CAMARA query at {RATE}/s without bulk: {machine.percentiles(alone)}")
    print(f"CAMARA query at {RATE}/s beside bulk:  {machine.percentiles(beside)}")
    print(
        f"{sims:,} SIMs closed or bound in bulk at {machine.median(rates):,.0f} SIMs/s; p99 of calls beside it "
        f"{ratio:.2f} times that without (rounds {', '.join(f'{one:.2f}' for one in ratios)}; allowed {ALLOWED:.2f})",
        flush=True,
    )
    return ratio


async def idle(world: Bench, sims: int) -> None:
    """Print how fast SIMs are opened in bulk while nobody calls."""
    customer = world.token
    await _as_operator(world, "idle")
    done, took = await _bulk(world, {"action": "open", "functions": ["SMS", "DATA"], "filter": {}})
    world.token = customer
    print(f"Bulk of {done:,} SIMs (half of {sims:,}) while nobody calls: {done / took:,.0f} SIMs/s", flush=True)


async def _bulk(world: Bench, body: dict[str, object]) -> tuple[int, float]:
    """Preview, confirm and wait; returns how many were done and the seconds from the confirmation to the end."""
    found = await world.call("/manage/v1/bulk", body, 202)
    path = f"/manage/v1/operations/{found['id']}"
    found = await _until(world, path, "READY")
    began = time.monotonic()
    await world.call(f"{path}/confirm", {"confirmToken": found["confirmToken"]}, 202)
    found = await _until(world, path, "COMPLETED")
    return found["counts"]["done"], time.monotonic() - began


async def _until(world: Bench, path: str, state: str) -> dict[str, Any]:
    while True:
        headers = {"Authorization": f"Bearer {world.token}"}
        async with world.session.get(f"{world.url}{path}", headers=headers) as answer:
            found: dict[str, Any] = await answer.json()
        if found["state"] == state:
            return found
        await asyncio.sleep(0.5)


async def _as_operator(world: Bench, name: str = "bench") -> None:
    async with world.database() as db:
        made = await issue_operator(Accounts(db), name)
    await world.log_in(made.application.app_key, made.app_secret)


def _p99(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[int(0.99 * (len(ordered) - 1))]
