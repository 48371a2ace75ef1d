"""An infected device, a broken one, a site that a call centre has found: many messages and calls, damaged reports."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable, Iterator

import msgspec

from simwarden.simulator.errors import Conflict, InvalidRequest, NotFound
from simwarden.simulator.fleet import Outbreak, SimulatedFleet
from simwarden.simulator.garbage import DAMAGED_BODIES
from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.messages import REGISTERED, Message
from simwarden.simulator.operations import PATIENCE, Instruction
from simwarden.simulator.server import GatewayServer
from simwarden.simulator.slot_addresses import SlotAddress
from simwarden.simulator.texting import send_one

#: Most SMS or calls one request makes.
MOST = 100_000


class Mass(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An infected device: many messages or calls from one card, named by imsi or by gateway, port and slot."""

    imsi: str | None = None
    gateway: str | None = None
    port: int | None = None
    slot: int | None = None
    count: int = 100
    rate: float = 0.0
    """So many a second; 0 = as fast as they are pushed."""
    at_once: int | None = None
    """Refused while so many cards are infected; None: any number."""

    def find(self, fleet: SimulatedFleet) -> tuple[GatewayServer, SlotAddress]:
        """The gateway and slot of the infected device."""
        if not 1 <= self.count <= MOST:
            raise InvalidRequest(f"count must be from 1 to {MOST}")
        if self.imsi is not None:
            return fleet.locate(fleet.imsi(self.imsi))
        if self.gateway is None or self.port is None or self.slot is None:
            raise InvalidRequest("name the card by imsi, or by gateway, port and slot")
        server = fleet.server(self.gateway)
        return server, server.gateway.place(self.port, self.slot)

    async def pace(
        self,
        fleet: SimulatedFleet,
        server: GatewayServer,
        place: SlotAddress,
        act: Callable[[str, int], None],
        kind: str,
    ) -> int:
        """Do `act(number, index)` `count` times in the background, while the card is registered and not cured.

        Raises Conflict when this card is at it already, or `at_once` others are.
        """
        outbreak = Outbreak(kind, self.count)
        if (card := server.gateway.card(place)) is not None:
            if (last := fleet.outbreaks.get(card.imsi)) is not None and not last.is_over:
                raise Conflict(f"the card with IMSI {card.imsi} is infected already; cure it first")
            going_on = sum(not each.is_over for each in fleet.outbreaks.values())
            if self.at_once is not None and going_on >= self.at_once:
                raise Conflict(f"{going_on} infections go on; end one first")
            fleet.outbreaks[card.imsi] = outbreak
        numbers = [f"86139{fleet.random.randrange(10**8):08d}" for _ in range(min(self.count, 1000))]

        async def work() -> None:
            loop = asyncio.get_running_loop()
            begin = loop.time()
            try:
                for index in range(self.count):
                    if outbreak.is_over or server.gateway.state(place) != REGISTERED or not server.online:
                        break
                    act(numbers[index % len(numbers)], index)
                    done = outbreak.done = index + 1
                    due = begin + done / self.rate - loop.time() if self.rate > 0 else 0
                    if due > 0 or done % 100 == 0:
                        await asyncio.sleep(max(due, 0))
            finally:
                outbreak.is_over = True
            fleet.happened("mass-ended", gateway=server.name, slot=str(place), done=outbreak.done, of=self.count)

        fleet.background(work())
        return self.count


class MassSms(Mass, kw_only=True):
    """Many SMS; it stops when the card is locked or pulled."""

    text: str = "You have won! Call now."

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server, place = self.find(fleet)

        def send(number: str, index: int) -> None:
            send_one(server.executor, tid=1_000_000 + index, place=place, number=number, text=self.text)

        count = await self.pace(fleet, server, place, send, "mass-sms")
        return {"gateway": server.name, "slot": str(place), "queued": count}


class MassCalls(Mass, kw_only=True):
    """Many outgoing calls, each told in three cdr pushes (dialling, connected, ended) that lie in the past."""

    seconds: int = 20
    """Length of each call."""

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server, place = self.find(fleet)
        gateway = server.gateway
        stamp = time.time_ns()

        def call(number: str, index: int) -> None:
            end = int(time.time())
            answered = end - self.seconds
            begin = answered - 3
            gateway.use(place, calls=1, talks=1, minutes=-(-self.seconds // 60))
            for times in ((begin, 0, 0), (begin, answered, 0), (begin, answered, end)):
                message = gateway.cdr(place, cid=f"{gateway.name}-{stamp}-{index}", other=number, times=times)
                server.reporter.push("cdr", message, [str(place)])

        count = await self.pace(fleet, server, place, call, "mass-calls")
        return {"gateway": server.name, "slot": str(place), "queued": count}


class Cure(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The device with this card is cured: it sends and calls no more."""

    imsi: str

    async def perform(self, fleet: SimulatedFleet) -> Message:
        imsi = fleet.imsi(self.imsi)
        outbreak = fleet.outbreaks.get(imsi)
        if outbreak is None or outbreak.is_over:
            raise NotFound(f"the card with IMSI {imsi} is not infected")
        outbreak.is_over = True
        return {"imsi": imsi, "done": outbreak.done, "of": outbreak.of}


class ZoneCalls(Instruction, kw_only=True):
    """The cards of a gateway are called from numbers of a zone, and answer."""

    cards: int = 40
    """At most so many of its registered cards."""
    calls: int = 6
    """To each of them."""
    prefix: str = "855"
    """With which the numbers begin: the calling code of a country, or more."""
    seconds: int = 20
    """Length of each call."""

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server = fleet.server(self.gateway)
        if not 1 <= self.cards * self.calls <= MOST or not self.prefix.isdecimal() or len(self.prefix) > 10:
            raise InvalidRequest(f"cards times calls must be from 1 to {MOST}, and prefix up to 10 digits")
        begin = int(time.time()) - self.seconds - 5
        called = 0
        for batch in zone_calls(server.gateway, self.cards, self.calls, self.prefix, self.seconds, begin):
            for place, message in batch:
                server.reporter.push("cdr", message, [str(place)])
            called += 1
        return {"gateway": server.name, "cards": called, "calls": self.calls}


def zone_calls(
    gateway: VirtualGateway, cards: int, calls: int, prefix: str, seconds: int, begin: int
) -> Iterator[list[tuple[SlotAddress, Message]]]:
    """What the gateway tells of calls to its registered cards, card by card: each is told twice, connected and ended.

    `begin`: of all of them, in epoch seconds.
    """
    places = [place for place in gateway.cards() if gateway.state(place) == REGISTERED]
    for place in places[:cards]:
        told = []
        for n in range(calls):
            number = f"{prefix}{(place.port * 1000 + place.slot * 100 + n):0{11 - min(len(prefix), 4)}d}"
            for times in ((begin, begin + 3, 0), (begin, begin + 3, begin + 3 + seconds)):
                cid = f"{gateway.name}-{prefix}-{begin}-{place}-{n}"
                told.append((place, gateway.cdr(place, cid=cid, other=number, times=times, incoming=True)))
        yield told


class Garbage(Instruction, kw_only=True):
    """Send damaged bodies (the built-in list, or texts, or `base64:...`) and wait for what is answered."""

    bodies: list[str] | None = None

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server = fleet.server(self.gateway)
        if not server.online or server.reporter.url is None:
            raise Conflict(f"{server.name} is offline or has no report URL")
        bodies = DAMAGED_BODIES if self.bodies is None else tuple(_raw(text) for text in self.bodies)
        pushes = [server.reporter.push("garbage", body) for body in bodies]
        for push in pushes:
            await asyncio.wait_for(push.finished.wait(), PATIENCE)
        return {
            "gateway": server.name,
            "sent": len(pushes),
            "answers": [{"bytes": push.size, "http_status": push.http_status} for push in pushes],
        }


def _raw(text: str) -> bytes:
    if not text.startswith("base64:"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("base64:"), validate=True)
    except binascii.Error as error:
        raise InvalidRequest(f"a body is not base64: {error}") from error
