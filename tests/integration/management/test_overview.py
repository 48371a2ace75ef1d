"""The installation at a glance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from simwarden.engine import pulse
from simwarden.engine.pulse import Pulse
from simwarden.store import alarms, fleet
from simwarden.store import pulse as store

if TYPE_CHECKING:
    from tests.integration.management.house import House


async def test_before_anything_is_counted_it_says_what_it_knows(house: House) -> None:
    reply = await house.manage("GET", "/overview")
    assert reply.status == 200
    assert reply.json["blocking"] == {"count": 0, "stepSeconds": 300.0, "steps": [{"count": 0}] * 12}
    assert reply.json["rates"]["sightings"] == []
    assert "sims" not in reply.json


async def test_what_workers_counted_is_added_up(house: House) -> None:
    now = datetime.now(UTC)
    at = [now - timedelta(minutes=10)]
    delivered = iter((0.0, 10.0, 30.0))
    one = Pulse(house.db, "one", lambda: next(delivered), clock=lambda: at[0])
    other = Pulse(house.db, "other", lambda: 0.0, clock=lambda: now)
    one.note(50, 0, [0.1] * (pulse.BLOCKS + 1))
    at[0] = now
    await one.turn()
    one.note(100, 5, [0.2, 0.4])
    await one.turn()
    other.note(25, 0, [2.0])
    await other.turn()
    sims = await fleet.count_sims(house.db, 0, 256)
    await fleet.keep_sims(house.db, fleet.sim_counts(sims), now)
    counts = await fleet.count_fleet(house.db, now, await alarms.open_counts(house.db))
    await fleet.keep_fleet(house.db, counts, now)
    seen = (await house.manage("GET", "/overview")).json
    assert seen["rates"] == {
        "everySeconds": 5.0,
        "sightings": [10.0, 25.0],
        "decisions": [0.0, 1.0],
        "blocks": [20.2, 0.6],
        "deliveries": [2.0, 4.0],
    }
    steps = seen["blocking"].pop("steps")
    assert seen["blocking"] == {"count": 104, "p50Seconds": 0.1, "p95Seconds": 0.1, "stepSeconds": 300.0}
    assert len(steps) == pulse.BLOCK_STEPS
    [before, last] = [n for n, step in enumerate(steps) if step["count"]]
    assert last - before == 2
    assert steps[last] == {"count": 3, "p50Seconds": 0.4, "p95Seconds": 2.0}
    assert steps[before] == {"count": 101, "p50Seconds": 0.1, "p95Seconds": 0.1}
    assert seen["sims"] == [{"bindingState": "NEUTRAL", "lifecycle": "ACTIVE", "count": 22, "off": 0}]
    assert {each["state"] for each in seen["gateways"]} == {"ONLINE", "OFFLINE", "NEVER_REPORTED"}


async def test_workers_that_are_gone_are_left_out_and_forgotten(house: House) -> None:
    now = datetime.now(UTC)
    gone = Pulse(house.db, "gone", lambda: 0.0, clock=lambda: now - timedelta(minutes=1))
    gone.note(500)
    await gone.turn()
    rates, _ = await pulse.read(house.db, now)
    assert rates.sightings == []
    here = Pulse(house.db, "here", lambda: 0.0, clock=lambda: now + store.FORGOTTEN)
    await here.turn()
    assert len(await store.read(house.db, now - timedelta(hours=1))) == 1


async def test_it_is_for_viewers_and_takes_no_parameters(house: House) -> None:
    assert (await house.manage("GET", "/overview", token=house.reader)).status == 200
    assert (await house.manage("GET", "/overview", token=house.customer)).status == 403
    assert (await house.manage("GET", "/overview?deep=true")).status == 400
