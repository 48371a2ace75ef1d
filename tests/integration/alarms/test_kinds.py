"""Each trouble, played by virtual gateways and sinks: its alarm comes, and ends when the trouble does."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.integration.engine.test_virtual_gateway import AWAY, HOME, Street
from tests.support.patience import PATIENCE
from tests.support.world import Clock

from simwarden.domain.alarm import AlarmKind, Severity, of_gateway
from simwarden.domain.alarm_words import words
from simwarden.engine.enforcement import Enforcement
from simwarden.engine.watch import Watch, WatchSettings
from simwarden.kit.clock import now_utc
from simwarden.simulator.faults import Fault
from simwarden.southbound.ejoin.network import EjoinNetwork
from simwarden.southbound.sbi.nrf import NrfAlarm
from simwarden.store import alarms
from simwarden.store.database import Database
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.world import World

    from simwarden.domain.alarm import Alarm


async def until(what: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not (found := await what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)
    return found


async def raised(db: Database, kind: AlarmKind) -> Alarm:
    """The open alarm of this kind, once there is one."""

    async def look() -> list[Alarm]:
        return await alarms.page(db, kind=kind, is_open=True, limit=100)

    (found,) = await until(look)
    alarm: Alarm = found
    return alarm


async def ended(db: Database, alarm: Alarm) -> Alarm:
    """The same alarm, once it is over."""

    async def look() -> Alarm | None:
        found = await alarms.show(db, alarm.id)
        return found if found.cleared_at else None

    over: Alarm = await until(look)
    return over


@pytest.fixture
async def street(world: World) -> AsyncIterator[Street]:
    async with aiohttp.ClientSession() as session:
        made = Street(world, session)
        await made.open(2)
        yield made
        await made.close()


@pytest.fixture
async def watch(world: World) -> AsyncIterator[Watch]:
    """Looks ten times a second."""
    settings = WatchSettings(every=timedelta(seconds=0.1), backlog=timedelta(seconds=2))
    made = Watch(world.db, Leases(world.db, "watch", "w1", shares=1), settings)
    made.start()
    yield made
    await made.stop()


async def test_a_stolen_sim_that_cannot_be_locked(street: Street) -> None:
    card = await street.insert(1, HOME)
    await street.bind(card.imsi)
    await street.server().set_fault(Fault("refuse"))
    await street.move(HOME, AWAY)
    alarm = await raised(street.db, AlarmKind.ENFORCEMENT_FAILED)
    assert (alarm.severity, alarm.imsi) == (Severity.CRITICAL, card.imsi)
    assert (alarm.facts["gateway"], alarm.facts["port"], alarm.facts["account"]) == ("gw1", AWAY.port, "Acme")
    assert alarm.facts["reason"] == "The gateway answers to no API at the moment."

    async def counted() -> bool:
        return (await alarms.show(street.db, alarm.id)).count > alarm.count

    await street.db.execute("update attachment set next_attempt_at = now()")
    street.worker.wake()
    await until(counted)
    await street.server().set_fault(Fault())
    await street.db.execute("update attachment set next_attempt_at = now()")
    street.worker.wake()
    over = await ended(street.db, alarm)
    assert over.cleared_because == "The gateway shows the effect"
    assert street.server().gateway.locked() == [AWAY]


async def test_a_stolen_sim_that_is_brought_back_before_it_could_be_locked(street: Street) -> None:
    card = await street.insert(1, HOME)
    await street.bind(card.imsi)
    await street.server().set_fault(Fault("refuse"))
    await street.move(HOME, AWAY)
    alarm = await raised(street.db, AlarmKind.ENFORCEMENT_FAILED)
    await street.move(AWAY, HOME)
    await street.server().set_fault(Fault())  # its status is the proof that the card came back
    await ended(street.db, alarm)


async def test_a_gateway_that_does_not_answer_commands(street: Street) -> None:
    card = await street.insert(1, HOME)
    await street.bind(card.imsi)
    await street.server().set_fault(Fault("timeout"))
    await street.move(HOME, AWAY)
    alarm = await raised(street.db, AlarmKind.GATEWAY_UNREACHABLE)
    assert alarm.facts["gateway"] == "gw1"
    assert alarm.facts["attempts"] >= 3
    assert "did not answer" in alarm.facts["reason"]
    await street.server().set_fault(Fault())
    await street.db.execute("update attachment set next_attempt_at = now()")
    street.worker.wake()
    over = await ended(street.db, alarm)
    assert over.cleared_because == "The gateway answers commands again"


async def test_a_gateway_that_does_not_answer_and_need_not_any_more(street: Street, watch: Watch) -> None:
    del watch
    card = await street.insert(1, HOME)
    await street.bind(card.imsi)
    await street.server().set_fault(Fault("timeout"))
    await street.move(HOME, AWAY)
    alarm = await raised(street.db, AlarmKind.GATEWAY_UNREACHABLE)
    await street.db.execute("delete from attachment")
    over = await ended(street.db, alarm)
    assert over.cleared_because == "Nothing is to be commanded there any more"
    assert await street.db.fetchval("select sum(unreachable_count) from gateway") == 0


async def test_a_gateway_that_falls_silent(street: Street, watch: Watch) -> None:
    del watch
    await street.db.execute("update gateway set report_interval = 1")
    await street.insert(1, HOME)
    alarm = await raised(street.db, AlarmKind.GATEWAY_SILENT)
    assert alarm.facts["gateway"] == "gw1", "gw2 has never reported: it is not in service yet"
    assert alarm.facts["reportInterval"] == 1
    await street.insert(2, AWAY)
    over = await ended(street.db, alarm)
    assert over.cleared_because == "The gateway reports again"


async def test_reports_that_cannot_be_read(street: Street, watch: Watch) -> None:
    del watch
    await street.db.execute("update gateway set report_interval = 1")
    token = await street.world.gateways.renew_token("gw1")
    async with street.session.post(f"{street.door.url}/southbound/ejoin/{token}", data=b"{rubbish") as answer:
        assert answer.status == 400
    alarm = await raised(street.db, AlarmKind.REPORTS_UNPARSED)
    assert (alarm.severity, alarm.facts["gateway"]) == (Severity.MINOR, "gw1")
    assert alarm.facts["reason"]
    over = await ended(street.db, alarm)
    assert over.cleared_because == "It did not happen again for three report intervals"


async def test_reports_that_somebody_invents(street: Street, watch: Watch) -> None:
    del watch
    await street.db.execute("update gateway set report_interval = 1")
    card = await street.insert(1, HOME)
    token = await street.world.gateways.renew_token("gw1")
    forged = {"type": "port-status", "port": f"{HOME.port}.{HOME.slot:02}", "seq": 2**31, "st": 4, "imsi": card.imsi}
    async with street.session.post(f"{street.door.url}/southbound/ejoin/{token}", json=forged) as answer:
        assert answer.status == 200
    alarm = await raised(street.db, AlarmKind.REPORTS_DOUBTED)
    assert (alarm.severity, alarm.facts["gateway"]) == (Severity.MAJOR, "gw1")
    assert alarm.facts["reason"] == f"JUMP, port-status seq {2**31}"
    over = await ended(street.db, alarm)
    assert over.cleared_because == "It did not happen again for three report intervals"


async def test_another_card_than_the_registered_one(street: Street, watch: Watch) -> None:
    del watch
    await street.db.execute("update gateway set report_interval = 1")
    card = await street.insert(1, HOME)
    assert await alarms.page(street.db, kind=AlarmKind.SIM_IDENTITY, is_open=True, limit=100) == []
    await street.db.execute("update sim set iccid = '89860000000000099999'")
    await street.move(HOME, AWAY)
    alarm = await raised(street.db, AlarmKind.SIM_IDENTITY)
    assert (alarm.severity, alarm.facts["gateway"], alarm.facts["imsi"]) == (Severity.MINOR, "gw1", card.imsi)
    assert (alarm.facts["iccid"], alarm.facts["reported"]) == ("89860000000000099999", card.iccid)
    over = await ended(street.db, alarm)
    assert over.cleared_because == "It did not happen again for three report intervals"


async def test_a_report_of_an_unknown_type_is_no_alarm(street: Street) -> None:
    token = await street.world.gateways.renew_token("gw1")
    async with street.session.post(
        f"{street.door.url}/southbound/ejoin/{token}", json={"type": "to-come", "seq": 1}
    ) as answer:
        assert answer.status == 200
    assert await street.db.fetchval("select count(*) from gateway_reject") == 1
    assert await alarms.page(street.db, limit=10) == []


async def test_work_that_nobody_takes_up(street: Street, watch: Watch) -> None:
    del watch
    card = await street.insert(1, HOME)
    await street.bind(card.imsi)
    await street.worker.stop()
    await street.move(HOME, AWAY)
    await until(lambda: _moved(street, card.imsi))
    alarm = await raised(street.db, AlarmKind.WORK_BACKLOG)
    assert (alarm.subject, alarm.facts["waiting"]) == ("enforcement", 1)
    street.worker = street.new_worker()
    street.worker.start()
    over = await ended(street.db, alarm)
    assert over.cleared_because == "Workers keep up again"


async def test_a_database_that_is_slow(database: Database) -> None:
    settings = WatchSettings(every=timedelta(seconds=0.1), slow=timedelta(seconds=0.5))
    watch = Watch(database, Leases(database, "watch", "w1", shares=1), settings)
    watch.start()
    slow = asyncio.create_task(_holding_up(database))
    try:
        alarm = await raised(database, AlarmKind.DATABASE_SLOW)
        assert alarm.facts["milliseconds"] > alarm.facts["limit"] == 500
        slow.cancel()
        over = await ended(database, alarm)
        assert over.cleared_because == "Commits are quick again"
    finally:
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        await watch.stop()


async def _holding_up(database: Database) -> None:
    """Each small commit of the watch waits for a lock for more than half a second."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    while True:
        async with database.transaction() as connection:
            if await connection.fetchval("select 1 from fleet_count where name = 'watch' for update"):
                await until(lambda: database.fetchval(waiting))
                await asyncio.sleep(0.6)
        await asyncio.sleep(0)


async def test_a_gateway_that_is_removed_takes_its_alarms_with_it(street: Street, watch: Watch) -> None:
    async with street.db.transaction() as connection:
        await alarms.raise_all(connection, [of_gateway(AlarmKind.GATEWAY_SILENT, 4711)], now_utc())
    alarm = await raised(street.db, AlarmKind.GATEWAY_SILENT)
    watch._round = 0
    over = await ended(street.db, alarm)
    assert over.cleared_because == "The gateway was removed"


async def test_after_a_break_of_the_server_itself_nobody_counts_as_silent(world: World) -> None:
    await world.box("gw1")
    hour_ago = now_utc() - timedelta(hours=1)
    await world.db.execute("update gateway set reported_at = $1", hour_ago)
    leases = Leases(world.db, "watch", "w1", shares=1)
    clock = Clock()
    clock.now = hour_ago
    watch = Watch(world.db, leases, clock=clock)
    await watch.look()
    clock.now = now_utc()
    await watch.look()
    assert await alarms.page(world.db, kind=AlarmKind.GATEWAY_SILENT, is_open=True, limit=100) == [], (
        "it could not have been heard"
    )
    for _ in range(100):
        clock.turn(4)
        await watch.look()
    assert len(await alarms.page(world.db, kind=AlarmKind.GATEWAY_SILENT, is_open=True, limit=100)) == 1


async def test_every_refused_request_to_a_gateway_is_counted(world: World) -> None:
    async with aiohttp.ClientSession() as session:
        street = Counting(world, session)
        await street.open(2)
        try:
            card = await street.insert(1, HOME)
            await street.bind(card.imsi)
            await street.server().set_fault(Fault("refuse"))
            await street.move(HOME, AWAY)
            await raised(street.db, AlarmKind.ENFORCEMENT_FAILED)
            attempts = await street.db.fetchval("select attempts from attachment where next_attempt_at is not null")
            assert street.results.count("refused") >= attempts >= 5
        finally:
            await street.close()


async def _moved(street: Street, imsi: str) -> bool:
    return bool(await street.db.fetchval("select bars <> '[]' from sim where imsi = $1", imsi))


class Counting(Street):
    """Keeps what its worker says of each request to a gateway."""

    def new_worker(self) -> Enforcement:
        self.results: list[str] = []
        return Enforcement(
            self.db,
            self.world.gateways,
            self.ingest,
            Leases(self.db, "enforce", "worker-1"),
            lambda access: EjoinNetwork(self.session, access, 0.5),
            observed=lambda _command, result, _seconds: self.results.append(result),
        )


async def test_a_function_that_the_nrf_does_not_list(database: Database) -> None:
    alarm = NrfAlarm(database, "CHF")
    await alarm.over("Nothing was wrong")
    for _ in range(2):
        await alarm.lost("http://nrf.example", "the NRF answered 500")
    found = await raised(database, AlarmKind.NRF_UNREGISTERED)
    assert (found.subject, found.count) == ("CHF", 2)
    assert "The CHF is not registered at the NRF http://nrf.example" in words(found.kind, found.facts).what
    await alarm.over("Registered again")
    assert (await ended(database, found)).cleared_because == "Registered again"
