"""Doubt costs a poll, not blindness: what a forged, late or replayed report may do, on a real database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.fixtures import world, world_database
from tests.support.world import Box, World, device, imsi

from simwarden.domain.alarm import AlarmKind
from simwarden.domain.doubt import DoubtKind
from simwarden.domain.events import EventType
from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.domain.sim import BindingState
from simwarden.store import alarms, doubts, records

if TYPE_CHECKING:
    from simwarden.domain.reports import Report

__all__ = ["world", "world_database"]

FAR = 2**63 - 1
HOME, AWAY, OTHER = 1, 2, 3
INTERVAL = 60


async def scene(world: World, *, url: bool = True) -> tuple[Box, Box]:
    """Card 1 in its own device at the honest gateway; and another gateway, whose URL is in wrong hands too."""
    address = "http://127.0.0.1:9" if url else None
    box, other = await world.box("gw1", url=address), await world.box("gw2", url=address)
    await world.card(1, imei=box.device_at(HOME))
    box.put(1, HOME)
    box.statuses, box.sequence = 400, 40_000
    await world.take(box.dev_status())
    await world.take(other.dev_status())
    return box, other


async def listed(world: World) -> list[tuple[str, str, str | None]]:
    """Doubts: gateway, kind and outcome, oldest first."""
    rows = await doubts.page(world.db, None)
    return [(row["gateway"], row["kind"], row["outcome"]) for row in reversed(rows)]


# -- the review's forms ------------------------------------------------------------------------------------------------


async def test_a_number_far_ahead_blinds_nobody(world: World) -> None:
    """The first form of the review: this one request made 40 true reports of a stolen card count for nothing."""
    box, _ = await scene(world)
    await world.take(box.port_status(HOME, sequence=FAR))
    await world.take(box.port_status(HOME, sequence=FAR, status=4))
    assert (await world.port(box.place(HOME)))["sequence"] != FAR
    box.devices[HOME] = device(66)
    world.clock.turn(1)
    await world.take(box.port_status(HOME))
    assert await world.state(1) is BindingState.DIFFERED
    assert ("gw1", "JUMP", None) in await listed(world)
    await world.ask()
    assert ("gw1", "JUMP", "REFUTED") in await listed(world)


async def test_a_number_far_ahead_that_was_believed_costs_a_poll(world: World) -> None:
    box, _ = await scene(world)
    await world.take(box.port_status(HOME, sequence=box.sequence + 9000, status=4))
    box.devices[HOME] = device(66)
    await world.take(box.port_status(HOME))
    assert await world.state(1) is BindingState.LOCKED
    assert await world.ask() == 1
    assert await world.state(1) is BindingState.DIFFERED
    assert ("gw1", "LATE", "CONFIRMED") in await listed(world)


@pytest.mark.parametrize("url", [True, False])
@pytest.mark.parametrize("forged", [1, 60, 5000, FAR])
async def test_a_faked_status_costs_a_poll_or_one_status(world: World, forged: int, url: bool) -> None:
    """The second and third form: a faked first status, and one that jumps, made true ones disbelieved."""
    box, _ = await scene(world, url=url)
    world.clock.turn(20)
    await world.take(msgspec.structs.replace(box.dev_status(), sequence=forged, digest=b"forged"))
    box.devices[HOME] = device(66)
    statuses = 0
    while await world.state(1) is BindingState.LOCKED:
        assert statuses < 2, "two report intervals are over"
        world.clock.turn(INTERVAL)
        await world.take(box.dev_status())
        statuses += 1
        await world.ask()
    assert await world.barred(1)


async def test_a_device_that_numbers_all_its_messages_together_is_believed_at_once(world: World) -> None:
    box, _ = await scene(world)
    box.statuses += 300
    box.devices[HOME] = device(66)
    await world.take(box.dev_status())
    assert await world.state(1) is BindingState.DIFFERED


# -- what lifts a bar --------------------------------------------------------------------------------------------------


async def stolen(world: World, box: Box) -> None:
    """The card is in a wrong device, and barred."""
    box.put(1, AWAY)
    world.clock.turn(1)
    await world.take(box.port_status(HOME), box.port_status(AWAY))
    assert await world.barred(1)


@pytest.mark.parametrize("form", ["status", "port", "record", "record without place"])
async def test_a_forged_report_in_perfect_order_lifts_nothing(world: World, form: str) -> None:
    box, _ = await scene(world)
    await stolen(world, box)
    world.clock.turn(5)
    await world.take(forged(world, box, form))
    assert await world.barred(1)
    assert await world.ask() == 1
    assert await world.barred(1)
    assert await listed(world) == [("gw1", "UNPROVEN", "REFUTED")]
    box.put(1, HOME)
    world.clock.turn(10)
    await world.take(box.port_status(AWAY), box.port_status(HOME))
    assert await world.ask() == 1
    assert not await world.barred(1)
    assert (await listed(world))[-1] == ("gw1", "UNPROVEN", "CONFIRMED")


def forged(world: World, box: Box, form: str) -> Report:
    """A report that shows the card at home, whatever is true."""
    where, box.cards = dict(box.cards), {(HOME, 1): 1}
    try:
        if form.startswith("record"):
            return box.evidence(1, box.device_at(HOME) or "", world.clock(), None if "without" in form else HOME)
        return box.dev_status() if form == "status" else box.port_status(HOME)
    finally:
        box.cards = where


async def test_forged_reports_without_end_lift_nothing_while_the_gateway_reports(world: World) -> None:
    """Without a command URL: nobody can be asked, and the gateway says itself what is."""
    box, _ = await scene(world, url=False)
    await stolen(world, box)
    for second in range(0, 4 * INTERVAL, 5):
        world.clock.turn(5)
        await world.take(forged(world, box, ("port", "status", "record")[second % 3]))
        assert await world.barred(1)
        if second % INTERVAL == INTERVAL - 5:
            await world.take(box.dev_status())
            assert await world.barred(1)


async def test_without_a_command_url_a_return_is_believed_within_two_intervals(world: World) -> None:
    box, _ = await scene(world, url=False)
    await stolen(world, box)
    await world.take(box.dev_status())
    box.put(1, HOME)
    world.clock.turn(1)
    await world.take(box.port_status(AWAY), box.port_status(HOME))
    assert await world.barred(1)
    world.clock.turn(INTERVAL - 1)
    await world.take(box.dev_status())
    assert await world.barred(1), "had it been forged, the gateway would have reported otherwise by now"
    world.clock.turn(INTERVAL)
    await world.take(box.dev_status())
    assert not await world.barred(1)
    assert (await world.sim(1)).upheld_at is None


async def test_a_status_that_was_asked_for_before_the_theft_lifts_nothing(world: World) -> None:
    box, _ = await scene(world)
    asked = box.dev_status(polled=True)
    await stolen(world, box)
    await world.take(asked)
    assert await world.barred(1)


# -- another gateway's claim -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [True, False])
async def test_another_gateway_lifts_no_bar_while_the_first_shows_the_sim(world: World, url: bool) -> None:
    """B2 of the review: a fake report from gateway X lifted the bar of a SIM that was locked at gateway H."""
    box, other = await scene(world, url=url)
    await stolen(world, box)
    for _ in range(4):
        for _ in range(5):
            world.clock.turn(INTERVAL / 5)
            claim = msgspec.structs.replace(
                other.observation(OTHER), imei=box.device_at(HOME), imsi=imsi(1), status=3, locked=False
            )
            await world.take(other._report(message="port-status", ports=(claim,)))
            await world.ask()
            assert await world.barred(1)
        await world.take(box.dev_status())
        assert await world.barred(1)
    kinds = {(gateway, kind) for gateway, kind, _ in await listed(world)}
    assert ("gw2", "CONFLICT") in kinds
    assert set(await world.attached(1)) == {box.target(AWAY)}
    raised = await alarms.page(world.db, kind=AlarmKind.REPORTS_DOUBTED, is_open=True, limit=100)
    # Without a command URL nobody can refute it.
    assert [alarm.subject for alarm in raised] == ([f"gateway {other.id}"] if url else [])
    assert [alarm.facts["reason"] for alarm in raised] == [f"CONFLICT, SIM {imsi(1)} is still at gateway gw1"] * url


async def test_a_claim_of_another_gateway_does_not_open_the_slot_at_the_first(world: World) -> None:
    """A claim that bars, too, would take the SIM away from where it is locked."""
    box, other = await scene(world)
    await stolen(world, box)
    other.sequence += 1
    claim = msgspec.structs.replace(other.observation(OTHER), imei=device(99), imsi=imsi(1), status=3, locked=False)
    world.clock.turn(5)
    await world.take(other._report(message="port-status", ports=(claim,)))
    attached = await world.attached(1)
    assert attached[box.target(AWAY)].wanted, "the card may be here still"
    assert attached[other.target(OTHER)].wanted
    await world.ask()
    (alarm,) = await alarms.page(world.db, kind=AlarmKind.REPORTS_DOUBTED, is_open=True, limit=100)
    assert alarm.subject == f"gateway {other.id}", "who bars others' SIMs is named"
    await world.take(box.dev_status())
    world.clock.turn(INTERVAL)
    await world.take(other.dev_status(), box.dev_status())
    attached = await world.attached(1)
    assert {place for place, item in attached.items() if item.wanted} == {box.target(AWAY)}


async def test_a_card_that_goes_to_another_gateway_is_barred_there_and_opened_here(world: World) -> None:
    box, other = await scene(world)
    await stolen(world, box)
    world.clock.turn(5)
    other.put(1, OTHER)
    await world.take(other.port_status(OTHER))
    assert {place for place, item in (await world.attached(1)).items() if item.wanted} == {
        box.target(AWAY),
        other.target(OTHER),
    }
    assert await world.ask() >= 1, "the first is asked, and shows it no longer"
    assert {place for place, item in (await world.attached(1)).items() if item.wanted} == {other.target(OTHER)}
    assert ("gw2", "CONFLICT", "CONFIRMED") in await listed(world)
    assert await alarms.page(world.db, kind=AlarmKind.REPORTS_DOUBTED, is_open=True, limit=100) == [], "a card may move"


async def test_a_card_that_comes_home_from_another_gateway_is_opened(world: World) -> None:
    box, other = await scene(world)
    other.put(1, OTHER)
    world.clock.turn(5)
    await world.take(other.port_status(OTHER))
    assert await world.barred(1)
    await world.ask()
    box.put(1, HOME)
    world.clock.turn(15)
    await world.take(box.port_status(HOME))
    for _ in range(3):
        await world.ask()
        world.clock.turn(10)
    assert not await world.barred(1)


async def test_a_slot_that_was_passed_through_is_not_locked_for_ever(world: World) -> None:
    """The card went home -> AWAY -> OTHER at another gateway, whose report overtook those of the first one."""
    box, other = await scene(world)
    other.put(1, OTHER)
    await world.take(other.port_status(OTHER))
    box.cards = {(AWAY, 1): 1}
    await world.take(box.port_status(AWAY))
    assert {place for place, item in (await world.attached(1)).items() if item.wanted} == {
        box.target(AWAY),
        other.target(OTHER),
    }
    box.cards = {}
    await world.take(box.port_status(AWAY))
    await world.take(other.port_status(OTHER))
    attached = await world.attached(1)
    assert {place for place, item in attached.items() if item.wanted} == {other.target(OTHER)}
    assert not attached[box.target(AWAY)].current, "what was begun there is undone"
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    assert (box.locked, other.locked) == (set(), {(OTHER, 1)})


async def test_a_pinned_gateway_reports_for_its_account_alone(world: World) -> None:
    await scene(world)
    pinned = await world.box("gw3", account_id="other")
    claim = msgspec.structs.replace(pinned.observation(1), imei=device(99), imsi=imsi(1), status=3, locked=False)
    history = await world.types(1)
    for _ in range(3):
        await world.take(pinned._report(message="port-status", ports=(claim,)))
        await world.take(pinned.evidence(1, device(98), world.clock()))
    assert await world.types(1) == history
    assert not await world.barred(1)
    foreign = [row for row in await doubts.page(world.db, "gw3") if row["kind"] == "FOREIGN"]
    assert sum(row["count"] for row in foreign) == 6
    mine = await world.box("gw4", account_id="acme")
    mine.put(1, 1)
    await world.take(mine.port_status(1))
    assert await world.barred(1)


async def test_a_pinned_gateway_keeps_no_bar_of_a_sim_of_another_account(world: World) -> None:
    """A doubted report upholds a bar that is about to be lifted: not one of a gateway that has no say about the SIM."""
    box, _ = await scene(world, url=False)
    pinned = await world.box("gw3", url=None, account_id="other")
    await world.take(pinned.port_status(1, sequence=5000))
    await stolen(world, box)
    box.put(1, HOME)
    for _ in range(12):
        world.clock.turn(INTERVAL / 4)
        await world.take(box.port_status(AWAY), box.port_status(HOME))
        await world.take(pinned.port_status(1, sequence=1, imei=device(99), imsi=imsi(1), status=3, locked=False))
    assert any(row["kind"] == "LATE" for row in await doubts.page(world.db, "gw3"))
    assert not await world.barred(1)


@pytest.mark.parametrize("named", [True, False])
async def test_a_pinned_gateway_has_no_records_of_a_sim_of_another_account(world: World, *, named: bool) -> None:
    """Neither when the record names the SIM, nor when it is the one that the gateway says is in the slot."""
    await scene(world)
    pinned = await world.box("gw3", account_id="other")
    pinned.put(1, 1)
    await world.take(pinned.port_status(1))
    name = imsi(1) if named else None
    sms = SmsRecord(key=b"1", direction="inbound", at=world.clock(), port=1, slot=1, content="forged", imsi=name)
    call = CallRecord(call_id="c", direction="inbound", begin_at=world.clock(), port=1, slot=1, imsi=name)
    before = sum(row["count"] for row in await doubts.page(world.db, "gw3"))
    await world.take(pinned.records(calls=[call], sms=[sms]))
    sim = await world.sim(1)
    assert await records.sms_of(world.db, world.vault, sim) == []
    assert await records.calls_of(world.db, world.vault, sim) == []
    stored = [*await world.db.fetch("select imsi from sms"), *await world.db.fetch("select imsi from call_record")]
    assert [row["imsi"] for row in stored] == [None, None], "kept, as of a card that is not known"
    foreign = [row for row in await doubts.page(world.db, "gw3") if row["kind"] == "FOREIGN"]
    assert sum(row["count"] for row in foreign) == before + 1
    mine = await world.box("gw4", account_id="acme")
    await world.take(mine.records(sms=[msgspec.structs.replace(sms, imsi=imsi(1))]))
    assert [row["content"] for row in await records.sms_of(world.db, world.vault, sim)] == ["forged"]


# -- what is written of doubts -----------------------------------------------------------------------------------------


async def test_doubts_are_counted_and_polls_are_few_however_many_reports_are_forged(world: World) -> None:
    box, _ = await scene(world)
    asked = 0
    for _ in range(120):
        world.clock.turn(1)
        await world.take(*(box.port_status(HOME, sequence=FAR - n, status=4) for n in range(3)))
        asked += await world.ask()
    assert asked <= 1 + 120 / 10
    rows = [row for row in await doubts.page(world.db, "gw1") if row["kind"] == "JUMP"]
    assert sum(row["count"] for row in rows) == 360
    assert len(rows) <= asked + 1
    assert sum(tally.doubts.get(DoubtKind.JUMP, 0) for tally in world.tallies) == 360


async def test_a_number_that_nobody_counted_to_is_an_alarm_and_a_return_is_none(world: World) -> None:
    box, _ = await scene(world)
    await stolen(world, box)
    await world.take(forged(world, box, "port"))
    assert await alarms.page(world.db, kind=AlarmKind.REPORTS_DOUBTED, is_open=True, limit=100) == []
    await world.take(box.port_status(HOME, sequence=FAR, status=4))
    (alarm,) = await alarms.page(world.db, kind=AlarmKind.REPORTS_DOUBTED, is_open=True, limit=100)
    assert alarm.subject == f"gateway {box.id}"


async def test_a_poll_that_is_due_survives_the_server_and_is_asked_by_one(world: World) -> None:
    box, _ = await scene(world)
    await world.take(box.port_status(HOME, sequence=FAR, status=4))
    first, second = world.new_polls(), world.new_polls()
    assert (await first.look(), await second.look()) == (1, 0)
    await first.finish()
    assert box.asked == 1


async def test_a_gateway_that_does_not_answer_is_asked_again_and_then_given_up(world: World) -> None:
    box, _ = await scene(world)
    box.fault = "dead"
    await world.take(box.port_status(HOME, sequence=FAR, status=4))
    for _ in range(12):
        await world.ask()
        world.clock.turn(61)
    assert box.asked == 10
    assert ("gw1", "JUMP", "UNANSWERED") in await listed(world)
    box.fault = ""
    await world.take(box.dev_status())
    await world.take(box.port_status(HOME, sequence=FAR, status=4))
    assert await world.ask() == 1


async def test_a_flood_about_many_sims_writes_few_rows(world: World) -> None:
    box, _ = await scene(world)
    reports = []
    for number in range(300):
        seen = msgspec.structs.replace(box.observation(AWAY), imsi=imsi(1000 + number), sequence=FAR - number)
        reports.append(box._report(message="port-status", ports=(seen,)))
    await world.take(*reports)
    rows = await doubts.page(world.db, "gw1", limit=1000)
    assert len(rows) <= 40
    assert sum(row["count"] for row in rows) == 300


# -- any mixture -------------------------------------------------------------------------------------------------------

SEQUENCES = st.sampled_from([1, 2, 5, 60, 70, 1990, 5000, 2**40, FAR])
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1, 20, 61])),
    st.tuples(st.just("move"), st.sampled_from([HOME, AWAY]), st.booleans()),
    st.tuples(st.just("late"), st.integers(0, 30)),
    st.tuples(st.just("forged status"), SEQUENCES, st.booleans(), st.sampled_from([HOME, AWAY])),
    st.tuples(st.just("forged port"), SEQUENCES, st.booleans(), st.sampled_from([HOME, AWAY])),
    st.tuples(st.just("forged record"), st.sampled_from([HOME, AWAY])),
    st.tuples(st.just("other gateway"), st.sampled_from([HOME, AWAY])),
    st.tuples(st.just("gateway restarts")),
    st.tuples(st.just("server restarts")),
    st.tuples(st.just("polls")),
)


class Play:
    """A gateway that reports every interval, whoever else reports in its name, and a server that forgets."""

    def __init__(self, world: World, box: Box, other: Box) -> None:
        self.world = world
        self.box = box
        self.other = other
        self.said: list[Report] = []
        self.next = INTERVAL
        self.elapsed = 0

    async def step(self, name: str, *what: Any) -> None:
        box, world = self.box, self.world
        if name == "wait":
            await self.wait(what[0])
        elif name == "move":
            box.put(1, what[0])
            if what[1]:
                await self.say(box.port_status(HOME), box.port_status(AWAY))
        elif name == "late" and self.said:
            report = self.said[what[0] % len(self.said)]
            await world.take(msgspec.structs.replace(report, received_at=world.clock()))
        elif name == "forged status":
            sequence = box.statuses + what[0] if what[1] else what[0]
            report = self.forged(what[2], whole=True)
            await world.take(msgspec.structs.replace(report, sequence=min(sequence, FAR), digest=repr(what).encode()))
        elif name == "forged port":
            sequence = box.sequence + what[0] if what[1] else what[0]
            report = self.forged(what[2], whole=False)
            ports = tuple(msgspec.structs.replace(port, sequence=min(sequence, FAR)) for port in report.ports)
            await world.take(msgspec.structs.replace(report, ports=ports))
        elif name == "forged record":
            await world.take(box.evidence(1, box.device_at(what[0]) or "", world.clock()))
        elif name == "other gateway":
            imei = box.device_at(what[0])
            claim = msgspec.structs.replace(
                self.other.observation(OTHER), imei=imei, imsi=imsi(1), status=3, locked=False
            )
            await world.take(self.other._report(message="port-status", ports=(claim,)))
        elif name == "gateway restarts":
            box.reboot()
        elif name == "server restarts":
            world.ingest = world.another_ingest()
        elif name == "polls":
            await world.ask()

    def forged(self, port: int, *, whole: bool) -> Report:
        """As the gateway would say it, were the card in this port. Its own counters stay."""
        box = self.box
        before = dict(box.cards), box.sequence, box.statuses
        box.cards = {(port, 1): 1}
        report = box.dev_status() if whole else box.port_status(port)
        box.cards, box.sequence, box.statuses = before
        return report

    async def say(self, *reports: Report) -> None:
        self.said += reports
        await self.world.take(*reports)

    async def wait(self, seconds: int) -> None:
        """Time passes; the gateways report when their interval is over."""
        end = self.elapsed + seconds
        while self.next <= end:
            self.world.clock.turn(self.next - self.elapsed)
            self.elapsed = self.next
            self.next += INTERVAL
            await self.say(self.box.dev_status())
            await self.world.take(self.other.dev_status())
        self.world.clock.turn(end - self.elapsed)
        self.elapsed = end


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(STEPS, max_size=14), url=st.booleans(), asks=st.booleans())
@example(steps=[("forged port", FAR, False, AWAY)], url=False, asks=False)
@example(steps=[("forged port", FAR, False, HOME)], url=False, asks=False)
@example(steps=[("wait", 61), ("forged status", 1, False, HOME)], url=False, asks=False)
@example(steps=[("wait", 61), ("forged status", 70, True, HOME)], url=False, asks=False)
async def test_a_stolen_card_is_barred_and_a_returned_one_opened_whatever_was_forged_before(
    world: World, steps: list[tuple[Any, ...]], url: bool, asks: bool
) -> None:
    """Within two report intervals, while the gateway reports; with a command URL it answers polls too, if `asks`."""
    await world.prepare()
    world.boxes.clear()
    box, other = await scene(world, url=url)
    play = Play(world, box, other)
    for step in steps:
        await play.step(*step)
    # The card is taken away, comes home, and then its device is changed under it, and back.
    own = box.device_at(HOME)
    for port, imei, barred in ((AWAY, own, True), (HOME, own, False), (HOME, device(66), True), (HOME, own, False)):
        box.put(1, port)
        box.devices[HOME] = imei
        for _ in range(2):
            await play.wait(INTERVAL)
            if asks:
                await world.ask()
        assert await world.barred(1) is barred, (port, imei)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(STEPS.filter(lambda step: step[0] != "move"), max_size=20), url=st.booleans())
async def test_nothing_forged_lifts_a_bar_that_the_gateway_upholds(
    world: World, steps: list[tuple[Any, ...]], url: bool
) -> None:
    """The card stays in the wrong device, the gateway reports every interval, and whoever likes reports otherwise."""
    await world.prepare()
    world.boxes.clear()
    box, other = await scene(world, url=url)
    await stolen(world, box)
    play = Play(world, box, other)
    await play.say(box.dev_status())
    for step in steps:
        await play.step(*step)
        assert await world.barred(1), step
    assert await world.count(1, EventType.BAR_LIFTED) == 0
