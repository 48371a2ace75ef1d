"""CAMARA calls per second and their times, token checked, on the embedded PostgreSQL."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks import http_load, machine
from benchmarks.setup import Bench
from simwarden.demo.story import FRAUD

CEILING = {"query": 12_600, "bind": 8_900, "manage": 8_900, "sim-swap": 12_600, "device-swap": 12_600}
"""Requests/s of a bare server that looks one row up: gathered into `unnest` statements; a held connection."""
AIM = {"query": "4,000/s; p99 under 30 ms at 2,300/s", "manage": "2,300/s, half of them writes"} | dict.fromkeys(
    ("sim-swap", "device-swap"), "5,000/s"
)
_BY_NUMBER = {"sim-swap": "/sim-swap/v2/check", "device-swap": "/device-swap/v1/retrieve-date"}
_MANAGE = "/device-communication-function-mgmt/v1/manage"


def requests(world: Bench, operation: str, sims: int) -> tuple[str, Callable[[int], bytes]]:
    """The URL of an operation, and what makes its requests: a random SIM each."""
    if operation == "manage":
        return _manage(world, sims)
    chance = random.Random(1)
    named = [{"phoneNumber": f"+8690{chance.randrange(sims):010}"} for _ in range(20_000)]
    if operation in _BY_NUMBER:
        url = world.url + _BY_NUMBER[operation]
        bodies: list[dict[str, Any]] = [*named]
    else:
        url = f"{world.url}{FRAUD}/{operation}"
        field = {"query": "queryType", "bind": "bindType", "unbind": "unBindType"}[operation]
        bodies = [{"device": device, field: "IMEIBIND"} for device in named]
    headers = {"Authorization": f"Bearer {world.token}"}
    ready = [http_load.request(url, json.dumps(body).encode(), headers) for body in bodies]
    return url, lambda n: ready[n % len(ready)]


def _manage(world: Bench, sims: int) -> tuple[str, Callable[[int], bytes]]:
    """China Telecom's `manage`: every other call closes data, or opens it again later; the others ask."""
    url = world.url + _MANAGE
    headers = {"Authorization": f"Bearer {world.token}"}
    chance = random.Random(2)
    changed = chance.sample(range(sims), min(sims, 50_000))
    numbers = itertools.count()

    def make(_n: int) -> bytes:
        n, is_write = divmod(next(numbers), 2)
        if is_write:
            turn, place = divmod(n, len(changed))
            number, action = changed[place], ("close", "open")[turn % 2]
        else:
            number, action = chance.randrange(sims), "query"
        body = {"device": {"phoneNumber": f"+8690{number:010}"}, "busiType": "data", "action": action}
        return http_load.request(url, msgspec.json.encode(body), headers)

    return url, make


async def measure(world: Bench, operation: str, sims: int, seconds: float, rounds: int) -> float:
    """Print the most that goes through, and the times at 2,300 calls a second (the plan of the busy hour).

    Returns the most, in requests/s.
    """
    url, make = requests(world, operation, sims)
    await http_load.run(url, make, seconds=2, connections=16)
    rates, spread = [], []
    for _ in range(rounds):
        result = await http_load.run(url, make, seconds=seconds, connections=48)
        assert set(result.statuses) == {200}, result.statuses
        rates.append(result.rate)
        spread.append(machine.percentiles(result.latencies))
    middle = machine.median(rates)
    ceiling = CEILING[operation]
    print(
        f"CAMARA {operation}, most: {middle:,.0f} requests/s (rounds {', '.join(f'{rate:,.0f}' for rate in rates)}; "
        f"48 connections, {spread[0]}); ceiling {ceiling:,}/s, ratio {middle / ceiling:.2f}"
        + (f"; aim {AIM[operation]}" if operation in AIM else ""),
        flush=True,
    )
    paced = [await http_load.run(url, make, seconds=seconds, connections=64, rate=2_300) for _ in range(rounds)]
    for result in paced:
        assert set(result.statuses) == {200}, result.statuses
    middle_run = sorted(paced, key=lambda result: sorted(result.latencies)[int(0.99 * len(result.latencies))])[
        rounds // 2
    ]
    print(
        f"CAMARA {operation} at 2,300/s: {middle_run.rate:,.0f}/s answered, "
        + machine.percentiles(middle_run.latencies),
        flush=True,
    )
    return middle
