"""Unusual traffic with hotzones is told once for each SIM, subscription, hotzone and day, whatever is reported."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.support.world import ACCOUNT, START, World, iccid, imsi

from simwarden.domain.daily import TrafficKind
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.hotzone import HotZones, HotzoneWatch, Side, parse_zones
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.outliers import Method
from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.engine import provision
from simwarden.engine.hotzone_alerts import PER_TURN, POLL, HotzoneAlerts
from simwarden.engine.keeping import EVERY, Keeping
from simwarden.engine.new_subscription import NewSubscription, whole_account
from simwarden.engine.subscriptions import Subscriptions
from simwarden.store import fanout, hotzone_alerts, hotzones, removal
from simwarden.store import sims as sim_store
from simwarden.store.fanout import INLINE

if TYPE_CHECKING:
    from tests.support.world import Box

    from simwarden.engine.subscriptions import Subscription

TYPE = "org.camaraproject.fraud-hotzone-subscriptions.v0.anomaly-detected"
CAMBODIA, HOME, SATELLITE = "+85512345678", "+8613715266978", "+882161234567"
MYANMAR = "+959123456789"
DAY = 86_400


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway whose cards 1, 2 and 3 have been in use for two months; 3 is another account's."""
    await world.db.execute("update schema_migration set applied_at = $1", START - timedelta(days=400))
    found = await world.box()
    for number, account in ((1, ACCOUNT), (2, ACCOUNT), (3, "other")):
        made = provision.new_sim(
            account, imsi=imsi(number), iccid=iccid(number), msisdn=None if number == 2 else f"+861380000000{number}"
        )
        await provision.add(world.db, made, Cause(CauseKind.OPERATOR, "test", START))
        found.put(number, number)
    await world.db.execute("update sim set created_at = $1", START - timedelta(days=60))
    world.clock.now = START - timedelta(days=40)
    await world.take(found.dev_status())
    world.clock.now = START
    return found


async def watch(
    world: World, number: int | None = 1, zones: str = "KH", *, account: str = ACCOUNT, **fields: Any
) -> Subscription:
    """Subscribe to the traffic of a SIM, or of all of the account."""
    made = Subscriptions(world.db, world.vault, allow_private_sinks=True, clock=world.clock)
    names = [each for each in zones.split(",") if each]
    given: dict[str, Any] = {
        "zones": parse_zones(name for name in names if not name.startswith("list:")),
        "lists": frozenset(name.removeprefix("list:") for name in names if name.startswith("list:")),
        "kinds": frozenset(TrafficKind),
        "side": Side.VICTIM,
        "method": Method.RATIO,
        "threshold": 2.0,
        "since": world.clock().date(),
    }
    new = NewSubscription(
        sim=whole_account(account) if number is None else await world.sim(number),
        all_devices=number is None,
        account_id=account,
        app_key="app-1",
        api="fraud-hotzone-subscriptions",
        topic=EventType.HOTZONE_ANOMALY,
        type=TYPE,
        protocol="HTTP",
        sink="http://127.0.0.1:9/sink",
        protocol_settings=None,
        device=None if number is None else {"phoneNumber": f"+861380000000{number}"},
        config={"subscriptionDetail": {}},
        credential=None,
        expires_at=None,
        max_events=None,
        initial_event=False,
        watch=HotzoneWatch(**(given | fields)),
    )
    return (await made.create(new))[0]


class Lines:
    """Who calls, one after the other."""

    def __init__(self, world: World, box: Box) -> None:
        self.world = world
        self.box = box
        self.count = 0

    async def ring(self, *others: str, card: int = 1, at: datetime | None = None, **fields: Any) -> None:
        """These call the SIM, now unless `at` says when; the report comes twice."""
        calls = []
        for other in others:
            self.count += 1
            call = CallRecord(
                call_id=f"c-{self.count}",
                direction="inbound",
                imsi=imsi(card),
                caller=other,
                callee=other,
                begin_at=at or self.world.clock(),
            )
            calls.append(msgspec.structs.replace(call, **fields))
        for _ in range(2):
            await self.world.take(self.box.records(calls=calls))


@pytest.fixture
def lines(world: World, box: Box) -> Lines:
    return Lines(world, box)


def alerts(world: World) -> HotzoneAlerts:
    return HotzoneAlerts(world.db, world.sims, clock=world.clock)


async def settle(world: World) -> int:
    """Look at all that is to be looked at; returns how many turns that took."""
    worker, turns = alerts(world), 0
    while await worker.turn() < POLL:
        turns += 1
    assert await world.db.fetchval("select count(*) from hotzone_due") == 0
    return turns


async def delete(world: World, number: int) -> None:
    """The SIM is no more."""
    async with world.db.transaction() as connection:
        found = await sim_store.lock(connection, [imsi(number)])
        await sim_store.delete(connection, list(found.values()), world.clock())


async def told(world: World, made: Subscription) -> list[dict[str, Any]]:
    """What a queue holds behind its start."""
    rows = await world.db.fetch("select type, data from delivery where subscription_id = $1 order by n", made.id)
    assert rows[0]["type"].endswith("subscription-started")
    assert {row["type"] for row in rows[1:]} <= {TYPE}
    return [row["data"] for row in rows[1:]]


async def days(world: World, made: Subscription) -> list[str]:
    return [each["anomalyDate"] for each in await told(world, made)]


TODAY = START.date().isoformat()


def after(n: int) -> str:
    return (START.date() + timedelta(days=n)).isoformat()


async def test_a_day_is_told_once_and_the_next_one_again(world: World, lines: Lines) -> None:
    made = await watch(world)
    await lines.ring(CAMBODIA, CAMBODIA, *[HOME] * 9)
    await settle(world)
    assert await told(world, made) == [], "two calls are too few"
    await lines.ring(CAMBODIA)
    await settle(world)
    data = {"anomalyDate": TODAY, "checkType": "BOTH", "checkTarget": "VICTIM", "riskLevel": "HIGH"}
    assert await told(world, made) == [{**data, "device": {"phoneNumber": "+8613800000001"}}]
    await lines.ring(*[CAMBODIA] * 20)
    assert await settle(world) == 1
    assert len(await told(world, made)) == 1
    world.clock.turn(DAY)
    await lines.ring(*[CAMBODIA] * 20)
    await settle(world)
    assert await days(world, made) == [TODAY, after(1)]
    first, _ = [event for event in await world.events(1) if event.type is EventType.HOTZONE_ANOMALY]
    assert first.data == {"subscriptions": [made.id], **data, "count": 3, "zones": ["KH"]}
    assert (first.cause.kind, first.cause.source, first.cause.message) == (CauseKind.REPORT, "gw1", "cdr")


async def test_each_of_several_hotzones_is_told_once_a_day(world: World, lines: Lines) -> None:
    made = await watch(world, zones="KH,MM,+8821")
    await lines.ring(*[CAMBODIA] * 4)
    await settle(world)
    [first] = await told(world, made)
    assert first["fraudHotZone"] == ["KH"]
    await lines.ring(*[CAMBODIA] * 9, *[SATELLITE] * 2)
    await settle(world)
    assert await told(world, made) == [first], "two calls of another hotzone are too few by themselves"
    await lines.ring(*[SATELLITE] * 2, *[MYANMAR] * 3)
    await settle(world)
    _, second = await told(world, made)
    assert second == {**first, "fraudHotZone": ["+8821", "MM"]}
    _, event = [event for event in await world.events(1) if event.type is EventType.HOTZONE_ANOMALY]
    assert (event.data["zones"], event.data["count"]) == (["+8821", "MM"], 7)
    await lines.ring(*[SATELLITE] * 20, *[MYANMAR] * 20)
    await settle(world)
    assert len(await told(world, made)) == 2
    world.clock.turn(DAY)
    await lines.ring(*[MYANMAR] * 20)
    await settle(world)
    assert [each["fraudHotZone"] for each in await told(world, made)] == [["KH"], ["+8821", "MM"], ["MM"]]


async def test_few_calls_of_several_hotzones_are_told_of_all_together(world: World, lines: Lines) -> None:
    made = await watch(world, zones="KH,MM")
    await lines.ring(*[CAMBODIA] * 2, *[MYANMAR] * 2)
    await settle(world)
    [data] = await told(world, made)
    assert "fraudHotZone" not in data


async def test_what_nobody_waits_for_leaves_nothing_to_look_at(world: World, lines: Lines) -> None:
    await lines.ring(*[CAMBODIA] * 5)
    await watch(world, zones="MM,+8821", kinds=frozenset({TrafficKind.CALL}))
    ended = await watch(world, card := 2)
    subscriptions = Subscriptions(world.db, world.vault, allow_private_sinks=True, clock=world.clock)
    await lines.ring(*[CAMBODIA] * 5, *[HOME] * 5)
    await lines.ring(*[SATELLITE] * 5, direction="outbound")
    await lines.ring(*[CAMBODIA] * 5, card=3)
    await lines.ring(SATELLITE + "1", at=START - timedelta(days=1))
    message = SmsRecord(key=b"m", direction="inbound", imsi=imsi(1), sender=SATELLITE, receiver="", at=START)
    await world.take(lines.box.records(sms=[message]))
    assert await world.db.fetchval("select count(*) from hotzone_due") == 0
    await lines.ring(*[SATELLITE] * 5)
    await lines.ring(*[SATELLITE] * 5)
    assert await world.db.fetchval("select count(*) from hotzone_due") == 2, "a row for each commit that counted"
    await settle(world)
    await lines.ring(*[CAMBODIA] * 5, card=card)
    await subscriptions.delete("app-1", ended.id)
    await settle(world)
    assert await world.db.fetchval("select count(*) from delivery where type = $1", TYPE) == 1


async def test_all_sims_of_an_account_are_told_of_in_one_queue(world: World, lines: Lines) -> None:
    every, foreign = await watch(world, None), await watch(world, None, account="other")
    alone = await watch(world, 2)
    for card in (1, 2):
        await lines.ring(*[CAMBODIA] * 4, card=card)
    await settle(world)
    assert [each.get("device") for each in await told(world, every)] == [{"phoneNumber": "+8613800000001"}, None]
    assert await days(world, alone) == [TODAY]
    assert await told(world, foreign) == []
    await lines.ring(*[CAMBODIA] * 4, card=3)
    await settle(world)
    assert len(await told(world, every)) == 2
    assert len(await told(world, foreign)) == 1
    [event] = [event for event in await world.events(2) if event.type is EventType.HOTZONE_ANOMALY]
    assert event.data["subscriptions"] == sorted([every.id, alone.id])
    await delete(world, 1)
    assert await world.db.fetchval("select count(*) from hotzone_told where imsi = $1", imsi(1)) == 0
    subscriptions = Subscriptions(world.db, world.vault, allow_private_sinks=True, clock=world.clock)
    await subscriptions.delete("app-1", every.id)
    assert await world.db.fetchval("select count(*) from hotzone_watch_all") == 1, "what it waited for goes with it"
    await subscriptions.delete("app-1", alone.id)
    assert await world.db.fetchval("select count(*) from hotzone_watch") == 0
    keeping = Keeping(world.db, world.vault, timedelta(days=30), clock=world.clock)
    while await keeping.turn() < EVERY:
        pass
    assert await world.db.fetchval("select count(*) from hotzone_watch_all") == 1
    await lines.ring(*[CAMBODIA] * 4)
    assert await world.db.fetchval("select count(*) from hotzone_due") == 0


async def test_late_records_tell_their_own_day_but_none_before_the_subscription(world: World, lines: Lines) -> None:
    world.clock.turn(-2 * DAY)
    early = await watch(world)
    world.clock.turn(2 * DAY)
    late = await watch(world)
    yesterday = START - timedelta(days=1)
    await lines.ring(*[CAMBODIA] * 3, at=yesterday)
    await lines.ring(*[CAMBODIA] * 3, at=START - timedelta(days=9))
    await settle(world)
    assert (await days(world, early), await days(world, late)) == ([after(-1)], [])


async def test_who_hides_its_number_and_sims_of_ones_own_are_in_no_hotzone(world: World, lines: Lines) -> None:
    every = await watch(world, None, "KH,US,RU,GB,+1")
    await lines.ring(*["", "anonymous", "unknown", "Restricted"] * 3)
    for n in range(6):  # card 1 calls card 3: a call of each of them
        made = CallRecord(
            call_id=f"own-{n}", direction="outbound", imsi=imsi(1), caller="", callee="13800000003", begin_at=START
        )
        taken = msgspec.structs.replace(
            made, call_id=f"peer-{n}", direction="inbound", imsi=imsi(3), caller="13800000001", callee=""
        )
        await world.take(lines.box.records(calls=[made, taken]))
    await settle(world)
    assert await told(world, every) == []
    found = await world.db.fetch("select imsi, direction, zone, count from traffic_day order by imsi, zone desc")
    assert [tuple(row) for row in found] == [
        (imsi(1), "outbound", "CN", 6),
        (imsi(1), "inbound", "?", 12),
        (imsi(3), "inbound", "CN", 6),
    ]
    await lines.ring(*["+12125550123", "+14165550123"] * 2)  # one code, two countries
    await settle(world)
    assert await days(world, every) == [TODAY]


async def test_a_call_whose_sim_was_told_before_counts_too(world: World, lines: Lines) -> None:
    made = await watch(world)
    known = [CallRecord(call_id=f"k-{n}", imsi=imsi(1), direction="inbound", caller=CAMBODIA) for n in range(4)]
    await world.take(lines.box.records(calls=known))
    rest = [CallRecord(call_id=each.call_id, begin_at=START) for each in known]
    await world.take(lines.box.records(calls=rest))
    await settle(world)
    assert await days(world, made) == [TODAY]


async def test_lists_count_as_they_are_when_traffic_comes(world: World, lines: Lines) -> None:
    await hotzones.change(world.db, ACCOUNT, "bad", ["MM"], START)
    made = await watch(world, zones="list:bad")
    await lines.ring(*[CAMBODIA] * 4)
    await settle(world)
    assert await told(world, made) == []
    await hotzones.change(world.db, ACCOUNT, "bad", ["KH"], START)
    await lines.ring(HOME)
    await settle(world)
    assert await days(world, made) == [TODAY]
    await hotzones.change(world.db, ACCOUNT, "bad", [], START)
    world.clock.turn(DAY)
    await lines.ring(*[CAMBODIA] * 4)
    await settle(world)
    assert await days(world, made) == [TODAY]


async def test_what_is_interrupted_is_told_later_and_by_two_at_once_only_once(
    world: World, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, every = await watch(world), await watch(world, None)
    await lines.ring(*[CAMBODIA] * 4)

    async def broken(*_: Any) -> None:
        raise RuntimeError("no more")

    with monkeypatch.context() as patch:
        patch.setattr(hotzone_alerts, "done", broken)
        with pytest.raises(RuntimeError):
            await alerts(world).turn()
    assert (await told(world, one), await told(world, every)) == ([], [])
    assert EventType.HOTZONE_ANOMALY not in await world.types(1)
    await asyncio.gather(*(alerts(world).turn() for _ in range(3)))
    await settle(world)
    assert (await days(world, one), await days(world, every)) == ([TODAY], [TODAY])
    assert (await world.types(1)).count(EventType.HOTZONE_ANOMALY) == 1


async def test_a_sim_that_is_deleted_meanwhile_is_not_told_of(
    world: World, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = await watch(world, None)
    await lines.ring(*[CAMBODIA] * 4)
    compare = HotzoneAlerts._compare

    async def slowly(self: HotzoneAlerts, *given: Any) -> Any:
        found = await compare(self, *given)
        await delete(world, 1)
        return found

    monkeypatch.setattr(HotzoneAlerts, "_compare", slowly)
    await settle(world)
    assert await told(world, every) == []


async def test_many_subscriptions_are_all_told_and_one_that_fails_holds_up_nobody(
    world: World, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [await watch(world) for _ in range(INLINE + 2)]
    broken = await watch(world, zones="MM,KH")
    traffic = world.sims.traffic

    async def failing(sim: Any, zones: HotZones, first: date, last: date) -> Any:
        if "MM" in zones.countries:
            raise RuntimeError("no more")
        return await traffic(sim, zones, first, last)

    monkeypatch.setattr(world.sims, "traffic", failing)
    await lines.ring(*[CAMBODIA] * 4)
    await settle(world)
    while await fanout.work(world.db, bucket_of(imsi(1)), imsi(1)):
        pass
    assert [len(await told(world, each)) for each in many] == [1] * len(many)
    assert await told(world, broken) == []
    assert (await world.types(1)).count(EventType.HOTZONE_ANOMALY) == 1, "one event for all that say the same"


async def test_no_account_waits_for_anothers_backlog(world: World, lines: Lines) -> None:
    await watch(world)
    other = await watch(world, None, account="other")
    await world.db.execute(
        """insert into hotzone_due (bucket, imsi, day, batch, account_id, cause, at)
        select bucket, imsi, $1, gen_random_uuid(), account_id,
               '{"kind": "REPORT", "source": "gw1", "at": "2026-03-01T12:00:00Z"}', $2
        from sim, generate_series(1, $3) where imsi = $4""",
        START.date(),
        START - timedelta(hours=1),
        PER_TURN * 3,
        imsi(1),
    )
    await lines.ring(*[CAMBODIA] * 4, card=3)
    assert await alerts(world).turn() == 0.0
    assert await days(world, other) == [TODAY]
    assert await world.db.fetchval("select count(*) from hotzone_due") == PER_TURN * 2
    await settle(world)


async def test_with_an_account_all_of_it_goes(world: World, lines: Lines) -> None:
    await watch(world)
    await watch(world, None)
    await lines.ring(*[CAMBODIA] * 4)
    await settle(world)
    await lines.ring(CAMBODIA)
    tables = ("hotzone_watch", "hotzone_watch_all", "hotzone_due", "hotzone_told", "fraud_sign", "traffic_day")
    counts = "select " + ", ".join(f"(select count(*) from {table}) as {table}" for table in tables)
    [before] = await world.db.fetch(counts)
    assert all(before.values())
    await removal.remove_account(world.db, ACCOUNT, [])
    [after_it] = await world.db.fetch(counts)
    assert set(after_it.values()) == {0}


async def test_what_was_told_is_forgotten_when_no_record_of_that_day_can_come(world: World, lines: Lines) -> None:
    await watch(world)
    await lines.ring(*[CAMBODIA] * 4)
    await settle(world)
    for passed, left in ((31, 1), (2, 0)):
        now = world.clock.turn(passed * DAY)
        keeping = Keeping(world.db, world.vault, timedelta(days=30), clock=lambda now=now: now)  # type: ignore[misc]
        while await keeping.turn() < EVERY:
            pass
        assert await world.db.fetchval("select count(*) from hotzone_told") == left
