"""Data sessions in reports: what they say of devices, through lost, late and repeated reports, on a real database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.support.fixtures import world, world_database
from tests.support.world import START, Box, World, device, imsi

from simwarden.domain.events import EventType
from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote
from simwarden.engine.keeping import Keeping
from simwarden.engine.sessions import MOST
from simwarden.store import sessions

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.domain.session import Session

__all__ = ["world", "world_database"]
HOME, OTHER = device(1), device(2)


@pytest.fixture
async def nas(world: World) -> Box:
    await world.card(1, imei=HOME)
    return await world.box("nas-1")


def report(nas: Box, *notes: SessionNote, **fields: Any) -> Report:
    return Report(
        gateway_id=nas.id,
        gateway_name="nas-1",
        received_at=nas.world.clock(),
        message="accounting",
        sessions=notes,
        authentic=True,
        **fields,
    )


def note(phase: Phase, minutes: float, key: str = "S1", imei: str | None = HOME, **fields: Any) -> SessionNote:
    at = START + timedelta(minutes=minutes)
    given: dict[str, Any] = {"key": key, "phase": phase, "at": at, "began_at": at, "imsi": imsi(1), "imei": imei}
    return SessionNote(**(given | fields))


async def stored(world: World) -> dict[str, Session]:
    async with world.db.connection() as connection:
        found = await connection.fetch("select imsi, gateway_id, key from session")
        rows = await sessions.find(connection, [(row["imsi"], row["gateway_id"], row["key"]) for row in found])
    return {key: session for (_, _, key), session in rows.items()}


async def live(nas: Box) -> list[str]:
    async with nas.world.db.connection() as connection:
        return [session.key for session in await sessions.live(connection, nas.id, [imsi(1)])]


def began(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


async def test_a_session_in_a_wrong_device_bars_and_one_in_its_own_lifts_the_bar(nas: Box) -> None:
    world = nas.world
    world.clock.turn(600)
    await world.take(report(nas, note(Phase.BEGAN, 1, imei=OTHER)))
    assert await world.barred(1)
    differed = next(event for event in await world.events(1) if event.type is EventType.BINDING_DIFFERED)
    assert (differed.cause.source, differed.cause.reference) == ("nas-1", "session S1")
    await world.take(report(nas, note(Phase.ENDED, 2, imei=OTHER)), report(nas, note(Phase.BEGAN, 3, "S2")))
    assert not await world.barred(1)  # at once: the report proves itself
    assert await live(nas) == ["S2"]


async def test_the_course_of_an_old_session_does_not_bring_its_device_back(nas: Box) -> None:
    world = nas.world
    world.clock.turn(3600)
    await world.take(report(nas, note(Phase.BEGAN, 1, "S1")))
    await world.take(report(nas, note(Phase.BEGAN, 5, "S2", imei=OTHER)))
    assert await world.barred(1)
    await world.take(report(nas, note(Phase.GOES_ON, 9, "S1", began_at=began(1))))
    await world.take(report(nas, note(Phase.ENDED, 10, "S1", began_at=began(1))))
    assert await world.barred(1)
    assert await live(nas) == ["S2"]
    await world.take(report(nas, note(Phase.BEGAN, 11, "S3")))
    assert not await world.barred(1)


async def test_what_comes_twice_counts_once(nas: Box) -> None:
    world = nas.world
    world.clock.turn(600)
    for _ in range(3):
        await world.take(report(nas, note(Phase.BEGAN, 1, imei=OTHER)))
    assert await world.count(1, EventType.BINDING_DIFFERED) == 1
    assert [tally.sessions for tally in world.tallies] == [{"began": 1}, {"repeated": 1}, {"repeated": 1}]
    assert [tally.sightings for tally in world.tallies] == [1, 0, 0]


async def test_a_late_report_does_not_make_a_session_live_again(nas: Box) -> None:
    world = nas.world
    world.clock.turn(600)
    await world.take(report(nas, note(Phase.BEGAN, 1), note(Phase.ENDED, 5, began_at=began(1))))
    await world.take(report(nas, note(Phase.GOES_ON, 3, began_at=began(1)), note(Phase.GOES_ON, 6, began_at=began(1))))
    assert await live(nas) == []
    assert world.tallies[-1].sessions == {"late": 2}


async def test_a_session_that_was_to_be_ended_and_goes_on_is_to_be_ended_again(nas: Box) -> None:
    world = nas.world
    world.clock.turn(3600)
    await world.take(report(nas, note(Phase.BEGAN, 1, imei=OTHER)))
    await world.take(report(nas, note(Phase.ENDED, 5, imei=OTHER, began_at=began(1), presumed=True)))
    assert await world.enforced(1)
    await world.take(report(nas, note(Phase.GOES_ON, 7, imei=OTHER, began_at=began(1))))
    assert await live(nas) == ["S1"]
    assert not await world.enforced(1)


async def test_an_end_without_its_beginning_says_where_the_sim_was(nas: Box) -> None:
    world = nas.world
    world.clock.turn(600)
    await world.take(report(nas, note(Phase.ENDED, 5, imei=OTHER, began_at=began(2))))
    assert (await world.sim(1)).seen is not None
    assert await world.barred(1)
    assert await live(nas) == []


async def test_a_restart_ends_the_sessions_of_its_element_alone(nas: Box) -> None:
    world = nas.world
    other = await world.box("nas-2")
    world.clock.turn(600)
    await world.take(report(nas, note(Phase.BEGAN, 1)))
    await world.take(report(other, note(Phase.BEGAN, 1, "T1")))
    await world.take(report(nas, restarted_at=began(5)))
    assert (await live(nas), await live(other)) == ([], ["T1"])
    await world.take(report(nas, note(Phase.GOES_ON, 7, began_at=began(1)), note(Phase.BEGAN, 6, "S2")))
    assert await live(nas) == ["S2"]
    await world.take(report(nas, restarted_at=began(4)))  # an old one, late
    assert await live(nas) == ["S2"]


async def test_sims_are_named_by_phone_number_too_and_unknown_ones_leave_nothing(nas: Box) -> None:
    world = nas.world
    world.clock.turn(600)
    await world.db.execute(
        "insert into sim_identifier (kind, value, bucket, imsi, account_id)"
        " select 'msisdn', '+8613715266978', bucket, imsi, account_id from sim"
    )
    by_number = note(Phase.BEGAN, 1, imsi=None, msisdn="+8613715266978", imei=OTHER)
    nobody = [note(Phase.BEGAN, 1, "X", imsi=imsi(9)), note(Phase.BEGAN, 1, "Y", imsi=None)]
    await world.take(report(nas, by_number, *nobody))
    assert set(await stored(world)) == {"S1"}
    assert await world.barred(1)
    assert world.tallies[-1].sessions == {"began": 1, "unknown_sim": 2}


async def test_a_session_without_a_device_is_an_unknown_device(nas: Box) -> None:
    world = nas.world
    world.clock.turn(600)
    await world.take(report(nas, note(Phase.BEGAN, 1, imei=None)))
    assert EventType.DEVICE_UNKNOWN in await world.types(1)
    await world.take(report(nas, note(Phase.GOES_ON, 2, began_at=began(1))))
    assert (await world.sim(1)).seen is not None
    await world.take(report(nas, note(Phase.GOES_ON, 3, imei=None, began_at=began(1))))
    assert await world.count(1, EventType.DEVICE_UNKNOWN) == 1  # the session has a device, said once


async def test_a_course_that_says_nothing_new_is_hardly_written(nas: Box) -> None:
    world = nas.world
    world.clock.turn(3600)
    await world.take(report(nas, note(Phase.BEGAN, 1)))
    before = await world.written("session")
    await world.take(report(nas, note(Phase.GOES_ON, 6, began_at=began(1))))
    assert await world.written("session") == before
    await world.take(report(nas, note(Phase.GOES_ON, 17, began_at=began(1))))
    assert (await stored(world))["S1"].seen_at == began(17)


async def test_old_sessions_are_deleted_and_so_are_those_of_a_deleted_element(nas: Box) -> None:
    world = nas.world
    world.clock.turn(60 * 86_400)
    await world.take(report(nas, note(Phase.BEGAN, 1), note(Phase.BEGAN, 59 * 1440, "S2")))
    await Keeping(world.db, world.vault, timedelta(days=30), clock=world.clock).turn()
    assert set(await stored(world)) == {"S2"}
    async with world.db.transaction() as connection:
        await sessions.forget(connection, nas.id)
    assert await stored(world) == {}


async def test_an_element_that_is_pinned_to_another_account_has_no_sessions_of_the_sim(nas: Box) -> None:
    world = nas.world
    world.clock.turn(600)
    await world.db.execute("update gateway set account_id = 'other' where id = $1", nas.id)
    await world.take(report(nas, note(Phase.BEGAN, 1, imei=OTHER), note(Phase.ENDED, 2, "S2", imei=OTHER)))
    assert await stored(world) == {}
    assert not await world.barred(1)
    assert world.tallies[-1].sessions == {"foreign": 2}
    assert world.tallies[-1].doubts == {"FOREIGN": 1}


async def test_an_element_that_invents_sessions_fills_no_table(nas: Box) -> None:
    world = nas.world
    world.clock.turn(600)
    await world.take(report(nas, note(Phase.BEGAN, 1, "live")))
    for begin in range(0, 3 * MOST, MOST // 2):
        invented = [note(Phase.ENDED, 1 + n / 100, f"I{n}") for n in range(begin, begin + MOST // 2)]
        await world.take(report(nas, *invented))
    kept = await stored(world)
    assert set(kept) == {"live"} | {f"I{n}" for n in range(2 * MOST + 1, 3 * MOST)}


async def test_what_is_counted_of_a_session_that_was_pruned_meanwhile_is_not_lost(nas: Box) -> None:
    """Else its next report would be its first, and count from its beginning again."""
    world = nas.world
    world.clock.turn(600)
    await world.take(report(nas, note(Phase.BEGAN, 1)), report(nas, note(Phase.BEGAN, 1, "S2")))
    before = await stored(world)
    more = [msgspec.structs.replace(session, up=100, down=900, seen_at=began(5)) for session in before.values()]
    async with world.db.transaction() as connection:
        await sessions.count(connection, more)
    assert await stored(world) == {session.key: session for session in more}
    async with world.db.transaction() as connection:
        await sessions.forget(connection, nas.id)
        await sessions.count(connection, more)
    assert await stored(world) == {session.key: session for session in more}
