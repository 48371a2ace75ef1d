"""Who subscribed to records is told of each in the commit that stores it: once, in order, with texts by scope alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.conformance import contract
from tests.support.world import ACCOUNT, START, Box, World, imsi

from simwarden.domain.counters import Amounts, Reading
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.record_views import message_view
from simwarden.domain.records import OfSim, RecordQuery
from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.engine import provision
from simwarden.engine.new_subscription import whole_account
from simwarden.engine.subscriptions import NewSubscription, Subscriptions
from simwarden.northbound.record_subscriptions.routes import CALL, CONTRACT, MESSAGE, NAME, USAGE
from simwarden.notify import request_preview
from simwarden.notify.request import open_queue
from simwarden.store.deliveries import ClaimedQueue, heads
from simwarden.store.record_lists import RecordLists

if TYPE_CHECKING:
    from simwarden.engine.subscriptions import Subscription

NUMBER, PEER = "+8613800000001", "+8613715266978"
SCHEMAS = {MESSAGE: "MessageRecorded", CALL: "CallEnded", USAGE: "UsageReached"}


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


def sms(text: str, card: int | None = 1, **fields: Any) -> SmsRecord:
    """A message to a card; its text is what makes it the same."""
    name = None if card is None else imsi(card)
    given: dict[str, Any] = {"direction": "inbound", "imsi": name, "sender": PEER, "content": text, "at": START}
    return SmsRecord(**({"key": f"{card} {text}".encode()} | given | fields))


def call(n: int, card: int | None = 1, **fields: Any) -> CallRecord:
    name = None if card is None else imsi(card)
    given: dict[str, Any] = {"imsi": name, "direction": "outbound", "begin_at": START, "callee": PEER}
    return CallRecord(**({"call_id": f"call-{n}"} | given | fields))


OVER: dict[str, Any] = {
    "answer_at": START + timedelta(seconds=5),
    "end_at": START + timedelta(seconds=65),
    "reason_code": 201,
}


async def subscribe(world: World, kind: str, *, all_devices: bool = False, **detail: Any) -> Subscription:
    device = None if all_devices else {"phoneNumber": NUMBER}
    new = NewSubscription(
        sim=whole_account(ACCOUNT) if all_devices else await world.sim(1),
        account_id=ACCOUNT,
        app_key="app-1",
        api=NAME,
        topic=CONTRACT.kinds[kind] or EventType.SIM_ADDED,
        type=kind,
        protocol="HTTP",
        sink="http://127.0.0.1:9/sink",
        protocol_settings=None,
        device=device,
        config={"subscriptionDetail": detail},
        credential=None,
        expires_at=None,
        max_events=None,
        initial_event=False,
        all_devices=all_devices,
    )
    made = Subscriptions(world.db, world.vault, allow_private_sinks=True, clock=world.clock)
    return (await made.create(new))[0]


async def claimed(world: World, made: Subscription) -> ClaimedQueue:
    row = await world.db.fetchrow("select * from subscription where id = $1", made.id)
    assert row is not None
    known = {name: row[name] for name in ClaimedQueue.__struct_fields__ if name not in ("heads", "ended")}
    [queue] = await heads(world.db, [ClaimedQueue(**known, ended=row["ended_at"] is not None)], 1000)
    return queue


async def sent(world: World, made: Subscription) -> list[dict[str, Any]]:
    """The data of what its sink gets behind the start, as it leaves the house; held against the document."""
    queue = await claimed(world, made)
    opened = open_queue(queue, world.vault, source="urn:simwarden", allow_private=True)
    found = [msgspec.json.decode(opened.request(head, START).body) for head in queue.heads]
    document = contract.ours(NAME)
    for event in found[1:]:
        assert list(document.schema("CloudEvent").iter_errors(event)) == []
        assert list(document.schema(SCHEMAS[event["type"]]).iter_errors(event["data"])) == []
    return [event["data"] for event in found[1:]]


async def test_a_message_is_told_once_and_its_text_by_scope_alone(world: World, box: Box) -> None:
    plain, clear = await subscribe(world, MESSAGE), await subscribe(world, MESSAGE, content=True)
    wide = await subscribe(world, MESSAGE, all_devices=True, content=True)
    answers = await subscribe(world, MESSAGE, kinds=["SENT"])
    await world.take(box.records(sms=[sms("temp?"), sms("hello", 2), sms("temp?")]))
    await world.take(box.records(sms=[sms("temp?")]))  # the gateway repeats itself
    await world.take(box.records(sms=[sms("21.5", direction="outbound", sender=None, receiver=PEER)]))
    first, second = await sent(world, plain)
    wanted = RecordQuery(of=OfSim(imsi(1), ACCOUNT), since=START - timedelta(1), until=START + timedelta(1), limit=9)
    listed = {each.content: each for each in await RecordLists(world.db, world.vault).messages(wanted)}
    view = msgspec.to_builtins(message_view(listed["temp?"], {"phoneNumber": NUMBER}, clear=False))
    assert first == {"subscriptionId": plain.id, **view}
    assert (first["kind"], first["textLength"], second["kind"]) == ("RECEIVED", 5, "SENT")
    shown = await sent(world, clear)
    assert [each["text"] for each in shown] == ["temp?", "21.5"]
    assert (shown[0]["from"], shown[1]["to"]) == (PEER, PEER)
    assert [(each["text"], each.get("device")) for each in await sent(world, wide)] == [
        ("temp?", {"phoneNumber": NUMBER}),
        ("hello", None),
        ("21.5", {"phoneNumber": NUMBER}),
    ]
    assert [each["kind"] for each in await sent(world, answers)] == ["SENT"]
    assert await world.count(2, EventType.MESSAGE_RECORDED) == 0, "nobody waits for that SIM alone"


async def test_no_text_and_no_number_lies_in_clear_or_is_shown_to_operators(world: World, box: Box) -> None:
    clear = await subscribe(world, MESSAGE, content=True)
    ended = await subscribe(world, CALL, all_devices=True, content=True)
    await world.take(box.records(sms=[sms("a secret")], calls=[call(1, **OVER)]))
    assert (await sent(world, ended))[0]["to"] == PEER
    for table in ("event", "delivery"):
        for row in await world.db.fetch(f"select data::text as data from {table}"):
            assert "secret" not in row["data"]
            assert PEER not in row["data"]
    queue = await claimed(world, clear)
    bare = msgspec.structs.replace(queue, heads=(msgspec.structs.replace(queue.heads[1], record=None),))
    shown = request_preview.preview(bare, START, world.vault, source="urn:simwarden")
    assert "secret" not in shown.body
    assert not shown.headers["webhook-signature"]
    await world.db.execute("delete from sms")  # for its age
    [told] = await sent(world, clear)
    assert (told["kind"], "text" in told, "from" in told) == ("RECEIVED", False, False)


async def test_a_call_is_told_when_it_is_over_and_once(world: World, box: Box) -> None:
    one, inbound = await subscribe(world, CALL, content=True), await subscribe(world, CALL, direction="INBOUND")
    wide = await subscribe(world, CALL, all_devices=True)
    await world.take(box.records(calls=[call(1), call(2, direction="inbound", caller=PEER, callee=None)]))
    assert await sent(world, one) == []
    await world.take(box.records(calls=[call(1, **OVER), call(1, **OVER)]))
    await world.take(box.records(calls=[call(1, **OVER), call(1)]))
    await world.take(
        box.records(calls=[call(2, direction="inbound", caller=PEER, callee=None, end_at=START + timedelta(seconds=9))])
    )
    first, second = await sent(world, one)
    assert (first["state"], first["seconds"], first["to"]) == ("ENDED", 60, PEER)
    assert (second["state"], second["from"]) == ("UNANSWERED", PEER)
    assert [each["recordId"] for each in await sent(world, inbound)] == [second["recordId"]]
    assert [each["recordId"] for each in await sent(world, wide)] == [first["recordId"], second["recordId"]]


async def test_a_call_that_ended_before_its_sim_was_known_is_told_when_it_is(world: World, box: Box) -> None:
    one = await subscribe(world, CALL)
    await world.take(box.records(calls=[call(1, None, **OVER)]))
    assert await sent(world, one) == []
    await world.take(box.records(calls=[call(1, **OVER)]))
    assert len(await sent(world, one)) == 1


class Shown(msgspec.Struct, frozen=True):
    """A slot that shows what its SIM has used."""

    megabytes: float
    calls: int

    @property
    def counter_mark(self) -> object:
        return self.megabytes, self.calls

    def read_counters(self) -> Reading:
        return Reading(megabytes=Amounts(total=self.megabytes), calls=Amounts(total=self.calls))


async def test_use_of_a_day_is_told_once_it_comes_up_to_the_amount(world: World, box: Box) -> None:
    one = await subscribe(world, USAGE, meter="megabytes", amount=1.5)
    later = await subscribe(world, USAGE, meter="megabytes", amount=100)
    wide = await subscribe(world, USAGE, all_devices=True, meter="calls", amount=2)
    other = await world.box("gw2")
    other.put(1, 1)
    await world.take(other.dev_status())
    box.cards[1, 1] = 1  # both claim to have it

    async def show(where: Box, megabytes: float, calls: int) -> None:
        world.clock.turn(60)
        report = where.dev_status(slots=1)
        ports = tuple(
            msgspec.structs.replace(port, counters=Shown(megabytes, calls)) if port.imsi == imsi(1) else port
            for port in report.ports
        )
        await world.take(msgspec.structs.replace(report, ports=ports))

    await show(box, 500, 10)
    await show(other, 7, 1)
    await show(box, 501, 11)
    assert await sent(world, one) == []
    await show(other, 7.5, 2)
    await show(other, 8, 2)
    await show(box, 502, 11)
    day = START.date().isoformat()
    named = {"device": {"phoneNumber": NUMBER}, "day": day}
    assert await sent(world, one) == [
        {"subscriptionId": one.id, **named, "meter": "megabytes", "used": {"megabytes": 1.5}}
    ]
    assert await sent(world, wide) == [{"subscriptionId": wide.id, **named, "meter": "calls", "used": {"calls": 2}}]
    world.clock.turn(86_400)
    await show(box, 504, 11)
    assert [each["used"] for each in await sent(world, one)] == [{"megabytes": 1.5}, {"megabytes": 2}]
    assert await sent(world, later) == []


async def test_late_records_of_another_accounts_life_are_told_to_nobody(world: World, box: Box) -> None:
    """The call began while the SIM was another account's; it ends under who has it now."""
    await world.take(box.records(calls=[call(1)]))
    one = await subscribe(world, CALL)
    wide = await subscribe(world, CALL, all_devices=True)
    await world.db.execute("update call_record set account_id = 'acc_before'")
    await world.take(box.records(calls=[call(1, **OVER)]))
    assert (await sent(world, one), await sent(world, wide)) == ([], [])


async def test_where_nobody_waits_nothing_is_written_or_read_back(world: World, box: Box) -> None:
    elsewhere = await subscribe(world, MESSAGE)  # of SIM 1
    before = await world.db.fetchval("select count(*) from event")
    await world.take(box.records(sms=[sms("quiet", 2)], calls=[call(7, 2, **OVER)]))
    assert await world.db.fetchval("select count(*) from event") == before
    assert await sent(world, elsewhere) == []


async def test_records_and_what_is_told_of_them_stand_or_fall_together(
    world: World, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await subscribe(world, MESSAGE)

    async def fail(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("simwarden.store.daily.add", fail)
        with pytest.raises(RuntimeError):
            await world.take(box.records(sms=[sms("lost")]))
    assert await sent(world, one) == []
    await world.take(box.records(sms=[sms("lost")]))
    assert len(await sent(world, one)) == 1
