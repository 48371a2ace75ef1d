"""Received messages are stored and told in the commit of the report, once each, and in order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec
import pytest
from tests.conformance import contract
from tests.support.world import ACCOUNT, START, Box, World, imsi

from simwarden.domain.errors import TooManySubscriptions
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.messages import Recipient
from simwarden.domain.reports import SmsRecord
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.engine import provision
from simwarden.engine.keeping import EVERY, Keeping
from simwarden.engine.messages import WAIT, WaitingMessages
from simwarden.engine.new_subscription import whole_account
from simwarden.engine.subscriptions import NewSubscription, SubscriptionLimits, Subscriptions
from simwarden.notify import request_preview
from simwarden.notify.request import open_queue
from simwarden.sandbox.subscriptions import SandboxSubscriptions
from simwarden.store import delivery_history, fanout, opt_outs
from simwarden.store.deliveries import ClaimedQueue, heads
from simwarden.store.fanout import INLINE
from simwarden.store.messages import Messages

if TYPE_CHECKING:
    from simwarden.engine.subscriptions import Subscription

API = "short-message-subscriptions"
TYPE = f"org.camaraproject.{API}.v0.sms-received"
NUMBER = "+8613800000001"
PEER = "+8613715266978"


@pytest.fixture
async def box(world: World) -> Box:
    """A gateway with card 1, which has a number, in port 1 and card 2, which has none, in port 2."""
    made = await world.box()
    sim = provision.new_sim(ACCOUNT, imsi=imsi(1), msisdn=NUMBER)
    await provision.add(world.db, sim, Cause(CauseKind.OPERATOR, "test", START))
    await world.card(2)
    made.put(1, 1)
    made.put(2, 2)
    await world.take(made.dev_status())
    return made


def sms(text: str, number: int | None = 1, **fields: Any) -> SmsRecord:
    """A message to a card; its text is what makes it the same."""
    name = None if number is None else imsi(number)
    given: dict[str, Any] = {"direction": "inbound", "imsi": name, "sender": PEER, "content": text, "at": START}
    return SmsRecord(**({"key": f"{number} {text}".encode()} | given | fields))


async def subscribe(
    world: World,
    detail: dict[str, Any] | None = None,
    *,
    all_devices: bool = False,
    limits: Any = None,
    sandbox: bool = False,
) -> Subscription:
    options: dict[str, Any] = {"allow_private_sinks": True, "clock": world.clock, "limits": limits}
    made = (
        SandboxSubscriptions(mock.Mock(), world.db, world.vault, **options)
        if sandbox
        else Subscriptions(world.db, world.vault, **options)
    )
    device = None if all_devices else {"phoneNumber": NUMBER}
    shown = {"allDevices": True} if all_devices else {"device": device}
    new = NewSubscription(
        sim=whole_account(ACCOUNT) if all_devices else await world.sim(1),
        account_id=ACCOUNT,
        app_key="app-1",
        api=API,
        topic=EventType.SMS_RECEIVED,
        type=TYPE,
        protocol="HTTP",
        sink="http://127.0.0.1:9/sink",
        protocol_settings=None,
        device=device,
        config={"subscriptionDetail": shown | (detail or {})},
        credential=None,
        expires_at=None,
        max_events=None,
        initial_event=False,
        all_devices=all_devices,
    )
    return (await made.create(new))[0]


async def sent(world: World, made: Subscription) -> list[dict[str, Any]]:
    """The data of what its sink gets behind the start, as it leaves the house; held against the document."""
    row = await world.db.fetchrow("select * from subscription where id = $1", made.id)
    assert row is not None
    known = {name: row[name] for name in ClaimedQueue.__struct_fields__ if name not in ("heads", "ended")}
    [queue] = await heads(world.db, [ClaimedQueue(**known, ended=row["ended_at"] is not None)], 1000)
    opened = open_queue(queue, world.vault, source="urn:simwarden", allow_private=True)
    found = [msgspec.json.decode(opened.request(head, START).body) for head in queue.heads]
    assert found[0]["type"].endswith("subscription-started")
    document = contract.ours(API)
    for event in found[1:]:
        assert list(document.schema("CloudEvent").iter_errors(event)) == []
        assert list(document.schema("SmsReceived").iter_errors(event["data"])) == []
        told = {name: value for name, value in event["data"].items() if name not in ("subscriptionId", "device")}
        if told.keys() != {"messageId"}:
            assert list(document.schema("ReceivedMessage").iter_errors(told)) == []
    return [event["data"] for event in found[1:]]


def texts(told: list[dict[str, Any]]) -> list[str]:
    return [each["text"] for each in told]


async def polled(world: World, number: int | None = None, after: int = 0, account: str = ACCOUNT) -> list[Any]:
    sim = None if number is None else await world.sim(number)
    found = await Messages(world.db, world.vault).received(account, sim, since=None, after=after, limit=100)
    return [message for _, message in found]


async def test_a_message_is_told_and_kept_once(world: World, box: Box) -> None:
    one, wide = await subscribe(world), await subscribe(world, all_devices=True)
    await world.take(box.records(sms=[sms("temp? now"), sms("hello", 2), sms("temp? now")]))
    await world.take(box.records(sms=[sms("temp? now")]))  # the gateway repeats itself
    [told] = await sent(world, one)
    assert told == {
        "subscriptionId": one.id,
        "messageId": told["messageId"],
        "device": {"phoneNumber": NUMBER},
        "from": PEER,
        "to": NUMBER,
        "text": "temp? now",
        "keyword": "temp?",
        "encoding": "GSM7",
        "parts": 1,
        "receivedAt": "2026-03-01T12:00:00Z",
    }
    first, second = await sent(world, wide)
    assert first == told | {"subscriptionId": wide.id}
    assert (second["text"], "device" in second) == ("hello", False)  # card 2 has no name that CAMARA knows
    kept = await polled(world)
    assert [each["messageId"] for each in kept] == [first["messageId"], second["messageId"]]
    assert texts(await polled(world, 2)) == ["hello"]
    assert await polled(world, account="other") == []
    assert await world.count(1, EventType.SMS_RECEIVED) == 1
    assert await world.count(2, EventType.SMS_RECEIVED) == 0  # nobody subscribed to that SIM


async def test_no_text_lies_in_clear(world: World, box: Box) -> None:
    made = await subscribe(world)
    await subscribe(world, all_devices=True)
    await world.take(box.records(sms=[sms("secret-word"), sms("secret-word", None, port=3, slot=1)]))
    names = [row["relname"] for row in await world.db.fetch("select relname from pg_class where relkind = 'r'")]
    for name in names:
        if not name.startswith(("pg_", "sql_")):
            rows = await world.db.fetch(f'select t::text as row from "{name}" t')
            assert not [row for row in rows if "secret-word" in row["row"] or PEER[1:] in row["row"]], name
    shown = request_preview.preview(
        await delivery_history.queue_of(world.db, f"{made.id}-2"), START, world.vault, source="urn:simwarden"
    )
    assert '"messageId"' in shown.body
    assert "secret-word" not in shown.body
    assert "webhook-signature" not in shown.headers or not shown.headers["webhook-signature"]


async def test_filters_and_a_thousand_messages_in_order(world: World, box: Box) -> None:
    keyword = await subscribe(world, {"keyword": "TEMP"})
    sender = await subscribe(world, {"from": ["+4915"]})
    wide = await subscribe(world, {"keyword": "temp"}, all_devices=True)
    many = [sms(f"{'temp' if n % 2 else 'other'} {n}") for n in range(1000)]
    await world.take(box.records(sms=[*many, sms("temp from afar", sender="+4915112345678")]))
    odd = [f"temp {n}" for n in range(1, 1000, 2)]
    assert texts(await sent(world, keyword)) == [*odd, "temp from afar"]
    assert texts(await sent(world, wide)) == [*odd, "temp from afar"]
    assert texts(await sent(world, sender)) == ["temp from afar"]


async def test_in_order_through_two_processes_and_many_subscriptions(world: World, box: Box) -> None:
    """More subscriptions than are written in the commit: the rest follows behind it, and nothing twice."""
    made = [await subscribe(world, {"keyword": "a" if n % 2 else "b"}) for n in range(INLINE + 4)]
    wide = await subscribe(world, all_devices=True)
    other = world.another_ingest()
    for n in range(10):
        reports = [box.records(sms=[sms(f"{word} {n}")]) for word in "ab"]
        await asyncio.gather(world.ingest.submit(reports[0]), other.submit(reports[1]))
    await other.drain()
    while [
        1 for bucket, name, _ in await fanout.turns(world.db, list(range(256)), 8) if await _fan(world, bucket, name)
    ]:
        pass
    for n, each in enumerate(made):
        word = "a" if n % 2 else "b"
        assert texts(await sent(world, each)) == [f"{word} {m}" for m in range(10)]
    told = texts(await sent(world, wide))
    assert sorted(told) == sorted(f"{word} {n}" for word in "ab" for n in range(10))
    assert told == texts(await polled(world))


async def _fan(world: World, bucket: int, name: str) -> bool:
    await fanout.work(world.db, bucket, name)
    return True


async def test_an_unknown_sim_becomes_known(world: World, box: Box) -> None:
    wide = await subscribe(world, all_devices=True)
    worker = WaitingMessages(world.db, world.vault, clock=world.clock)
    await world.take(
        box.records(sms=[sms("to nobody", 7), sms("to a slot", None, port=3, slot=1), sms("to nowhere", None)])
    )
    await worker.turn()
    assert await sent(world, wide) == []
    world.clock.turn(3600)
    await world.card(7)
    box.put(2, 3)  # the slot turns out to hold card 2
    await world.take(box.port_status(3))
    await worker.turn()
    assert sorted(texts(await sent(world, wide))) == ["to a slot", "to nobody"]
    await worker.turn()
    assert len(await polled(world)) == 2
    assert await world.db.fetchval("select count(*) from short_message_waiting") == 0


async def test_what_waits_is_forgotten_after_a_day_and_with_the_sim_before(world: World, box: Box) -> None:
    worker = WaitingMessages(world.db, world.vault, clock=world.clock)
    await world.take(box.records(sms=[sms("too long", 7), sms("of the one before", 8)]))
    await world.card(8)
    for step in (Step.DEACTIVATE, Step.DELETE):
        await world.do(8, Transition(step))
    world.clock.turn(60)
    await provision.add(
        world.db, provision.new_sim("other", imsi=imsi(8)), Cause(CauseKind.OPERATOR, "test", world.clock())
    )
    await worker.turn()
    assert await polled(world, account="other") == []
    world.clock.turn(WAIT.total_seconds())
    await worker.turn()
    await world.card(7)
    await worker.turn()
    assert await polled(world) == []


async def test_a_gateway_of_one_account_does_not_speak_for_sims_of_others(world: World, box: Box) -> None:
    await world.db.execute("update gateway set account_id = 'other' where id = $1", box.id)
    wide = await subscribe(world, all_devices=True)
    await world.take(box.records(sms=[sms("forged"), sms("forged too", None, port=1, slot=1)]))
    await WaitingMessages(world.db, world.vault, clock=world.clock).turn()
    assert await sent(world, wide) == []
    assert await polled(world) == []


async def test_nor_for_sims_that_others_register_later(world: World, box: Box) -> None:
    await world.db.execute("update gateway set account_id = 'other' where id = $1", box.id)
    wide = await subscribe(world, all_devices=True)
    await world.take(box.records(sms=[sms("STOP", 7), sms("mine", 8)]))
    await world.card(7)
    await provision.add(
        world.db, provision.new_sim("other", imsi=imsi(8)), Cause(CauseKind.OPERATOR, "test", world.clock())
    )
    await WaitingMessages(world.db, world.vault, clock=world.clock).turn()
    assert await sent(world, wide) == []
    assert await polled(world) == []
    assert await world.db.fetchval("select count(*) from opt_out") == 0
    assert texts(await polled(world, account="other")) == ["mine"]


async def test_opting_out_and_in_again(world: World, box: Box) -> None:
    sim = Recipient((await world.sim(1)).bucket, imsi(1), ACCOUNT, NUMBER, None)

    async def out() -> bool:
        async with world.db.connection() as connection:
            return bool(await opt_outs.opted_out(connection, world.vault, sim, [PEER]))

    for text, word, is_out in ((" Stop \r\n", "STOP", True), ("HELP", "HELP", True), ("unstop", "START", False)):
        await world.take(box.records(sms=[sms(text)]))
        assert (await polled(world))[-1]["optOut"] == word
        assert await out() is is_out
    await world.take(box.records(sms=[sms("STOP please")]))
    assert not await out()
    assert "optOut" not in (await polled(world))[-1]


async def test_messages_go_when_records_go(world: World, box: Box) -> None:
    made = await subscribe(world)
    await world.take(box.records(sms=[sms("old")]))
    world.clock.turn(timedelta(days=31).total_seconds())
    keeping = Keeping(world.db, world.vault, timedelta(days=30), clock=world.clock)
    while await keeping.turn() != EVERY:
        pass
    assert await polled(world) == []
    [told] = await sent(world, made)  # sent again by hand, say
    assert told.keys() == {"subscriptionId", "messageId", "device"}


async def test_an_account_has_few_subscriptions_to_all_sims(world: World, box: Box) -> None:
    limits = SubscriptionLimits(subscriptions_to_all_devices=2)
    for _ in range(2):
        await subscribe(world, all_devices=True, limits=limits)
    with pytest.raises(TooManySubscriptions) as refused:
        await subscribe(world, all_devices=True, limits=limits)
    assert refused.value.setting == "subscriptions_to_all_devices"
    await subscribe(world, limits=limits)


async def test_the_sandbox_is_not_told_of_the_accounts_own_messages(world: World, box: Box) -> None:
    virtual = await subscribe(world, all_devices=True, sandbox=True)
    own = await subscribe(world, all_devices=True)
    await world.take(box.records(sms=[sms("temp?")]))
    assert texts(await sent(world, own)) == ["temp?"]
    assert await sent(world, virtual) == []
