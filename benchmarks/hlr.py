"""From the check of a stolen card's device to the cancellation of its location: the server before the real osmo-hlr.

An MSC and an SGSN of the simulator connect to the server's GSUP port. A card is registered at both in its own device;
then the MSC asks about another device. Measured is from that question to its refusal, and to the Location Cancel at
each of the two. Then the card returns.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.hlr import Hlr, running_hlr

from benchmarks.setup import IMSI_BASE, Bench, bench
from simwarden.demo.processes import free_port
from simwarden.demo.world import until
from simwarden.domain.identifiers import bucket_of
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.simulator.core import CoreNode, NotRegistered
from simwarden.southbound.osmo_hlr.gsup import Domain
from simwarden.southbound.osmo_hlr.poller import KIND
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Sequence

HOME, OTHER = "35368953070790", "35368953070791"
CARDS = 20


async def measure(moves: int, directory: Path) -> None:
    """Print what `moves` moves of cards took."""
    port = free_port()
    os.environ["SIMWARDEN_OSMO_HLR_GSUP_PORT"] = str(port)
    try:
        async with running_hlr(directory) as hlr, bench() as world:
            await world.fill(CARDS)
            await _register(world, hlr)
            await asyncio.sleep(6)  # until the workers know it
            await _measure(world, hlr, port, moves)
    finally:
        del os.environ["SIMWARDEN_OSMO_HLR_GSUP_PORT"]


async def _register(world: Bench, hlr: Hlr) -> None:
    async with world.database() as db:
        gateways = Gateways(db, Vault(master_key(Settings(data_dir=str(world.directory / "data")))))
        more = {"username": None, "password": None, "source_addresses": ["127.0.0.1/32"]}
        await gateways.add("hlr-1", kind=KIND, command_url=hlr.url, **more)  # type: ignore[arg-type]


async def _measure(world: Bench, hlr: Hlr, port: int, moves: int) -> None:
    cards = [str(IMSI_BASE + number) for number in range(CARDS)]
    for card in cards:
        await hlr.subscribe(card)
    cancelled: dict[tuple[str, str], float] = {}
    heard = asyncio.Event()

    def cancel(name: str, imsi: str) -> None:
        cancelled[name, imsi] = time.perf_counter()
        heard.set()

    msc = await CoreNode("MSC-1", Domain.CIRCUIT, lambda imsi: cancel("MSC-1", imsi)).connect("127.0.0.1", port)
    sgsn = await CoreNode("SGSN-1", Domain.PACKET, lambda imsi: cancel("SGSN-1", imsi)).connect("127.0.0.1", port)
    for card in cards:
        await msc.register(card, HOME)
    async with world.database() as db:

        async def all_attached() -> bool:
            return bool(await db.fetchval("select count(*) >= $1 from attachment where held is not null", CARDS))

        await until(all_attached, "all cards are attached", 60)
    await world.bind_current(cards)
    refusals: list[float] = []
    cancels: list[float] = []
    for number in range(moves):
        card = cards[number % CARDS]
        for node, imei in ((msc, HOME), (sgsn, None)):
            await _registered(node, card, imei)
        cancelled.clear()
        began = time.perf_counter()
        try:
            await msc.check_imei(card, OTHER)
        except NotRegistered:
            refusals.append((time.perf_counter() - began) * 1000)
        async with asyncio.timeout(60):
            while len(cancelled) < 2:
                heard.clear()
                await heard.wait()
        cancels.append((max(cancelled.values()) - began) * 1000)
        await _settled(world, card)
    await msc.close()
    await sgsn.close()
    print(f"Check-IMEI to its refusal: {_spread(refusals)}; to both Location Cancels: {_spread(cancels)}", flush=True)


async def _settled(world: Bench, imsi: str) -> None:
    query = "select bool_and(status = 'APPLIED') from attachment where bucket = $1 and imsi = $2"
    async with world.database() as db:

        async def applied() -> bool:
            return bool(await db.fetchval(query, bucket_of(imsi), imsi))

        await until(applied, "the bar is applied")


async def _registered(node: CoreNode, imsi: str, imei: str | None) -> None:
    """A card that came home is let in as soon as the HLR knows."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await node.register(imsi, imei)
            except NotRegistered:
                await asyncio.sleep(0.01)


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    worst = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"median {statistics.median(ordered):.1f} ms, p99 {worst:.1f} ms of {len(ordered)}"
