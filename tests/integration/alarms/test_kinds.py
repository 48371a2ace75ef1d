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

from simwarden.domain.alarm import AlarmKind, Severity
from simwarden.engine.watch import Watch, WatchSettings
from simwarden.simulator.faults import Fault
from simwarden.store import alarms
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.world import World

    from simwarden.domain.alarm import Alarm
    from simwarden.store.database import Database


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
        return await alarms.open_of(db, kind)

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
