"""Geofences: crossings are decided and queued in the commit of the report that shows them, once each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.conformance import contract
from tests.integration.engine.test_places import BERLIN, CELL, FAR, PARIS, know, put_at, session
from tests.support.fixtures import world, world_database
from tests.support.world import ACCOUNT, START, Box, World, imsi

from simwarden.domain.area import Circle
from simwarden.domain.errors import TooManySubscriptions
from simwarden.domain.events import CauseKind, EventType
from simwarden.domain.geofence import Geofence
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.locating import Site
from simwarden.domain.session import Phase
from simwarden.engine.place_review import PlaceReview
from simwarden.engine.subscriptions import NewSubscription, SubscriptionLimits, Subscriptions
from simwarden.notify.cloudevents import render
from simwarden.store import fanout, geofences, subscriptions
from simwarden.store.fanout import INLINE

if TYPE_CHECKING:
    from simwarden.engine.subscriptions import Subscription

__all__ = ["world", "world_database"]
PREFIX = "org.camaraproject.geofencing-subscriptions.v0."
DEVICE = {"phoneNumber": "+8613800000001"}
AROUND_BERLIN = Circle(BERLIN.latitude, BERLIN.longitude, 20_000.0)


@pytest.fixture
async def berlin(world: World) -> Box:
    """A gateway in Berlin with card 1 in it."""
    await world.card(1)
    box = await world.box("gw1")
    await put_at(world, gw1=BERLIN)
    box.put(1, 1)
    await world.take(box.dev_status())
    return box


@pytest.fixture
async def paris(world: World, berlin: Box) -> Box:
    """Another one in Paris, empty."""
    box = await world.box("gw2")
    await put_at(world, gw2=PARIS)
    await world.take(box.dev_status())
    assert berlin.id != box.id
    return box


async def watch(
    world: World, kind: str, area: Circle = AROUND_BERLIN, number: int = 1, limits: Any = None, **fields: Any
) -> Subscription:
    made = Subscriptions(world.db, world.vault, allow_private_sinks=True, clock=world.clock, limits=limits)
    circle = {
        "areaType": "CIRCLE",
        "center": {"latitude": area.latitude, "longitude": area.longitude},
        "radius": area.radius,
    }
    given: dict[str, Any] = {
        "sim": await world.sim(number),
        "account_id": ACCOUNT,
        "app_key": "app-1",
        "api": "geofencing-subscriptions",
        "topic": EventType.GEOFENCE_ENTERED if kind == "area-entered" else EventType.GEOFENCE_LEFT,
        "type": f"{PREFIX}{kind}",
        "protocol": "HTTP",
        "sink": "http://127.0.0.1:9/sink",
        "protocol_settings": None,
        "device": DEVICE,
        "config": {"subscriptionDetail": {"device": DEVICE, "area": circle}},
        "credential": None,
        "expires_at": None,
        "max_events": None,
        "initial_event": False,
        "fence": Geofence(area, kind == "area-entered"),
    }
    return (await made.create(NewSubscription(**(given | fields))))[0]


async def queue(world: World, made: Subscription) -> list[str]:
    """What a queue holds behind its start. Every event is held against CAMARA's document."""
    rows = await world.db.fetch("select * from delivery where subscription_id = $1 order by n", made.id)
    found = []
    for row in rows:
        name = row["type"].removeprefix(PREFIX)
        body = msgspec.json.decode(
            render(
                event_id=row["event_id"],
                source="urn:simwarden",
                type=row["type"],
                time=row["time"],
                subscription_id=made.id,
                data=row["data"],
            )
        )
        upstream = contract.camaras("geofencing-subscriptions")
        if upstream is not None:
            schema = "Event" + "".join(part.capitalize() for part in name.split("-"))
            assert list(upstream.schema(schema).iter_errors(body)) == []
        assert body["data"]["area"]["areaType"] == "CIRCLE"
        found.append(name)
    assert found[0] == "subscription-started"
    return found[1:]


async def travel(world: World, to: Box) -> None:
    """Card 1 moves into another gateway; all of them report."""
    world.clock.turn(120)
    to.put(1, 1)
    await world.take(*(box.dev_status() for box in world.boxes if box is not to))
    await world.take(to.dev_status())


async def test_each_crossing_is_told_once_in_the_commit_of_the_report(world: World, berlin: Box, paris: Box) -> None:
    left, entered = await watch(world, "area-left"), await watch(world, "area-entered")
    await travel(world, paris)
    assert (await queue(world, left), await queue(world, entered)) == (["area-left"], [])
    world.clock.turn(60)
    await world.take(paris.dev_status())
    await travel(world, berlin)
    assert (await queue(world, left), await queue(world, entered)) == (["area-left"], ["area-entered"])
    await travel(world, paris)
    assert (await queue(world, left), await queue(world, entered)) == (["area-left"] * 2, ["area-entered"])
    [crossed] = [event for event in await world.events(1) if event.type is EventType.GEOFENCE_ENTERED]
    assert crossed.data == {"subscriptions": [entered.id]}
    assert (crossed.cause.kind, crossed.cause.source) == (CauseKind.REPORT, "gw1")
    (row,) = await world.db.fetch("select data from delivery where subscription_id = $1 and n = 2", entered.id)
    assert row["data"]["device"] == DEVICE
    assert "subscriptions" not in row["data"]


async def test_a_site_that_overlaps_the_border_is_neither(world: World, berlin: Box, paris: Box) -> None:
    left, entered = await watch(world, "area-left"), await watch(world, "area-entered")
    border = await world.box("gw3")
    await put_at(world, gw3=Site(BERLIN.latitude + 20_000 / 111_195, BERLIN.longitude, 500.0))
    for box in (border, berlin, border, paris, border, paris, border, berlin):
        await travel(world, box)
    assert (await queue(world, left), await queue(world, entered)) == (["area-left"], ["area-entered"])


async def test_a_cell_of_a_session_is_a_place_too(world: World, berlin: Box) -> None:
    await know(world, cell=BERLIN, far=PARIS)
    left = await watch(world, "area-left")
    world.clock.turn(600)
    await world.take(session(berlin, Phase.BEGAN, CELL))
    assert await queue(world, left) == []
    world.clock.turn(600)
    await world.take(session(berlin, Phase.GOES_ON, FAR, began_at=START))
    assert await queue(world, left) == ["area-left"]


async def test_a_gateway_that_is_said_to_stand_elsewhere_takes_its_sims_along(world: World, berlin: Box) -> None:
    assert berlin.cards
    left = await watch(world, "area-left")
    await put_at(world, gw1=PARIS)
    review = PlaceReview(world.db, clock=world.clock)
    await review.turn()
    assert await queue(world, left) == ["area-left"]
    assert await review.turn() > 0
    assert await queue(world, left) == ["area-left"]


@pytest.mark.parametrize(
    ("kind", "initial_event", "told"),
    [
        ("area-entered", True, ["area-entered"]),
        ("area-entered", False, []),
        ("area-left", True, []),
        ("area-left", False, []),
    ],
)
async def test_what_is_so_already_is_told_at_once_where_that_is_wanted(
    world: World, berlin: Box, kind: str, initial_event: bool, told: list[str]
) -> None:
    assert berlin.cards
    assert await queue(world, await watch(world, kind, initial_event=initial_event)) == told


@pytest.mark.parametrize("initial_event", [True, False])
async def test_what_is_not_known_yet_is_told_when_it_is(world: World, initial_event: bool) -> None:
    await world.card(1)
    box, other = await world.box("gw1"), await world.box("gw2")
    await put_at(world, gw1=BERLIN, gw2=PARIS)
    entered = await watch(world, "area-entered", initial_event=initial_event)
    left = await watch(world, "area-left", initial_event=initial_event)
    assert (await queue(world, entered), await queue(world, left)) == ([], [])
    await travel(world, box)
    first = ["area-entered"] if initial_event else []
    assert (await queue(world, entered), await queue(world, left)) == (first, [])
    await travel(world, other)
    assert (await queue(world, entered), await queue(world, left)) == (first, ["area-left"])


async def test_the_last_event_ends_a_subscription_and_no_other_is_told(world: World, berlin: Box, paris: Box) -> None:
    once = await watch(world, "area-left", max_events=1)
    more = await watch(world, "area-left", Circle(0.0, 0.0, 1000.0))
    for box in (paris, berlin, paris):
        await travel(world, box)
    assert await queue(world, once) == ["area-left", "subscription-ended"]
    assert await queue(world, more) == []
    assert await world.count(1, EventType.GEOFENCE_LEFT) == 1, "nobody waits for the second one"


async def test_an_initial_event_counts(world: World, berlin: Box) -> None:
    assert berlin.cards
    made = await watch(world, "area-entered", initial_event=True, max_events=1)
    assert await queue(world, made) == ["area-entered", "subscription-ended"]
    assert (made.status, made.ended_reason) == ("EXPIRED", "MAX_EVENTS_REACHED")


async def test_expiry_and_deletion_are_told_with_the_area(world: World, berlin: Box, paris: Box) -> None:
    expiring = await watch(world, "area-left", expires_at=world.clock() + timedelta(seconds=30))
    deleted = await watch(world, "area-left")
    await Subscriptions(world.db, world.vault, allow_private_sinks=True).delete("app-1", deleted.id)
    await travel(world, paris)
    assert berlin.id != paris.id
    assert await queue(world, deleted) == ["subscription-ended"]
    assert await queue(world, expiring) == ["subscription-ended"]


async def test_many_fences_of_one_sim_are_told_behind_the_commit_each_its_own(
    world: World, berlin: Box, paris: Box
) -> None:
    there = Circle(PARIS.latitude, PARIS.longitude, 20_000.0)
    leaving = [await watch(world, "area-left") for _ in range(INLINE + 2)]
    elsewhere = [await watch(world, "area-left", there) for _ in range(3)]
    for box in (paris, berlin, paris):
        await travel(world, box)
    while waiting := await fanout.turns(world.db, ALL_BUCKETS, 10):
        for bucket, who, _ in waiting:
            await fanout.work(world.db, bucket, who)
    assert [await queue(world, each) for each in leaving] == [["area-left"] * 2] * (INLINE + 2)
    assert [await queue(world, each) for each in elsewhere] == [["area-left"]] * 3


async def test_a_sim_without_a_fence_has_no_events_of_fences(world: World, berlin: Box, paris: Box) -> None:
    await world.card(2)
    await watch(world, "area-left", number=2)
    before = await world.written("geofence")
    for box in (paris, berlin):
        await travel(world, box)
    assert not {EventType.GEOFENCE_LEFT, EventType.GEOFENCE_ENTERED} & set(await world.types(1))
    assert await world.written("geofence") == before


async def test_staying_asks_nobody(world: World, berlin: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    await watch(world, "area-left")

    async def asked(*_: Any) -> Any:
        raise AssertionError("a SIM that stays costs no look at fences")

    monkeypatch.setattr(geofences, "of_sims", asked)
    for _ in range(3):
        world.clock.turn(60)
        await world.take(berlin.dev_status())


async def test_a_crossing_is_one_commit(world: World, berlin: Box, paris: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    left = await watch(world, "area-left")
    real = geofences.save

    async def fails(*_: Any) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(geofences, "save", fails)
    world.clock.turn(120)
    paris.put(1, 1)
    with pytest.raises(RuntimeError):
        await world.take(paris.dev_status())
    assert await queue(world, left) == []
    seen = (await world.sim(1)).seen
    assert seen is not None
    assert seen.slot is not None
    assert seen.slot.gateway_id == berlin.id
    monkeypatch.setattr(geofences, "save", real)
    world.clock.turn(120)
    await world.take(paris.dev_status())
    assert await queue(world, left) == ["area-left"]


async def test_fences_are_limited_as_all_subscriptions(world: World, berlin: Box) -> None:
    assert berlin.cards
    limits = SubscriptionLimits(subscriptions_per_sim=2)
    for _ in range(2):
        await watch(world, "area-left", limits=limits)
    with pytest.raises(TooManySubscriptions, match="subscriptions_per_sim"):
        await watch(world, "area-left", limits=limits)
    assert await world.db.fetchval("select count(*) from geofence") == 2


async def test_fences_go_with_their_subscriptions(world: World, berlin: Box) -> None:
    assert berlin.cards
    made = await watch(world, "area-left")
    await Subscriptions(world.db, world.vault, allow_private_sinks=True).delete("app-1", made.id)
    await world.db.execute("delete from delivery")
    await world.db.execute("update subscription set lane_due_at = null")
    await subscriptions.prune(world.db, ALL_BUCKETS, datetime.now(UTC) + timedelta(days=1))
    assert await world.db.fetchval("select count(*) from geofence") == 0


async def test_fences_are_found_by_an_index(world: World, berlin: Box) -> None:
    made = await watch(world, "area-left")
    sim = await world.sim(1)
    assert berlin.cards
    async with world.db.transaction() as connection:
        await connection.execute(
            """insert into subscription
               select (jsonb_populate_record(s, jsonb_build_object('id', lpad(n::text, 34, '0'), 'imsi', n::text))).*
               from subscription s, generate_series(1, 3000) as n where s.id = $1""",
            made.id,
        )
        await connection.execute(
            """insert into geofence select bucket, id, imsi, 0, 0, 1, true, null from subscription where id <> $1""",
            made.id,
        )
        await connection.execute("analyze geofence; analyze subscription")
        found = await geofences.of_sims(connection, [imsi(1)])
        plan = await connection.fetch(f"explain {geofences.Q['of_sims']}", [sim.bucket], [sim.bucket], [imsi(1)])
        await connection.execute("delete from geofence where subscription_id <> $1", made.id)
        await connection.execute("delete from subscription where id <> $1", made.id)
    assert found == {imsi(1): {made.id: Geofence(AROUND_BERLIN, enters=False, inside=True)}}
    text = "\n".join(row[0] for row in plan)
    assert "geofence_sim" in text
    assert "Seq Scan" not in text
