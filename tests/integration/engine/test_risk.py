"""Rules from a gateway's records to the functions that are off, on PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.support.patience import PATIENCE
from tests.support.subscribing import wish
from tests.support.world import ACCOUNT, device, imsi

from simwarden.domain.counters import Amounts, Reading
from simwarden.domain.errors import AlreadyExists, IncompatibleState, NothingToChange
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.domain.risk import RiskRule
from simwarden.domain.risk_windows import SimWindows
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.rules.risk import Release
from simwarden.domain.sim import BarCause, Function, Lifecycle
from simwarden.engine import provision, risk
from simwarden.engine.expiry import Expiry
from simwarden.engine.explain import explain
from simwarden.engine.risk_rules import RiskRules, RuleNotFound, TooManyRules
from simwarden.engine.silence import Silence
from simwarden.engine.subscriptions import Subscriptions
from simwarden.store import listing, removal
from simwarden.store import risk as store
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from datetime import datetime

    from tests.support.world import Box, World

    from simwarden.domain.risk import StoredRule

SMS, VOICE, NONE = Function.SMS, Function.VOICE, Function(0)
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


def rule(signal: str = "smsSent", at_least: int = 3, minutes: int = 60, **then: Any) -> RiskRule:
    when = [{"signal": signal, "atLeast": at_least}]
    return msgspec.convert({"when": when, "inMinutes": minutes, "then": then or {"alert": True}}, RiskRule)


def barring(signal: str = "smsSent", at_least: int = 3, **bar: Any) -> RiskRule:
    return rule(signal, at_least, bar={"functions": ["SMS"]} | bar)


async def add(world: World, made: RiskRule, name: str = "mass", **more: Any) -> StoredRule:
    rules = RiskRules(world.db, clock=world.clock)
    return await rules.add(ACCOUNT, name, made, is_on=more.pop("is_on", True), by="op")


async def off(world: World, number: int = 1) -> Function:
    return (await world.sim(number)).functions_off


def sms(world: World, n: int, *, at: datetime | None = None, to: str | None = None, card: int = 1) -> SmsRecord:
    return SmsRecord(
        key=f"m-{n}".encode(),
        direction="outbound",
        at=at or world.clock(),
        imsi=imsi(card),
        port=1,
        slot=1,
        receiver=to,
    )


def call(world: World, n: int, **more: Any) -> CallRecord:
    said: dict[str, Any] = {"call_id": f"c-{n}", "direction": "outbound", "imsi": imsi(1), "begin_at": world.clock()}
    return CallRecord(**(said | more))


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway with card 1 in port 1."""
    found = await world.box()
    await world.card(1, 2)
    found.put(1, 1)
    await world.take(found.dev_status())
    return found


async def test_record_rule_bar_and_lock_are_one_chain_and_a_person_releases_the_sim(world: World, box: Box) -> None:
    await world.start_enforcement()
    everything = ["VOICE", "SMS", "DATA"]
    made = await add(world, rule(bar={"functions": everything, "hours": 24}, tag="infected"))
    await world.take(box.records(sms=[sms(world, 1), sms(world, 2)]))
    assert await off(world) == NONE
    world.clock.turn(60)
    await world.take(box.records(sms=[sms(world, 3)]))
    sim = await world.sim(1)
    until = world.clock() + timedelta(hours=24)
    assert [(bar.cause, bar.functions, bar.until) for bar in sim.bars] == [(BarCause.RISK, 7, until)]
    assert await listing.tags_of(world.db, sim) == ("infected",)
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(1, 1)}
    chain = (await explain(world.db, world.gateways, sim)).chain
    assert [step.type for step in chain][:3] == [
        EventType.RULE_FIRED,
        EventType.BAR_RAISED,
        EventType.ENFORCEMENT_COMMANDED,
    ]
    assert chain[-1].type == EventType.ENFORCEMENT_APPLIED
    fired, barred = chain[:2]
    assert (fired.data["rule"], fired.data["version"], fired.data["counted"]) == ("mass", made.version, {"smsSent": 3})
    assert (fired.cause["kind"], fired.cause["source"]) == (CauseKind.REPORT, "gw1")
    assert (barred.caused_by, barred.data["rule"]) == (fired.n, "mass")
    await world.take(box.records(sms=[sms(world, n) for n in range(4, 20)]))
    assert await world.count(1, EventType.RULE_FIRED) == 1, "it rests while its bar stands"
    await world.do(1, Release())
    await world.eventually(lambda: world.enforced(1))
    assert (await off(world), box.locked) == (NONE, set())
    with pytest.raises(NothingToChange):
        await world.do(1, Release())
    world.clock.turn(600)
    await world.take(box.records(sms=[sms(world, 21), sms(world, 22)]))
    assert await off(world) == NONE, "what came before the release is not counted again"
    await world.take(box.records(sms=[sms(world, 23)]))
    assert await world.count(1, EventType.RULE_FIRED) == 2


@pytest.mark.parametrize("name", ["states", "save_states", "tag"])
async def test_the_record_and_what_its_rule_does_stand_or_fall_together(
    world: World, box: Box, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    await add(world, rule(at_least=1, bar={"functions": ["SMS"]}, tag="infected"))
    real = getattr(store, name)

    async def broken(*args: Any) -> None:
        await real(*args)
        raise RuntimeError("injected")

    report = box.records(sms=[sms(world, 1)])
    with monkeypatch.context() as patch:
        patch.setattr(store, name, broken)
        with pytest.raises(RuntimeError, match="injected"):
            await world.take(report)
    for table in ("sms", "risk_state"):
        assert await world.db.fetchval(f"select count(*) from {table}") == 0, table
    assert (await off(world), await world.count(1, EventType.RULE_FIRED)) == (NONE, 0)
    await world.another_ingest().submit(box.records(sms=[sms(world, 1)]))
    assert (await off(world), await world.count(1, EventType.RULE_FIRED)) == (SMS, 1)


async def test_a_bar_ends_with_its_time_and_the_rule_counts_anew(world: World, box: Box) -> None:
    await add(world, barring(hours=1))
    await world.take(box.records(sms=[sms(world, n) for n in range(3)]))
    assert await off(world) == SMS
    world.clock.turn(3600)
    await Expiry(world.db, clock=world.clock).turn()
    assert await off(world) == NONE
    await world.take(box.records(sms=[sms(world, n) for n in range(3, 6)]))
    assert await off(world) == SMS


async def test_records_count_once_however_often_and_in_whatever_order_they_come(world: World, box: Box) -> None:
    await add(world, barring())
    early = world.clock() - timedelta(minutes=20)
    for _ in range(4):
        await world.take(box.records(sms=[sms(world, 1), sms(world, 2, at=early)]))
    await world.take(box.records(sms=[sms(world, 3, at=world.clock() - timedelta(hours=2))]))
    assert await off(world) == NONE
    await world.take(box.records(sms=[sms(world, 4, at=early)]))
    assert await off(world) == SMS


async def test_different_receivers_are_known_by_what_nobody_can_read(world: World, box: Box) -> None:
    await add(world, barring("receivers", 3))
    same = [sms(world, n, to="+8613900000001") for n in range(8)]
    await world.take(box.records(sms=same, calls=[call(world, 1, callee="13900000001")]))
    assert await off(world) == NONE
    await world.take(box.records(sms=[sms(world, 9, to="+8613900000002")]))
    state = await world.db.fetchval("select state from risk_state")
    assert b"13900000001" not in state
    await world.take(box.records(calls=[call(world, 2, callee="13900000003")]))
    assert await off(world) == SMS


async def test_countries_of_days_before_are_not_new(world: World, box: Box) -> None:
    await world.take(box.records(sms=[sms(world, 1, to="+4915112345678"), sms(world, 2, to="+4915112345678", card=2)]))
    world.clock.turn(86_400)
    await add(world, barring("newCountries", 1))
    await world.take(box.records(sms=[sms(world, 3, to="+4915112345679"), sms(world, 4, to="+8613900000001")]))
    assert await off(world) == NONE, "it wrote to Germany the day before, and China is its home"
    await world.take(box.records(sms=[sms(world, 5, to="+33612345678")]))
    assert await off(world) == SMS
    await world.take(box.records(sms=[sms(world, 6, to="+4915112345678", card=2)]))
    assert await off(world, 2) == NONE


async def test_a_call_counts_once_with_its_minutes_and_an_alert_rests_for_its_window(world: World, box: Box) -> None:
    await add(world, rule("callMinutes", 5))
    begun = call(world, 1, answer_at=world.clock())
    await world.take(box.records(calls=[begun]))
    for minute in (4, 5, 5, 9):
        done = begun.begin_at + timedelta(minutes=minute)  # type: ignore[operator]
        await world.take(box.records(calls=[msgspec.structs.replace(begun, update_at=done)]))
        assert await world.count(1, EventType.RULE_FIRED) == (minute >= 5)
    assert (await world.sim(1)).bars == ()


async def test_another_device_is_counted_in_the_commit_that_sees_it(world: World, box: Box) -> None:
    await add(world, rule("deviceChanges", 2, suspend=True))
    for n in (1, 2):
        world.clock.turn(60)
        await world.take(box.evidence(1, device(500 + n), world.clock()))
        assert ((await world.sim(1)).lifecycle is Lifecycle.SUSPENDED) == (n == 2)
    types = await world.types(1)
    assert types[-3:] == [EventType.DEVICE_CHANGED, EventType.RULE_FIRED, EventType.LIFECYCLE_CHANGED]
    await world.do(1, Transition(Step.RESTORE))
    assert (await world.sim(1)).bars == ()


async def test_rules_are_of_one_account_and_cost_others_nothing(world: World, box: Box) -> None:
    rules = RiskRules(world.db, most=2, clock=world.clock)
    await rules.add("other", "mass", barring(at_least=1), is_on=True, by="op")
    switched_off = await add(world, barring(at_least=1), is_on=False)
    silent = await add(world, rule("silence", 1), "silent")
    await world.take(box.records(sms=[sms(world, 1)]))
    assert await off(world) == NONE
    assert await world.db.fetchval("select count(*) from risk_state") == 0
    with pytest.raises(TooManyRules, match="at most 2"):
        await rules.add(ACCOUNT, "third", barring(), is_on=True, by="op")
    with pytest.raises(IncompatibleState, match="Several accounts"):
        await rules.get("mass")
    on = await rules.change(switched_off, is_on=True, by="op2")
    await world.take(box.records(sms=[sms(world, 2)]))
    assert await off(world) == SMS, "from the commit of the change on"
    with pytest.raises(IncompatibleState, match="meanwhile"):
        await rules.change(switched_off, name="late", by="op")
    with pytest.raises(AlreadyExists):
        await rules.change(silent, name="mass", by="op")
    await rules.delete(on, by="op3")
    assert [(each.version, each.is_on, each.set_by) for each in await rules.versions(on.id)] == [
        (1, False, "op"),
        (2, True, "op2"),
        (3, False, "op3"),
    ]
    with pytest.raises(RuleNotFound):
        await rules.get(on.id)
    await world.take(box.records(sms=[sms(world, 3, card=2)]))
    assert await off(world, 2) == NONE


async def test_of_two_reports_that_race_the_second_counts_on(world: World, box: Box) -> None:
    """Two processes take in a message each, of two gateways, at the same time; then two of a SIM of which nothing was
    remembered yet."""
    await add(world, barring(at_least=2))
    other = await world.box("gw2")
    for card in (1, 2):
        if card == 1:
            await store_nothing(world)
        reports = (
            box.records(sms=[sms(world, card * 10, card=card)]),
            other.records(sms=[sms(world, card * 10 + 1, card=card)]),
        )
        async with world.db.transaction() as held:
            await held.execute("lock table risk_state in share mode")  # both read, and wait to write
            racing = [asyncio.create_task(world.another_ingest().submit(report)) for report in reports]
            async with asyncio.timeout(PATIENCE):
                while await world.db.fetchval(WAITING) < len(racing):  # noqa: ASYNC110 - the database tells nobody
                    await asyncio.sleep(0.01)
        await asyncio.gather(*racing)
        assert await off(world, card) == SMS
        assert await world.count(card, EventType.RULE_FIRED) == 1


async def store_nothing(world: World) -> None:
    """Let something be remembered of card 1 already."""
    nothing = store.StoredWindows(SimWindows(), (await world.sim(1)).first_event)
    async with world.db.transaction() as connection:
        assert await store.save_states(connection, {imsi(1): nothing}, world.clock().date()) == {imsi(1)}


async def test_who_lets_a_rule_fire_waits_for_the_sim_before_it_holds_what_is_remembered(
    world: World, box: Box
) -> None:
    """Commands lock in this order too."""
    await add(world, barring(at_least=2))
    await world.take(box.records(sms=[sms(world, 1)]))
    async with world.db.transaction() as held:
        await held.execute("select 1 from sim where imsi = $1 for update", imsi(1))
        racing = asyncio.create_task(world.another_ingest().submit(box.records(sms=[sms(world, 2)])))
        async with asyncio.timeout(PATIENCE):
            while await world.db.fetchval(WAITING) < 1:  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        await held.execute("select 1 from risk_state where imsi = $1 for update nowait", imsi(1))
    await racing
    assert await off(world) == SMS


@pytest.mark.parametrize("life", [None, -1])
async def test_what_is_remembered_of_who_had_the_imsi_before_does_not_count(
    world: World, box: Box, life: int | None
) -> None:
    """What was written before lives were (null) is of this one."""
    await add(world, barring(at_least=2))
    await world.take(box.records(sms=[sms(world, 1)]))
    await world.db.execute("update risk_state set first_event = $1", life)
    await world.take(box.records(sms=[sms(world, 2)]))
    assert await off(world) == (SMS if life is None else NONE)
    await world.take(box.records(sms=[sms(world, 3)]))
    assert await off(world) == SMS


async def test_what_is_remembered_goes_when_records_would_and_what_cannot_be_read_at_once(
    world: World, box: Box
) -> None:
    await add(world, barring())
    await world.take(box.records(sms=[sms(world, 1), sms(world, 2), sms(world, 3, card=2)]))
    assert await store.prune(world.db, world.clock().date(), 1) == 0
    world.clock.turn(86_400)
    await world.take(box.records(sms=[sms(world, 4, card=2)]))
    assert await store.prune(world.db, world.clock().date(), 1) == 1
    assert [row["imsi"] for row in await world.db.fetch("select imsi from risk_state")] == [imsi(2)]
    await world.db.execute("update risk_state set state = $1", b"\xc1")
    await world.take(box.records(sms=[sms(world, n, card=2) for n in range(5, 7)]))
    assert await off(world, 2) == NONE
    await world.take(box.records(sms=[sms(world, 7, card=2)]))
    assert await off(world, 2) == SMS


async def test_nothing_is_left_of_a_sim_or_an_account_that_is_deleted(world: World, box: Box) -> None:
    await add(world, rule())
    await world.take(box.records(sms=[sms(world, 1)]))
    assert await world.db.fetchval("select count(*) from risk_state") == 1
    await removal.remove_account(world.db, ACCOUNT, ["gw1"])
    for table in ("risk_state", "risk_rule", "risk_rule_version", "risk_account"):
        assert await world.db.fetchval(f"select count(*) from {table}") == 0, table


class Megabytes(msgspec.Struct, frozen=True):
    """A slot that shows what its SIM has used."""

    total: float

    @property
    def counter_mark(self) -> object:
        return self.total

    def read_counters(self) -> Reading:
        return Reading(megabytes=Amounts(total=self.total))


async def test_subscribers_are_told_of_rules_that_alert_and_of_no_others(world: World, box: Box) -> None:
    kind = "org.simwarden.rule-alert-subscriptions.v0.rule-fired"
    await Subscriptions(world.db, world.vault, allow_private_sinks=True, clock=world.clock).create(
        wish(
            await world.sim(1),
            api="rule-alert-subscriptions",
            topic=EventType.RULE_FIRED,
            type=kind,
            device={"phoneNumber": "+8613800000001"},
        )
    )
    await add(world, rule(at_least=2), "loud")
    await add(world, rule(at_least=1, tag="quiet"), "quiet")
    await world.take(box.records(sms=[sms(world, 1), sms(world, 2), sms(world, 3, card=2)]))
    assert await world.count(1, EventType.RULE_FIRED) == 2
    [told] = await world.db.fetch("select type, data from delivery where event is not null")
    assert told["type"] == kind
    said = {"rule": "loud", "version": 1, "counted": {"smsSent": 2}, "minutes": 60}
    assert told["data"] == {"device": {"phoneNumber": "+8613800000001"}} | said


async def test_megabytes_are_what_counters_moved_by(world: World, box: Box) -> None:
    await add(world, rule("megabytes", 100, bar={"functions": ["DATA"]}))
    for total in (5_000, 5_060.5, 5_060.5, 5_099.9, 5_100):
        assert await off(world) == NONE, total
        world.clock.turn(60)
        report = box.dev_status(slots=1)
        shown = tuple(
            msgspec.structs.replace(port, counters=Megabytes(total)) if port.imsi else port for port in report.ports
        )
        await world.take(msgspec.structs.replace(report, ports=shown))
    assert await off(world) == Function.DATA
    [fired] = [event for event in await world.events(1) if event.type is EventType.RULE_FIRED]
    assert (fired.data["counted"], fired.cause.source) == ({"megabytes": 100}, "gw1")


async def test_silence_is_noticed_once_by_one_process_and_only_where_somebody_listens(world: World, box: Box) -> None:
    """SIM 1 falls silent, 2 was never seen; a gateway that is silent itself says nothing of its SIMs."""
    made = await add(world, rule("silence", 1, 60, tag="silent"))
    leases = [Leases(world.db, "silence", name, shares=1) for name in ("a", "b")]
    workers = [Silence(world.db, lease, clock=world.clock) for lease in leases]

    async def rounds() -> list[str]:
        for worker in workers:
            for _ in range(3):
                worker.wake()
                await worker.turn()
            worker._due = 0.0
        return [str(event.cause.kind) for event in await world.events(1) if event.type is EventType.RULE_FIRED]

    assert await rounds() == []
    world.clock.turn(3600)
    assert await rounds() == [], "not longer than that yet"
    world.clock.turn(1)
    await world.db.execute("update gateway set silent_since = now()")
    assert await rounds() == []
    await world.db.execute("update gateway set silent_since = null")
    assert await rounds() == ["TIME"]
    assert await listing.tags_of(world.db, await world.sim(1)) == ("silent",)
    world.clock.turn(7200)
    assert await rounds() == ["TIME"], "it is the same silence"
    await world.take(box.dev_status())
    world.clock.turn(3601)
    assert await rounds() == ["TIME", "TIME"]
    assert await world.count(2, EventType.RULE_FIRED) == 0
    await RiskRules(world.db, clock=world.clock).delete(made, by="op")
    await store.prune_silences(world.db, 10)
    assert await world.db.fetchval("select count(*) from risk_silence") == 0
    for lease in leases:
        await lease.close()


async def test_a_silence_rule_that_is_deleted_in_the_middle_of_a_round_fires_no_more(world: World, box: Box) -> None:
    made = await add(world, rule("silence", 1, 60, bar={"functions": ["SMS"]}))
    lease = Leases(world.db, "silence", "a", shares=1)
    worker = Silence(world.db, lease, clock=world.clock)
    world.clock.turn(3601)
    worker._round = await store.of_silence(world.db)
    await RiskRules(world.db, clock=world.clock).delete(made, by="op")
    for _ in range(3):
        worker.wake()
        await worker.turn()
    assert (await off(world), await world.count(1, EventType.RULE_FIRED)) == (NONE, 0)
    assert await world.db.fetchval("select count(*) from risk_silence") == 0
    await lease.close()


async def test_rules_of_an_account_stay_ready_where_there_is_no_room_for_another_ones(
    world: World, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(risk, "_KEPT", 1)
    risk._plans.clear()
    await add(world, barring(at_least=1))
    await world.take(box.records(sms=[sms(world, 1)]))
    await world.do(1, Release())
    await RiskRules(world.db, clock=world.clock).add("other", "mass", barring(at_least=1), is_on=True, by="op")
    other = provision.new_sim("other", imsi=imsi(3))
    await provision.add(world.db, other, Cause(CauseKind.OPERATOR, "test", world.clock()))
    world.clock.turn(3601)
    await world.take(box.records(sms=[sms(world, 2), sms(world, 3, card=3)]))
    assert (await off(world), await off(world, 3)) == (SMS, SMS)
