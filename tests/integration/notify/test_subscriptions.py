"""Subscribing, and writing deliveries in the transaction of the events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.integration.notify.house import API, DEVICE, FAMILY, House, device_changed, imei

from simwarden.domain.errors import SimNotFound, SubscriptionNotFound
from simwarden.domain.events import CauseKind
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Sim
from simwarden.engine.publishing import publish
from simwarden.engine.subscriptions import OLD_SECRETS, InvalidSink, Subscriptions
from simwarden.store.sink_secrets import unseal_secrets

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

SINK = "http://127.0.0.1:9/sink"


async def test_a_new_subscription_is_kept_and_announced(house: House) -> None:
    made, secret = await house.subscribe(SINK, headers={"x-tenant": "7"})
    assert secret.startswith("whsec_")
    assert int(made.id[:2], 16) == house.sim.bucket
    assert await house.subscriptions.get("app-1", made.id) == made
    assert made.status == "ACTIVE"
    assert made.device == DEVICE
    assert await house.queue(made.id) == [("subscription-started", "SUBSCRIPTION_CREATED")]
    (row,) = await house.deliveries(made.id)
    assert (row["event_id"], row["status"], row["ends"]) == (f"{made.id}-1", "PENDING", False)


async def test_secrets_are_encrypted_at_rest(house: House, now: datetime) -> None:
    made, secret = await house.subscribe(SINK, token="sesame-token", token_expires_at=now + timedelta(hours=1))
    row = await house.db.fetchrow("select s::text as text, credential, signing_secrets from subscription s")
    assert row is not None
    assert "sesame" not in row["text"]
    for column in ("credential", "signing_secrets"):
        assert b"sesame-token" not in row[column]
        assert secret.removeprefix("whsec_").encode() not in row[column]
    assert unseal_secrets(house.vault, made.id, row["signing_secrets"])[0].secret == secret


async def test_initial_event_tells_the_device_the_sim_is_in_and_counts(house: House) -> None:
    await house.see(7)
    made, _ = await house.subscribe(SINK, initial_event=True, max_events=2)
    assert await house.publish(8) == 2
    assert await house.publish(9) == 0
    assert await house.queue(made.id) == [
        ("subscription-started", "SUBSCRIPTION_CREATED"),
        ("imei-change", "7"),
        ("imei-change", "8"),
        ("subscription-ended", "MAX_EVENTS_REACHED"),
    ]
    assert [row["ends"] for row in await house.deliveries(made.id)] == [False, False, False, True]
    assert (await house.subscriptions.get("app-1", made.id)).status == "EXPIRED"


async def test_initial_event_may_be_the_only_one(house: House) -> None:
    await house.see(7)
    made, _ = await house.subscribe(SINK, initial_event=True, max_events=1)
    assert (made.status, made.ended_reason) == ("EXPIRED", "MAX_EVENTS_REACHED")
    assert [kind for kind, _ in await house.queue(made.id)] == [
        "subscription-started",
        "imei-change",
        "subscription-ended",
    ]


@pytest.mark.parametrize("hidden", [False, True])
async def test_no_initial_event_without_a_known_device(house: House, hidden: bool) -> None:
    if hidden:
        await house.see(7)
        await house.db.execute("update sim set seen_unknown = true")
    made, _ = await house.subscribe(SINK, initial_event=True)
    assert [kind for kind, _ in await house.queue(made.id)] == ["subscription-started"]


async def test_foreign_sims_and_bad_sinks_are_refused(house: House, database: Database, vault: Vault) -> None:
    with pytest.raises(SimNotFound):
        await house.subscribe(SINK, account_id="other")
    guarded = House(database, vault, Subscriptions(database, vault, allow_private_sinks=False))
    for sink in (SINK, "https://127.0.0.1/", "https://user:pw@example.com/"):
        with pytest.raises(InvalidSink):
            await guarded.subscribe(sink)
    assert await database.fetchval("select count(*) from subscription") == 0
    assert await database.fetchval("select count(*) from delivery") == 0


async def test_clients_see_only_their_own(house: House) -> None:
    mine, _ = await house.subscribe(SINK)
    theirs, _ = await house.subscribe(SINK, app_key="app-2")
    assert await house.subscriptions.list("app-1", API) == [mine]
    assert await house.subscriptions.list("app-1", "another-api") == []
    for other in (theirs.id, "ff" + mine.id[2:], "no such id", ""):
        with pytest.raises(SubscriptionNotFound):
            await house.subscriptions.get("app-1", other)
        with pytest.raises(SubscriptionNotFound):
            await house.subscriptions.delete("app-1", other)
        with pytest.raises(SubscriptionNotFound):
            await house.subscriptions.rotate_secret("app-1", other)


async def test_deleting_says_goodbye_once_and_hides(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    await house.publish(1)
    await house.subscriptions.delete("app-1", made.id)
    assert await house.publish(2) == 0
    assert [essence for _, essence in await house.queue(made.id)] == [
        "SUBSCRIPTION_CREATED",
        "1",
        "SUBSCRIPTION_DELETED",
    ]
    with pytest.raises(SubscriptionNotFound):
        await house.subscriptions.get("app-1", made.id)
    with pytest.raises(SubscriptionNotFound):
        await house.subscriptions.delete("app-1", made.id)
    assert await house.subscriptions.list("app-1", API) == []


async def test_deleting_what_has_ended_adds_nothing(house: House) -> None:
    await house.see(1)
    made, _ = await house.subscribe(SINK, initial_event=True, max_events=1)
    before = await house.queue(made.id)
    await house.subscriptions.delete("app-1", made.id)
    assert await house.queue(made.id) == before
    with pytest.raises(SubscriptionNotFound):
        await house.subscriptions.get("app-1", made.id)


async def test_an_event_after_the_expiry_ends_the_subscription_instead(house: House, now: datetime) -> None:
    made, _ = await house.subscribe(SINK, expires_at=now + timedelta(milliseconds=1))
    await house.db.execute("select pg_sleep(0.002)")
    assert (await house.subscriptions.get("app-1", made.id)).status == "EXPIRED"
    assert await house.publish(1) == 1
    assert (await house.queue(made.id))[-1] == ("subscription-ended", "SUBSCRIPTION_EXPIRED")


async def test_a_token_ends_the_subscription_before_it_expires(house: House, now: datetime) -> None:
    made, _ = await house.subscribe(SINK, token="t", token_expires_at=now + timedelta(hours=1))
    ends_at = await house.db.fetchval("select ends_at from subscription where id = $1", made.id)
    assert ends_at == now + timedelta(minutes=59)
    short, _ = await house.subscribe(SINK, token="t", token_expires_at=now + timedelta(seconds=100))
    ends_at = await house.db.fetchval("select ends_at from subscription where id = $1", short.id)
    assert timedelta(seconds=49) < ends_at - now < timedelta(seconds=80)


async def test_publish_writes_for_every_listener_of_a_batch(house: House) -> None:
    other = Sim(bucket=bucket_of("460000000000002"), imsi="460000000000002", account_id="acme")
    deaf = Sim(bucket=bucket_of("460000000000003"), imsi="460000000000003", account_id="acme")
    await house.add_sim(other)
    await house.add_sim(deaf)
    first, _ = await house.subscribe(SINK)
    second, _ = await house.subscribe(SINK)
    third, _ = await house.subscribe(SINK, sim=other)
    call = {"kind": CauseKind.CALL, "reference": "corr-1"}
    async with house.db.transaction() as connection:
        written = await publish(
            connection,
            [
                (house.sim, [device_changed(1, 11), device_changed(2, 12)]),
                (other, [device_changed(1, 21, **call)]),
                (deaf, [device_changed(1, 31)]),
            ],
        )
    assert written == 5
    for made in (first, second):
        assert [essence for _, essence in await house.queue(made.id)] == ["SUBSCRIPTION_CREATED", "11", "12"]
        assert [row["n"] for row in await house.deliveries(made.id)] == [1, 2, 3]
        assert [row["event"] for row in await house.deliveries(made.id)] == [None, 1, 2]
    row = (await house.deliveries(third.id))[-1]
    assert row["correlator"] == "corr-1"
    assert row["data"] == {"imei": imei(21) + row["data"]["imei"][-1], "device": DEVICE}
    assert row["type"] == f"{FAMILY}.imei-change"


async def test_nothing_is_told_of_what_was_rolled_back(house: House) -> None:
    made, _ = await house.subscribe(SINK)

    async def fail() -> None:
        async with house.db.transaction() as connection:
            assert await publish(connection, [(house.sim, [device_changed(1, 1)])]) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert len(await house.deliveries(made.id)) == 1


async def test_concurrent_transactions_of_one_sim_keep_the_order_of_their_commits(house: House) -> None:
    made = [(await house.subscribe(SINK))[0] for _ in range(3)]
    numbers = iter(range(1, 1000))

    async def change() -> None:
        for _ in range(10):
            async with house.db.transaction() as connection:
                await connection.fetchval("select 1 from sim where imsi = $1 for update", house.sim.imsi)
                number = next(numbers)
                await publish(connection, [(house.sim, [device_changed(number, number)])])

    await asyncio.gather(*(change() for _ in range(4)))
    for subscription in made:
        queue = await house.queue(subscription.id)
        assert [essence for _, essence in queue[1:]] == [str(number) for number in range(1, 41)]
        assert [row["n"] for row in await house.deliveries(subscription.id)] == list(range(1, 42))


async def test_a_lane_grows_by_one_transaction_at_a_time(house: House) -> None:
    """The queue is locked by itself: the second writer waits for the first one's commit and follows it."""
    made, _ = await house.subscribe(SINK)
    first_wrote, second_began = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with house.db.transaction() as connection:
            await publish(connection, [(house.sim, [device_changed(1, 1), device_changed(2, 2)])])
            first_wrote.set()
            await second_began.wait()
            await connection.execute("select pg_sleep(0.05)")

    async def second() -> None:
        await first_wrote.wait()
        async with house.db.transaction() as connection:
            second_began.set()
            await publish(connection, [(house.sim, [device_changed(3, 3)])])

    await asyncio.gather(first(), second())
    assert [essence for _, essence in await house.queue(made.id)] == ["SUBSCRIPTION_CREATED", "1", "2", "3"]
    assert await house.db.fetchval("select delivery_count from subscription") == 4


async def test_a_subscription_and_a_change_at_the_same_time_never_miss_each_other(house: House) -> None:
    """The device is either the initial event or the first change, and it is never both."""
    await house.see(1)

    async def change(number: int) -> None:
        async with house.db.transaction() as connection:
            await connection.execute("update sim set seen_imei = $2 where imsi = $1", house.sim.imsi, imei(number))
            await publish(connection, [(house.sim, [device_changed(number, number)])])

    for number in range(2, 20):
        (made, _), _ = await asyncio.gather(house.subscribe(SINK, initial_event=True), change(number))
        told = [essence for kind, essence in await house.queue(made.id) if kind == "imei-change"]
        assert told in ([str(number)], [str(number - 1), str(number)])
        await house.subscriptions.delete("app-1", made.id)  # of more than a handful test_fan_out.py speaks


async def test_of_old_secrets_the_newest_few_sign(house: House) -> None:
    made, _ = await house.subscribe(SINK)
    secrets = [(await house.subscriptions.rotate_secret("app-1", made.id))[0] for _ in range(10)]
    kept = unseal_secrets(house.vault, made.id, await house.db.fetchval("select signing_secrets from subscription"))
    assert [one.secret for one in kept] == secrets[: -2 - OLD_SECRETS : -1]


async def test_rotating_keeps_the_old_secret_for_a_day(house: House) -> None:
    made, first = await house.subscribe(SINK)
    second, until = await house.subscriptions.rotate_secret("app-1", made.id)
    third, _ = await house.subscriptions.rotate_secret("app-1", made.id)
    assert timedelta(hours=23, minutes=59) < until - datetime.now(UTC) <= timedelta(hours=24)
    sealed = await house.db.fetchval("select signing_secrets from subscription")
    kept = unseal_secrets(house.vault, made.id, sealed)
    assert [one.secret for one in kept] == [third, second, first]
    assert kept[0].until is None
    for one in kept[1:]:
        assert one.until is not None
        assert timedelta(hours=23, minutes=59) < one.until - datetime.now(UTC) <= timedelta(hours=24)
