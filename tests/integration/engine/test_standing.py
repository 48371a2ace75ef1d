"""Changes of how SIMs can be reached and roam: decided in the commit of what shows them, told to who subscribed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.conformance import contract
from tests.support.fixtures import world, world_database
from tests.support.patience import PATIENCE
from tests.support.world import ACCOUNT, Box, World, imsi

from simwarden.domain.events import CauseKind, EventType
from simwarden.domain.reports import Report
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.session import Phase, SessionNote
from simwarden.domain.sim import Function
from simwarden.engine.standing_watch import StandingWatch
from simwarden.engine.subscriptions import NewSubscription, Subscriptions
from simwarden.notify.cloudevents import render
from simwarden.store import standing

if TYPE_CHECKING:
    from simwarden.domain.events import Event
    from simwarden.store.vault import Vault

__all__ = ["world", "world_database"]
REACH, ROAM, TYPE = EventType.REACHABILITY_CHANGED, EventType.ROAMING_CHANGED, EventType.NETWORK_TYPE_CHANGED
DATA, SMS, GONE = "reachability-data", "reachability-sms", "reachability-disconnected"
NETWORK = "network-type-changed"
STATUS, ON, OFF, COUNTRY = "roaming-status", "roaming-on", "roaming-off", "roaming-change-country"

APIS = {
    "roaming": ("device-roaming-status-subscriptions", ROAM),
    "reachability": ("device-reachability-status-subscriptions", REACH),
    "network": ("connected-network-type-subscriptions", TYPE),
    "data": ("device-data-volume-subscriptions", EventType.DATA_USED),
}
"""By how the names of their events begin."""
SCHEMAS = {
    NETWORK: "EventNetworkTypeChange",
    "data-50-percent": "EventDataUsage50Percent",
    "data-75-percent": "EventDataUsage75Percent",
    "data-90-percent": "EventDataUsage90Percent",
    "data-exceeded": "EventDataUsageExceeded",
}
"""Of events, where CAMARA's documents do not call them as the event."""


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway, and card 1 in its port 1, which it has not reported yet."""
    found = await world.box()
    await world.card(1)
    found.put(1, 1)
    world.clock.turn(60)
    return found


async def subscribe(world: World, vault: Vault, *kinds: str, initial: bool = False, number: int = 1) -> list[str]:
    made = []
    subscriptions = Subscriptions(world.db, vault, allow_private_sinks=True, clock=world.clock)
    for kind in kinds:
        api, topic = next(found for begin, found in APIS.items() if kind.startswith(begin))
        new = NewSubscription(
            sim=await world.sim(number),
            account_id=ACCOUNT,
            app_key="app-1",
            api=api,
            topic=topic,
            type=f"org.camaraproject.{api}.v0.{kind}",
            protocol="HTTP",
            sink="http://127.0.0.1:1/events",
            protocol_settings=None,
            device={"phoneNumber": "+8613800000001"},
            config={},
            credential=None,
            expires_at=None,
            max_events=None,
            initial_event=initial,
        )
        made.append((await subscriptions.create(new))[0].id)
    return made


async def told(world: World) -> list[tuple[str, dict[str, Any]]]:
    """What sinks are told, in the order in which it was written: name of the event, and its data.

    Every event is held against CAMARA's document.
    """
    rows = await world.db.fetch("select * from delivery where event is not null order by event, type")
    for row in rows:
        keep_contract(row)
    return [(row["type"].rpartition(".")[2], _bare(row["data"])) for row in rows]


def keep_contract(row: asyncpg.Record) -> None:
    """A delivery's CloudEvent is as CAMARA's document has it."""
    api, name = row["type"].split(".")[2], row["type"].rpartition(".")[2]
    document = contract.camaras(api)
    if document is None:
        return
    event = render(
        event_id=row["event_id"],
        source="urn:test",
        type=row["type"],
        time=row["time"],
        subscription_id=row["subscription_id"],
        data=row["data"],
    )
    schema = document.schema(SCHEMAS.get(name) or f"Event{name.title().replace('-', '')}")
    assert [error.message for error in schema.iter_errors(json.loads(event))] == []


async def first_told(world: World) -> list[str]:
    """The events of that kind that subscriptions began with."""
    rows = await world.db.fetch(
        "select * from delivery where event is null and type not like '%.v0.subscription-%' order by type"
    )
    for row in rows:
        keep_contract(row)
    return [row["type"].rpartition(".")[2] for row in rows]


def _bare(data: dict[str, Any]) -> dict[str, Any]:
    assert data.pop("device") == {"phoneNumber": "+8613800000001"}
    return data


async def happened(world: World, number: int = 1) -> list[Event]:
    return [event for event in await world.events(number) if event.type in (REACH, ROAM)]


def session(nas: Box, phase: Phase, key: str = "S1", **fields: Any) -> Report:
    at = nas.world.clock()
    given: dict[str, Any] = {"key": key, "phase": phase, "at": at, "began_at": at, "imsi": imsi(1), "imei": None}
    return Report(
        gateway_id=nas.id,
        gateway_name=nas.ref.name,
        received_at=at,
        message="accounting",
        sessions=(SessionNote(**(given | fields)),),
        authentic=True,
    )


async def test_nobody_is_told_and_nothing_is_remembered_without_a_subscription(world: World, box: Box) -> None:
    await world.take(box.dev_status())
    box.locked.add((1, 1))
    await world.take(box.port_status(1))
    assert await happened(world) == []
    assert await world.db.fetch("select * from sim_standing") == []


async def test_a_slot_that_shows_something_else_is_told_with_its_report(world: World, box: Box, vault: Vault) -> None:
    await world.take(box.dev_status())
    await subscribe(world, vault, DATA, SMS, GONE)
    world.clock.turn(60)
    await world.take(box.port_status(1, status=2))
    world.clock.turn(60)
    await world.take(box.port_status(1, status=4))
    world.clock.turn(60)
    await world.take(box.port_status(1))  # 4 and 3: both are reachable
    assert await told(world) == [(GONE, {}), (SMS, {})]
    events = await happened(world)
    assert [(event.data["reach"], event.data["reach_before"]) for event in events] == [
        ("DISCONNECTED", "SMS"),
        ("SMS", "DISCONNECTED"),
    ]
    cause = events[0].cause
    assert (cause.kind, cause.source, cause.message) == (CauseKind.REPORT, "gw1", "port-status")


async def test_a_card_that_is_taken_out_or_that_another_one_replaces_is_gone(
    world: World, box: Box, vault: Vault
) -> None:
    await world.card(2)
    await world.take(box.dev_status())
    await subscribe(world, vault, SMS, GONE)
    box.cards[1, 1] = 2
    world.clock.turn(60)
    await world.take(box.dev_status())
    assert await told(world) == [(GONE, {})]
    box.put(1, 3)
    world.clock.turn(60)
    await world.take(box.dev_status())
    assert await told(world) == [(GONE, {}), (SMS, {})]


async def test_sessions_are_told_and_a_session_that_goes_on_is_not(world: World, box: Box, vault: Vault) -> None:
    nas = await world.box("nas")
    await world.take(box.dev_status())
    await subscribe(world, vault, DATA, SMS, GONE)
    began = world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN))
    for _ in range(3):
        world.clock.turn(600)
        await world.take(session(nas, Phase.GOES_ON, began_at=began), box.dev_status())
    assert await told(world) == [(DATA, {})]
    await world.take(session(nas, Phase.ENDED, began_at=began))
    assert await told(world) == [(DATA, {}), (SMS, {})]


async def test_what_is_barred_and_lifted_is_told_in_the_commit_of_the_command(
    world: World, box: Box, vault: Vault
) -> None:
    await world.take(box.dev_status())
    await subscribe(world, vault, SMS, GONE)
    closed = SetFunctions(FunctionState.CLOSED, Function.SMS)
    await world.do(1, closed)
    (event,) = await happened(world)
    assert event.cause.kind is CauseKind.CALL
    await world.do(1, SetFunctions(FunctionState.OPEN, Function.SMS))
    await world.do(1, SetFunctions(FunctionState.CLOSED, Function.VOICE))  # nobody reaches a SIM by a call here
    await world.do(1, Transition(Step.SUSPEND))
    await world.do(1, Transition(Step.RESTORE))
    assert await told(world) == [(GONE, {}), (SMS, {}), (GONE, {}), (SMS, {})]


async def test_a_sim_barred_by_what_a_report_shows_is_told_once(world: World, box: Box, vault: Vault) -> None:
    await world.take(box.dev_status())
    await world.bind(1)
    await subscribe(world, vault, SMS, GONE)
    box.put(1, 2)  # another device: barred, though the slot shows it registered
    world.clock.turn(60)
    await world.take(box.dev_status())
    assert await world.barred(1)
    assert await told(world) == [(GONE, {})]


async def test_where_a_sim_roams_is_told_as_camara_has_it(world: World, box: Box, vault: Vault) -> None:
    """The example of the document: from home to France, to Belgium, and back."""
    await world.take(box.port_status(1, plmn="46000"))
    await subscribe(world, vault, STATUS, ON, OFF, COUNTRY)
    seen: list[list[tuple[str, dict[str, Any]]]] = []
    for plmn in ("20801", "20810", None, "20610", "46000"):
        world.clock.turn(60)
        await world.take(box.port_status(1, plmn=plmn))
        seen.append((await told(world))[sum(map(len, seen)) :])
    france = {"countryCode": 208, "countryName": ["FR"]}
    belgium = {"countryCode": 206, "countryName": ["BE"]}
    assert seen == [
        [(ON, {}), (STATUS, {"roaming": True, **france})],
        [],  # another network of the same country
        [],  # unknown is no change
        [(COUNTRY, belgium)],
        [(OFF, {}), (STATUS, {"roaming": False})],
    ]


async def test_networks_that_the_account_names_are_home(world: World, box: Box, vault: Vault) -> None:
    await world.db.execute(
        """update account set settings = '{"policy": {}, "home_networks": ["46001"]}' where id = $1""", ACCOUNT
    )
    await world.take(box.port_status(1, plmn="46000"))
    await subscribe(world, vault, STATUS)
    world.clock.turn(60)
    await world.take(box.port_status(1, plmn="46001"))
    assert await told(world) == []
    await world.take(box.port_status(1, plmn="46011"))
    assert [data["countryName"] for _, data in await told(world)] == [["CN"]]


@pytest.mark.parametrize(
    ("plmn", "barred", "expected"),
    [
        ("46000", False, {SMS, STATUS, OFF}),
        ("20801", False, {SMS, STATUS, ON}),
        ("20801", True, {GONE, STATUS, ON}),
        (None, False, {SMS}),
    ],
)
async def test_what_subscriptions_begin_with(
    world: World, box: Box, vault: Vault, plmn: str | None, barred: bool, expected: set[str]
) -> None:
    await world.take(box.port_status(1, plmn=plmn))
    if barred:
        await world.do(1, SetFunctions(FunctionState.CLOSED, Function.SMS))
    every = (DATA, SMS, GONE, STATUS, ON, OFF, COUNTRY)
    await subscribe(world, vault, *every)
    assert await first_told(world) == []
    await subscribe(world, vault, *every, initial=True)
    assert set(await first_told(world)) == expected


async def test_a_sim_that_nothing_has_shown_begins_with_nothing_and_is_told_when_it_comes(
    world: World, box: Box, vault: Vault
) -> None:
    await subscribe(world, vault, SMS, GONE, STATUS, ON, initial=True)
    assert await first_told(world) == []
    await world.take(box.port_status(1, plmn="20801"))
    assert await told(world) == [(SMS, {})]  # its network is seen for the first time: that is no change


async def test_an_element_that_restarts_disconnects_all_whose_sessions_it_carried(world: World, vault: Vault) -> None:
    nas = await world.box("nas")
    await world.card(1)
    world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN))
    await subscribe(world, vault, GONE)
    at = world.clock.turn(60)
    restart = Report(gateway_id=nas.id, gateway_name="nas", received_at=at, message="on", restarted_at=at)
    await world.take(restart)
    watch = StandingWatch(world.db, clock=world.clock)
    assert await watch.turn() == 0.0
    assert await watch.turn() > 0.0
    assert await told(world) == [(GONE, {})]


async def test_types_of_networks_are_told_as_sessions_show_them(world: World, vault: Vault) -> None:
    nas = await world.box("nas")
    await world.card(1)
    await subscribe(world, vault, NETWORK, initial=True)
    for phase, radio in ((Phase.BEGAN, "EUTRA"), (Phase.GOES_ON, "EUTRA"), (Phase.GOES_ON, "NR"), (Phase.ENDED, "NR")):
        world.clock.turn(60)
        await world.take(session(nas, phase, rat=radio, plmn="46000"))
    world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN, "S2", rat="WLAN"))  # of no mobile network, as before
    world.clock.turn(60)
    await world.take(session(nas, Phase.GOES_ON, "S2", rat="UTRA"))
    assert [data["connectedNetworkType"] for _, data in await told(world)] == ["4G", "5G", "UNKNOWN", "3G"]
    assert await first_told(world) == [NETWORK]
    story = [event.data for event in await world.events(1) if event.type is TYPE]
    assert [event["network_type_before"] for event in story] == ["UNKNOWN", "4G", "5G", "UNKNOWN"]


async def test_a_restart_disconnects_from_every_type_of_network(world: World, vault: Vault) -> None:
    nas = await world.box("nas")
    await world.card(1)
    world.clock.turn(60)
    await world.take(session(nas, Phase.BEGAN, rat="NBIOT"))
    await world.do(1, SetFunctions(FunctionState.CLOSED, Function.DATA))  # not reachable by it, and connected
    await subscribe(world, vault, NETWORK)
    at = world.clock.turn(60)
    await world.take(Report(gateway_id=nas.id, gateway_name="nas", received_at=at, message="on", restarted_at=at))
    watch = StandingWatch(world.db, clock=world.clock)
    await watch.turn()
    assert await watch.turn() > 0.0
    assert await told(world) == [(NETWORK, {"connectedNetworkType": "UNKNOWN"})]


async def test_a_silent_gateway_makes_the_status_old_and_nobody_is_told(world: World, box: Box, vault: Vault) -> None:
    await world.take(box.dev_status())
    await subscribe(world, vault, SMS, GONE)
    world.clock.turn(7200)
    await StandingWatch(world.db, clock=world.clock).turn()
    await world.take(box.dev_status())
    assert await told(world) == []


async def test_what_was_missed_is_told_when_it_is_shown_again(world: World, box: Box, vault: Vault) -> None:
    await world.take(box.dev_status())
    await subscribe(world, vault, SMS, GONE)
    await world.db.execute("update sim_standing set reach = 'DISCONNECTED'")
    world.clock.turn(60)
    await world.take(box.dev_status())
    assert await told(world) == []
    world.clock.turn(1000)
    await world.take(box.dev_status())  # the slot is written again, as it is every quarter of an hour
    assert await told(world) == [(SMS, {})]


async def test_it_is_forgotten_how_a_sim_stood_when_nobody_is_told_any_more(
    world: World, box: Box, vault: Vault
) -> None:
    await world.take(box.dev_status())
    (id_,) = await subscribe(world, vault, GONE)
    assert await standing.prune(world.db, list(range(256))) == 0
    await Subscriptions(world.db, vault, allow_private_sinks=True).delete("app-1", id_)
    world.clock.turn(60)
    await world.take(box.port_status(1, status=2))
    assert await happened(world) == []
    assert await standing.prune(world.db, list(range(256))) == 1


async def test_a_later_subscription_does_not_take_an_event_from_those_before(
    world: World, box: Box, vault: Vault
) -> None:
    await world.take(box.dev_status())
    await subscribe(world, vault, SMS)
    await world.db.execute("update sim_standing set reach = 'DISCONNECTED'")  # a change that has still to be told
    await subscribe(world, vault, GONE)
    world.clock.turn(1000)
    await world.take(box.dev_status())
    assert await told(world) == [(SMS, {})]


async def test_a_subscription_and_a_report_at_once_lose_nothing(world: World, box: Box, vault: Vault) -> None:
    """Whoever comes first: the sink is told that the SIM is gone, at once or when it begins."""
    await world.take(box.dev_status())
    for turn in range(12):
        await world.db.execute("delete from sim_standing; delete from delivery; delete from subscription")
        world.clock.turn(60)
        await world.take(box.port_status(1))
        world.clock.turn(60)
        report = box.port_status(1, status=2)
        first, second = subscribe(world, vault, GONE, initial=True), world.take(report)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*((first, second) if turn % 2 else (second, first)))
        assert len(await told(world)) + len(await first_told(world)) == 1


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    seen: Counter[str] = Counter()
    run = asyncpg.Connection._execute

    async def noted(connection: asyncpg.Connection, query: str, *args: Any, **options: Any) -> Any:
        seen[query] += 1
        return await run(connection, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, "_execute", noted)
    return seen


async def test_a_report_that_changes_nothing_costs_no_statement_and_one_that_does_a_probe(
    world: World, box: Box, vault: Vault, statements: Counter[str]
) -> None:
    await world.card(*range(2, 4))
    box.put(2, 2)
    box.put(3, 3)
    await world.take(box.dev_status())
    await subscribe(world, vault, SMS, GONE)
    mine = set(standing.Q.values())
    statements.clear()
    world.clock.turn(60)
    await world.take(box.dev_status())
    assert not mine & statements.keys()
    await world.take(box.port_status(2, status=2))  # of card 2, to which nobody subscribed
    assert {query: count for query, count in statements.items() if query in mine} == {standing.Q["watched"]: 1}
