"""Events of SIMs that many subscribed to are written into the queues behind the commit, once and in order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import msgspec
import pytest
from tests.integration.notify.house import device_changed
from tests.integration.notify.running import running

from simwarden.domain.errors import SubscriptionNotFound
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.engine.publishing import end_of_sims, publish
from simwarden.notify import fanout as fan_out_worker
from simwarden.notify.metrics import NotifyMetrics
from simwarden.store import delivery_maintenance, fanout, sims
from simwarden.store.fanout import INLINE

if TYPE_CHECKING:
    from tests.integration.notify.house import House
    from tests.integration.notify.sink import Sink

    from simwarden.domain.sim import Sim
    from simwarden.store.leases import Leases
    from simwarden.store.subscriptions import Subscription

NOWHERE = "http://127.0.0.1:9/sink"
MANY = INLINE + 4


async def subscribe(house: House, count: int, sink: str = NOWHERE) -> list[Subscription]:
    """So many subscriptions to the first SIM."""
    return [(await house.subscribe(sink))[0] for _ in range(count)]


async def commit(house: House, number: int, *, sim: Sim | None = None) -> int:
    """The SIM is in this device now: event and queues in one transaction, as ingest does it; returns the deliveries."""
    async with house.db.transaction() as connection:
        (found,) = (await sims.lock(connection, [(sim or house.sim).imsi])).values()
        changed = msgspec.structs.replace(found, event_count=found.event_count + 1)
        event = device_changed(changed.event_count, number)
        await sims.save(connection, [changed])
        await sims.add_events(connection, [(changed, event)])
        return await publish(connection, [(changed, [event])])


async def work_all(house: House) -> None:
    """Work off what waits, as the notifier does."""
    while found := await fanout.turns(house.db, ALL_BUCKETS, 10):
        for bucket, imsi, _ in found:
            await fanout.work(house.db, bucket, imsi)


async def devices(house: House, made: Subscription) -> list[str]:
    """What a queue tells after its start."""
    return [essence for _, essence in (await house.queue(made.id))[1:]]


async def test_a_handful_is_written_in_the_commit_and_more_behind_it(house: House) -> None:
    few = await subscribe(house, INLINE)
    assert await commit(house, 1) == INLINE
    assert [await devices(house, one) for one in few] == [["1"]] * INLINE
    more = await subscribe(house, 1)
    assert await commit(house, 2) == 0, "the commit writes one row, however many subscribed"
    assert await house.db.fetchval("select count(*) from fan_out") == 1
    assert await devices(house, few[0]) == ["1"]
    await work_all(house)
    assert [await devices(house, one) for one in few] == [["1", "2"]] * INLINE
    assert await devices(house, more[0]) == ["2"]
    assert await house.db.fetchval("select count(*) from fan_out") == 0


async def test_the_notifier_works_it_off_and_every_sink_is_told_in_order(house: House, sink: Sink) -> None:
    made = await subscribe(house, MANY, sink.url)
    async with running(house) as notifier:
        for number in range(1, 6):
            await commit(house, number)
        await sink.until_received(MANY * 6, limit=60)
        assert notifier.metrics.fanned_out._value.get() == MANY * 5
    for one in made:
        told = [event.id for event in sink.received if event.event["data"]["subscriptionId"] == one.id]
        assert told == [f"{one.id}-{n}" for n in range(1, 7)]
        assert await devices(house, one) == ["1", "2", "3", "4", "5"]


async def test_later_events_queue_behind_even_when_few_are_left(house: House) -> None:
    made = await subscribe(house, MANY)
    await commit(house, 1)
    for one in made[2:]:
        await house.subscriptions.delete("app-1", one.id)
    assert await commit(house, 2) == 0, "two are left, but the event before is still on its way"
    await work_all(house)
    assert [await devices(house, one) for one in made[:2]] == [["1", "2"]] * 2
    assert await commit(house, 3) == 2
    assert [await devices(house, one) for one in made[:2]] == [["1", "2", "3"]] * 2


async def test_who_subscribed_before_the_commit_gets_the_event_and_who_did_after_it_does_not(house: House) -> None:
    before = await subscribe(house, MANY)
    await commit(house, 1)
    after = await subscribe(house, 2)
    await commit(house, 2)
    await work_all(house)
    assert [await devices(house, one) for one in before] == [["1", "2"]] * MANY
    assert [await devices(house, one) for one in after] == [["2"]] * 2


async def test_a_subscription_that_is_deleted_meanwhile_gets_the_event_before_it_ends(house: House) -> None:
    made = await subscribe(house, MANY)
    await commit(house, 1)
    await house.subscriptions.delete("app-1", made[0].id)
    assert await devices(house, made[0]) == ["1", "SUBSCRIPTION_DELETED"]
    await work_all(house)
    assert await devices(house, made[0]) == ["1", "SUBSCRIPTION_DELETED"]
    assert await devices(house, made[1]) == ["1"]


async def test_deleting_ends_for_good_also_when_the_last_event_wanted_was_on_its_way(house: House) -> None:
    last, _ = await house.subscribe(NOWHERE, max_events=1)
    await subscribe(house, MANY)
    await commit(house, 1)
    await house.subscriptions.delete("app-1", last.id)
    assert await devices(house, last) == ["1", "MAX_EVENTS_REACHED"]
    with pytest.raises(SubscriptionNotFound):
        await house.subscriptions.get("app-1", last.id)


async def test_max_events_and_expiry_count_as_in_the_commit(house: House) -> None:
    twice, _ = await house.subscribe(NOWHERE, max_events=2)
    brief, _ = await house.subscribe(NOWHERE, expires_at=datetime.now(UTC) + timedelta(hours=1))
    await subscribe(house, MANY)
    await commit(house, 1)
    await house.db.execute("update subscription set expires_at = now(), ends_at = now() where id = $1", brief.id)
    await house.db.execute("select pg_sleep(0.01)")
    await commit(house, 2)
    await commit(house, 3)
    # Its time is over before the event is in its queue: the event was committed in time.
    await delivery_maintenance.end_due(house.db, ALL_BUCKETS, datetime.now(UTC))
    await work_all(house)
    assert await devices(house, brief) == ["1", "SUBSCRIPTION_EXPIRED"]
    assert await devices(house, twice) == ["1", "2", "MAX_EVENTS_REACHED"]


async def test_a_sim_that_is_deleted_ends_them_all_and_the_next_owner_is_not_told(house: House) -> None:
    old = await subscribe(house, MANY)
    await commit(house, 1)
    async with house.db.transaction() as connection:
        (sim,) = (await sims.lock(connection, [house.sim.imsi])).values()
        gone = msgspec.structs.replace(sim, event_count=sim.event_count + 1)
        await sims.save(connection, [gone])
        event = device_changed(gone.event_count, 2)
        await sims.add_events(connection, [(gone, event)])
        await publish(connection, [(gone, [event])])
        await end_of_sims(connection, [gone], datetime.now(UTC))
    new = await subscribe(house, 2)
    await commit(house, 3)
    assert await devices(house, old[0]) == []
    await work_all(house)
    assert [await devices(house, one) for one in old] == [["1", "2", "NETWORK_TERMINATED"]] * MANY
    assert [await devices(house, one) for one in new] == [["3"]] * 2


async def test_many_lanes_take_several_transactions_and_a_crash_between_repeats_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "CHUNK", 5)
    made = await subscribe(house, MANY)
    await commit(house, 1)
    assert await fanout.work(house.db, house.sim.bucket, house.sim.imsi) == 5
    # The worker dies here. Two others come, at the same time, and begin from the start.
    await asyncio.gather(work_all(house), work_all(house))
    assert [await devices(house, one) for one in made] == [["1"]] * MANY


async def test_changes_deletions_and_the_work_behind_them_at_the_same_time(house: House) -> None:
    """However they meet: every queue is told the events in order, those before its end, without a gap and once."""
    made = await subscribe(house, MANY + 6)

    async def changes() -> None:
        for number in range(1, 21):
            await commit(house, number)

    async def deletions() -> None:
        for one in made[:6]:
            await house.subscriptions.delete("app-1", one.id)
            await asyncio.sleep(0)

    await asyncio.gather(changes(), deletions(), work_all(house), work_all(house))
    await work_all(house)
    for one in made[6:]:
        assert await devices(house, one) == [str(number) for number in range(1, 21)]
    for one in made[:6]:
        *told, end = await devices(house, one)
        assert end == "SUBSCRIPTION_DELETED"
        assert told == [str(number) for number in range(1, len(told) + 1)]


async def test_accounts_take_turns(house: House) -> None:
    """Whatever one account has waiting, the next one's is served in the same round."""
    await house.db.execute("insert into sim (bucket, imsi, account_id) values (7, '46007', 'other')")
    await house.db.execute(
        "insert into fan_out (bucket, imsi, n, first, account_id, ends) "
        "select 3, n::text, 1, 1, 'acme', false from generate_series(1, 500) n"
    )
    await house.db.execute(
        "insert into fan_out (bucket, imsi, n, first, account_id, ends) values (7, '46007', 1, 1, 'other', false)"
    )
    assert (7, "46007", "other") in await fanout.turns(house.db, ALL_BUCKETS, 10)


class Everything:
    """Leases of a worker that owns all buckets."""

    def owned(self) -> set[int]:
        return set(ALL_BUCKETS)


async def test_an_account_pauses_after_its_turn_and_others_do_not(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes events for many queues takes a bounded share of the time, whatever waits."""
    monkeypatch.setattr(fan_out_worker, "PAUSE", 1e6)
    await subscribe(house, MANY)
    worker = fan_out_worker.FanOut(house.db, cast("Leases", Everything()), NotifyMetrics())
    assert await worker.round() is None
    for number in (1, 2):
        await commit(house, number)
        pause = await worker.round()
    assert pause is not None
    assert pause > 1
    assert await house.db.fetchval("select count(*) from fan_out") == 1, "the first was worked off, the second waits"
    await house.db.execute("insert into sim (bucket, imsi, account_id) values (7, '46007', 'other')")
    await house.db.execute(
        "insert into fan_out (bucket, imsi, n, first, account_id, ends) values (7, '46007', 1, 1, 'other', false)"
    )
    assert await worker.round() == 0.0
    assert [row["imsi"] for row in await house.db.fetch("select imsi from fan_out")] == [house.sim.imsi]
