"""The goip_*.html pages over real HTTP."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest

from simwarden.simulator.fleet import SimulatedFleet

from .conftest import Receiver, is_slot

LOGIN = {"version": "1.1", "username": "root", "password": "root"}


async def send(client: aiohttp.ClientSession, fleet: SimulatedFleet, body: Any, login: dict[str, str] = LOGIN) -> Any:
    url = fleet.server("gw1").command_url + "/goip_send_cmd.html"
    async with client.post(url, params=login, json=body) as answer:
        assert answer.status == 200
        return await answer.json()


async def get(client: aiohttp.ClientSession, fleet: SimulatedFleet, page: str, **query: str) -> Any:
    async with client.get(f"{fleet.server('gw1').command_url}/{page}", params=LOGIN | query) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_a_lock_is_answered_at_once_and_confirmed_by_a_push(
    fleet: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    assert await send(client, fleet, {"type": "command", "op": "lock", "ports": "2A"}) == {"code": 0, "reason": "OK"}
    pushed = await receiver.wait_for(is_slot("2.01", 12))
    assert pushed["type"] == "port-status"
    command = fleet.server("gw1").executor.log[-1]
    assert command.effect_ns is not None
    assert command.effect_ns - command.received_ns >= 20_000_000
    await send(client, fleet, {"type": "command", "op": "unlock", "ports": "2.01"})
    await receiver.wait_for(is_slot("2.01", 3), skip=len(receiver.reports))


async def test_a_port_without_a_slot_locks_all_its_slots(
    fleet: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    await send(client, fleet, {"type": "command", "op": "lock", "ports": "3"})
    await receiver.wait_for(is_slot("3.01", 12))
    await receiver.wait_for(is_slot("3.02", 0))
    assert [str(place) for place in fleet.server("gw1").gateway.locked()] == ["3.01", "3.02"]


async def test_multiple_does_all_its_operations(
    fleet: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    ops = [{"op": "lock", "ports": "1A"}, {"op": "reset", "ports": "2"}]
    assert (await send(client, fleet, {"type": "command", "op": "multiple", "ops": ops}))["code"] == 0
    await receiver.wait_for(is_slot("1.01", 12))
    begin = len(receiver.reports)
    await receiver.wait_for(is_slot("2.01", 2))
    await receiver.wait_for(is_slot("2.01", 3), skip=begin)


async def test_reboot_begins_the_counters_again(
    fleet: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    await send(client, fleet, {"type": "command", "op": "lock", "ports": "1A"})
    await receiver.wait_for(is_slot("1.01", 12))
    begin = len(receiver.reports)
    await send(client, fleet, {"type": "command", "op": "reboot"})
    status = await receiver.wait_for(lambda _name, body: body.get("type") == "dev-status", skip=begin)
    assert (status["seq"], status["status"][0]["seq"], status["status"][0]["st"]) == (1, 1, 12)


async def test_switch_changes_the_active_slot(
    fleet: SimulatedFleet, client: aiohttp.ClientSession, receiver: Receiver
) -> None:
    await send(client, fleet, {"type": "command", "op": "switch", "ports": "2.02"})
    await receiver.wait_for(is_slot("2.02", 0))
    assert fleet.server("gw1").gateway.active_slot(2) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": "command", "op": "lock", "ports": "9"}, 2),
        ({"type": "command", "op": "lock"}, 2),
        ({"type": "command", "op": "reset", "ports": "1A"}, 2),
        ({"type": "command", "op": "explode", "ports": "1"}, 15),
        ({"type": "command", "op": "multiple", "ops": "1"}, 15),
        ([], 15),
    ],
)
async def test_what_cannot_be_done_says_why(
    fleet: SimulatedFleet, client: aiohttp.ClientSession, body: Any, code: int
) -> None:
    assert (await send(client, fleet, body))["code"] == code
    assert fleet.server("gw1").gateway.locked() == []


@pytest.mark.parametrize(
    "login", [{}, {"username": "root", "password": "wrong"}, {"username": "x", "password": "root"}]
)
async def test_without_the_right_login_nothing_happens(
    fleet: SimulatedFleet, client: aiohttp.ClientSession, login: dict[str, str]
) -> None:
    answer = await send(client, fleet, {"type": "command", "op": "lock", "ports": "1"}, login)
    assert answer == {"code": 1, "reason": "Invalid User"}
    assert [command.op for command in fleet.server("gw1").executor.log] == ["login"]


async def test_get_status_answers_a_polled_dev_status_and_takes_the_report_server(
    fleet: SimulatedFleet, client: aiohttp.ClientSession
) -> None:
    status = await get(client, fleet, "goip_get_status.html", all_slots="1")
    assert (status["type"], status["expires"], len(status["status"])) == ("dev-status", -1, 6)
    assert len((await get(client, fleet, "goip_get_status.html"))["status"]) == 3
    assert (await get(client, fleet, "goip_get_status.html", period="30"))["code"] == 15
    await get(client, fleet, "goip_get_status.html", url="http://127.0.0.1:9/x", period="90")
    server = fleet.server("gw1")
    assert (server.reporter.url, server.interval) == ("http://127.0.0.1:9/x", 90)


async def test_sms_tasks_are_sent_and_reported(
    fleet: SimulatedFleet, receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    text = base64.b64encode("你好".encode()).decode()
    tasks = [
        {"tid": 1, "from": "2", "to": "10086,10010", "sms": text, "chs": "base64"},
        {"tid": 2, "from": "2", "to": "10086"},
    ]
    url = fleet.server("gw1").command_url + "/goip_post_sms.html"
    async with client.post(url, params=LOGIN, json={"type": "send-sms", "task_num": 2, "tasks": tasks}) as response:
        answer = await response.json()
    assert answer["status"] == [{"tid": 1, "status": "0 OK"}, {"tid": 2, "status": "8 SMS Expected"}]
    sent = await receiver.wait_for(lambda _name, body: body.get("recver") == "10010")
    assert (sent["type"], sent["port"], sent["sms_tid"], sent["data"]) == ("sent-sms", "2.01", 1, "你好")


async def test_received_sms_can_be_polled(fleet: SimulatedFleet, client: aiohttp.ClientSession) -> None:
    gateway = fleet.server("gw1").gateway
    for index in range(3):
        gateway.receive_sms(gateway.place(1, 1), "10086", f"text {index}", 1548407412)
    answer = await get(client, fleet, "goip_get_sms.html", sms_id="2", sms_num="1")
    assert (answer["sms_num"], answer["next_sms"]) == (1, 3)
    assert base64.b64decode(answer["data"][0][5]).decode() == "text 1"
    before = answer["ssrc"]
    gateway.reboot()
    assert (await get(client, fleet, "goip_get_sms.html"))["ssrc"] != before


async def test_unknown_pages_are_not_found(fleet: SimulatedFleet, client: aiohttp.ClientSession) -> None:
    async with client.get(fleet.server("gw1").command_url + "/lock_sims", params=LOGIN) as answer:
        assert answer.status == 404
