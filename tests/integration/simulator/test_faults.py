"""Every fault that can be switched on, seen from the platform's side."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from tests.support.patience import PATIENCE

from simwarden.simulator.actions import perform
from simwarden.simulator.faults import Fault, FaultName
from simwarden.simulator.fleet import SimulatedFleet
from simwarden.simulator.operations import Move
from simwarden.simulator.slot_addresses import SlotAddress

from .conftest import Receiver, is_device, is_slot

LOCK = {"type": "command", "op": "lock", "ports": "1A"}


async def lock(client: aiohttp.ClientSession, fleet: SimulatedFleet, *, patience: float = PATIENCE) -> tuple[int, Any]:
    url = fleet.server("gw1").command_url + "/goip_send_cmd.html"
    query = {"username": "root", "password": "root"}
    limit = aiohttp.ClientTimeout(total=patience)
    async with client.post(url, params=query, json=LOCK, timeout=limit) as answer:
        return answer.status, (await answer.json())["code"]


async def switch_on(fleet: SimulatedFleet, name: FaultName, **details: Any) -> None:
    await fleet.server("gw1").set_fault(Fault(name, **details))


async def test_offline_refuses_connections_and_reports_nothing(
    fleet: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    await lock(client, fleet)
    await receiver.wait_for(is_slot("1.01", 12))
    begin = len(receiver.reports)
    await switch_on(fleet, "offline")
    async with aiohttp.ClientSession() as fresh:
        with pytest.raises(aiohttp.ClientConnectorError):
            await lock(fresh, fleet)
    moved = Move(imsi="base+1", gateway="gw2", port=1, slot=2)
    await perform(fleet, moved)
    await receiver.wait_for(lambda name, body: name == "gw2" and body.get("port") == "1.02", skip=begin)
    assert [name for name, _ in receiver.reports[begin:]] == ["gw2"]


async def test_back_online_begins_with_a_dev_status_on_the_same_port(
    fleet: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    url = fleet.server("gw1").command_url
    await switch_on(fleet, "offline")
    begin = len(receiver.reports)
    await switch_on(fleet, "none")
    assert await lock(client, fleet) == (200, 0)
    await receiver.wait_for(is_slot("1.01", 12), skip=begin)
    assert is_device(*receiver.reports[begin])
    assert fleet.server("gw1").command_url == url


async def test_refuse_answers_an_error_so_often_as_told(fleet: SimulatedFleet, client: aiohttp.ClientSession) -> None:
    await switch_on(fleet, "refuse", remaining=1)
    assert await lock(client, fleet) == (500, 7)
    assert await lock(client, fleet) == (200, 0)
    await switch_on(fleet, "refuse", status=200)
    assert await lock(client, fleet) == (200, 7)


async def test_timeout_hangs_until_it_is_cleared(fleet: SimulatedFleet, client: aiohttp.ClientSession) -> None:
    await switch_on(fleet, "timeout")
    with pytest.raises(TimeoutError):
        await lock(client, fleet, patience=0.1)
    arrived = asyncio.Event()
    fleet.server("gw1").executor.on_command = lambda _command: arrived.set()
    waiting = asyncio.create_task(lock(client, fleet))
    await asyncio.wait_for(arrived.wait(), PATIENCE)
    await switch_on(fleet, "none")
    assert (await waiting)[0] == 504
    assert fleet.server("gw1").gateway.locked() == []


async def test_a_lie_is_answered_ok_and_does_nothing(
    fleet: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    await switch_on(fleet, "lie")
    assert await lock(client, fleet) == (200, 0)
    lied = fleet.server("gw1").executor.log[-1]
    await switch_on(fleet, "none")
    await lock(client, fleet)
    await receiver.wait_for(is_slot("1.01", 12))
    assert (lied.fault, lied.effect_ns) == ("lie", None)
    assert sum(is_slot("1.01", 12)(*report) for report in receiver.reports) == 1


async def test_no_report_takes_effect_silently(
    fleet: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    await switch_on(fleet, "no_report")
    begin = len(receiver.reports)
    server = fleet.server("gw1")
    changed = asyncio.Event()
    server.gateway.watch(lambda _place: changed.set())
    await lock(client, fleet)
    await asyncio.wait_for(changed.wait(), PATIENCE)
    assert server.gateway.is_locked(SlotAddress(1, 1))
    server.report_device()
    await receiver.wait_for(is_device, skip=begin)
    assert [body["type"] for _, body in receiver.reports[begin:]] == ["dev-status"]


async def test_slow_answers_late(fleet: SimulatedFleet, client: aiohttp.ClientSession) -> None:
    await switch_on(fleet, "slow", delay=0.2)
    begin = time.monotonic()
    assert await lock(client, fleet) == (200, 0)
    assert time.monotonic() - begin >= 0.2


async def test_reports_that_get_no_good_answer_are_tried_again_then_dropped(
    fleet: SimulatedFleet, receiver: Receiver
) -> None:
    receiver.status = 503
    server = fleet.server("gw1")
    push = server.report_device()
    await asyncio.wait_for(push.finished.wait(), PATIENCE)
    assert (push.outcome, push.attempts, push.http_status, server.reporter.dropped) == ("dropped", 3, 503, 1)
    receiver.status = 404
    push = server.report_device()
    await asyncio.wait_for(push.finished.wait(), PATIENCE)
    assert (push.outcome, push.attempts, server.reporter.rejected) == ("rejected", 1, 1)


async def test_reports_use_a_kept_connection(fleet: SimulatedFleet, receiver: Receiver) -> None:
    before = len(receiver.connections)
    pushes = [fleet.server("gw1").report_device() for _ in range(5)]
    await asyncio.wait_for(pushes[-1].finished.wait(), PATIENCE)
    assert len(receiver.connections) == before


async def test_an_unreachable_report_url_loses_reports_not_the_gateway(fleet: SimulatedFleet) -> None:
    server = fleet.server("gw1")
    server.configure_reports("http://127.0.0.1:1/nobody", None)
    push = server.report_device()
    await asyncio.wait_for(push.finished.wait(), PATIENCE)
    assert (push.outcome, push.http_status, push.answered_ns) == ("dropped", None, None)
