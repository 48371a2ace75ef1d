"""Durable sightings per second over HTTP, in the Ejoin form: 32 ports a message, answered after commit."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from benchmarks import machine
from benchmarks.setup import Bench

CEILING = {"steady": 45_800, "2 % moved": 41_300}
"""Rows/s of PostgreSQL alone on such a machine, load generator included: update-and-return, upsert by 100."""


async def measure(world: Bench, *, gateways: int, changed: float, offered: int, seconds: float) -> float:
    """Sightings/s answered with 200 while `offered` a second are sent; the first quarter is not counted."""
    process = await world.start_load(gateways=gateways, rate=offered, changed=changed)
    assert process.stdout is not None
    samples: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(seconds + 30):
            loop = asyncio.get_running_loop()
            until = loop.time() + seconds
            while loop.time() < until:
                found = json.loads(await process.stdout.readline())
                if found.get("event") == "load":
                    samples.append(found)
    finally:
        process.terminate()
        await process.wait()
    kept = samples[len(samples) // 4 :]
    reports = [sample["answered"] for sample in kept]
    return machine.median([count * 32.0 for count in reports])
