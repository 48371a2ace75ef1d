"""The stolen-SIM story and its harder variants, through the public interfaces only: real processes that speak HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from simwarden.demo.story import FRAUD, IMEI_CHANGE, SUBSCRIPTIONS, Story
from simwarden.demo.world import World, until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        made = World(session, tmp_path)
        try:
            yield made
        finally:
            await made.processes.stop()


async def test_the_demo_tells_what_happened(world: World) -> None:
    told: list[tuple[str, str]] = []
    await Story(world, lambda kind, text: told.append((kind, text))).play()
    seen = [text for kind, text in told if kind == "see"]
    assert any("is locked: status 12" in text for text in seen)
    assert any("is lifted" in text for text in seen)
    assert any("stays open: this gateway can only lock the whole SIM" in text for text in seen)
    assert any("SUSPENDED, its slot locked" in text for text in seen)
    assert "Data is open again: voice, SMS and data work" in seen
    assert "The bar AREA_EXIT stands, the slot at gw2 is locked" in seen
    assert "Its history of places: gw1, gw2, gw1" in seen
    assert seen[-1] == "Swapped in the last 24 hours? CAMARA device-swap: yes, sim-swap: yes"
    times = [text for kind, text in told if kind == "time"]
    assert sum("command is at the gateway" in text for text in times) == 2
    assert sum("confirmed by the gateway" in text for text in times) == 2


async def prepare(world: World, generation: str) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    """A bound and subscribed SIM in gw1 port 1; gw2 is empty but for its own cards."""
    server = await world.start_server()
    await world.start_simulators(
        *("--gateways", "2", "--ports", "4", "--slots", "2", "--fill", "0.5", "--generation", generation),
        *("--interval", "2"),
    )
    await world.processes.command("account", "create", "ACME")
    app = await world.processes.command("app", "create", "--account", "ACME", "--name", "meters", "--scopes", "control")
    await world.log_in(app["appKey"], app["appSecret"])
    card = (await world.look("/gateways/gw1"))["sims"][0]
    await world.processes.command(
        *("sim", "add", "--account", "ACME", "--imsi", card["imsi"], "--iccid", card["iccid"]),
        *("--msisdn", card["msisdn"], "--imei", card["imei"]),
    )
    for gateway in world.gateways:
        made = await world.processes.command(
            *("gateway", "add", "--name", gateway["name"], "--command-url", gateway["command_url"]),
            *("--username", gateway["username"], "--password", gateway["password"], "--interval", "2"),
        )
        await world.steer(f"/gateways/{gateway['name']}/report-url", url=made["reportUrl"], report_now=True)
    shown = await world.processes.command("sim", "show", card["imsi"])
    card["msisdn"] = shown["phoneNumber"]
    await world.call(
        f"{SUBSCRIPTIONS}/subscriptions",
        {
            "protocol": "HTTP",
            "sink": world.sink,
            "types": [IMEI_CHANGE],
            "config": {"subscriptionDetail": {"device": {"phoneNumber": card["msisdn"]}}},
        },
        201,
    )
    return server, card


async def changes(world: World) -> list[dict[str, Any]]:
    """The imei-change events that the sink has taken, each id once."""
    found = {}
    for event in await world.sink_events():
        body = event.get("body")
        if isinstance(body, dict) and body.get("type") == IMEI_CHANGE and event["status"] == 204:
            found[body["id"]] = body
    return list(found.values())


async def locked(world: World, gateway: str, slot: str) -> bool:
    return slot in (await world.look(f"/gateways/{gateway}"))["locked"]


async def functions(world: World, imsi: str) -> dict[str, Any]:
    told: dict[str, Any] = await world.processes.command("sim", "explain", imsi)
    return told


@pytest.mark.parametrize("generation", ["2", "3"])
async def test_a_gateway_that_is_off_gets_the_lock_when_it_is_back_even_after_a_crash(
    world: World, generation: str
) -> None:
    server, card = await prepare(world, generation)
    await world.steer("/gateways/gw2/fault", fault="refuse")
    await world.steer("/move", imsi=card["imsi"], gateway="gw2", port=3, slot=2)

    async def told_once() -> bool:
        return len(await changes(world)) == 1

    await until(told_once, "the sink is told of the new device")
    await world.steer("/gateways/gw2/fault", fault="offline")
    assert not await locked(world, "gw2", "3.02")

    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    await world.start_server()
    told = await functions(world, card["imsi"])
    assert told["bindingState"] == "DIFFERED"
    assert [function["effective"] for function in told["functions"]] == [False, False, False]

    await world.steer("/gateways/gw2/fault", fault="none")
    await until(lambda: locked(world, "gw2", "3.02"), "the gateway that came back gets the lock")

    async def applied() -> bool:
        places = (await functions(world, card["imsi"]))["places"]
        return [place["status"] for place in places if place["current"]] == ["APPLIED"]

    await until(applied, "the lock is confirmed")
    assert len(await changes(world)) == 1  # told at least once, under one id

    await world.steer("/move", imsi=card["imsi"], gateway="gw1", port=1, slot=1)

    async def open_again() -> bool:
        return not await locked(world, "gw2", "3.02") and len(await changes(world)) == 2

    await until(open_again, "the lock is lifted and the sink told")
    answer = await world.call(f"{FRAUD}/query", {"device": {"phoneNumber": card["msisdn"]}, "queryType": "IMEIBIND"})
    assert answer == {"imeiBind": {"bindImei": card["imei"], "bindStatus": "BOUND"}}


async def test_a_gateway_that_lies_is_not_believed(world: World) -> None:
    _, card = await prepare(world, "2")
    await world.steer("/gateways/gw2/fault", fault="lie")
    await world.steer("/move", imsi=card["imsi"], gateway="gw2", port=2, slot=2)

    async def commanded_twice() -> bool:
        commands = (await world.look("/gateways/gw2/commands"))["commands"]
        return len([command for command in commands if command["op"] == "lock"]) >= 2

    await until(commanded_twice, "the command without effect is repeated")
    places = (await functions(world, card["imsi"]))["places"]
    assert [place["status"] for place in places if place["current"]] == ["PENDING"]
    await world.steer("/gateways/gw2/fault", fault="none")
    await until(lambda: locked(world, "gw2", "2.02"), "the lock takes effect once the gateway is honest")
