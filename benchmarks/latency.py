"""From the report of a stolen card to the lock command at its gateway, under load."""

from __future__ import annotations

import asyncio
from functools import partial

from benchmarks.setup import IMSI_BASE, Bench
from simwarden.demo.world import until


async def report_to_lock(world: Bench, moves: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the gateway's report to the lock command at the gateway, and to the event at the sink.

    Cards of gw1 (slot 1) are moved to gw2's empty second slots one after the other; the next moves when it is locked.
    """
    cards = [str(IMSI_BASE + number) for number in range(32)]
    await until(lambda: _all_seen(world, cards), "all cards are seen", 60)
    await world.bind_current(cards)
    for number in range(32):
        await world.subscribe(number)
    locks, events = [], []
    for number in range(moves):
        port = number % 32 + 1
        imsi = cards[number % 32]
        moved = await world.steer("/move", imsi=imsi, gateway="gw2", port=port, slot=2)
        since = moved["moved_ns"]
        locks.append(await until(partial(_locked, world, since, f"{port}.02"), "it is locked"))
        events.append(await until(partial(_told, world, since, f"{port}.02"), "the sink is told"))
        await world.steer("/move", imsi=imsi, gateway="gw1", port=port, slot=1)
        await until(partial(_open, world, f"{port}.02"), "it is open again")
        await asyncio.sleep(0.01)
    return locks, events


async def _told(world: Bench, since: int, slot: str) -> float | None:
    event = next((e for e in await world.sink_events() if e["received_ns"] >= since and "imei" in str(e["body"])), None)
    if event is None:
        return None
    sent = await _reported(world, since, slot)
    return None if sent is None else float(event["received_ns"] - sent) / 1e6


async def _reported(world: Bench, since: int, slot: str) -> int | None:
    reports = (await world.look("/gateways/gw2/reports?limit=100"))["reports"]
    report = next((r for r in reports if r["sent_ns"] >= since and slot in r["slots"]), None)
    return None if report is None else int(report["sent_ns"])


async def _all_seen(world: Bench, cards: list[str]) -> bool:
    async with world.database() as db:
        seen = await db.fetchval("select count(*) from sim where imsi = any($1) and seen_imei is not null", cards)
    return bool(seen == len(cards))


async def _locked(world: Bench, since: int, slot: str) -> float | None:
    commands = (await world.look("/gateways/gw2/commands?limit=20"))["commands"]
    command = next(
        (c for c in commands if c["op"] == "lock" and c["received_ns"] >= since and slot in c["slots"]), None
    )
    if command is None:
        return None
    sent = await _reported(world, since, slot)
    return None if sent is None else float(command["received_ns"] - sent) / 1e6


async def _open(world: Bench, slot: str) -> bool:
    return slot not in (await world.look("/gateways/gw2"))["locked"]
