"""Inboxes on a real database: what leads to one waits for its owner, and for nobody else."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from standardwebhooks import Webhook
from tests.integration.notify.running import running
from tests.support.patience import PATIENCE

from simwarden.accounts import applications
from simwarden.domain.errors import SecretOfInbox
from simwarden.engine.subscriptions import InvalidSink, Subscriptions
from simwarden.notify.inbox import Inboxes, InboxNotFound, NotItsTurn, OpenedInbox, Taken
from simwarden.notify.retry import SendOutcome
from simwarden.store import delivery_history, delivery_maintenance
from simwarden.store.accounts import Accounts
from simwarden.store.delivery_history import DeliveryNotFound

if TYPE_CHECKING:
    from tests.integration.notify.house import House

BASE = "https://warden.example"


def answered(status: int | None = 204, error: str | None = None) -> SendOutcome:
    return SendOutcome(at=datetime.now(UTC), duration=timedelta(milliseconds=3), status=status, error=error)


class Post:
    """The inboxes of a house, and its subscriptions that know them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.inboxes = Inboxes(house.db, house.vault, base_url=BASE)
        self.app = ""
        house.subscriptions = Subscriptions(house.db, house.vault, allow_private_sinks=True, inboxes=self.inboxes)

    async def prepare(self) -> None:
        accounts = Accounts(self.house.db)
        self.app = (await applications.issue(accounts, "Acme", "one")).application.app_key
        self.colleague = (await applications.issue(accounts, "Acme", "two")).application.app_key
        self.stranger = (await applications.issue(accounts, "Other", "three")).application.app_key
        self.inbox: OpenedInbox = await self.inboxes.open("acme", self.app, "default")

    async def take(self, wait: float = 0) -> list[Taken]:
        return await self.inboxes.take(self.app, self.inbox.id, wait=wait, limit=20)

    async def settle(self, event_id: str, outcome: SendOutcome | None = None) -> str:
        decision = await self.inboxes.settle(self.app, self.inbox.id, event_id, outcome or answered())
        return decision.status

    async def drain(self) -> list[str]:
        """Take and acknowledge everything there is; the last parts of the types."""
        kinds = []
        while taken := await self.take():
            for one in taken:
                kinds.append(one.type.rpartition(".")[2])
                assert await self.settle(one.event_id) == "DELIVERED"
        return kinds


@pytest_asyncio.fixture
async def post(house: House) -> Post:
    made = Post(house)
    await made.prepare()
    return made


async def test_an_inbox_stays_the_same_and_each_name_has_its_own(post: Post) -> None:
    again = await post.inboxes.open("acme", post.app, "default")
    assert (again.id, again.secret, again.created) == (post.inbox.id, post.inbox.secret, False)
    assert again.sink == f"{BASE}/listen/v1/inboxes/{again.id}"
    other = await post.inboxes.open("acme", post.app, "alice")
    assert other.created
    assert other.id != again.id
    assert other.secret != again.secret
    row = await post.house.db.fetchrow("select secret from inbox where id = $1", again.id)
    assert row is not None
    assert again.secret.encode() not in row["secret"]


async def test_the_notifier_leaves_inboxes_alone_and_their_owner_gets_everything_in_order(post: Post) -> None:
    subscription, secret = await post.house.subscribe(post.inbox.sink)
    assert secret == post.inbox.secret
    with pytest.raises(SecretOfInbox):
        await post.house.subscriptions.rotate_secret("app-1", subscription.id)
    await post.house.publish(1, 2, 3)
    async with running(post.house):
        await asyncio.sleep(0.3)
    assert {row["attempts"] for row in await post.house.deliveries(subscription.id)} == {0}

    ids, bodies = [], []
    for _ in range(4):
        [one] = await post.take()
        assert await post.take() == []  # held, and nothing of the queue behind it
        Webhook(post.inbox.secret).verify(one.body, one.headers)
        assert one.headers["content-type"] == "application/cloudevents+json"
        ids.append(one.event_id)
        bodies.append(one.body)
        assert await post.settle(one.event_id) == "DELIVERED"
    assert ids == [f"{subscription.id}-{n}" for n in (1, 2, 3, 4)]
    assert len(set(bodies)) == 4
    assert await post.take() == []
    listed, attempts = await delivery_history.show(post.house.db, ids[1])
    assert (listed.status, [one.status for one in attempts]) == ("DELIVERED", [204])


async def test_what_the_program_did_not_take_is_offered_again_and_logged(post: Post) -> None:
    await post.house.subscribe(post.inbox.sink)
    [one] = await post.take()
    begun = time.monotonic()
    assert await post.settle(one.event_id, answered(None, "Connection refused")) == "PENDING"
    [again] = await post.take(wait=PATIENCE)
    assert time.monotonic() - begun > 0.5, "not before its time"
    assert (again.event_id, again.attempt, again.body) == (one.event_id, 2, one.body)
    await post.settle(again.event_id)
    _, attempts = await delivery_history.show(post.house.db, one.event_id)
    assert [(each.status, each.error) for each in attempts] == [(None, "Connection refused"), (204, None)]


@pytest.mark.parametrize(("status", "following"), [(400, ["imei-change"]), (410, [])])
async def test_a_programs_answers_count_as_a_sinks(post: Post, status: int, following: list[str]) -> None:
    subscription, _ = await post.house.subscribe(post.inbox.sink)
    await post.house.publish(1)
    [one] = await post.take()
    assert await post.settle(one.event_id, answered(status)) == "DEAD"
    assert await post.drain() == following
    ended = await post.house.db.fetchval("select ended_reason from subscription where id = $1", subscription.id)
    assert ended == ("NETWORK_TERMINATED" if status == 410 else None)


async def test_a_listener_that_died_is_followed_by_another(post: Post) -> None:
    await post.house.subscribe(post.inbox.sink)
    [one] = await post.take()
    await post.house.db.execute("update subscription set lane_due_at = lane_due_at - interval '20 seconds'")
    [same] = await post.take()
    assert same.event_id == one.event_id
    assert await post.settle(one.event_id) == "DELIVERED"
    assert await post.settle(same.event_id) == "DELIVERED"  # once more does no harm
    assert await post.take() == []
    count = await post.house.db.fetchval("select count(*) from delivery_attempt")
    assert count == 1


async def test_a_poll_ends_when_something_comes(post: Post) -> None:
    await post.house.subscribe(post.inbox.sink)
    assert await post.drain() == ["subscription-started"]
    poll = asyncio.create_task(post.take(wait=2 * PATIENCE))
    await asyncio.sleep(0.3)
    assert not poll.done()
    await post.house.publish(7)
    post.inboxes.wake()
    [one] = await asyncio.wait_for(poll, PATIENCE)
    assert one.type.endswith(".imei-change")
    idle = asyncio.create_task(post.take(wait=2 * PATIENCE))
    await asyncio.sleep(0.2)
    post.inboxes.stop()
    assert await asyncio.wait_for(idle, PATIENCE) == []


async def test_nobody_else_gets_at_it(post: Post) -> None:
    await post.house.subscribe(post.inbox.sink)
    [one] = await post.take()
    for who in (post.stranger, post.colleague):
        with pytest.raises(InboxNotFound):
            await post.inboxes.take(who, post.inbox.id, wait=0, limit=1)
        with pytest.raises(InboxNotFound):
            await post.inboxes.settle(who, post.inbox.id, one.event_id, answered())
    theirs = await post.inboxes.open("other", post.stranger, "default")
    with pytest.raises(DeliveryNotFound):
        await post.inboxes.settle(post.stranger, theirs.id, one.event_id, answered())


async def test_sinks_are_inboxes_of_the_same_account_only(post: Post) -> None:
    theirs = await post.inboxes.open("other", post.stranger, "default")
    told = []
    for sink in (theirs.sink, f"{BASE}/listen/v1/inboxes/inb_{'0' * 24}", f"{post.inbox.sink}/events"):
        with pytest.raises(InvalidSink) as caught:
            await post.house.subscribe(sink)
        told.append(caught.value.message)
    assert len(set(told)) == 1
    await post.house.subscribe(post.inbox.sink, app_key=post.colleague)
    assert await post.drain() == ["subscription-started"]


async def test_only_the_head_of_a_lane_can_be_acknowledged(post: Post) -> None:
    subscription, _ = await post.house.subscribe(post.inbox.sink)
    await post.house.publish(1)
    await post.take()
    with pytest.raises(NotItsTurn):
        await post.settle(f"{subscription.id}-2")
    with pytest.raises(DeliveryNotFound):
        await post.settle(f"{subscription.id}-9")


async def test_what_nobody_took_in_time_is_given_up(post: Post) -> None:
    subscription, _ = await post.house.subscribe(post.inbox.sink)
    await post.house.db.execute("update delivery set queued_at = now() - interval '3 days'")
    await delivery_maintenance.give_up_old(post.house.db, list(range(256)), datetime.now(UTC) - timedelta(days=1))
    await post.house.publish(5)
    assert await post.drain() == ["imei-change"]
    assert [row["status"] for row in await post.house.deliveries(subscription.id)] == ["DEAD", "DELIVERED"]
