"""The JSON paths of API v3 over real HTTP."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from simwarden.simulator.fleet import SimulatedFleet

from .conftest import Receiver, is_slot

LOGIN = {"username": "root", "password": "root"}


async def call(
    client: aiohttp.ClientSession, fleet: SimulatedFleet, method: str, path: str, body: Any = None, *, status: int = 200
) -> Any:
    url = fleet.server("gw1").command_url + path
    async with client.request(method, url, params=LOGIN, json=body) as answer:
        assert answer.status == status
        return await answer.json()


@pytest.mark.parametrize(
    "body",
    [
        {"slots": [{"port": 2, "slot": 1}]},
        {"slots_pattern": "2.01"},
        {"slots": [{"port": 2, "slot": 1}], "slots_pattern": "3"},
    ],
)
async def test_lock_and_unlock_are_confirmed_by_pushes(
    fleet_v3: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession, body: Any
) -> None:
    assert (await call(client, fleet_v3, "POST", "/lock_sims", body))["code"] == 200
    await receiver.wait_for(is_slot(2.01, "12"))
    assert [str(place) for place in fleet_v3.server("gw1").gateway.locked()] == ["2.01"]
    begin = len(receiver.reports)
    await call(client, fleet_v3, "POST", "/unlock_sims", body)
    await receiver.wait_for(is_slot(2.01, "3"), skip=begin)


@pytest.mark.parametrize("body", [{}, {"slots": [{"port": 9, "slot": 1}]}, {"slots": [1]}, {"slots_pattern": "7"}, [1]])
async def test_slots_that_do_not_exist_are_refused(
    fleet_v3: SimulatedFleet, client: aiohttp.ClientSession, body: Any
) -> None:
    assert (await call(client, fleet_v3, "POST", "/lock_sims", body, status=400))["code"] == 2


async def test_status_pages(fleet_v3: SimulatedFleet, client: aiohttp.ClientSession) -> None:
    device = await call(client, fleet_v3, "GET", "/get_device_status")
    assert (device["type"], device["expires"], device["status"][0]["st"]) == ("dev-Status", -1, 3)
    ports = await call(client, fleet_v3, "GET", "/get_ports_status", {"ports_pattern": "1,2"})
    assert [row["port"] for row in ports] == [1.01, 1.02, 2.01, 2.02]


@pytest.mark.parametrize("key", ["enable", "enbale"])
async def test_report_server_is_set_in_both_spellings(
    fleet_v3: SimulatedFleet, client: aiohttp.ClientSession, key: str
) -> None:
    body = {key: True, "url": "http://127.0.0.1:9/x", "period": 60}
    await call(client, fleet_v3, "POST", "/set_status_report_server", body)
    server = fleet_v3.server("gw1")
    assert (server.reporter.url, server.interval) == ("http://127.0.0.1:9/x", 60)
    await call(client, fleet_v3, "POST", "/set_status_report_server", {key: False})
    assert server.interval == 0
    await call(client, fleet_v3, "POST", "/set_status_report_server", {"period": 59}, status=400)


async def test_sms_tasks(fleet_v3: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession) -> None:
    tasks = [{"id": 1, "from": "1-2", "recipients": ["10086"], "sms": "hi"}, {"from": "1", "recipients": []}]
    answer = await call(client, fleet_v3, "POST", "/submit_sms_tasks", tasks)
    assert [row["code"] for row in answer] == [0, 11]
    pushed = await receiver.wait_for(lambda _name, body: body.get("type") == "sms-sent-status")
    assert pushed["statuses"][0]["sdr"][0]["number"] == "10086"


async def test_modems_and_device_reboot(
    fleet_v3: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    await call(client, fleet_v3, "POST", "/reboot_modems", {"ports": [2]})
    await receiver.wait_for(is_slot(2.01, "2"))
    begin = len(receiver.reports)
    await receiver.wait_for(is_slot(2.01, "3"))
    await call(client, fleet_v3, "POST", "/reboot_device")
    status = await receiver.wait_for(lambda _name, body: body["type"] == "dev-Status", skip=begin)
    assert status["seq"] == 1


async def test_wrong_login_is_401(fleet_v3: SimulatedFleet, client: aiohttp.ClientSession) -> None:
    async with client.get(fleet_v3.server("gw1").command_url + "/get_device_status") as answer:
        assert answer.status == 401
        assert (await answer.json())["code"] == 1
