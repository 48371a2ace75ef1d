"""Message centres over SMPP: stored before it is answered, once each through kills, joined, and sent through."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.integration.engine.test_messages import NUMBER, polled, sent, subscribe, texts
from tests.integration.engine.test_sending import Office
from tests.support.fixtures import world, world_database
from tests.support.patience import PATIENCE
from tests.support.smsc import MessageCentre, deliver_sm
from tests.support.world import ACCOUNT, START, World, imsi

from simwarden.domain.errors import NothingSends
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.sending import AGAIN, UNANSWERED
from simwarden.edge.throttle import Allowance
from simwarden.engine import provision
from simwarden.engine.keeping import EVERY, Keeping
from simwarden.engine.ports import CommandFailed, OutgoingText
from simwarden.engine.sending import Sending
from simwarden.southbound.smpp.codec import CommandStatus, ShortMessage, Tag
from simwarden.southbound.smpp.intake import JOINED, SmppIntake
from simwarden.southbound.smpp.settings import SmppSettings
from simwarden.southbound.smpp.source import SmppSource
from simwarden.southbound.source import SourceServices
from simwarden.store.gateways import GatewayRef

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simwarden.southbound.smpp.link import Link

__all__ = ["world", "world_database"]
PLAIN = NUMBER.removeprefix("+")
METER = ShortMessage(source=PLAIN, destination="3601", message=b"temp 21.5")
TO_METER = ShortMessage(source="4915112345678", destination=PLAIN, message=b"temp?")


class Centre:
    """A message centre, registered, and the source that is connected to it."""

    def __init__(self, world: World, smsc: MessageCentre, session: aiohttp.ClientSession) -> None:
        self.world = world
        self.smsc = smsc
        services = SourceServices(
            elements=world.gateways,
            ingest=world.ingest,
            db=world.db,
            session=session,
            guesses=Allowance(10),
            vault=world.vault,
        )
        self.source = SmppSource(services, SmppSettings())
        self.has_swept = asyncio.Event()
        """The source, which goes by the time that it is, has looked for parts that wait too long."""
        links = self.source._links
        turn = links.turn

        async def noted() -> float:
            pause = await turn()
            self.has_swept.set()
            return pause

        links.turn = noted  # type: ignore[method-assign]

    async def register(self, port: int, **more: Any) -> int:
        sim = provision.new_sim(ACCOUNT, imsi=imsi(1), msisdn=NUMBER)
        await provision.add(self.world.db, sim, Cause(CauseKind.OPERATOR, "test", START))
        url = f"smpp://127.0.0.1:{port}"
        given = {"kind": "smpp", "command_url": url, "username": "meters", "password": "s3cret"} | more
        self.id, _ = await self.world.gateways.add("smsc", **given)
        return self.id

    def intake(self) -> SmppIntake:
        """As another process would have it."""
        ref = GatewayRef(self.id, "smsc", 0, None)
        return SmppIntake(ref, self.world.db, self.world.vault, self.world.ingest, self.world.clock)


@pytest.fixture
async def centre(world: World) -> AsyncIterator[Centre]:
    async with MessageCentre() as smsc, aiohttp.ClientSession() as session:
        made = Centre(world, smsc, session)
        await made.register(smsc.port)
        await made.source.start()
        try:
            await smsc.until_bound()
            async with asyncio.timeout(PATIENCE):
                await made.has_swept.wait()
            yield made
        finally:
            await made.source.stop()


def body(message: ShortMessage) -> bytes:
    return deliver_sm(1, message).body


def part(n: int, text: str, total: int = 2, reference: int = 7) -> ShortMessage:
    data = bytes((5, 0, 3, reference, total, n)) + text.encode("utf-16-be")
    return ShortMessage(source=PLAIN, destination="3601", esm_class=0x40, data_coding=8, message=data)


async def test_messages_to_and_from_a_sim(world: World, centre: Centre) -> None:
    wide = await subscribe(world, all_devices=True)
    for message in (METER, TO_METER, ShortMessage(source="1", destination="2", message=b"nobody's")):
        assert await centre.smsc.delivered(message) == CommandStatus.OK
    up, down = await sent(world, wide)
    assert (up["from"], up["to"], up["text"], up["device"]) == (NUMBER, "3601", "temp 21.5", {"phoneNumber": NUMBER})
    assert (down["from"], down["to"], down["text"]) == ("+4915112345678", NUMBER, "temp?")
    rows = await world.db.fetch("select direction, imsi from sms order by received_at, direction")
    assert sorted((row["direction"], row["imsi"] is None) for row in rows) == [
        ("inbound", False),
        ("inbound", True),
        ("outbound", False),
    ]


async def test_what_was_not_answered_comes_again_and_is_one(world: World, centre: Centre) -> None:
    """A process is killed between the commit and the answer: the centre delivers again to the next one."""
    wide = await subscribe(world, all_devices=True)
    killed, heir = centre.intake(), centre.intake()
    await killed.take([body(METER), body(METER)], "first")  # the same words twice: two messages
    again = await heir.take([body(METER)], "second")
    await heir.answered([each.mark for each in again if each.mark])
    assert len(await sent(world, wide)) == 2
    third = await heir.take([body(METER)], "second")  # and once more: another message
    assert third[0].status == CommandStatus.OK
    told = await sent(world, wide)
    assert texts(told) == ["temp 21.5"] * 3
    assert len({each["messageId"] for each in told}) == 3
    assert await centre.smsc.delivered(METER) == CommandStatus.OK
    centre.smsc.hang_up()
    await centre.smsc.until_bound(2)
    assert await centre.smsc.delivered(TO_METER) == CommandStatus.OK


async def test_long_messages_are_joined_in_any_order(world: World, centre: Centre) -> None:
    wide = await subscribe(world, all_devices=True)
    for message in (part(2, "Welt"), part(2, "Welt"), part(1, "Hallo "), part(1, "Hallo ")):
        assert await centre.smsc.delivered(message) == CommandStatus.OK
    [told] = await sent(world, wide)
    assert (told["text"], told["parts"], told["encoding"], "partial" in told) == ("Hallo Welt", 2, "UCS2", False)
    intake = centre.intake()
    await intake.take([body(part(1, "only ", 3, 8)), body(part(3, "these", 3, 8))], "s")
    await intake.sweep()
    assert len(await sent(world, wide)) == 1
    world.clock.turn(JOINED.total_seconds() + 1)
    for _ in range(2):
        await intake.sweep()
    assert len(await sent(world, wide)) == 2
    late = (await sent(world, wide))[1]
    assert (late["text"], late["parts"], late["partial"]) == ("only these", 3, True)
    await intake.take([body(part(1, "new ", 2, 8)), body(part(2, "one", 2, 8))], "s")
    assert texts(await sent(world, wide))[2:] == ["new one"]
    rows = await world.db.fetch("select t::text as row from smpp_part t")
    assert rows
    assert not [row for row in rows if PLAIN in row["row"]]
    await intake.take([body(METER)], "s")
    world.clock.turn(timedelta(days=2).total_seconds())
    await keep(world)
    assert await world.db.fetchval("select count(*) from smpp_part where received_at < $1", world.clock()) == 0
    assert await world.db.fetchval("select count(*) from smpp_message where received_at < $1", world.clock()) == 0


async def keep(world: World) -> None:
    keeping = Keeping(world.db, world.vault, timedelta(days=30), clock=world.clock)
    while await keeping.turn() != EVERY:
        pass


async def test_parts_of_a_centre_that_is_gone_go_when_records_go(world: World, centre: Centre) -> None:
    await centre.intake().take([body(part(1, "half"))], "s")
    await world.db.execute("delete from gateway")
    for days, left in ((29, 1), (2, 0)):
        world.clock.turn(timedelta(days=days).total_seconds())
        await keep(world)
        assert await world.db.fetchval("select count(*) from smpp_part") == left


async def test_a_reference_that_comes_again_soon_is_another_message(world: World, centre: Centre) -> None:
    intake = centre.intake()
    for first, second in (("Hallo ", "Welt"), ("temp ", "21.5")):
        for _ in range(2):  # each part comes again, as after a broken connection
            await intake.take([body(part(1, first)), body(part(2, second))], "s")
        world.clock.turn(60)
    assert texts(await polled(world)) == ["Hallo Welt", "temp 21.5"]


async def test_garbage_is_refused_and_spoils_nothing(world: World, centre: Centre) -> None:
    broken = ShortMessage(source=PLAIN, destination="3601", esm_class=0x40, message=b"\x09")
    assert await centre.smsc.delivered(broken) == CommandStatus.PERMANENT
    assert await centre.smsc.delivered(METER) == CommandStatus.OK
    assert len(await polled(world)) == 1


async def test_sending_through_a_message_centre(world: World, centre: Centre) -> None:
    office = Office(world)
    office.sending = Sending(world.db, world.vault, office.sending._answers, ["ejoin"], ["smpp"], clock=world.clock)
    office.texting._driver_for = centre.source.driver
    await office.send("я" * 71, "+4915112345678")
    await office.turn()
    first, second = centre.smsc.submitted
    assert (first.source, first.destination, first.data_coding, first.registered_delivery) == (
        PLAIN,
        "4915112345678",
        8,
        1,
    )
    assert (len(first.message), len(second.message)) == (6 + 134, 6 + 8)
    assert await office.stages() == [(2, None)]
    receipt = ShortMessage(
        source="4915112345678", destination=PLAIN, esm_class=4, message=b"id:1 stat:DELIVRD err:000 text:"
    )
    assert await centre.smsc.delivered(receipt) == CommandStatus.OK
    assert await office.stages() == [(3, None)]
    centre.smsc.status = CommandStatus.TEMPORARY
    world.clock.turn(1)
    await office.send("x")
    await office.turn()
    assert (await office.stages())[1] == (0, None)
    centre.smsc.status = CommandStatus.OK
    await office.turn(AGAIN.total_seconds())
    assert (await office.stages())[1] == (2, None)


async def test_receipts_may_say_it_in_parameters_alone(world: World, centre: Centre) -> None:
    office = Office(world)
    office.sending = Sending(world.db, world.vault, office.sending._answers, [], ["smpp"], clock=world.clock)
    office.texting._driver_for = centre.source.driver
    await office.send("x", "+4915112345678")
    await office.turn()
    for state, stage in ((1, 2), (2, 3)):  # ENROUTE, DELIVERED
        options = {int(Tag.MESSAGE_STATE): bytes((state,))}
        receipt = ShortMessage(source="4915112345678", destination=PLAIN, esm_class=4, options=options)
        assert await centre.smsc.delivered(receipt) == CommandStatus.OK
        assert await office.stages() == [(stage, None)]


async def bound(link: Link) -> None:
    while not link.is_bound:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)


async def test_a_centre_that_stops_reading_is_hung_up_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from simwarden.southbound.smpp import link

    monkeypatch.setattr(link, "TIMEOUT", 1.0)
    intake = SmppIntake(GatewayRef(1, "smsc", 0, None), world.db, world.vault, world.ingest)
    async with MessageCentre() as smsc:
        made = link.Link("smsc", ("127.0.0.1", smsc.port, None), ("meters", "s3cret"), intake, window=50, enquire=0.5)
        made.start()
        try:
            async with asyncio.timeout(PATIENCE):
                await smsc.until_bound()
                await bound(made)
                smsc.stop_reading()
                long = ShortMessage(source=PLAIN, destination="3601", message=b"x" * 60_000)
                for end in await asyncio.gather(*(made.submit(long) for _ in range(400)), return_exceptions=True):
                    assert isinstance(end, CommandFailed)
                await smsc.until_bound(2)
                await bound(made)
            assert made._pause == link.FIRST_PAUSE
        finally:
            await made.stop()


async def test_long_messages_of_a_sim_are_told_apart(world: World, centre: Centre) -> None:
    office = Office(world)
    office.sending = Sending(world.db, world.vault, office.sending._answers, [], ["smpp"], clock=world.clock)
    office.texting._driver_for = centre.source.driver
    for _ in range(2):
        await office.send("a" * 161)
        await office.turn()
    references = [message.message[3] for message in centre.smsc.submitted]
    assert references[0] == references[1] != references[2] == references[3]


async def test_without_an_answer_a_message_is_not_sent_twice(
    world: World, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simwarden.southbound.smpp import link

    monkeypatch.setattr(link, "TIMEOUT", 0.2)
    office = Office(world)
    office.sending = Sending(world.db, world.vault, office.sending._answers, [], ["smpp"], clock=world.clock)
    office.texting._driver_for = centre.source.driver
    centre.smsc.is_mute = True
    await office.send("x")
    await office.turn()
    assert await office.stages() == [(0, None)]
    await office.turn(UNANSWERED.total_seconds())
    assert await office.stages() == [(4, "UNANSWERED")]
    assert len(centre.smsc.submitted) == 1


async def test_as_many_as_the_window_are_under_way(world: World, centre: Centre) -> None:
    texts_ = [OutgoingText(task=n << 8, target=NUMBER, to="+4915112345678", text=str(n)) for n in range(60)]
    driver = centre.source.driver(await world.gateways.access(centre.id))
    centre.smsc.is_mute = True
    sending = asyncio.create_task(driver.send(texts_))
    await centre.smsc.until_submitted(50)
    assert [int(message.message) for message in centre.smsc.submitted] == list(range(50))
    centre.smsc.hang_up()
    assert await sending == {n << 8: OutgoingText.LATER for n in range(50, 60)}, "of the others nobody knows"


async def test_a_centre_of_another_account_sends_nothing(world: World, centre: Centre) -> None:
    await world.db.execute("update gateway set account_id = 'other'")
    office = Office(world)
    office.sending = Sending(world.db, world.vault, office.sending._answers, [], ["smpp"], clock=world.clock)
    with pytest.raises(NothingSends):
        await office.send("x")
    assert await centre.smsc.delivered(METER) == CommandStatus.OK
    assert await polled(world) == []  # nor does it speak for SIMs that are not its account's


NODE = shutil.which("node")
MODULES = Path(os.environ.get("SIMWARDEN_NODE_SMPP", "/nonexistent"))
SCRIPT = """
const smpp = require('smpp');
const parts = [[1, 'Hallo '], [2, 'Welt']];
const server = smpp.createServer({}, (session) => {
  session.on('error', () => {});
  session.on('bind_transceiver', (pdu) => {
    session.send(pdu.response());
    for (const [n, text] of parts) {
      session.deliver_sm({source_addr: '%(number)s', destination_addr: '3601', esm_class: 0x40,
        short_message: {udh: Buffer.from([5, 0, 3, 9, 2, n]), message: text}});
    }
    session.deliver_sm({source_addr: '%(number)s', destination_addr: '3601', data_coding: 8, short_message: 'я🔋'},
      (answer) => console.log(JSON.stringify({answer: answer.command_status})));
  });
  session.on('submit_sm', (pdu) => {
    console.log(JSON.stringify({submitted: pdu.short_message.message, to: pdu.destination_addr}));
    session.send(pdu.response({message_id: 'id-1'}));
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({port: server.address().port})));
"""


@pytest.mark.skipif(
    NODE is None or not (MODULES / "smpp").is_dir(),
    reason="SIMWARDEN_NODE_SMPP names no node_modules with smpp, or node is not installed",
)
async def test_node_smpp_as_message_centre(world: World) -> None:
    """A message centre that we did not write."""
    assert NODE is not None
    program = await asyncio.create_subprocess_exec(
        *(NODE, "-e", SCRIPT % {"number": PLAIN}),
        env={**os.environ, "NODE_PATH": str(MODULES)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None

    async def said() -> dict[str, Any]:
        assert program.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await program.stdout.readline()
        found: dict[str, Any] = json.loads(line)
        return found

    try:
        port = (await said())["port"]
        async with MessageCentre() as unused, aiohttp.ClientSession() as session:
            centre = Centre(world, unused, session)
            await centre.register(port)
            await centre.source.start()
            try:
                assert await said() == {"answer": 0}
                assert sorted(texts(await polled(world))) == ["Hallo Welt", "я🔋"]
                office = Office(world)
                office.sending = Sending(
                    world.db, world.vault, office.sending._answers, [], ["smpp"], clock=world.clock
                )
                office.texting._driver_for = centre.source.driver
                await office.send("Grüße", "+4915112345678")
                turn = asyncio.create_task(office.turn())
                assert await said() == {"submitted": "Grüße", "to": "4915112345678"}
                await turn
            finally:
                await centre.source.stop()
    finally:
        program.kill()
        await program.wait()
