"""What network elements show of SIMs, as reports leave it in the store; and whose it is to know."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.northbound.house import House
from tests.integration.northbound.test_tenants import FOREIGN, OWN, UNKNOWN, Watched
from tests.support.world import START, Box, World, device, imsi

from simwarden.domain.device_model import DeviceModel
from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote
from simwarden.domain.standing import Reach, Standing, confirmed_at, reachability, serving
from simwarden.store.tacs import Tacs

if TYPE_CHECKING:
    from simwarden.domain.standing import Reachability
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault


@pytest.fixture
async def world(database: Database, vault: Vault) -> World:
    made = World(database, vault)
    await made.prepare()
    await made.card(1)
    return made


async def shown(world: World, number: int = 1) -> Standing:
    return await world.sims.shown(await world.sim(number))


async def reached(world: World, number: int = 1) -> Reachability | None:
    return reachability(await world.sim(number), await shown(world, number), world.clock())


async def told(world: World, number: int = 1) -> tuple[Reach, datetime]:
    found = await reached(world, number)
    assert found is not None
    return found.reach, found.at


def session(nas: Box, phase: Phase, key: str = "S1", **fields: Any) -> Report:
    at = nas.world.clock()
    given: dict[str, Any] = {"key": key, "phase": phase, "at": at, "began_at": at, "imsi": imsi(1), "imei": device(9)}
    note = SessionNote(**(given | fields))
    name = nas.ref.name
    return Report(
        gateway_id=nas.id, gateway_name=name, received_at=at, message="acct", sessions=(note,), authentic=True
    )


async def test_a_sim_that_was_never_shown_has_no_status(world: World) -> None:
    assert await shown(world) == Standing()
    assert await reached(world) is None


async def test_a_registered_card_in_a_slot_can_be_reached_and_an_old_status_keeps_its_time(world: World) -> None:
    box = await world.box()
    box.put(1, 1)
    at = world.clock.turn(60)
    await world.take(box.dev_status())
    assert await told(world) == (Reach.SMS, at)
    newer = world.clock.turn(60)
    await world.take(box.dev_status())  # nothing new in it: no port is written, and the status is confirmed
    assert await told(world) == (Reach.SMS, newer)
    world.clock.turn(120)
    assert await told(world) == (Reach.SMS, newer)
    world.clock.turn(1)
    assert await told(world) == (Reach.DISCONNECTED, newer)  # silent for more than two periods
    at = world.clock.turn(600)
    await world.take(box.dev_status())
    assert await told(world) == (Reach.SMS, at)


@pytest.mark.parametrize("what", ["locked", "searching", "gone", "other"])
async def test_a_card_that_is_not_registered_or_not_there_cannot_be_reached(world: World, what: str) -> None:
    await world.card(2)
    box = await world.box()
    box.put(1, 1)
    world.clock.turn(60)
    await world.take(box.dev_status())
    at = world.clock.turn(60)
    if what == "locked":
        box.locked.add((1, 1))
    elif what == "gone":
        del box.cards[1, 1]
    elif what == "other":
        box.cards[1, 1] = 2
    await world.take(box.port_status(1, **({"status": 2} if what == "searching" else {})))
    assert await told(world) == (Reach.DISCONNECTED, at)
    if what == "other":
        assert await told(world, 2) == (Reach.SMS, at)


async def test_another_network_is_written_though_nothing_else_changed(world: World) -> None:
    box = await world.box()
    box.put(1, 1)
    for plmn, roaming in (("46000", False), ("20801", True), ("23415", True), ("46000", False)):
        at = world.clock.turn(60)
        await world.take(box.port_status(1, plmn=plmn))
        found = serving(await world.sim(1), await shown(world))
        assert found is not None
        assert (found.plmn, found.roaming, found.at) == (plmn, roaming, at)


async def test_a_session_reaches_by_data_until_it_ends_or_its_element_restarts(world: World) -> None:
    nas = await world.box("nas")
    began = world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN, plmn="20801", svn="07"))
    assert await told(world) == (Reach.DATA, began)
    found = await shown(world)
    assert found.session is not None
    assert (found.session.plmn, found.session.svn, found.session.imei) == ("20801", "07", device(9))
    assert confirmed_at(await world.sim(1), found) == began
    world.clock.turn(60)
    await world.take(session(nas, Phase.GOES_ON, began_at=began, plmn="23415"))
    answer = serving(await world.sim(1), await shown(world))
    assert answer is not None
    assert (answer.plmn, answer.countries) == ("23415", ("GB", "GG", "IM", "JE"))
    await world.take(session(nas, Phase.BEGAN, "S2", plmn="20801"))
    world.clock.turn(10)
    await world.take(session(nas, Phase.ENDED, "S2", plmn="20801"))
    assert (await told(world))[0] is Reach.DATA  # the other one goes on
    ended = world.clock.turn(10)
    await world.take(session(nas, Phase.ENDED, began_at=began))
    assert await told(world) == (Reach.DISCONNECTED, ended)
    world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN, "S3"))
    restarted = world.clock.turn(10)
    restart = Report(gateway_id=nas.id, gateway_name="nas", received_at=restarted, message="on", restarted_at=restarted)
    await world.take(restart)
    assert await told(world) == (Reach.DISCONNECTED, restarted)


async def test_many_are_read_at_once_and_none_is_mixed_up(world: World) -> None:
    box, nas = await world.box(), await world.box("nas")
    await world.card(2, 3)
    box.put(1, 1)
    box.put(2, 2)
    at = world.clock.turn(60)
    await world.take(box.dev_status(), box.port_status(2, status=2))
    await world.take(session(nas, Phase.BEGAN, imsi=imsi(3)))
    sims = [await world.sim(number) for number in (1, 2, 3)]

    found = await asyncio.gather(*(world.sims.shown(sim) for sim in sims))
    reach = [reachability(sim, one, at) for sim, one in zip(sims, found, strict=True)]
    assert [one and one.reach for one in reach] == [Reach.SMS, Reach.DISCONNECTED, Reach.DATA]


async def test_a_table_of_models_is_replaced_row_by_row(world: World) -> None:
    tacs = Tacs(world.db)
    assert await tacs.find("35209900") is None
    assert await tacs.count() == 0
    await tacs.put([DeviceModel("35209900", "Quectel", "BG95"), DeviceModel("86052105", None, "Y")], START)
    later = START + timedelta(days=1)
    await tacs.put([DeviceModel("35209900", "Q", None), DeviceModel("35209900", "Quectel", "BG96")], later)
    assert await tacs.find("35209900") == DeviceModel("35209900", "Quectel", "BG96")
    assert await tacs.find("86052105") == DeviceModel("86052105", None, "Y")
    assert await tacs.find("00000000") is None
    assert await tacs.count() == 2


PATHS = {
    "/device-reachability-status/v1/retrieve": 422,  # seen by a gateway that is not there
    "/device-roaming-status/v1/retrieve": 422,
    "/device-identifier/v0.3/retrieve-identifier": 200,
    "/device-identifier/v0.3/retrieve-type": 200,
    "/device-identifier/v0.3/retrieve-ppid": 200,
    "/device-identifier/vwip/match-identifier": 200,
}


@pytest.mark.parametrize("path", PATHS)
async def test_a_foreign_device_and_an_unknown_one_cost_the_same(
    database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    house = House(database, vault)
    await house.furnish()
    more = (
        {"providedIdentifierType": "TAC", "providedIdentifier": "35209900"} if path.endswith("match-identifier") else {}
    )

    async def ask(named: dict[str, Any]) -> Any:
        body = {"device": named, **more}
        reply = await house.client("POST", path, body, token=house.token, headers=[("x-correlator", "c-1")])
        return reply.status, reply.json

    await ask(UNKNOWN)  # tokens and keys are read with the first call
    watched = Watched(monkeypatch)
    answers, costs = [], []
    for named in (UNKNOWN, FOREIGN, UNKNOWN, FOREIGN):
        watched.seen.clear()
        answers.append(await ask(named))
        costs.append(list(watched.seen))
    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)
    assert all(cost == costs[0] and all(rows == 0 for _, rows in cost) for cost in costs)
    assert (await ask(OWN))[0] == PATHS[path]


@pytest.mark.parametrize(
    ("api", "name"),
    [
        ("device-reachability-status-subscriptions/v0.8", "reachability-sms"),
        ("device-roaming-status-subscriptions/v0.8", "roaming-on"),
        ("connected-network-type-subscriptions/v0.2", "network-type-changed"),
    ],
)
async def test_subscribing_to_a_foreign_device_and_reading_a_foreign_subscription_cost_no_more(
    database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch, api: str, name: str
) -> None:
    house = House(database, vault)
    await house.furnish()
    path = f"/{api}/subscriptions"

    async def subscribe(named: dict[str, Any], token: str) -> Any:
        body = {
            "protocol": "HTTP",
            "sink": "https://events.example.com",
            "types": [f"org.camaraproject.{api.partition('/')[0]}.v0.{name}"],
            "config": {"subscriptionDetail": {"device": named}},
        }
        return await house.client("POST", path, body, token=token)

    theirs = (await subscribe(FOREIGN, house.stranger)).json["id"]
    nobodys = theirs[:2] + theirs[:1:-1]
    await subscribe(UNKNOWN, house.token)
    watched = Watched(monkeypatch)
    subscribing = [partial(subscribe, named, house.token) for named in (UNKNOWN, FOREIGN)]
    others = [
        [partial(house.client, method, f"{path}/{id_}{below}", content, token=house.token) for id_ in (nobodys, theirs)]
        for method, below, content in (("GET", "", None), ("DELETE", "", None), ("POST", "/rotate-secret", {}))
    ]
    for pair in (subscribing, *others):
        seen = []
        for ask in pair:
            watched.seen.clear()
            reply = await ask()
            seen.append((reply.status, reply.body, list(watched.seen)))
        assert seen[0] == seen[1]
        assert seen[0][0] == 404
    assert (await subscribe(OWN, house.token)).status == 201
    assert (await house.client("GET", f"{path}/{theirs}", token=house.stranger)).status == 200
