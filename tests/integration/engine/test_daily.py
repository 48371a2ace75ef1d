"""Counts of days are what a recount of the records gives, whatever is reported how often and in which order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.world import START, imsi

from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.rules.quota import SetLimits
from simwarden.engine.keeping import EVERY, Keeping
from simwarden.store import records

if TYPE_CHECKING:
    from tests.support.world import Box, World

Count = tuple[str, date, str, str, str, str]
"""IMSI, day, kind, direction, zone, prefix."""
COUNTED = "select imsi, day, kind, direction, zone, prefix, count, seconds from traffic_day where count <> 0"
OTHERS = {"+85291234567": ("HK", "85291"), "+23222123456": ("SL", "23222"), "10086": ("CN", ""), "": ("?", "")}
"""Numbers of the other side, and what is kept of them."""


async def counted(world: World) -> dict[Count, tuple[int, int]]:
    rows = await world.db.fetch(COUNTED)
    return {tuple(row)[:6]: (row["count"], row["seconds"]) for row in rows}


async def stored(world: World, number: int = 1) -> dict[str, int]:
    """By direction, how many calls and messages of a SIM are counted."""
    found: Counter[str] = Counter()
    for key, (count, _) in (await counted(world)).items():
        if key[0] == imsi(number):
            found[key[3]] += count
    return dict(found)


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway with card 1 in port 1 and card 2 in port 2."""
    found = await world.box()
    await world.card(1, 2)
    found.put(1, 1)
    found.put(2, 2)
    await world.take(found.dev_status())
    return found


def sms(n: int, *, at: datetime = START, other: str = "+85291234567", **fields: Any) -> SmsRecord:
    given: dict[str, Any] = {"direction": "inbound", "imsi": imsi(1), "sender": other, "receiver": other}
    return SmsRecord(key=f"m-{n}".encode(), at=at, **(given | fields))


def call(n: int, *, at: datetime = START, other: str = "+85291234567", **fields: Any) -> CallRecord:
    """A call that begins then. `other` calls, or is called."""
    given: dict[str, Any] = {"direction": "inbound", "imsi": imsi(1), "begin_at": at, "caller": other, "callee": other}
    return CallRecord(call_id=f"c-{n}", **(given | fields))


async def test_a_message_counts_once_and_a_call_once_with_its_longest_duration(world: World, box: Box) -> None:
    begun = call(1, answer_at=START, update_at=START + timedelta(seconds=60))
    ended = msgspec.structs.replace(begun, end_at=START + timedelta(seconds=95))
    for report in (call(1), begun, begun, ended, begun, call(1)):
        await world.take(box.records(calls=[report, report], sms=[sms(1), sms(1)]))
    day = START.date()
    assert await counted(world) == {
        (imsi(1), day, "CALL", "inbound", "HK", "85291"): (1, 95),
        (imsi(1), day, "SMS", "inbound", "HK", "85291"): (1, 0),
    }


async def test_what_is_no_traffic_of_a_known_sim_is_not_counted(world: World, box: Box) -> None:
    far = timedelta(days=30)
    await world.take(
        box.records(
            sms=[
                sms(1, direction="report"),
                sms(2, direction="task"),
                sms(3, imsi=imsi(99)),
                sms(4, imsi=None),
                sms(5, at=START - far),
                sms(6, at=START + timedelta(days=1, seconds=1)),
            ],
            calls=[call(1, direction=None), call(2, begin_at=None), call(3, imsi=imsi(99)), call(4, at=START - far)],
        )
    )
    assert await counted(world) == {}
    await world.take(box.records(calls=[call(1), call(2)]))
    assert await stored(world) == {"inbound": 2}, "what was missing is told by a later report"


async def test_a_message_without_a_sim_counts_for_the_one_in_its_slot(world: World, box: Box) -> None:
    await world.take(box.records(sms=[sms(1, imsi=None, port=2, slot=1)], calls=[call(1, imsi=None, port=2, slot=1)]))
    assert await stored(world, 2) == {"inbound": 2}
    assert await stored(world) == {}


async def test_a_call_counts_on_the_day_of_its_beginning_by_utc(world: World, box: Box) -> None:
    night = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    over = call(1, at=night, answer_at=night, end_at=night + timedelta(hours=2))
    await world.take(box.records(calls=[over], sms=[sms(1, at=night), sms(2, at=night + timedelta(seconds=1))]))
    days = {(key[1], key[2]): value for key, value in (await counted(world)).items()}
    assert days == {
        (date(2026, 2, 28), "CALL"): (1, 7200),
        (date(2026, 2, 28), "SMS"): (1, 0),
        (date(2026, 3, 1), "SMS"): (1, 0),
    }


@pytest.mark.parametrize("first", ["they", "we"])
async def test_a_call_to_who_called_before_is_a_call_back_in_whichever_order_they_are_told(
    world: World, box: Box, first: str
) -> None:
    heard = call(1, at=START - timedelta(minutes=5))
    calls = [
        call(2, direction="outbound"),
        call(3, direction="outbound", other="0085291234567"),  # the same number
        call(4, direction="outbound", other="+85291234568"),
        call(5, direction="outbound", at=START - timedelta(minutes=6)),  # before they called
        call(6, direction="outbound", imsi=imsi(2)),  # they called somebody else
    ]
    batches = [[heard], calls] if first == "they" else [calls, [heard]]
    for _ in range(2):
        for batch in batches:
            await world.take(box.records(calls=batch))
    assert await stored(world) == {"inbound": 1, "called-back": 2, "outbound": 2}
    assert await stored(world, 2) == {"outbound": 1}


async def test_an_extreme_report_is_counted_within_bounds(world: World, box: Box) -> None:
    forever = call(1, answer_at=START, end_at=datetime(9999, 1, 1, tzinfo=UTC))
    backwards = call(2, answer_at=START, end_at=START - timedelta(days=9))
    await world.take(box.records(calls=[forever, backwards], sms=[sms(1, other="9" * 4000), sms(2, other="\x1b[2J")]))
    assert sorted((key[2], key[4], value) for key, value in (await counted(world)).items()) == [
        ("CALL", "HK", (2, 7 * 86400)),
        ("SMS", "?", (2, 0)),
    ]


async def test_nothing_of_a_deleted_sim_is_counted_to_the_next_one_with_its_imsi(world: World, box: Box) -> None:
    third = imsi(3)
    await world.card(3)
    await world.take(box.records(sms=[sms(1, imsi=third)], calls=[call(1, imsi=third)]))
    assert await stored(world, 3) == {"inbound": 2}
    for step in (Step.DEACTIVATE, Step.DELETE):
        await world.do(3, Transition(step))
    assert await counted(world) == {}
    await world.take(box.records(sms=[sms(2, imsi=third)]))
    await world.card(3)
    await world.take(box.records(sms=[sms(1, imsi=third), sms(2, imsi=third)]))
    assert await stored(world, 3) == {}
    await world.take(box.records(sms=[sms(3, imsi=third)]))
    assert await stored(world, 3) == {"inbound": 1}


async def test_counts_outlive_their_records_and_a_record_that_comes_again_then_does_not_count(
    world: World, box: Box
) -> None:
    reports = box.records(sms=[sms(1)], calls=[call(1)])
    await world.take(reports)
    before = await counted(world)
    now = world.clock.turn(30 * 86400 + 1)
    keeping = Keeping(world.db, world.vault, timedelta(days=30), traffic_kept=timedelta(days=31), clock=lambda: now)
    while await keeping.turn() < EVERY:
        pass
    assert await world.db.fetchval("select count(*) from sms") == 0
    assert await world.db.fetchval("select count(*) from call_record") == 0
    await world.take(msgspec.structs.replace(reports, received_at=now))
    assert await world.db.fetchval("select count(*) from sms") == 1
    assert await counted(world) == before
    now = world.clock.turn(2 * 86400)
    while await keeping.turn() < EVERY:
        pass
    assert await counted(world) == {}


async def test_reports_without_records_touch_no_count(world: World, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("simwarden.store.daily.add", never)
    await world.take(box.dev_status())


async def test_a_bar_and_its_counts_are_one_commit(world: World, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.do(1, SetLimits(sms_per_hour=0))

    async def refused(*_: Any) -> None:
        raise RuntimeError("no more")

    with monkeypatch.context() as patched:
        patched.setattr("simwarden.store.daily.add", refused)
        with pytest.raises(Exception, match=r"."):
            await world.take(box.records(sms=[sms(1, direction="outbound")]))
    assert await world.db.fetchval("select count(*) from sms") == 0
    assert not await world.barred(1)


MINUTES = st.integers(-3 * 1440, 300)
"""When something was, from START on."""


def messages() -> st.SearchStrategy[SmsRecord]:
    return st.builds(
        lambda n, minutes, direction, card, other: sms(
            n, at=START + timedelta(minutes=minutes), direction=direction, imsi=imsi(card), other=other
        ),
        st.integers(0, 10**6),
        MINUTES,
        st.sampled_from(["inbound", "outbound", "report"]),
        st.sampled_from([1, 2, 99]),
        st.sampled_from(sorted(OTHERS)),
    )


def calls() -> st.SearchStrategy[CallRecord]:
    return st.builds(
        lambda n, minutes, direction, card, other, seconds: call(
            n,
            at=START + timedelta(minutes=minutes),
            direction=direction,
            imsi=imsi(card),
            other=other,
            **(
                {}
                if seconds is None
                else {
                    "answer_at": START + timedelta(minutes=minutes),
                    "end_at": START + timedelta(minutes=minutes, seconds=seconds),
                }
            ),
        ),
        st.integers(0, 10**6),
        MINUTES,
        st.sampled_from(["inbound", "outbound"]),
        st.sampled_from([1, 2, 99]),
        st.sampled_from(sorted(OTHERS)),
        st.none() | st.integers(0, 7200),
    )


def recount(all_sms: list[SmsRecord], all_calls: list[CallRecord]) -> dict[Count, tuple[int, int]]:
    """What there is to count, by another way than the product's: each record once, and those of known SIMs."""
    found: dict[Count, tuple[int, int]] = {}

    def add(holder: str | None, at: datetime | None, kind: str, direction: str, other: str, seconds: int) -> None:
        assert holder is not None
        assert at is not None
        zone, prefix = OTHERS[other]
        key = (holder, at.date(), kind, direction, zone, prefix)
        count, total = found.get(key, (0, 0))
        found[key] = (count + 1, total + seconds)

    known = {imsi(1), imsi(2)}
    for message in all_sms:
        if message.imsi in known and message.direction != "report":
            add(message.imsi, message.at, "SMS", message.direction, message.sender or "", 0)
    for one in all_calls:
        if one.imsi not in known:
            continue
        before = [
            each
            for each in all_calls
            if each.direction == "inbound"
            and (each.imsi, each.caller) == (one.imsi, one.callee)
            and each.begin_at < one.begin_at  # type: ignore[operator]
        ]
        back = one.direction == "outbound" and one.callee != "" and bool(before)
        seconds = int((one.end_at - one.answer_at).total_seconds()) if one.end_at and one.answer_at else 0
        add(one.imsi, one.begin_at, "CALL", "called-back" if back else str(one.direction), one.callee or "", seconds)
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_and_repetition_gives_what_a_recount_gives(world: World, box: Box, data: st.DataObject) -> None:
    for table in ("sms", "call_record", "traffic_day"):
        await world.db.execute(f"delete from {table}")
    all_sms = data.draw(st.lists(messages(), max_size=12, unique_by=lambda one: one.key))
    all_calls = data.draw(st.lists(calls(), max_size=12, unique_by=lambda one: one.call_id))
    # Of a call there is a report without its end too.
    told: list[SmsRecord | CallRecord] = [*all_sms, *all_calls]
    told += [msgspec.structs.replace(one, answer_at=None, end_at=None) for one in all_calls]
    repeated = data.draw(st.lists(st.sampled_from(told), max_size=12)) if told else []
    left = data.draw(st.permutations([*told, *repeated]))
    while left:
        size = data.draw(st.integers(1, len(left)))
        part, left = left[:size], left[size:]
        await world.take(
            box.records(
                sms=[one for one in part if isinstance(one, SmsRecord)],
                calls=[one for one in part if isinstance(one, CallRecord)],
            )
        )
    assert await counted(world) == recount(all_sms, all_calls)
    assert len(await records.sms_of(world.db, world.vault, await world.sim(1), 100)) == sum(
        one.imsi == imsi(1) for one in all_sms
    )
