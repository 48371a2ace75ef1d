"""The whole way over HTTP: a SIM in a virtual gateway is asked, its customer's program answers, and is told what became
of that; then it is asked to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from tests.integration.engine.test_virtual_gateway import Street
from tests.integration.notify.running import running
from tests.support.fixtures import world, world_database
from tests.support.world import ACCOUNT

from simwarden.domain.errors import RecipientOptedOut
from simwarden.domain.events import EventType
from simwarden.domain.sim import SimRef
from simwarden.engine.idempotency import IdempotencyStore
from simwarden.engine.new_subscription import whole_account
from simwarden.engine.sending import NewMessage, Sending
from simwarden.engine.subscriptions import NewSubscription, Subscriptions
from simwarden.engine.texting import CHANNEL, Texting
from simwarden.simulator.actions import perform
from simwarden.simulator.operations import ReceiveSms
from simwarden.simulator.serving import Serving
from simwarden.simulator.slot_addresses import SlotAddress
from simwarden.store.leases import Leases
from simwarden.store.listener import Listener
from simwarden.store.messages import Messages

if TYPE_CHECKING:
    from tests.support.world import World

__all__ = ["world", "world_database"]
PEER = "+8613715266978"
RECEIVED = "org.camaraproject.short-message-subscriptions.v0.sms-received"
STATUS = "org.camaraproject.sms.v0.sms-delivery-status"
SLOT = SlotAddress(3, 1)


class Bot:
    """A customer's program: its sink, which answers each question by way of the engine."""

    def __init__(self, world: World) -> None:
        self.events: list[dict[str, Any]] = []
        self.world = world
        self.sending = Sending(world.db, world.vault, IdempotencyStore(world.db, world.vault), ["ejoin"])
        self.door = Serving([web.post("/sink", self._take)])
        self.refused = 0

    async def subscribe(self, topic: EventType, kind: str, **what: Any) -> None:
        made = Subscriptions(self.world.db, self.world.vault, allow_private_sinks=True)
        new: dict[str, Any] = {
            "account_id": ACCOUNT,
            "app_key": "bot",
            "api": "test",
            "topic": topic,
            "type": kind,
            "protocol": "HTTP",
            "sink": f"{self.door.url}/sink",
            "protocol_settings": None,
            "device": None,
            "config": {"subscriptionDetail": {}},
            "credential": None,
            "expires_at": None,
            "max_events": None,
            "initial_event": False,
        }
        await made.create(NewSubscription(**(new | what)))

    async def _take(self, request: web.Request) -> web.Response:
        event = await request.json()
        self.events.append(event)
        if event["type"] == RECEIVED:
            await self.answer(event["data"]["messageId"])
        return web.Response(status=204)

    async def answer(self, message_id: str) -> None:
        origin = await Messages(self.world.db, self.world.vault).origin(ACCOUNT, message_id)
        assert origin is not None
        assert isinstance(origin.sim, SimRef)
        sim = await self.world.sims.find(ACCOUNT, origin.sim)
        assert sim is not None
        try:
            await self.sending.submit(NewMessage(sim=sim, app_key="bot", to=(origin.sender,), text="21.5"))
        except RecipientOptedOut:
            self.refused += 1

    def got(self, kind: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["type"] == kind]


@pytest.mark.parametrize("generation", [2, 3])
async def test_a_question_an_answer_and_no_more(world: World, generation: int) -> None:
    async with aiohttp.ClientSession() as session:
        street = Street(world, session)
        await street.open(generation)
        leases = Leases(world.db, "texting", "w1")
        texting = Texting(world.db, world.vault, world.gateways, leases, street._network)
        listener = Listener(world.db.url, {CHANNEL: lambda _payload: texting.wake()})
        listener.start()
        texting.start()
        bot = Bot(world)
        await bot.door.start()
        try:
            async with running(world):  # type: ignore[arg-type]
                card = await street.insert(1, SLOT)
                await bot.subscribe(EventType.SMS_RECEIVED, RECEIVED, sim=whole_account(ACCOUNT), all_devices=True)
                await bot.subscribe(EventType.SMS_STATUS, STATUS, sim=await street.sim(card.imsi))
                await asked(street, "temp?")
                await street.until(lambda: _any(bot.got(STATUS)))
                [question], [status] = bot.got(RECEIVED), bot.got(STATUS)
                assert (question["text"], question["from"]) == ("temp?", PEER)
                assert (status["status"], status["detail"]) == ("SUCCESS", "SENT")
                log = [command.op for command in street.server().executor.log]
                assert [op for op in log if "sms" in op] == ["post_sms" if generation == 2 else "submit_sms_tasks"]
                await asked(street, "STOP")
                await street.until(lambda: _any(bot.refused))
                assert bot.got(RECEIVED)[1]["optOut"] == "STOP"
                assert len(bot.got(STATUS)) == 1
        finally:
            await texting.stop()
            await listener.stop()
            await bot.door.close()
            await street.close()


async def asked(street: Street, text: str) -> None:
    await perform(street.fleet, ReceiveSms(gateway="gw1", port=SLOT.port, slot=SLOT.slot, sender=PEER, text=text))


async def _any(what: object) -> bool:
    return bool(what)
