"""The control server, as the demo and the benchmarks use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.support.patience import PATIENCE

from simwarden.simulator.control import ControlServer
from simwarden.simulator.fleet import SimulatedFleet
from simwarden.simulator.garbage import DAMAGED_BODIES

from .conftest import Receiver, is_slot

BASE = 460000990000000


class Control:
    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self.client = client
        self.url = url

    async def get(self, path: str, *, status: int = 200) -> Any:
        async with self.client.get(self.url + path) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        async with self.client.post(self.url + path, json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()


@pytest.fixture
async def control(fleet: SimulatedFleet, client: aiohttp.ClientSession) -> AsyncIterator[Control]:
    server = ControlServer(fleet)
    await server.start()
    yield Control(client, server.url)
    await server.close()


async def test_gateways_are_listed_without_their_passwords(control: Control) -> None:
    gateways = (await control.get("/gateways"))["gateways"]
    assert [gateway["name"] for gateway in gateways] == ["gw1", "gw2"]
    assert gateways[0]["cards"] == 3
    assert "password" not in str(gateways)


async def test_one_gateway_shows_its_cards(control: Control) -> None:
    sims = (await control.get("/gateways/gw2"))["sims"]
    assert [(sim["imsi"], sim["slot"]) for sim in sims] == [
        (str(BASE + 3), "1.01"),
        (str(BASE + 4), "2.01"),
        (str(BASE + 5), "3.01"),
    ]


async def test_a_card_moves_across_gateways_and_both_report(control: Control, receiver: Receiver) -> None:
    moved = await control.post("/move", {"imsi": str(BASE), "gateway": "gw2", "port": 2, "slot": 2})
    assert (moved["from"], moved["to"]) == ({"gateway": "gw1", "slot": "1.01"}, {"gateway": "gw2", "slot": "2.02"})
    gone = await receiver.wait_for(lambda name, body: name == "gw1" and is_slot("1.01", 0)(name, body))
    seen = await receiver.wait_for(lambda name, body: name == "gw2" and is_slot("2.02", 3)(name, body))
    assert "imsi" not in gone
    assert seen["imsi"] == str(BASE)
    assert (await control.get("/sims/base+0"))["gateway"] == "gw2"


async def test_moving_onto_a_card_needs_swap(control: Control) -> None:
    target = {"imsi": "base+0", "gateway": "gw2", "port": 1, "slot": 1}
    error = (await control.post("/move", target, status=409))["error"]
    assert "swap" in error["message"]
    await control.post("/move", target | {"swap": True})
    assert (await control.get(f"/sims/{BASE + 3}"))["slot"] == "1.01"
    assert (await control.get(f"/sims/{BASE + 3}"))["gateway"] == "gw1"


async def test_remove_lays_the_card_aside_and_insert_takes_it_again(control: Control, receiver: Receiver) -> None:
    removed = await control.post("/gateways/gw1/remove", {"port": 1, "slot": 1})
    await receiver.wait_for(is_slot("1.01", 0))
    assert "lies outside" in (await control.get(f"/sims/{BASE}", status=404))["error"]["message"]
    inserted = await control.post("/gateways/gw2/insert", {"imsi": removed["imsi"], "port": 3, "slot": 2})
    assert (inserted["slot"], inserted["st"]) == ("3.02", 3)
    await control.post("/gateways/gw1/insert", {"imsi": removed["imsi"], "port": 1, "slot": 1}, status=409)


async def test_a_removed_card_can_be_moved_in(control: Control) -> None:
    await control.post("/gateways/gw1/remove", {"port": 1, "slot": 1})
    await control.post("/move", {"imsi": "base+0", "gateway": "gw2", "port": 1, "slot": 2})
    assert (await control.get("/sims/base+0"))["gateway"] == "gw2"


async def test_a_move_within_a_gateway_names_slots(control: Control, receiver: Receiver) -> None:
    answer = await control.post("/gateways/gw1/move", {"from": "1.01", "to": "2B"})
    assert answer["changed"] == ["1.01", "2.02"]
    await receiver.wait_for(is_slot("2.02", 3))


async def test_an_imei_goes_missing_and_comes_back(control: Control, receiver: Receiver) -> None:
    place = {"port": 1, "slot": 1}
    assert (await control.post("/gateways/gw1/imei-missing", place))["imei"] == ""
    await receiver.wait_for(lambda _name, body: body.get("port") == "1.01" and body.get("imei") == "")
    assert (await control.post("/gateways/gw1/imei-missing", place | {"missing": False}))["imei"] != ""


async def test_reports_and_commands_are_remembered_with_their_times(control: Control) -> None:
    push = await control.post("/gateways/gw1/report-now")
    assert (push["type"], push["http_status"], push["outcome"]) == ("dev-status", 200, "answered")
    assert push["answered_ns"] > push["sent_ns"] > 1_700_000_000_000_000_000
    assert (await control.get("/gateways/gw1/reports?limit=1"))["reports"] == [push]
    gateway = (await control.get("/gateways/gw1"))["command_url"]
    query = {"username": "root", "password": "secret-of-the-device"}
    async with control.client.get(f"{gateway}/goip_get_status.html", params=query) as answer:
        assert (await answer.json())["code"] == 1
    commands = (await control.get("/gateways/gw1/commands"))["commands"]
    assert commands[0]["result"] == {"http_status": 200, "code": 1}
    assert "secret-of-the-device" not in str(commands)


async def test_faults_and_reboot(control: Control) -> None:
    assert (await control.post("/gateways/gw1/fault", {"fault": "offline"}))["online"] is False
    await control.post("/gateways/gw1/report-now", status=409)
    assert (await control.post("/gateways/gw1/fault", {"fault": "none"}))["online"] is True
    assert (await control.post("/gateways/gw1/reboot"))["boots"] == 2
    assert (await control.get("/gateways/gw1"))["seq"]["dev"] == 1


async def test_the_report_url_can_be_changed(control: Control, receiver: Receiver) -> None:
    url = receiver.url.replace("{gateway}", "elsewhere")
    await control.post("/gateways/gw1/report-url", {"url": url, "report_now": True})
    await receiver.wait_for(lambda name, _body: name == "elsewhere")
    await control.post("/gateways/gw1/report-url", {"url": "ftp://x"}, status=400)


async def test_an_infected_device_sends_sms_until_it_is_locked(
    control: Control, receiver: Receiver, fleet: SimulatedFleet
) -> None:
    await control.post("/mass-sms", {"imsi": "base+0", "count": 5000, "rate": 200})
    await receiver.wait_for(lambda _name, body: body.get("type") == "sent-sms")
    ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    fleet.on_happening = ended.set_result
    gateway = fleet.server("gw1").gateway
    gateway.lock([gateway.place(1, 1)])
    told = await asyncio.wait_for(ended, PATIENCE)
    assert told["event"] == "mass-ended"
    assert 0 < told["done"] < 5000


async def test_a_mass_of_calls_tells_each_call_three_times(control: Control, receiver: Receiver) -> None:
    await control.post("/mass-calls", {"gateway": "gw1", "port": 1, "slot": 1, "count": 2})
    await receiver.wait_for(lambda _name, body: body.get("cid", "").endswith("-1") and body["end"] > 0)
    calls = [body for _name, body in receiver.reports if body.get("type") == "cdr"]
    assert len(calls) == 6
    assert len({call["cid"] for call in calls}) == 2


async def test_a_site_is_called_from_a_zone(control: Control, receiver: Receiver) -> None:
    await control.post("/zone-calls", {"gateway": "gw1", "cards": 1, "calls": 2, "prefix": "855"})
    await receiver.wait_for(lambda _name, body: body.get("cid", "").endswith("-1") and body["end"] > 0)
    calls = [body for _name, body in receiver.reports if body.get("type") == "cdr"]
    assert {call["cdir"] for call in calls} == {"MO"}
    assert all(call["caller"].startswith("855") and len(call["caller"]) == 11 for call in calls)
    assert len({call["caller"] for call in calls}) == len({call["cid"] for call in calls}) == 2


async def test_an_sms_arrives(control: Control, receiver: Receiver) -> None:
    await control.post("/gateways/gw1/receive-sms", {"port": 1, "slot": 1, "sender": "10086", "text": "hello"})
    assert (await receiver.wait_for(lambda _name, body: body.get("type") == "recv-sms"))["sms"][0][1] == "1.01"


async def test_garbage_is_sent_as_it_is(control: Control, receiver: Receiver) -> None:
    answer = await control.post("/garbage", {"gateway": "gw1"})
    assert answer["sent"] == len(DAMAGED_BODIES)
    assert {row["http_status"] for row in answer["answers"]} == {200}
    await control.post("/garbage", {"gateway": "gw1", "bodies": ["{broken", "base64:/w=="]})
    assert [body for _name, body in receiver.reports[-2:]] == [b"{broken", b"\xff"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/gateways/gw9/reboot", {}, 404, "gw1, gw2"),
        ("/gateways/gw1/insert", {"imsi": "1"}, 400, "port"),
        ("/gateways/gw1/insert", {"imsi": "hello", "port": 1, "slot": 2}, 400, "not an IMSI"),
        ("/gateways/gw1/insert", {"imsi": "460000990009999", "port": 9, "slot": 2}, 404, "3 ports x 2 slots"),
        ("/gateways/gw1/remove", {"port": 1, "slot": 2}, 404, "empty"),
        ("/gateways/gw1/fault", {"fault": "fire"}, 400, "fault"),
        ("/gateways/gw1/fault", {"fault": "lie", "speed": 1}, 400, "speed"),
        ("/gateways/gw1/move", {"from": "1", "to": "2.02"}, 400, "without a slot"),
        ("/move", {"imsi": "460000999999999", "gateway": "gw1", "port": 1, "slot": 2}, 404, "unknown"),
        ("/move", [], 400, "JSON object"),
        ("/mass-sms", {"count": 1}, 400, "imsi"),
        ("/mass-sms", {"imsi": "base+0", "count": 0}, 400, "count"),
        ("/nothing", {}, 404, "/nothing"),
    ],
)
async def test_errors_say_what_is_wrong(control: Control, path: str, body: Any, status: int, says: str) -> None:
    error = (await control.post(path, body, status=status))["error"]
    assert error["status"] == status
    assert says in error["message"]


async def test_a_card_travels_from_gateway_to_gateway(control: Control, fleet: SimulatedFleet) -> None:
    happened: list[dict[str, Any]] = []
    ended = asyncio.Event()

    def on_happening(what: dict[str, Any]) -> None:
        happened.append(what)
        if what["event"] == "journey-ended":
            ended.set()

    fleet.on_happening = on_happening
    body = {"imsi": "base+0", "stops": ["gw2", "gw1", "gw2"], "pause": 0.05}
    assert (await control.post("/travel", body))["imsi"] == str(BASE)
    async with asyncio.timeout(PATIENCE):
        await ended.wait()
    assert [(what["gateway"], what["site"]["town"]) for what in happened[:-1]] == [
        ("gw2", "Potsdam"),
        ("gw1", "Berlin"),
        ("gw2", "Potsdam"),
    ]
    assert (await control.get(f"/sims/{BASE}"))["gateway"] == "gw2"
    assert (await control.get(f"/sims/{BASE + 3}"))["gateway"] == "gw1", "it changed places with another"


async def test_a_journey_that_cannot_be_made_is_refused_at_once(control: Control) -> None:
    for wrong, status in (
        ({"stops": []}, 400),
        ({"stops": ["gw9"]}, 404),
        ({"stops": ["gw2"], "pause": -1}, 400),
        ({"stops": ["gw2"], "port": 99}, 404),
        ({"stops": "gw2"}, 400),
    ):
        await control.post("/travel", {"imsi": "base+0", **wrong}, status=status)
    assert (await control.get(f"/sims/{BASE}"))["gateway"] == "gw1"
