"""The story of an outbreak: 30 quiet days, then all meters of one site are called from a zone. From the gateway's own
messages, at the time that the clock says, to the customer's queue, the check, the bar and the map."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.integration.engine.test_hotzone_alerts import Lines, told, watch
from tests.support.world import ACCOUNT, START, World, iccid, imsi

from simwarden.domain.daily import TrafficKind
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.hotspot import Window
from simwarden.domain.hotzone import Question, Side, parse_zones
from simwarden.domain.locating import Site
from simwarden.domain.outliers import Method, Risk
from simwarden.domain.risk import RiskRule
from simwarden.domain.sim import ALL_FUNCTIONS, BarCause
from simwarden.engine import hotspots, provision
from simwarden.engine.explain import explain
from simwarden.engine.hotzone_alerts import POLL, HotzoneAlerts
from simwarden.engine.hotzones import HotzoneJudge
from simwarden.engine.risk_rules import RiskRules
from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.identity import VirtualSim
from simwarden.simulator.outbreak import zone_calls
from simwarden.southbound.ejoin.codec import decode_tolerant
from simwarden.southbound.ejoin.translate import to_report
from simwarden.store import hotspots as hotspot_store
from simwarden.store import sites

if TYPE_CHECKING:
    from tests.support.world import Box

__all__ = ["Lines"]
METERS = 40
QUIET_DAYS = 30
ZONE, HOME = "855", "8613"


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway at a site with forty meters, which have been in it for longer than anybody counts."""
    await world.db.execute("update schema_migration set applied_at = $1", START - timedelta(days=400))
    found = await world.box()
    for number in range(1, METERS + 1):
        made = provision.new_sim(ACCOUNT, imsi=imsi(number), iccid=iccid(number), msisdn=f"+86138000000{number:02}")
        await provision.add(world.db, made, Cause(CauseKind.OPERATOR, "test", START))
        found.put(number, number)
    await world.db.execute("update sim set created_at = $1", START - timedelta(days=QUIET_DAYS + 1))
    async with world.db.transaction() as connection:
        await sites.set_sites(connection, {"gw1": Site(52.52, 13.405, 500.0)}, START)
    return found


def simulated() -> VirtualGateway:
    """The same as the simulator has it: a card in each of its ports."""
    gateway = VirtualGateway("gw1", ports=METERS, slots=1)
    for number in range(1, METERS + 1):
        card = VirtualSim(imsi(number), iccid(number), f"86138000000{number:02}")
        gateway.insert(card, number, 1)
    return gateway


async def call_all(world: World, box: Box, gateway: VirtualGateway, prefix: str, each: int, now: datetime) -> None:
    """Each card is called so often; the gateway's messages are read as a receiver reads them."""
    world.clock.now = now
    reports = []
    for batch in zone_calls(gateway, METERS, each, prefix, 20, int(now.timestamp()) - 60):
        for _, message in batch:
            body = msgspec.json.encode(message)
            [decoded] = decode_tolerant(body).messages
            reports.append(to_report(box.ref, decoded, body, now))
    await world.take(*reports)


async def test_forty_meters_of_a_site_are_called_from_a_zone(world: World, box: Box) -> None:
    gateway = simulated()
    every = await watch(
        world, None, "KH", kinds=frozenset({TrafficKind.CALL}), since=(START - timedelta(days=60)).date()
    )
    rules = RiskRules(world.db, clock=world.clock)
    when = {
        "when": [{"signal": "callsReceived", "atLeast": 5}],
        "inMinutes": 60,
        "then": {"bar": {"functions": ["VOICE", "SMS", "DATA"]}},  # its gateway locks whole slots
    }
    await rules.add(ACCOUNT, "outbreak", msgspec.convert(when, RiskRule), is_on=True, by="op")
    alerts = HotzoneAlerts(world.db, world.sims, clock=world.clock)
    world.clock.now = START - timedelta(days=QUIET_DAYS)
    await world.take(box.dev_status(ports=range(1, METERS + 1), slots=1))
    for ago in range(QUIET_DAYS, 0, -1):
        now = START - timedelta(days=ago)
        await call_all(world, box, gateway, HOME, 1, now)
        if ago % 9 == 0:
            await call_all(world, box, gateway, ZONE, 1, now + timedelta(hours=1))
    while await alerts.turn() < POLL:
        pass
    assert await told(world, every) == []
    assert not (await world.sim(1)).bars

    await call_all(world, box, gateway, ZONE, 6, START)
    while await alerts.turn() < POLL:
        pass
    events = await told(world, every)
    today = START.date()
    assert len(events) == METERS
    assert {each["device"]["phoneNumber"] for each in events} == {
        f"+86138000000{number:02}" for number in range(1, METERS + 1)
    }
    assert {(each["anomalyDate"], each["riskLevel"]) for each in events} == {(today.isoformat(), "HIGH")}

    asked = Question(
        today=today,
        look_back=30,
        kinds=frozenset(TrafficKind),
        side=Side.VICTIM,
        method=Method.RATIO,
        threshold=2.0,
    )
    zones, one = parse_zones(["KH"]), await world.sim(7)
    traffic = await world.sims.traffic(one, zones, asked.baseline_first, asked.today)
    verdict = await HotzoneJudge(world.sims).judge(one, zones, asked, traffic, about_to_read=lambda: None)
    assert (verdict.days, verdict.risk, verdict.complete) == ((today,), Risk.HIGH, True)

    assert [(bar.cause, bar.functions) for bar in one.bars] == [(BarCause.RISK, int(ALL_FUNCTIONS))]
    told_by = await explain(world.db, world.gateways, one)
    steps = [step.type for step in told_by.history]
    assert {EventType.HOTZONE_ANOMALY, EventType.RULE_FIRED, EventType.BAR_RAISED} <= set(steps)
    anomaly = next(step for step in told_by.history if step.type == EventType.HOTZONE_ANOMALY)
    assert (anomaly.data["count"], anomaly.cause["source"], anomaly.cause["message"]) == (6, "gw1", "cdr")
    [attached] = (await world.attached(7)).values()
    assert attached.wanted, "its slot is to be locked"

    await hotspots.look(world.db, world.clock())
    [hour, day] = sorted((await hotspot_store.open_ones(world.db)).values(), key=lambda each: each.window.hours)
    assert (hour.window, day.window) == (Window.HOUR, Window.DAY)
    assert (hour.counted.sims, hour.counted.with_sign) == (METERS, METERS)
