"""The load source and the scenarios against a real receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.patience import PATIENCE

from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.faults import Fault
from simwarden.simulator.fleet import FleetPlan, SimulatedFleet, build_fleet
from simwarden.simulator.load import Load
from simwarden.simulator.scenario import play, read_scenario

from .conftest import Receiver


@pytest.fixture
async def quiet_fleet(receiver: Receiver) -> AsyncIterator[SimulatedFleet]:
    plan = FleetPlan(gateways=4, ports=4, slots=2, fill=0.5, interval=0.0, report_urls=(receiver.url,))
    fleet = build_fleet(plan)
    await fleet.start()
    yield fleet
    await fleet.close()


async def test_every_gateway_sends_in_order_over_one_connection(
    quiet_fleet: SimulatedFleet, receiver: Receiver
) -> None:
    load = Load(quiet_fleet, rate=1600, changed=0.25)
    load.start()
    await receiver.wait_for(lambda name, body: name == "gw4" and body["seq"] == 10)
    await load.close()
    tally = load.tally.describe()
    assert tally["answered"] == tally["reports"] == len(receiver.reports)
    assert tally["sightings"] == 4 * tally["reports"]
    assert tally["moved"] > 0
    assert tally["p50_ms"] <= tally["p99_ms"]
    assert len(receiver.connections) == 4
    for name in quiet_fleet.servers:
        seqs = [body["seq"] for who, body in receiver.reports if who == name]
        assert seqs == list(range(1, len(seqs) + 1))


async def test_a_lock_shows_in_the_load(quiet_fleet: SimulatedFleet, receiver: Receiver) -> None:
    load = Load(quiet_fleet, rate=800)
    load.start()
    gateway = quiet_fleet.server("gw1").gateway
    gateway.lock([gateway.place(2, 1)])
    await receiver.wait_for(lambda name, body: name == "gw1" and body["status"][2]["st"] == 12)
    await load.close()


async def test_an_offline_gateway_pauses_and_comes_back(quiet_fleet: SimulatedFleet, receiver: Receiver) -> None:
    load = Load(quiet_fleet, rate=800)
    load.start()
    server = quiet_fleet.server("gw1")
    await receiver.wait_for(lambda name, _body: name == "gw1")
    await server.set_fault(Fault("offline"))
    await receiver.wait_for(lambda name, body: name == "gw2" and body["seq"] == 20)
    await server.set_fault(Fault())
    begin = len(receiver.reports)
    await receiver.wait_for(lambda name, body: name == "gw1" and body["seq"] > 2, skip=begin)
    await load.close()


async def test_refused_reports_are_counted(quiet_fleet: SimulatedFleet, receiver: Receiver) -> None:
    receiver.status = 503
    load = Load(quiet_fleet, rate=800)
    load.start()
    await receiver.wait_for(lambda _name, body: body["seq"] == 3)
    await load.close()
    assert load.tally.rejected == load.tally.reports
    assert quiet_fleet.server("gw1").reporter.rejected > 0


def test_a_load_needs_cards() -> None:
    with pytest.raises(InvalidRequest, match="cards"):
        Load(build_fleet(FleetPlan(gateways=1, fill=0.0)), rate=1)


async def test_a_scenario_is_played_in_time_and_told(fleet: SimulatedFleet, receiver: Receiver) -> None:
    told: list[dict[str, Any]] = []
    fleet.on_happening = told.append
    text = """
    title = "away and wrong"
    [[steps]]
    at = 0.05
    action = "move"
    imsi = "base+0"
    gateway = "gw2"
    port = 1
    slot = 2
    [[steps]]
    at = 0
    action = "remove"
    gateway = "gw1"
    port = 1
    slot = 2
    """
    await asyncio.wait_for(play(read_scenario(text, "mine"), fleet), PATIENCE)
    await receiver.wait_for(lambda name, body: name == "gw2" and body.get("port") == "1.02")
    assert [entry["event"] for entry in told] == ["step-failed", "step", "scenario-ended"]
    assert told[0]["error"] == "slot 1.02 of gw1 is empty"
    assert told[1]["result"]["to"] == {"gateway": "gw2", "slot": "1.02"}
