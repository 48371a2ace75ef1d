"""Counters of SIMs, from reports to the history of their days, on PostgreSQL."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.world import START, imsi

from simwarden.domain.counters import Amounts, Reading
from simwarden.engine.keeping import EVERY, Keeping
from simwarden.store import counters, sims

if TYPE_CHECKING:
    from tests.support.world import Box, World

    from simwarden.domain.reports import PortObservation, Report


class Shown(msgspec.Struct, frozen=True):
    """What a slot shows of its SIM."""

    reading: Reading

    @property
    def counter_mark(self) -> object:
        return self.reading

    def read_counters(self) -> Reading:
        return self.reading


def shown(sent: int | None = None, **more: Any) -> Shown:
    return Shown(Reading(messages=None if sent is None else Amounts(total=sent), **more))


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway with card 1 in port 1 and card 2 in port 2."""
    found = await world.box()
    await world.card(1, 2)
    found.put(1, 1)
    found.put(2, 2)
    return found


def status(box: Box, *sent: int, **more: Any) -> Report:
    """A status of the gateway: the cards in port 1, 2 ... have sent so many messages."""
    report = box.dev_status(slots=1)
    given = dict(enumerate(sent, start=1))
    ports = tuple(
        msgspec.structs.replace(port, counters=shown(given[port.port], **more)) if port.port in given else port
        for port in report.ports
    )
    return msgspec.structs.replace(report, ports=ports)


def told(port: PortObservation) -> int:
    assert port.counters is not None
    messages = port.counters.read_counters().messages
    assert messages is not None
    assert isinstance(messages.total, int)
    return messages.total


async def days(world: World) -> dict[tuple[str, date], tuple[int, int]]:
    """Messages and resets of each SIM's days."""
    rows = await world.db.fetch("select imsi, day, messages, resets from counter_day")
    return {(row["imsi"], row["day"]): (int(row["messages"]), row["resets"]) for row in rows}


async def test_what_is_used_is_counted_by_day_and_resets_are_understood(world: World, box: Box) -> None:
    today, tomorrow = START.date(), START.date() + timedelta(days=1)
    await world.take(status(box, 5, 7))
    assert await days(world) == {}, "when that was used is not known"
    for sent in (6, 6, 9, 2):
        world.clock.turn(60)
        await world.take(status(box, sent, 7))
    assert await days(world) == {(imsi(1), today): (6, 1)}
    world.clock.turn(86400)
    await world.take(status(box, 3, 8))
    assert await days(world) == {(imsi(1), today): (6, 1), (imsi(1), tomorrow): (1, 0), (imsi(2), tomorrow): (1, 0)}
    (newest, first) = await counters.of_sim(world.db, imsi(1), "acme", today, tomorrow, before=None, limit=10)
    assert (newest.day, newest.reading.messages, first.reading.messages) == (
        tomorrow,
        Amounts(total=3),
        Amounts(total=2),
    )
    (last,) = await counters.shown_last(world.db, await world.sim(1))
    assert (last.at, last.reading) == (world.clock(), newest.reading)


async def test_reports_that_show_nothing_new_ask_and_write_nothing(
    world: World, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.take(status(box, 5, 7))

    async def never(*_: Any) -> None:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(counters, "last", never)
        for _ in range(3):
            world.clock.turn(60)
            await world.take(status(box, 5, 7))
    with monkeypatch.context() as patched:
        patched.setattr(counters, "save", never)
        other = world.another_ingest()
        world.clock.turn(60)
        await other.submit(status(box, 5, 7))
        world.clock.turn(3600)  # slots are written again: what is stored is asked
        await world.take(status(box, 5, 7))


async def test_what_was_not_committed_is_counted_when_it_comes_again(
    world: World, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> None:
        raise RuntimeError("no more")

    await world.take(status(box, 5))
    report = status(box, 8)
    with monkeypatch.context() as patched:
        patched.setattr("simwarden.store.counters.save", refused)
        with pytest.raises(Exception, match=r"."):
            await world.take(report)
    assert await days(world) == {}
    await world.take(report)
    assert await days(world) == {(imsi(1), START.date()): (3, 0)}


async def test_another_process_goes_on_where_this_one_was(world: World, box: Box) -> None:
    other = world.another_ingest()
    for sent, ingest in ((5, world.ingest), (7, other), (5, world.ingest)):
        world.clock.turn(60)
        await ingest.submit(status(box, sent))
    assert await days(world) == {(imsi(1), START.date()): (2, 0)}, "here 5 is what was shown last"
    world.clock.turn(3600)
    await world.ingest.submit(status(box, 5))
    assert await days(world) == {(imsi(1), START.date()): (7, 1)}


async def test_a_gateway_that_shows_fewer_counters_for_a_while_loses_nothing(world: World, box: Box) -> None:
    for report in (status(box, 5, balance=1.0), status(box, balance=2.0), status(box, 8, balance=2.0)):
        await world.take(report)
    assert await days(world) == {(imsi(1), START.date()): (3, 0)}


async def test_each_gateway_counts_for_itself(world: World, box: Box) -> None:
    await world.take(status(box, 5))
    second = await world.box("gw2")
    second.put(1, 1)
    await world.take(status(second, 100))
    await world.take(status(second, 101))
    box.put(1, 1)
    await world.take(status(box, 6))
    rows = await world.db.fetch("select element_id, messages, resets from counter_day order by element_id")
    assert [tuple(row.values()) for row in rows] == [(box.id, 1, 0), (second.id, 1, 0)]


async def test_nothing_is_counted_of_strangers(world: World, box: Box) -> None:
    box.put(99, 2)
    pinned = await world.box("gw2", account_id="other")
    pinned.put(1, 1)
    for sent in (1, 2):
        await world.take(status(box, sent, sent))
        await world.take(status(pinned, sent))
    assert await world.db.fetchval("select count(*) from counter_last where imsi = $1", imsi(99)) == 0
    assert await world.db.fetchval("select count(*) from counter_last where element_id = $1", pinned.id) == 0
    assert set(await days(world)) == set()


async def test_a_doubted_report_counts_nothing(world: World, box: Box) -> None:
    await world.take(status(box, 5))
    stale = status(box, 9)
    world.clock.turn(60)
    await world.take(status(box, 6))
    await world.take(stale)
    assert await days(world) == {(imsi(1), START.date()): (1, 0)}


async def test_the_next_sim_with_an_imsi_knows_nothing_of_the_one_before(world: World, box: Box) -> None:
    await world.take(status(box, 5))
    await world.take(status(box, 6))
    async with world.db.transaction() as connection:
        await sims.delete(connection, [await world.sim(1)], world.clock())
    for table in ("counter_last", "counter_day"):
        assert await world.db.fetchval(f"select count(*) from {table}") == 0
    await world.card(1)
    await world.take(status(box, 7))
    assert await days(world) == {}


async def test_days_are_deleted_when_they_are_old(world: World, box: Box) -> None:
    await world.take(status(box, 5))
    await world.take(status(box, 6))
    now = world.clock.turn(401 * 86400)
    keeping = Keeping(world.db, world.vault, timedelta(days=30), clock=lambda: now)
    while await keeping.turn() < EVERY:
        pass
    assert await days(world) == {}
    await world.take(status(box, 8))
    assert list((await days(world)).values()) == [(2, 0)]


async def test_pages_of_an_account(world: World, box: Box) -> None:
    for sent in range(4):
        await world.take(status(box, sent, sent))
        world.clock.turn(86400)
    today = world.clock().date()
    found, before = [], None
    while True:
        page = await counters.of_account(world.db, "acme", START.date(), today, before=before, limit=2)
        if not page:
            break
        found += [(each.day, each.imsi) for each in page]
        last = page[-1]
        before = last.day, (await world.sim(1 if last.imsi == imsi(1) else 2)).bucket, last.imsi, last.element_id
    assert len(found) == len(set(found)) == 6
    assert [day for day, _ in found] == sorted((day for day, _ in found), reverse=True)
    assert await counters.of_account(world.db, "other", START.date(), today, before=None, limit=9) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_however_reports_are_batched_and_repeated_the_rows_are_the_same(
    world: World, box: Box, data: st.DataObject
) -> None:
    """Reports that come late are doubted, so there is one order; how many come at once must not matter."""
    for table in ("counter_last", "counter_day"):
        await world.db.execute(f"delete from {table}")
    ingest = world.another_ingest()
    values = data.draw(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=10))
    reports = []
    for each in values:
        world.clock.turn(data.draw(st.sampled_from([60, 40_000])))
        reports += [status(box, *each) for _ in range(data.draw(st.integers(1, 2)))]
    left = list(reports)
    while left:
        size = data.draw(st.integers(1, len(left)))
        part, left = left[:size], left[size:]
        await ingest.submit(*part)
    found: dict[tuple[str, date], tuple[int, int]] = {}
    for card in (1, 2):
        before: int | None = None
        for report in reports:
            (now,) = (told(port) for port in report.ports if port.port == card)
            if before is not None and now != before:
                key = imsi(card), report.received_at.date()
                total, resets = found.get(key, (0, 0))
                found[key] = total + (now - before if now > before else now), resets + (now < before)
            before = now
    assert await days(world) == found
