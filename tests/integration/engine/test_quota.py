"""The bar QUOTA from a gateway's records to the functions that are off, on PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.patience import PATIENCE
from tests.support.subscribing import wish
from tests.support.world import imsi

from simwarden.domain import rules
from simwarden.domain.events import CauseKind, EventType
from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.rules.quota import SetLimits
from simwarden.domain.sim import BarCause, Function
from simwarden.engine.expiry import Expiry
from simwarden.engine.explain import explain
from simwarden.engine.subscriptions import Subscriptions
from simwarden.store import limits

if TYPE_CHECKING:
    from datetime import datetime

    from tests.support.world import Box, World

    from simwarden.domain.decision import Decision
    from simwarden.domain.sim import Sim
    from simwarden.engine.unit_of_work import Outcome
    from simwarden.store.vault import Vault

SMS, VOICE, NONE = Function.SMS, Function.VOICE, Function(0)


WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


async def off(world: World, number: int = 1) -> Function:
    return (await world.sim(number)).functions_off


def sms(world: World, n: int, *, at: datetime | None = None, direction: str = "outbound", card: int = 1) -> SmsRecord:
    return SmsRecord(
        key=f"m-{n}".encode(), direction=direction, at=at or world.clock(), imsi=imsi(card), port=1, slot=1
    )


def call(world: World, n: int, *, direction: str = "outbound") -> CallRecord:
    return CallRecord(call_id=f"c-{n}", direction=direction, imsi=imsi(1), port=1, slot=1, begin_at=world.clock())


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway with card 1 in port 1, at 12:10."""
    world.clock.now = world.clock().replace(hour=12, minute=10, second=0, microsecond=0)
    found = await world.box()
    await world.card(1)
    found.put(1, 1)
    await world.take(found.dev_status())
    return found


async def test_the_message_beyond_the_limit_bars_sms_until_the_hour_ends(world: World, box: Box) -> None:
    await world.do(1, SetLimits(sms_per_hour=2))
    await world.take(box.records(sms=[sms(world, 1), sms(world, 2)]))
    assert await off(world) == NONE
    world.clock.turn(60)
    await world.take(box.records(sms=[sms(world, 3)], calls=[call(world, n) for n in range(5)]))
    sim = await world.sim(1)
    end = world.clock().replace(hour=13, minute=0, second=0)
    assert [(bar.cause, bar.functions, bar.until) for bar in sim.bars] == [(BarCause.QUOTA, int(SMS), end)]
    told = await explain(world.db, world.gateways, sim)
    step = next(each for each in told.chain if each.type == EventType.BAR_RAISED)
    assert (step.data["bar"], step.data["limit"], step.data["counted"]) == ("QUOTA", 2, 3)
    assert (step.cause["kind"], step.cause["source"]) == (CauseKind.REPORT, "gw1")
    by_name = {each.function: each for each in told.functions}
    assert [bar.cause for bar in by_name["SMS"].bars] == [BarCause.QUOTA]
    assert by_name["VOICE"].effective


async def test_records_are_counted_once_however_often_they_are_reported(world: World, box: Box) -> None:
    await world.do(1, SetLimits(sms_per_hour=2, calls_per_hour=1))
    for _ in range(4):
        await world.take(box.records(sms=[sms(world, 1), sms(world, 2)], calls=[call(world, 1)]))
    assert await off(world) == NONE
    await world.take(box.records(sms=[sms(world, 3)]), box.records(calls=[call(world, 2)]))
    assert await off(world) == SMS | VOICE
    assert await world.count(1, EventType.BAR_RAISED) == 2


async def test_what_comes_to_the_sim_and_what_belongs_to_other_hours_does_not_count(world: World, box: Box) -> None:
    await world.do(1, SetLimits(sms_per_hour=0, calls_per_hour=0))
    others = [sms(world, 1, direction="inbound"), sms(world, 2, direction="report"), sms(world, 3, direction="task")]
    late = sms(world, 4, at=world.clock() - timedelta(hours=1))
    await world.take(box.records(sms=[*others, late], calls=[call(world, 1, direction="inbound")]))
    assert await off(world) == NONE
    await world.take(box.records(sms=[sms(world, 5)]))
    assert await off(world) == SMS


async def test_a_message_that_names_no_sim_counts_for_the_one_in_its_slot(world: World, box: Box) -> None:
    await world.do(1, SetLimits(sms_per_hour=0))
    nameless = SmsRecord(key=b"m", direction="outbound", at=world.clock(), port=1, slot=1)
    await world.take(box.records(sms=[nameless]))
    assert await off(world) == SMS


async def test_a_sim_without_limits_is_never_barred(world: World, box: Box) -> None:
    await world.take(box.records(sms=[sms(world, n) for n in range(50)]))
    assert (await world.sim(1)).bars == ()


async def test_a_restart_in_the_middle_of_the_hour_loses_no_end(world: World, box: Box) -> None:
    outcomes: list[Outcome] = []
    await world.do(1, SetLimits(sms_per_hour=0))
    await world.take(box.records(sms=[sms(world, 1)]))
    first = Expiry(world.db, clock=world.clock)
    assert 0 < await first.turn() <= 5
    assert await off(world) == SMS
    world.clock.turn(50 * 60)
    # Another process, that knows of nothing but what is stored.
    second = Expiry(world.db, committed=outcomes.append, clock=world.clock)
    assert await second.turn() == 0
    assert await off(world) == NONE
    assert [outcome.events for outcome in outcomes] == [1]
    assert await limits.next_due(world.db) is None
    assert (await world.types(1))[-1] == EventType.BAR_LIFTED
    await first.turn()
    assert await world.count(1, EventType.BAR_LIFTED) == 1
    await world.take(box.records(sms=[sms(world, 2)]))
    assert await off(world) == SMS, "the next hour has a limit of its own"


async def test_the_worker_lifts_by_itself(world: World, box: Box) -> None:
    await world.do(1, SetLimits(sms_per_hour=0))
    await world.take(box.records(sms=[sms(world, 1)]))
    worker = Expiry(world.db, clock=world.clock)
    worker.start()
    try:
        world.clock.turn(50 * 60)
        worker.wake()
        await world.eventually(lambda: _is_free(world))
    finally:
        await worker.stop()


async def _is_free(world: World) -> bool:
    return await off(world) == NONE


async def test_two_that_look_at_once_lift_once(world: World, box: Box) -> None:
    await world.do(1, SetLimits(sms_per_hour=0))
    await world.take(box.records(sms=[sms(world, 1)]))
    world.clock.turn(50 * 60)
    await asyncio.gather(*(Expiry(world.db, clock=world.clock).turn() for _ in range(3)))
    assert await world.count(1, EventType.BAR_LIFTED) == 1


async def test_of_two_reports_at_the_limit_that_race_the_second_counts_both(world: World, box: Box) -> None:
    """Two processes take in a message each, of two gateways; both have stored theirs when the SIM's lock is let go."""
    await world.do(1, SetLimits(sms_per_hour=1))
    other = await world.box("gw2")
    reports = box.records(sms=[sms(world, 1)]), other.records(sms=[sms(world, 2)])
    async with world.db.transaction() as held:
        await held.execute("select 1 from sim where imsi = $1 for update", imsi(1))
        racing = [asyncio.create_task(world.another_ingest().submit(report)) for report in reports]
        async with asyncio.timeout(PATIENCE):
            while await world.db.fetchval(WAITING) < len(racing):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
    await asyncio.gather(*racing)
    assert await off(world) == SMS
    assert await world.count(1, EventType.BAR_RAISED) == 1


async def test_a_higher_limit_frees_the_sim_until_it_is_met(world: World, box: Box) -> None:
    await world.do(1, SetLimits(sms_per_hour=0))
    await world.take(box.records(sms=[sms(world, 1)]))
    await world.do(1, SetLimits(sms_per_hour=2))
    assert await off(world) == NONE
    await world.take(box.records(sms=[sms(world, 2)]))
    assert await off(world) == NONE
    await world.take(box.records(sms=[sms(world, 3)]))
    assert await off(world) == SMS


async def test_a_gateway_locks_the_card_when_the_quota_takes_the_last_function(world: World, box: Box) -> None:
    await world.start_enforcement()
    await world.do(1, SetFunctions(FunctionState.CLOSED, int(VOICE | Function.DATA)))
    await world.do(1, SetLimits(sms_per_hour=0))
    assert box.locked == set()
    await world.take(box.records(sms=[sms(world, 1)]))
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(1, 1)}
    world.clock.turn(50 * 60)
    await Expiry(world.db, clock=world.clock).turn()
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == set()


async def test_subscribers_are_told_of_the_bar_and_of_its_end(world: World, box: Box, vault: Vault) -> None:
    subscriptions = Subscriptions(world.db, vault, allow_private_sinks=True, clock=world.clock)
    for topic in (EventType.BAR_RAISED, EventType.BAR_LIFTED):
        await subscriptions.create(wish(await world.sim(1), api="bars", topic=topic, type=f"bars.v0.{topic}"))
    await world.do(1, SetLimits(sms_per_hour=0))
    await world.take(box.records(sms=[sms(world, 1)]))
    world.clock.turn(50 * 60)
    await Expiry(world.db, clock=world.clock).turn()
    told = await world.db.fetch("select type, data from delivery where event is not null order by event")
    assert [(row["type"], row["data"]["bar"], row["data"]["functions"]) for row in told] == [
        ("bars.v0.BAR_RAISED", "QUOTA", int(SMS)),
        ("bars.v0.BAR_LIFTED", "QUOTA", int(SMS)),
    ]


async def test_a_bar_that_cannot_be_lifted_is_not_tried_again_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def due(*_: object) -> list[str]:
        return [imsi(9)]  # deleted since

    monkeypatch.setattr(limits, "due", due)
    assert await Expiry(world.db, clock=world.clock).turn() > 1


async def test_a_sim_whose_rule_fails_holds_up_no_other(
    world: World, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of a rule that one SIM meets leaves that one as it is."""
    await world.card(2)
    for number in (1, 2):
        await world.do(number, SetLimits(sms_per_hour=0))
        await world.take(box.records(sms=[sms(world, number, card=number)]))
    world.clock.turn(50 * 60)
    decide = rules.decide

    def faulty(sim: Sim, *rest: Any) -> Decision:
        if sim.imsi == imsi(1):
            raise ZeroDivisionError
        return decide(sim, *rest)

    monkeypatch.setattr(rules, "decide", faulty)
    expiry = Expiry(world.db, clock=world.clock)
    assert await expiry.turn() == 0.0
    assert await expiry.turn() > 1, "the one that is left is not tried again at once"
    assert (await off(world), await off(world, 2)) == (SMS, NONE)
