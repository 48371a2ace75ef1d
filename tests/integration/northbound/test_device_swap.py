"""When SIMs came into devices, as reports and changes of numbers leave it in the store; and whose it is to know."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.northbound.house import House
from tests.integration.northbound.test_tenants import FOREIGN, OWN, UNKNOWN, Watched
from tests.support.world import START, World, device, imsi

from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.engine import identity
from simwarden.store.sims import DeviceDates, Q, add_events

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

CAUSE = Cause(CauseKind.OPERATOR, "test", START)


@pytest.fixture
async def world(database: Database, vault: Vault) -> World:
    made = World(database, vault)
    await made.prepare()
    return made


async def dates(world: World, number: int) -> DeviceDates:
    return await world.sims.device_dates(await world.sim(number))


@pytest.mark.parametrize("bound", [None, device(9)])
async def test_the_first_device_is_no_change_and_later_ones_are(world: World, bound: str | None) -> None:
    box = await world.box()
    await world.card(1, imei=bound)
    assert await dates(world, 1) == DeviceDates()
    first = world.clock.turn(60)
    await world.take(box.evidence(1, device(1), first))
    assert await dates(world, 1) == DeviceDates(first_seen=first)
    for other in (2, 1):  # back to the old device is a second change
        changed = world.clock.turn(60)
        await world.take(box.evidence(1, device(other), changed))
        assert await dates(world, 1) == DeviceDates(first_seen=first, changed=changed)
    await world.take(box.evidence(1, device(1), world.clock.turn(60)))
    assert await dates(world, 1) == DeviceDates(first_seen=first, changed=changed)


async def test_a_number_given_later_has_its_date_and_another_name_has_none(world: World) -> None:
    await world.card(1)
    await identity.rename(world.db, imsi(1), {"nai": "meter-1@iot.example"}, CAUSE)
    assert (await dates(world, 1)).numbered is None
    for number in ("+8613800000001", "+8613800000002"):
        await identity.rename(world.db, imsi(1), {"msisdn": number}, CAUSE)
        given = (await world.events(1))[-1].at
        await identity.rename(world.db, imsi(1), {"nai": f"{number[1:]}@iot.example"}, CAUSE)
        assert await dates(world, 1) == DeviceDates(numbered=given)


async def test_what_happened_to_a_sim_that_had_the_imsi_before_does_not_count(world: World) -> None:
    await world.card(1)
    sim = await world.sim(1)
    async with world.db.transaction() as connection:
        data = {"imei": device(2), "before": device(1), "match": "NONE"}
        changes = [Event(n, EventType.DEVICE_CHANGED, START + timedelta(days=n), CAUSE, data) for n in (2, 3)]
        await add_events(connection, [(sim, event) for event in changes])
        await connection.execute("update sim set first_event = 4 where imsi = $1", imsi(1))
    assert await dates(world, 1) == DeviceDates()


async def test_many_who_ask_at_once_get_each_the_dates_of_his_sim(world: World) -> None:
    box, numbers = await world.box(), range(1, 31)
    await world.card(*numbers)
    seen = {number: world.clock.turn(1) for number in numbers if number % 3}
    await world.take(*(box.evidence(number, device(1), at) for number, at in seen.items()))
    found = await asyncio.gather(*(dates(world, number) for number in [*numbers, *numbers]))
    for number, each in zip([*numbers, *numbers], found, strict=True):
        assert each == (DeviceDates(first_seen=(await world.events(number))[1].at) if number % 3 else DeviceDates())


async def test_changes_are_found_by_an_index_behind_thousands_of_other_events(world: World) -> None:
    await world.card(1)
    sim = await world.sim(1)
    async with world.db.transaction() as connection:
        await connection.execute(
            """insert into event (bucket, imsi, n, type, at, cause, data)
               select $1, $2, n,
                      case n when 2 then 'DEVICE_SEEN' when 3 then 'DEVICE_CHANGED' else 'FUNCTION_CLOSED' end,
                      now(), '{}', '{"before": "1"}' from generate_series(2, 5000) as n""",
            *(sim.bucket, sim.imsi),
        )
        await connection.execute("analyze event")
        await connection.execute("set local enable_seqscan = off")  # a table of one SIM is read as quickly as a whole
        plan = await connection.fetch(f"explain (analyze, format text) {Q['device_dates']}", sim.bucket, sim.imsi, 1)
    text = "\n".join(row[0] for row in plan)
    assert text.count("event_device_dates") == 2
    assert "Seq Scan" not in text
    assert "Rows Removed by Filter: 4" not in text


@pytest.mark.parametrize("operation", ["retrieve-date", "check"])
async def test_a_foreign_number_and_an_unknown_one_cost_the_same(
    database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    house = House(database, vault)
    await house.furnish()
    path = f"/device-swap/v1/{operation}"

    async def ask(body: dict[str, Any]) -> Any:
        reply = await house.client("POST", path, body, token=house.token, headers=[("x-correlator", "c-1")])
        return reply.status, reply.json

    await ask(UNKNOWN)  # tokens and keys are read with the first call
    watched = Watched(monkeypatch)
    answers, costs = [], []
    for body in (UNKNOWN, FOREIGN, UNKNOWN, FOREIGN):
        watched.seen.clear()
        answers.append(await ask(body))
        costs.append(list(watched.seen))
    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)
    assert all(cost == costs[0] and all(rows == 0 for _, rows in cost) for cost in costs)
    watched.seen.clear()
    assert (await ask(OWN))[0] == (200 if operation == "retrieve-date" else 422)  # seen without an event
    assert len(watched.seen) == 1  # of its SIM; what is sent together is not seen here
