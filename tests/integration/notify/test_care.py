"""The operator's hand on subscriptions, and what becomes of them when their application is revoked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from tests.integration.notify.running import eventually, running
from tests.integration.notify.sink import Sink
from tests.integration.notify.test_fan_out import commit

from simwarden.accounts import applications
from simwarden.accounts.applications import InvalidSuccessor
from simwarden.domain.errors import SubscriptionNotFound
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.store import care, delivery_history, delivery_maintenance
from simwarden.store.accounts import Accounts
from simwarden.store.care import UnfitSubscription
from simwarden.store.fanout import INLINE

if TYPE_CHECKING:
    from tests.integration.notify.house import House
    from tests.integration.notify.sink import Received

    from simwarden.store.accounts import Application

NOWHERE = "http://127.0.0.1:9/sink"


async def application(house: House, name: str, account: str = "acme") -> Application:
    return (await applications.issue(Accounts(house.db), account, name)).application


async def essences(house: House, subscription_id: str) -> list[str]:
    return [essence for _, essence in await house.queue(subscription_id)]


async def tally(house: House) -> dict[str, int]:
    rows = await house.db.fetch("select app_key, sum(active)::int as n from subscription_tally group by 1")
    return {row["app_key"]: row["n"] for row in rows if row["n"]}


async def test_revoking_ends_the_subscriptions_and_the_sinks_are_told(house: House, sink: Sink) -> None:
    mine, theirs = await application(house, "mine"), await application(house, "theirs")
    made = [(await house.subscribe(sink.url, app_key=mine.app_key))[0] for _ in range(3)]
    other, _ = await house.subscribe(sink.url, app_key=theirs.app_key)
    async with running(house):
        await applications.revoke(Accounts(house.db), "Acme/mine")
        await sink.until(lambda: [one.kind for one in sink.received].count("subscription-ended") == 3, limit=60)
        ended = [one.event["data"] for one in sink.received if one.kind == "subscription-ended"]
        assert {data["terminationReason"] for data in ended} == {"NETWORK_TERMINATED"}
        assert {data["subscriptionId"] for data in ended} == {one.id for one in made}
        await house.publish(7)
        await sink.until(lambda: 7 in sink.devices, limit=60)
    assert sink.devices == [7]
    assert (await house.subscriptions.get(theirs.app_key, other.id)).status == "ACTIVE"
    assert await tally(house) == {theirs.app_key: 1}


async def test_revoking_ends_many_chunk_by_chunk_and_tells_the_event_before(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(care, "CHUNK", 5)
    mine = await application(house, "mine")
    made = [(await house.subscribe(NOWHERE, app_key=mine.app_key))[0] for _ in range(INLINE + 4)]
    await commit(house, 1)
    await applications.revoke(Accounts(house.db), mine.app_key)
    assert await care.release_revoked(house.db, ALL_BUCKETS, datetime.now(UTC)) == 5
    while await care.release_revoked(house.db, ALL_BUCKETS, datetime.now(UTC)):
        pass
    for one in made:
        assert await essences(house, one.id) == ["SUBSCRIPTION_CREATED", "1", "NETWORK_TERMINATED"]
    assert await tally(house) == {}


async def test_revoking_may_hand_them_over(house: House) -> None:
    mine, next_ = await application(house, "mine"), await application(house, "next")
    await house.db.execute(
        "insert into inbox (id, account_id, app_key, name, secret) values ('inb_1', 'acme', $1, 'box', ''), "
        "('inb_2', 'acme', $2, 'box', '')",
        mine.app_key,
        next_.app_key,
    )
    made = [(await house.subscribe(NOWHERE, app_key=mine.app_key))[0] for _ in range(3)]
    await applications.revoke(Accounts(house.db), "Acme/mine", "Acme/next")
    while await care.release_revoked(house.db, ALL_BUCKETS, datetime.now(UTC)):
        pass
    await house.publish(1)
    for one in made:
        assert (await house.subscriptions.get(next_.app_key, one.id)).status == "ACTIVE"
        with pytest.raises(SubscriptionNotFound):
            await house.subscriptions.get(mine.app_key, one.id)
        assert await essences(house, one.id) == ["SUBSCRIPTION_CREATED", "1"]
    assert await tally(house) == {next_.app_key: 3}
    boxes = await house.db.fetch("select id, app_key, name from inbox order by id")
    assert [tuple(row) for row in boxes] == [
        ("inb_1", next_.app_key, f"box ({mine.app_key})"),
        ("inb_2", next_.app_key, "box"),
    ]


async def test_they_go_to_a_live_application_of_the_same_account_only(house: House) -> None:
    accounts = Accounts(house.db)
    mine, gone = await application(house, "mine"), await application(house, "gone")
    await application(house, "theirs", "other")
    await applications.issue(accounts, "acme", "box", sandbox=True)
    await applications.revoke(accounts, gone.app_key)
    for to in ("Other/theirs", "Acme/mine", "Acme/box"):
        with pytest.raises(InvalidSuccessor):
            await applications.revoke(accounts, mine.app_key, to)
    with pytest.raises(InvalidSuccessor):
        await applications.revoke(accounts, gone.app_key, "Acme/mine")
    assert (await accounts.application(mine.app_key)).revoked_at is None


async def test_paused_means_that_events_wait_and_nothing_is_sent(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    beside, _ = await house.subscribe(sink.url)
    async with running(house):
        await sink.until_received(2, limit=60)
        assert (await care.pause(house.db, made.id)).paused_at is not None
        first = (await care.pause(house.db, made.id)).paused_at
        await house.publish(1, 2)
        await sink.until(lambda: len(sink.devices) == 2, limit=60)
        assert {one.event["data"]["subscriptionId"] for one in sink.received[2:]} == {beside.id}
        assert (await house.subscriptions.get("app-1", made.id)).paused_at == first
        assert (await care.resume(house.db, made.id)).paused_at is None
        await sink.until(lambda: len(sink.devices) == 4, limit=60)
    late = [one.device for one in sink.received[4:]]
    assert late == [1, 2]


async def test_pausing_stops_a_lane_at_work_before_its_next_event(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    await house.publish(*range(1, 9))
    go_on = asyncio.Event()

    async def wait(_: Received) -> web.StreamResponse:
        await go_on.wait()
        return web.Response(status=204)

    sink.answer = wait
    async with running(house, total_timeout=3600.0) as notifier:
        await sink.until_received(1, limit=60)
        await care.pause(house.db, made.id)

        async def heard() -> bool:
            return notifier._held.is_paused(made.id)

        await eventually(heard, limit=60)
        go_on.set()

        async def recorded() -> bool:
            return made.id not in notifier._held.ids

        await eventually(recorded, limit=60)
        assert len(sink.received) == 1
        row = await house.db.fetchrow("select lane_due_at = 'infinity' as parked, lane_next from subscription")
        assert row is not None
        assert tuple(row) == (True, 2)
        await care.resume(house.db, made.id)
        await sink.until(lambda: sink.devices == list(range(1, 9)), limit=60)


async def test_what_waits_too_long_while_paused_is_given_up_and_can_be_sent_again(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    await house.publish(1)
    await care.pause(house.db, made.id)
    assert await delivery_maintenance.give_up_old(house.db, ALL_BUCKETS, datetime.now(UTC)) == 2
    await delivery_history.replay(house.db, f"{made.id}-2")
    async with running(house):
        await care.resume(house.db, made.id)
        await sink.until(lambda: sink.devices == [1], limit=60)
    assert len(sink.received) == 1


async def test_a_test_event_goes_behind_what_waits_and_counts_nothing(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url, max_events=2)
    await house.publish(1)
    event_id = await care.test(house.db, made.id, datetime.now(UTC))
    assert event_id == f"{made.id}-3"
    async with running(house):
        await sink.until_received(3, limit=60)
    assert [one.event["type"] for one in sink.received][2] == care.TEST
    assert (await house.subscriptions.get("app-1", made.id)).event_count == 1
    await care.pause(house.db, made.id)
    with pytest.raises(UnfitSubscription):
        await care.test(house.db, made.id, datetime.now(UTC))


async def test_the_operator_ends_a_subscription_once(house: House) -> None:
    made, _ = await house.subscribe(NOWHERE)
    ended = await care.end(house.db, made.id, datetime.now(UTC))
    assert (ended.status, ended.ended_reason) == ("EXPIRED", "NETWORK_TERMINATED")
    assert await care.end(house.db, made.id, datetime.now(UTC)) == ended
    assert await essences(house, made.id) == ["SUBSCRIPTION_CREATED", "NETWORK_TERMINATED"]
    assert await tally(house) == {}
    for act in (care.pause(house.db, made.id), care.test(house.db, made.id, datetime.now(UTC))):
        with pytest.raises(UnfitSubscription):
            await act
    for unknown in ("no such id", "ff" + made.id[2:]):
        with pytest.raises(SubscriptionNotFound):
            await care.end(house.db, unknown, datetime.now(UTC))


async def test_one_is_handed_over_within_its_account(house: House) -> None:
    mine, next_ = await application(house, "mine"), await application(house, "next")
    foreign = await application(house, "theirs", "other")
    made, _ = await house.subscribe(NOWHERE, app_key=mine.app_key)
    with pytest.raises(UnfitSubscription):
        await care.hand_over(house.db, made.id, foreign)
    assert (await care.hand_over(house.db, made.id, next_)).app_key == next_.app_key
    assert await tally(house) == {next_.app_key: 1}
    await house.subscriptions.delete(next_.app_key, made.id)
    with pytest.raises(UnfitSubscription):
        await care.hand_over(house.db, made.id, mine)
