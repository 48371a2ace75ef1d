"""RADIUS: durable accounting packets per second, and how long admission takes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from benchmarks import machine
from benchmarks.radius_load import ADDRESSES, SECRET
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from benchmarks.setup import Bench

ACCESS_RATE = 2_000


def prepare(workers: int) -> None:
    """Set what the server is started with."""
    os.environ["SIMWARDEN_WORKERS"] = str(workers)


async def measure(world: Bench, sims: int, seconds: float, rounds: int) -> None:
    """Starts, Interim-Updates that all say more octets, and Access-Requests at a rate."""
    async with world.database() as db:
        vault = Vault(master_key(Settings(data_dir=str(world.directory / "data"))))
        for number in range(ADDRESSES):
            await Gateways(db, vault).add(
                f"pgw-{number}",
                kind="radius",
                command_url=None,
                username=None,
                password=SECRET.decode(),
                report_interval=3600,
                source_addresses=[f"127.0.0.{2 + number}/32"],
            )
    await asyncio.sleep(6)  # the server reads its register every five seconds
    print(_said("Starts", [await _load(world, "start", sims, sims)]), flush=True)
    packets = int(12_000 * seconds)
    each = -(-packets // sims)
    figures = [await _load(world, "interim", sims, packets, "--turns", str(turn * each)) for turn in range(rounds)]
    print(_said("Interim-Updates with octets", figures), flush=True)
    found = await _load(world, "access", sims, int(ACCESS_RATE * seconds), "--rate", str(ACCESS_RATE))
    rate = found["answered"] / found["seconds"]
    print(
        f"Access-Requests at {rate:,.0f}/s: p50 {found['p50']} ms, p95 {found['p95']} ms, p99 {found['p99']} ms "
        f"(answers by code {found['codes']}, sent again {found['repeated']}); aim p99 under 20 ms",
        flush=True,
    )


def _said(what: str, figures: list[dict[str, Any]]) -> str:
    rates = [each["answered"] / each["seconds"] for each in figures]
    spread = ", ".join(f"{rate:,.0f}" for rate in rates)
    again = sum(each["repeated"] for each in figures)
    return (
        f"{what}: {machine.median(rates):,.0f} durable packets/s (rounds {spread}; sent again {again}); aim 15,000/s\n"
        f"  processor time of a packet: {_spent(figures)}"
    )


def _spent(figures: list[dict[str, Any]]) -> str:
    """Medians, in microseconds. A core gives 1,000,000 a second, so the sum is what the machine can do at most."""
    kinds = {"python": "Simwarden", "postgres": "PostgreSQL", "load": "load generator"}
    each = {kind: machine.median([f["cpu"][kind] / f["answered"] * 1e6 for f in figures]) for kind in kinds}
    return ", ".join(f"{kinds[kind]} {spent:.0f} us" for kind, spent in each.items())


async def _load(world: Bench, kind: str, sims: int, packets: int, *more: str) -> dict[str, Any]:
    port = world.radius_access_port if kind == "access" else world.radius_port
    before = _cpu(world)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.radius_load", kind, "--port", str(port)),
        *("--sims", str(sims), "--packets", str(packets), *more),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    found: dict[str, Any] = json.loads(said)
    after = _cpu(world)
    found["cpu"] = {kind: after[kind] - before[kind] for kind in before} | {"load": found["load"]}
    return found


def _cpu(world: Bench) -> dict[str, float]:
    """Seconds of processor time so far."""
    (noted,) = (world.directory / "data").rglob("postmaster.pid")
    postgres = machine.cpu_of(int(noted.read_text().split()[0]))
    return {"python": machine.cpu_of(world.server.pid), "postgres": postgres}
