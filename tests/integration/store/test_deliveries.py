"""Looking at deliveries, sending them again, giving them up and forgetting them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.integration.notify.house import House

from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.sim import Sim
from simwarden.engine.subscriptions import Subscriptions
from simwarden.store import deliveries, delivery_history, delivery_maintenance
from simwarden.store.deliveries import AttemptResult, QueueResult
from simwarden.store.delivery_history import DeliveryNotFound
from simwarden.store.outbox import EndReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.store.database import Database
    from simwarden.store.deliveries import Claimed, ClaimedQueue
    from simwarden.store.subscriptions import Subscription
    from simwarden.store.vault import Vault

SINK = "http://127.0.0.1:9/sink"
NOW = datetime.now(UTC)


@pytest_asyncio.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault, Subscriptions(database, vault, allow_private_sinks=True))
    await made.prepare()
    return made


async def look(
    house: House,
    *,
    buckets: Sequence[int] = ALL_BUCKETS,
    busy: Sequence[ClaimedQueue] = (),
    capacity: Mapping[str, int] | None = None,
    others: int = 9,
    accounts: Mapping[str, int] | None = None,
    after: Mapping[str, str] | None = None,
    visits: int = 100,
    limit: int = 100,
) -> Claimed:
    return await deliveries.claim(
        house.db,
        buckets,
        busy=busy,
        capacity=capacity or {},
        others=others,
        accounts=accounts or dict.fromkeys(after or {}, 100),
        newcomers=100,
        after=after or {},
        visits=visits,
        limit=limit,
    )


async def claim(
    house: House, busy: Sequence[ClaimedQueue] = (), capacity: Mapping[str, int] | None = None, others: int = 9
) -> list[ClaimedQueue]:
    return await deliveries.heads(house.db, (await look(house, busy=busy, capacity=capacity, others=others)).queues, 3)


def result(
    queue: ClaimedQueue, statuses: Sequence[str], *, delay: float = 0, end: EndReason | None = None
) -> QueueResult:
    """What a worker reports that sent the heads of a queue with these results."""
    tried = tuple(
        AttemptResult(
            n=head.n,
            status=status,
            attempts=head.attempts + 1,
            at=datetime.now(UTC),
            duration=timedelta(milliseconds=3),
            answer_status=204 if status == "DELIVERED" else 500,
            error=None,
            answer=None,
        )
        for head, status in zip(queue.heads, statuses, strict=False)
    )
    last = tried[-1]
    return QueueResult(
        bucket=queue.bucket,
        id=queue.id,
        claimed=queue.lane_next,
        next=last.n if last.status == "PENDING" else last.n + 1,
        delay=timedelta(seconds=delay),
        tried=tried,
        end=end,
    )


async def work(house: House, *statuses: str) -> None:
    """Claim the only queue and report."""
    (queue,) = await claim(house)
    await deliveries.record(house.db, [result(queue, statuses)], NOW)


async def queue_of(house: House, subscription: Subscription) -> tuple[int, bool]:
    row = await house.db.fetchrow("select lane_next, lane_due_at from subscription where id = $1", subscription.id)
    assert row is not None
    return row["lane_next"], row["lane_due_at"] is not None


async def test_a_lane_is_claimed_in_order_and_closes_behind_its_last(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    await house.publish(1, 2, 3)
    (queue,) = await claim(house)
    assert [head.n for head in queue.heads] == [1, 2, 3]
    assert await deliveries.record(house.db, [result(queue, ["DELIVERED"] * 3)], NOW)
    assert await queue_of(house, made) == (4, True)
    (queue,) = await claim(house)
    assert [head.n for head in queue.heads] == [4]
    assert not await deliveries.record(house.db, [result(queue, ["DELIVERED"])], NOW)
    assert await queue_of(house, made) == (5, False)
    assert await claim(house) == []


async def test_busy_lanes_and_full_origins_are_left_out(house: House) -> None:
    first, _ = await house.subscribe(SINK)
    second, _ = await house.subscribe("http://127.0.0.1:10/sink")
    both = {queue.id: queue for queue in await claim(house)}
    assert both.keys() == {first.id, second.id}
    assert [queue.id for queue in await claim(house, busy=[both[first.id]])] == [second.id]
    assert [queue.id for queue in await claim(house, capacity={"acme http://127.0.0.1:10": 0})] == [first.id]
    elsewhere = [(house.sim.bucket + 1) % 256]
    assert (await look(house, buckets=elsewhere)).queues == []


async def test_an_origin_gets_as_many_lanes_as_it_has_room_for_beside_its_busy_ones(house: House) -> None:
    made = [(await house.subscribe(SINK))[0].id for _ in range(5)]
    other, _ = await house.subscribe("http://127.0.0.1:10/sink")
    origin = "acme http://127.0.0.1:9"
    busy = [queue for queue in await claim(house) if queue.id in made[:2]]
    for room, expected in ((0, 0), (1, 1), (2, 2), (9, 3)):
        found = [queue.id for queue in await claim(house, busy, {origin: room})]
        assert other.id in found
        assert len(found) == expected + 1
        assert not set(found) & {queue.id for queue in busy}
    assert len(await claim(house, others=2)) == 3
    assert len((await look(house, limit=4)).queues) == 4


async def test_what_is_held_of_an_origin_that_is_not_known_any_more_hides_nothing(house: House) -> None:
    """Its sends have ended, and what came of them is not written yet."""
    made = [(await house.subscribe(SINK))[0].id for _ in range(5)]
    busy = [queue for queue in await claim(house) if queue.id in made[:2]]
    assert [queue.id for queue in await claim(house, busy=busy, others=2)] == made[2:4]


async def test_an_inbox_is_left_to_its_owner(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    await house.db.execute("update subscription set inbox = 'x' where id = $1", made.id)
    assert await claim(house) == []
    assert (await look(house)).next_due is None
    assert await delivery_maintenance.pending_queues(house.db, ALL_BUCKETS) == 1


async def test_an_event_written_meanwhile_keeps_the_lane_open(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    (queue,) = await claim(house)
    await house.publish(1)
    assert await deliveries.record(house.db, [result(queue, ["DELIVERED"])], NOW)
    assert await queue_of(house, made) == (2, True)


async def test_a_waiting_lane_becomes_due_later(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    (queue,) = await claim(house)
    await deliveries.record(house.db, [result(queue, ["PENDING"], delay=100)], NOW)
    assert await claim(house) == []
    due = (await look(house)).next_due
    assert due is not None
    assert 95 < due <= 100
    await house.publish(1)
    assert await claim(house) == [], "a new event does not hurry a queue that waits"
    assert await queue_of(house, made) == (1, True)


async def test_when_the_next_lane_is_due_leaves_out_full_origins(house: House) -> None:
    await house.subscribe(SINK)
    (queue,) = await claim(house)
    await deliveries.record(house.db, [result(queue, ["PENDING"], delay=100)], NOW)
    assert (await look(house)).next_due is not None
    assert (await look(house, capacity={"acme http://127.0.0.1:9": 0})).next_due is None
    assert (await look(house, accounts={"acme": 0})).next_due is None


async def test_accounts_take_turns_and_full_ones_are_left_out(house: House) -> None:
    """However long the queues of one have been due, and however many origins it has."""
    await house.db.execute("insert into sim (bucket, imsi, account_id) values (1, '99901', 'other')")
    for port in range(1, 13):
        await house.subscribe(f"http://127.0.0.1:{port}/")
    late, _ = await house.subscribe(SINK, sim=Sim(bucket=1, imsi="99901", account_id="other"), account_id="other")
    await house.db.execute("update subscription set lane_due_at = now() - interval '1 hour' where account_id = 'acme'")
    first_two = (await look(house, limit=2)).queues
    assert late.id in [queue.id for queue in first_two]
    assert {queue.account_id for queue in first_two} == {"acme", "other"}
    assert [queue.id for queue in (await look(house, accounts={"acme": 0})).queues] == [late.id]
    assert len((await look(house, accounts={"acme": 3})).queues) == 4


async def test_an_account_with_very_many_origins_is_gone_through_in_several_looks(house: House) -> None:
    made = [(await house.subscribe(f"http://127.0.0.1:{port}/"))[0].id for port in range(1, 11)]
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(3):
        claimed = await look(house, visits=4, after=after)
        assert len(claimed.queues) <= 4
        seen += [queue.id for queue in claimed.queues]
        after = claimed.after
        if not after:
            break
    assert sorted(seen) == sorted(made)
    assert after == {}
    kept = {"acme": "acme http://127.0.0.1:4"}
    assert (await look(house, accounts={"acme": 0}, after=kept)).after == kept, "a full account goes on where it was"


async def test_a_dead_origin_steps_aside_and_comes_back(house: House) -> None:
    await house.subscribe(SINK)
    busy, _ = await house.subscribe(SINK)
    other, _ = await house.subscribe("http://127.0.0.1:10/sink")
    origin, minute = "acme http://127.0.0.1:9", timedelta(minutes=1)
    assert await deliveries.defer(house.db, ALL_BUCKETS, "acme", origin, minute, minute, busy=[busy.id]) == 1
    queues = await claim(house)
    assert {queue.id for queue in queues} == {busy.id, other.id}
    due = (await look(house, busy=queues)).next_due
    assert due is not None
    assert 55 < due <= 120
    assert await deliveries.defer(house.db, ALL_BUCKETS, "acme", origin, minute, minute, busy=[busy.id]) == 0
    assert await deliveries.release(house.db, ALL_BUCKETS, "acme", origin, minute / 2, busy=()) == 0, (
        "that one has to wait"
    )
    assert await deliveries.release(house.db, ALL_BUCKETS, "acme", origin, 3 * minute, busy=()) == 1
    assert len(await claim(house)) == 3


async def test_showing_a_delivery_lists_its_attempts(house: House) -> None:
    first, _ = await house.subscribe(SINK)
    await work(house, "PENDING")
    await work(house, "DELIVERED")
    second, _ = await house.subscribe(SINK)
    await house.publish(7)
    one, attempts = await delivery_history.show(house.db, f"{first.id}-1")
    assert (one.status, one.attempts, one.last_status, one.sink) == ("DELIVERED", 2, 204, SINK)
    assert [attempt.status for attempt in attempts] == [500, 204]
    assert [attempt.duration_ms for attempt in attempts] == [3, 3]
    for unknown in (f"{second.id}-9", "nonsense", "", f"{second.id}-99999999999999999999"):
        with pytest.raises(DeliveryNotFound):
            await delivery_history.show(house.db, unknown)
        with pytest.raises(DeliveryNotFound):
            await delivery_history.replay(house.db, unknown)


async def test_one_delivery_is_sent_again_with_its_id(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    await house.publish(1, 2)
    await work(house, "DELIVERED", "DEAD", "DELIVERED")
    assert await claim(house) == []
    assert await delivery_history.replay(house.db, f"{made.id}-2") == 1
    assert await delivery_history.replay(house.db, f"{made.id}-2") == 0, "it is pending now"
    (queue,) = await claim(house)
    assert [(head.n, head.event_id, head.attempts) for head in queue.heads] == [(2, f"{made.id}-2", 0)]
    assert queue.heads[0].queued_at > queue.heads[0].created_at
    assert not await deliveries.record(house.db, [result(queue, ["DELIVERED"])], NOW) or True
    (rest,) = await claim(house)
    assert rest.heads == (), "nothing else is sent again"


async def test_a_replay_while_the_lane_is_worked_on_is_not_lost(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    await work(house, "DEAD")
    await house.publish(1)
    (queue,) = await claim(house)
    assert await delivery_history.replay(house.db, f"{made.id}-1") == 1
    assert await deliveries.record(house.db, [result(queue, ["DELIVERED"])], NOW)
    assert await queue_of(house, made) == (1, True)
    (queue,) = await claim(house)
    assert [head.n for head in queue.heads] == [1]


async def test_all_since_a_time_are_sent_again_dead_ones_only_or_all(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    await house.publish(1, 2)
    await work(house, "DEAD", "DELIVERED", "DEAD")
    assert await delivery_history.replay_since(house.db, datetime.now(UTC) + timedelta(seconds=1)) == 0
    assert await delivery_history.replay_since(house.db, NOW - timedelta(hours=1)) == 2
    (queue,) = await claim(house)
    assert [head.n for head in queue.heads] == [1, 3]
    await deliveries.record(house.db, [result(queue, ["DELIVERED", "DELIVERED"])], NOW)
    again = await delivery_history.replay_since(
        house.db, NOW - timedelta(hours=1), subscription_id=made.id, only_dead=False
    )
    assert again == 3


@pytest.mark.parametrize("how", ["deleted", "gone"])
async def test_who_wants_no_more_gets_no_more(house: House, how: str) -> None:
    made, _ = await house.subscribe(SINK)
    if how == "deleted":
        await house.subscriptions.delete("app-1", made.id)
        await work(house, "DEAD", "DEAD")
    else:
        (queue,) = await claim(house)
        await deliveries.record(house.db, [result(queue, ["DEAD"], end=EndReason.NETWORK_TERMINATED)], NOW)
    assert await delivery_history.replay_since(house.db, NOW - timedelta(hours=1), only_dead=False) == 0
    assert await delivery_history.replay(house.db, f"{made.id}-1") == 0


async def test_what_an_earlier_owner_records_late_changes_nothing_that_is_finished(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    (queue,) = await claim(house)
    await deliveries.record(house.db, [result(queue, ["DELIVERED"])], NOW)
    await house.publish(1)
    await deliveries.record(house.db, [result(queue, ["PENDING"], delay=5)], NOW)
    rows = await house.deliveries(made.id)
    assert [row["status"] for row in rows] == ["DELIVERED", "PENDING"]
    next_, open_ = await queue_of(house, made)
    assert (next_, open_) == (2, True)


async def test_old_untried_deliveries_are_given_up(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    await house.publish(1)
    await house.db.execute("update delivery set queued_at = now() - interval '2 days' where n = 1")
    assert await delivery_maintenance.give_up_old(house.db, ALL_BUCKETS, NOW - timedelta(days=1)) == 1
    assert [row["status"] for row in await house.deliveries(made.id)] == ["DEAD", "PENDING"]
    assert (await house.deliveries(made.id))[0]["last_error"]
    (queue,) = await claim(house)
    assert [head.n for head in queue.heads] == [2]


async def test_old_and_finished_is_forgotten_and_nothing_else(house: House) -> None:
    ended, _ = await house.subscribe(SINK)
    await house.subscriptions.delete("app-1", ended.id)
    await work(house, "DELIVERED", "DELIVERED")
    live, _ = await house.subscribe(SINK)
    await house.publish(1)
    old = datetime.now(UTC) + timedelta(seconds=1)
    assert (
        await delivery_maintenance.prune(house.db, ALL_BUCKETS, before=NOW - timedelta(days=1), attempts_before=old)
        == 0
    )
    assert await house.db.fetchval("select count(*) from delivery_attempt") == 0
    assert await delivery_maintenance.prune(house.db, ALL_BUCKETS, before=old, attempts_before=old) == 2
    assert [row["id"] for row in await house.db.fetch("select id from subscription")] == [live.id]
    assert len(await house.deliveries(live.id)) == 2


async def test_what_is_due_to_end_ends_once(house: House) -> None:
    made, _ = await house.subscribe(SINK, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await house.subscribe(SINK, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert await delivery_maintenance.end_due(house.db, ALL_BUCKETS, datetime.now(UTC)) == 1
    assert await delivery_maintenance.end_due(house.db, ALL_BUCKETS, datetime.now(UTC)) == 0
    assert (await house.queue(made.id))[-1] == ("subscription-ended", "SUBSCRIPTION_EXPIRED")
    assert await delivery_maintenance.pending_queues(house.db, ALL_BUCKETS) == 2
