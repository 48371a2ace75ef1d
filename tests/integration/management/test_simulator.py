"""The operations under /simulator, over virtual gateways that run; and that there is nothing where none do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.support.patience import PATIENCE
from tests.support.virtual_gateways import virtual_gateways

from simwarden.management import simulator
from simwarden.quickstart import env
from simwarden.sandbox.gateways import VirtualGateways

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.management.house import House

    from simwarden.simulator.fleet import SimulatedFleet

FIRST = "460000990000000"
OPERATIONS = (
    ("GET", "/simulator", None),
    ("POST", "/simulator/moves", {"imsi": FIRST, "gateway": "gw2", "port": 3}),
    ("POST", "/simulator/gateways/gw1", {"on": True}),
    ("POST", "/simulator/infections", {"imsi": FIRST, "messages": 2000, "rate": 1}),
    ("POST", "/simulator/infections/end", {"imsi": FIRST}),
)


@pytest.fixture
async def file(tmp_path: Path, house: House) -> AsyncIterator[Path]:
    """Where the house looks for a simulator."""
    path = tmp_path / "data" / "simulator"
    async with aiohttp.ClientSession() as session:
        house.parts.simulator = VirtualGateways(path, session)
        yield path


@pytest.fixture
async def fleet(file: Path) -> AsyncIterator[SimulatedFleet]:
    """Virtual gateways that run."""
    async with virtual_gateways(file) as made:
        yield made


async def seen(house: House, gateway: int) -> dict[str, Any]:
    """A gateway, as the API shows it."""
    found: dict[str, Any] = (await house.manage("GET", "/simulator")).json["gateways"][gateway]
    return found


async def test_a_card_is_moved_a_gateway_taken_down_and_all_of_it_written_down(
    house: House, fleet: SimulatedFleet
) -> None:
    before = await seen(house, 0)
    home = {"gateway": "gw1", "port": 1, "slot": 1}
    assert (before["name"], before["on"], before["ports"], before["slots"]) == ("gw1", True, 3, 1)
    assert (before["sims"][0]["imsi"], before["sims"][0]["home"]) == (FIRST, home)
    moved = (await house.manage("POST", "/simulator/moves", {"imsi": FIRST, "gateway": "gw2", "port": 3})).json
    assert (moved["from"], moved["to"]) == (home, {"gateway": "gw2", "port": 3, "slot": 1})
    stolen = next(each for each in (await seen(house, 1))["sims"] if each["imsi"] == FIRST)
    assert stolen["home"] == home
    assert stolen["imei"] != before["sims"][0]["imei"]
    down = (await house.manage("POST", "/simulator/gateways/gw2", {"on": False})).json
    assert [each["on"] for each in down["gateways"]] == [True, False]
    assert not fleet.server("gw2").online
    await house.manage("POST", "/simulator/gateways/gw2", {"on": True})
    assert fleet.server("gw2").online
    await house.parts.audit.drain()
    acts = (await house.manage("GET", "/audit")).json["audit"]
    assert [act["operation"] for act in acts] == [
        *("switchSimulatedGateway", "switchSimulatedGateway", "moveSimulatedSim"),
    ]


async def test_an_infection_begins_and_ends(house: House, fleet: SimulatedFleet) -> None:
    wanted = {"imsi": FIRST, "messages": 2000, "rate": 5}
    assert (await house.manage("POST", "/simulator/infections", wanted)).status == 200
    async with asyncio.timeout(PATIENCE):
        for _ in range(10**6):
            if (await seen(house, 0))["sims"][0]["infection"]["sent"] >= 2:
                break
            await asyncio.sleep(0.02)
    assert (await house.manage("POST", "/simulator/infections", wanted)).status == 409
    assert (await house.manage("POST", "/simulator/infections/end", {"imsi": FIRST})).status == 204
    assert (await seen(house, 0))["sims"][0]["infection"]["ended"]
    assert (await house.manage("POST", "/simulator/infections/end", {"imsi": FIRST})).status == 404
    assert fleet.outbreaks[FIRST].done < 2000


async def test_so_many_infections_go_on_at_a_time(
    house: House, fleet: SimulatedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator, "MOST_INFECTIONS", 1)
    imsis = [each["imsi"] for each in (await seen(house, 0))["sims"]][:2]
    wanted = [{"messages": 2000, "rate": 1, "imsi": imsi} for imsi in imsis]
    answers = await asyncio.gather(*(house.manage("POST", "/simulator/infections", each) for each in wanted))
    assert sorted(answer.status for answer in answers) == [200, 409]
    ended, begun = next(iter(fleet.outbreaks)), next(imsi for imsi in imsis if imsi not in fleet.outbreaks)
    assert (await house.manage("POST", "/simulator/infections/end", {"imsi": ended})).status == 204
    again = {"messages": 2000, "rate": 1, "imsi": begun}
    assert (await house.manage("POST", "/simulator/infections", again)).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/simulator/moves", {"imsi": FIRST, "gateway": "gw1", "port": 2}, 409),
        ("/simulator/moves", {"imsi": "460001234567890", "gateway": "gw1", "port": 3}, 404),
        ("/simulator/moves", {"imsi": "base+0", "gateway": "gw1", "port": 3}, 400),
        ("/simulator/moves", {"imsi": FIRST, "gateway": "gw3", "port": 3}, 404),
        ("/simulator/moves", {"imsi": FIRST, "gateway": "gw1", "port": 4}, 404),
        ("/simulator/gateways/..%2Fmove", {"on": True}, 404),
        ("/simulator/gateways/gw1%2Freport-url", {"on": True}, 404),
        ("/simulator/gateways/gw3", {"on": True}, 404),
        ("/simulator/gateways/gw1", {"on": True, "url": "http://192.0.2.1/"}, 400),
        ("/simulator/infections", {"imsi": FIRST, "messages": 2001}, 400),
        ("/simulator/infections", {"imsi": FIRST, "rate": 51}, 400),
        ("/simulator/infections", {"imsi": FIRST, "text": "buy"}, 400),
    ],
)
async def test_what_cannot_be_done_is_refused(
    house: House, fleet: SimulatedFleet, path: str, body: Any, status: int
) -> None:
    reply = await house.manage("POST", path, body)
    assert (reply.status, reply.json["status"]) == (status, status)
    assert fleet.find(FIRST) == (fleet.server("gw1"), (1, 1))


async def test_who_only_reads_looks_and_changes_nothing(house: House, fleet: SimulatedFleet) -> None:
    statuses = [
        (await house.manage(method, path, body, token=house.reader)).status for method, path, body in OPERATIONS
    ]
    assert statuses == [200, 403, 403, 403, 403]
    for method, path, body in OPERATIONS:
        assert (await house.manage(method, path, body, token=house.customer)).status == 403
    assert fleet.outbreaks == {}


async def test_without_a_simulator_there_is_none(house: House, file: Path) -> None:
    """No file, a simulator that died, a file that others can write, no simulator at all."""

    async def absent() -> None:
        replies = [await house.manage(method, path, body) for method, path, body in OPERATIONS]
        assert [(each.status, each.json["code"]) for each in replies] == [(404, "NOT_FOUND")] * len(OPERATIONS)

    assert "quickstart" in (await house.manage("GET", "/simulator")).json["message"]
    await absent()
    env.announce(file, "http://127.0.0.1:1")
    await absent()
    env.announce(file, "http://192.0.2.1:80")
    await absent()
    house.parts.simulator = None
    await absent()
