"""Messages that customers send: told to the gateway once, brought forward by its reports, limited for each account."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.conformance import contract
from tests.integration.engine.test_messages import NUMBER, PEER, sms
from tests.integration.engine.test_messages import box as box
from tests.support.world import ACCOUNT, START, Box, World, imsi

from simwarden.domain.errors import NothingSends, RecipientOptedOut, SendingBarred, TooManyMessages
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.reports import SmsRecord
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sending import AGAIN, TIMEOUT, UNANSWERED
from simwarden.domain.sim import Function
from simwarden.engine import provision
from simwarden.engine.idempotency import IdempotencyStore
from simwarden.engine.sending import NewMessage, QueuedMessage, Sending, SendingLimits
from simwarden.engine.subscriptions import NewSubscription, Subscriptions
from simwarden.engine.texting import Texting
from simwarden.store import sending as store
from simwarden.store import sims
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.engine.ports import OutgoingText
    from simwarden.engine.subscriptions import Subscription

OTHER = "+4915112345678"
STATUS = "org.camaraproject.sms.v0.sms-delivery-status"


class Office:
    """Takes messages and hands them to boxes, a turn at a time."""

    def __init__(
        self,
        world: World,
        owner: str = "w1",
        carriers: Sequence[str] = ("ejoin",),
        centres: Sequence[str] = (),
        **limits: Any,
    ) -> None:
        self.world = world
        answers = IdempotencyStore(world.db, world.vault, clock=world.clock)
        given = SendingLimits(**limits)
        self.sending = Sending(world.db, world.vault, answers, carriers, centres, limits=given, clock=world.clock)
        leases = Leases(world.db, "texting", owner)
        self.counted: list[tuple[str, str]] = []
        """Carrier and stage of each message that came forward here."""
        self.texting = Texting(
            *(world.db, world.vault, world.gateways, leases, world._driver_for),
            committed=lambda outcome: self.counted.extend(outcome.messages),
            clock=world.clock,
        )

    async def send(self, text: str = "temp 21.5", *to: str, **fields: Any) -> QueuedMessage:
        sim = await self.world.sim(1)
        given: dict[str, Any] = {"sim": sim, "app_key": "app-1", "to": to or (PEER,), "text": text}
        return await self.sending.submit(NewMessage(**(given | fields)))

    async def turn(self, seconds: float = 0) -> None:
        """Let time pass, and everything happen that is due."""
        self.world.clock.turn(seconds)
        await self.texting.turn()
        await asyncio.gather(*self.texting._lanes.values())

    async def stages(self) -> list[tuple[int, str | None]]:
        rows = await self.world.db.fetch("select stage, reason from outgoing_message order by queued_at, id, recipient")
        return [(row["stage"], row["reason"]) for row in rows]


async def delete(world: World) -> None:
    """SIM 1, as its command does once the network confirms that it is stopped."""
    async with world.db.transaction() as connection:
        await sims.delete(connection, [await world.sim(1)], world.clock())


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


async def subscribe(world: World, account: str = ACCOUNT) -> Subscription:
    made = Subscriptions(world.db, world.vault, allow_private_sinks=True, clock=world.clock)
    new = NewSubscription(
        sim=await world.sim(1),
        account_id=account,
        app_key="app-1",
        api="sms-delivery-notification-subscriptions",
        topic=EventType.SMS_STATUS,
        type=STATUS,
        protocol="HTTP",
        sink="http://127.0.0.1:9/sink",
        protocol_settings=None,
        device={"phoneNumber": NUMBER},
        config={"subscriptionDetail": {"senderId": NUMBER, "type": STATUS}},
        credential=None,
        expires_at=None,
        max_events=None,
        initial_event=False,
    )
    return (await made.create(new))[0]


async def told(world: World, made: Subscription) -> list[tuple[str, str, str, int]]:
    """What subscribers are told, held against CAMARA's document and ours."""
    rows = await world.db.fetch("select * from delivery where subscription_id = $1 order by n", made.id)
    found = []
    for row in rows[1:]:
        data = {"subscriptionId": made.id, **row["data"]}
        name = "sms-delivery-notification-subscriptions"
        for document in (contract.ours(name), contract.camaras(name)):
            if document is not None:
                assert list(document.schema("DeliveryStatus").iter_errors(data)) == []
        assert row["type"] == STATUS
        found.append((data["msgId"], data["status"], data["detail"], data["recipient"]))
    return found


def reported(text: OutgoingText, status: int) -> SmsRecord:
    """The network's report of a delivery, which names the receiver alone."""
    receiver = text.to.removeprefix("+")
    key = f"report {text.task} {status}".encode()
    return SmsRecord(
        key=key,
        direction="report",
        at=START,
        imsi=imsi(1),
        sender="1",
        receiver=receiver,
        status=status,
        port=1,
        slot=1,
    )


async def test_from_the_queue_to_the_receiver(world: World, box: Box, office: Office) -> None:
    made = await subscribe(world)
    queued = await office.send("temp 21.5", PEER, OTHER)
    await office.turn()
    first, second = box.texts.values()
    assert [(text.target, text.to, text.text) for text in (first, second)] == [
        ("1.01", PEER, "temp 21.5"),
        ("1.01", OTHER, "temp 21.5"),
    ]
    assert await office.stages() == [(1, None), (1, None)]
    assert await told(world, made) == []
    assert office.counted == [("ejoin", "SUBMITTED")] * 2
    begun = len(world.tallies)
    await world.take(box.sent(first), box.sent(second, 5))
    await world.take(box.sent(first))  # the same once more
    counted = [each for tally in world.tallies[begun:] for each in tally.outcome.messages]
    assert sorted(counted) == [("ejoin", "FAILED"), ("ejoin", "SENT")]
    await world.take(box.records(sms=[reported(first, 0), reported(second, 0)]))
    assert await office.stages() == [(3, None), (4, "NOT_SENT")]
    assert sorted(await told(world, made)) == [
        (queued.id, "FAIL", "NOT_SENT", 2),
        (queued.id, "SUCCESS", "DELIVERED", 1),
        (queued.id, "SUCCESS", "SENT", 1),
    ]
    assert (await world.types(1)).count(EventType.SMS_STATUS) == 3
    rows = await world.db.fetch("select t::text as row from outgoing_message t")
    assert not [row for row in rows if "temp 21" in row["row"] or PEER[1:] in row["row"]]


async def test_a_crash_between_telling_and_writing_sends_once(world: World, box: Box, office: Office) -> None:
    await office.send()
    box.fault = "mute"  # it took the message, and nobody heard that
    await office.turn()
    assert await office.stages() == [(0, None)]
    box.fault = ""
    await office.texting.stop()
    again = Office(world, "w2")
    await again.turn(1)
    assert len(box.told) == 1  # not before it could have been answered
    await again.turn(UNANSWERED.total_seconds())
    assert box.told == [next(iter(box.texts))] * 2
    assert await again.stages() == [(1, None)]


@pytest.mark.parametrize("fault", ["mute", "dead"])
async def test_nobody_elses_card_sends_it_from_the_slot(world: World, box: Box, office: Office, fault: str) -> None:
    await office.send()
    box.fault = fault
    await office.turn()
    begun, where = len(box.told), next(where for where, card in box.cards.items() if card == 1)
    box.put(1, 3)
    box.put(2, *where)
    await world.take(box.dev_status())
    box.fault = ""
    await office.turn(UNANSWERED.total_seconds())
    assert (await office.stages(), len(box.told)) == ([(0, None)], begun)
    box.put(1, *where)
    await world.take(box.dev_status())
    await office.turn(AGAIN.total_seconds())
    assert await office.stages() == [(1, None)]
    assert len(set(box.told)) == len(box.texts) == 1


@pytest.mark.parametrize("reported", [True, False])
async def test_it_waits_for_its_card_in_a_slot(world: World, box: Box, office: Office, reported: bool) -> None:
    await office.send()
    where = next(where for where, card in box.cards.items() if card == 1)
    del box.cards[where]
    await world.take(box.dev_status())
    await office.turn()
    assert (await office.stages(), box.told) == ([(0, None)], [])
    if not reported:
        await office.turn(TIMEOUT.total_seconds())
        assert await office.stages() == [(4, "TIMEOUT")]
        return
    box.put(1, 3)
    await world.take(box.dev_status())
    await office.turn(AGAIN.total_seconds())
    [text] = box.texts.values()
    assert (await office.stages(), text.target) == ([(1, None)], "3.01")


@pytest.mark.parametrize(("fault", "refusals"), [("refuse", {}), ("", {PEER: "later"})])
async def test_a_refusal_after_silence_does_not_send_twice(
    world: World, box: Box, office: Office, fault: str, refusals: dict[str, str]
) -> None:
    await office.send()
    box.fault = "mute"  # it took the message
    await office.turn()
    box.fault, box.refusals = fault, refusals
    await office.turn(UNANSWERED.total_seconds())
    assert await office.stages() == [(0, None)]
    box.fault, box.refusals = "", {}
    await office.turn(UNANSWERED.total_seconds())
    assert await office.stages() == [(1, None)]
    assert len(box.texts) == 1


async def test_a_refusal_gives_the_number_back(world: World, box: Box, office: Office) -> None:
    await office.send()
    box.fault = "refuse"
    await office.turn()
    assert await world.db.fetchval("select task from outgoing_message") is None
    box.fault = ""
    await office.turn(AGAIN.total_seconds())
    assert await office.stages() == [(1, None)]


async def test_the_report_may_come_before_the_answer(world: World, box: Box, office: Office) -> None:
    await office.send()
    box.fault = "mute"
    await office.turn()
    [text] = box.texts.values()
    await world.take(box.sent(text))
    assert await office.stages() == [(2, None)]
    box.fault = ""
    await office.turn(2 * TIMEOUT.total_seconds())
    assert (await office.stages(), len(box.told)) == ([(2, None)], 1)


async def test_what_is_not_taken_waits_or_fails(world: World, box: Box, office: Office) -> None:
    box.refusals = {PEER: "code 9, TO Expected", OTHER: "later"}
    made = await subscribe(world)
    queued = await office.send("x", PEER, OTHER)
    await office.turn()
    assert await office.stages() == [(4, "REFUSED: code 9, TO Expected"), (0, None)]
    assert await told(world, made) == [(queued.id, "FAIL", "REFUSED: code 9, TO Expected", 1)]
    box.refusals = {}
    await office.turn(AGAIN.total_seconds())
    assert (await office.stages())[1] == (1, None)
    await office.turn(TIMEOUT.total_seconds())  # no word of it
    assert (await office.stages())[1] == (4, "TIMEOUT")


async def test_an_unreachable_gateway_is_tried_for_ten_minutes(world: World, box: Box, office: Office) -> None:
    box.fault = "dead"
    await office.send()
    await office.turn()
    await office.turn(UNANSWERED.total_seconds())
    assert await office.stages() == [(0, None)]
    await office.turn(TIMEOUT.total_seconds())
    assert await office.stages() == [(4, "TIMEOUT")]
    assert box.told == []


async def test_a_bar_stops_what_waits_and_what_comes(world: World, box: Box, office: Office) -> None:
    made = await subscribe(world)
    queued = await office.send()
    await world.do(1, SetFunctions(state=FunctionState.CLOSED, functions=int(Function.SMS)))
    await office.turn()
    assert await told(world, made) == [(queued.id, "FAIL", "BARRED", 1)]
    assert box.told == []
    with pytest.raises(SendingBarred):
        await office.send()


@pytest.mark.parametrize("account", [ACCOUNT, "other"])
async def test_what_waits_when_its_sim_is_deleted_is_not_sent_by_the_next_of_its_names(
    world: World, box: Box, office: Office, account: str
) -> None:
    queued = await office.send()
    box.refusals = {PEER: "later"}
    await office.turn()
    assert await office.stages() == [(0, None)]
    await delete(world)
    world.clock.turn(1)
    later = provision.new_sim(account, imsi=imsi(1), msisdn=NUMBER)
    await provision.add(world.db, later, Cause(CauseKind.OPERATOR, "test", world.clock()))
    await world.take(box.dev_status())
    made = await subscribe(world, account)
    begun = len(box.told)
    box.refusals = {}
    await office.turn(AGAIN.total_seconds())
    assert await office.stages() == [(4, "SIM_REMOVED")]
    assert len(box.told) == begun
    # The account that sent it is told so; the one that has the names now knows nothing of it.
    assert await told(world, made) == ([(queued.id, "FAIL", "SIM_REMOVED", 1)] if account == ACCOUNT else [])
    if account == ACCOUNT:
        await office.send()
        await office.turn()
        assert len(box.told) == begun + 1


async def test_what_waits_when_its_sim_is_deleted_ends(world: World, box: Box, office: Office) -> None:
    box.refusals = {PEER: "later"}
    await office.send()
    await office.turn()
    await delete(world)
    await office.turn(AGAIN.total_seconds())
    assert await office.stages() == [(4, "SIM_REMOVED")]


async def test_a_centre_sends_from_no_number_that_the_sim_has_lost(world: World, box: Box) -> None:
    office = Office(world, carriers=[], centres=["ejoin"])
    await office.send()
    await world.db.execute("update sim set msisdn = null where imsi = $1", imsi(1))
    await office.turn()
    assert (await office.stages(), box.told) == ([(4, "NUMBER_MOVED")], [])


async def test_a_sim_in_no_slot_sends_nothing(world: World, box: Box, office: Office) -> None:
    with pytest.raises(NothingSends):
        await office.send(sim=msgspec.structs.replace(await world.sim(1), seen=None))
    await world.db.execute("update gateway set command_url = null")
    with pytest.raises(NothingSends):
        await office.send()
    assert await office.stages() == []


async def test_who_opted_out_gets_nothing(world: World, box: Box, office: Office) -> None:
    await world.take(box.records(sms=[sms("STOP")]))
    with pytest.raises(RecipientOptedOut, match="2 of the list"):
        await office.send("x", OTHER, PEER)
    with pytest.raises(RecipientOptedOut):
        await office.send("x", category="TRANSACTION")
    assert await office.stages() == []
    await Office(world, opt_out_spares_transactions=True).send("x", category="TRANSACTION")
    await world.take(box.records(sms=[sms("START")]))
    await office.send()


async def test_the_tasks_of_others_change_nothing(world: World, box: Box, office: Office) -> None:
    await office.send()
    await office.turn()
    [text] = box.texts.values()
    await world.take(box.sent(msgspec.structs.replace(text, to=OTHER)))  # somebody else's of the same number
    await world.take(box.sent(msgspec.structs.replace(text, task=text.task + 256)))
    await world.take(box.records(sms=[reported(msgspec.structs.replace(text, to=OTHER), 0)]))
    assert await office.stages() == [(1, None)]
    await world.take(box.records(sms=[reported(text, 0x21), reported(text, 0x41)]))  # still trying, then given up
    assert await office.stages() == [(4, "NOT_DELIVERED")]


async def test_reports_are_about_as_many_messages_as_there_are_reports(world: World, box: Box, office: Office) -> None:
    for _ in range(4):
        await office.send()
        world.clock.turn(1)
    await office.turn()
    first, second, *_ = box.texts.values()
    pair = imsi(1), await world.db.fetchval("select peer from outgoing_message limit 1")
    async with world.db.connection() as connection:
        found = await store.unreported(connection, {pair: 2}, START - TIMEOUT)
    ids = [row["id"] for row in await world.db.fetch("select id from outgoing_message order by queued_at limit 2")]
    assert [key.id for key in found[pair]] == ids
    await world.take(box.records(sms=[reported(first, 0), reported(second, 0)]))
    assert await office.stages() == [(3, None), (3, None), (1, None), (1, None)]


async def test_an_account_that_sends_without_end_is_held_up(world: World, box: Box) -> None:
    office = Office(world, messages_waiting_per_account=3, messages_per_account_and_minute=5)
    await office.send("x", PEER, OTHER)
    with pytest.raises(TooManyMessages, match="messages_waiting_per_account"):
        await office.send("x", PEER, OTHER)
    await office.turn()
    await world.take(*(box.sent(text) for text in box.texts.values()))
    await office.send("x", PEER, OTHER)
    await office.turn()
    await world.take(*(box.sent(text) for text in box.texts.values()))
    with pytest.raises(TooManyMessages, match="messages_per_account_and_minute"):
        await office.send("x", PEER, OTHER)
    await office.send()
    world.clock.turn(timedelta(minutes=1).total_seconds())
    await office.send("x", PEER, OTHER)
