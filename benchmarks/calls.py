"""CAMARA calls per second and their times, token checked, on the embedded PostgreSQL."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from benchmarks import http_load, machine
from benchmarks.setup import Bench
from simwarden.demo.story import FRAUD

Json = dict[str, Any]

CEILING = {"query": 12_600, "bind": 8_900, "manage": 8_900}
"""Requests/s of a bare server that looks one row up: gathered into `unnest` statements; a held connection."""
BUSY = 2_300
"""Calls a second of the plan's busy hour."""
AIM = {"query": f"4,000/s; p99 under 30 ms at {BUSY:,}/s", "manage": f"{BUSY:,}/s, half of them writes"}
READS: dict[str, tuple[str, Callable[[Json], Json]]] = {
    "sim-swap": ("/sim-swap/v2/check", lambda number: number),
    "device-swap": ("/device-swap/v1/retrieve-date", lambda number: number),
    "number-recycling": ("/number-recycling/v0.2/check", lambda number: {**number, "specifiedDate": "2025-01-01"}),
    "kyc-tenure": ("/kyc-tenure/v0.2/check-tenure", lambda number: {**number, "tenureDate": "2025-01-01"}),
    "eligibility-info": (
        "/eligibility-info/v0.1/eligibility-check",
        lambda number: {**number, "scopes": ["iot-sim-fraud-prevention:query", "sim-swap:check"], "purpose": "dpv:A"},
    ),
    "device-identifier": ("/device-identifier/v0.3/retrieve-identifier", lambda number: {"device": number}),
    "device-reachability-status": ("/device-reachability-status/v1/retrieve", lambda number: {"device": number}),
    "device-roaming-status": ("/device-roaming-status/v1/retrieve", lambda number: {"device": number}),
}
"""What the record knows of a number: path, and the body that asks."""
HOTZONE = "fraud-hotzone"
HOTZONE_BODY = {"lookBackDays": 90, "fraudHotZone": ["KH", "MM", "+8821"]}
HOTZONE_AIM = "p99 under 20 ms on a million counts of days"
READS_AIM = "5,000/s; p99 under 10 ms at 1,000/s"
READS_RATE = 1_000
HOTZONE_RATE = 100
_MANAGE = "/device-communication-function-mgmt/v1/manage"


def requests(world: Bench, operation: str, sims: int) -> tuple[str, Callable[[int], bytes]]:
    """The URL of an operation, and what makes its requests: a random SIM each."""
    if operation == "manage":
        return _manage(world, sims)
    chance = random.Random(1)
    named = [{"phoneNumber": f"+8690{chance.randrange(sims):010}"} for _ in range(20_000)]
    if operation == HOTZONE:
        url = f"{world.url}/fraud-hotzone/vwip/check"
        bodies: list[Json] = [number | HOTZONE_BODY for number in named]
    elif operation in READS:
        path, body_of = READS[operation]
        url = world.url + path
        bodies = [body_of(number) for number in named]
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


async def measure(
    world: Bench,
    operation: str,
    sims: int,
    seconds: float,
    rounds: int,
    connections: int = 48,
) -> float:
    """Print the most that goes through, and the times at a steady rate: that of the busy hour, or HOTZONE_RATE.

    `connections`: kept ones over which the most is asked for. Returns the most, in requests/s.
    """
    url, make = requests(world, operation, sims)
    await http_load.run(url, make, seconds=2, connections=16)
    runs = [await http_load.run(url, make, seconds=seconds, connections=connections) for _ in range(rounds)]
    _check(operation, runs)
    middle, ceiling = machine.median([run.rate for run in runs]), CEILING.get(operation, CEILING["query"])
    aim = {**AIM, HOTZONE: HOTZONE_AIM}.get(operation)
    each = ", ".join(f"{run.rate:,.0f}" for run in runs)
    print(
        f"CAMARA {operation}, most: {middle:,.0f} requests/s (rounds {each}; {connections} connections, "
        f"{machine.percentiles(runs[0].latencies)}); ceiling {ceiling:,}/s, ratio {middle / ceiling:.2f}"
        + (f"; aim {aim}" if aim else ""),
        flush=True,
    )
    rate = HOTZONE_RATE if operation == HOTZONE else BUSY
    paced = [await http_load.run(url, make, seconds=seconds, connections=64, rate=rate) for _ in range(rounds)]
    _check(operation, paced)
    usual = sorted(paced, key=lambda run: sorted(run.latencies)[int(0.99 * len(run.latencies))])[rounds // 2]
    print(
        f"CAMARA {operation} at {rate:,}/s: {usual.rate:,.0f}/s answered, {machine.percentiles(usual.latencies)}",
        flush=True,
    )
    return middle


def _check(operation: str, runs: Sequence[http_load.Result]) -> None:
    for run in runs:
        assert set(run.statuses) == {200}, f"{operation} answered {run.statuses}"
