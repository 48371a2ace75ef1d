"""An infected device and a broken one: many messages, many calls, damaged reports."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable

import msgspec

from simwarden.simulator.errors import Conflict, InvalidRequest
from simwarden.simulator.fleet import SimulatedFleet
from simwarden.simulator.garbage import DAMAGED_BODIES
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
        self, fleet: SimulatedFleet, server: GatewayServer, place: SlotAddress, act: Callable[[str, int], None]
    ) -> int:
        """Do `act(number, index)` `count` times in the background, while the card is registered."""
        numbers = [f"86139{fleet.random.randrange(10**8):08d}" for _ in range(min(self.count, 1000))]

        async def work() -> None:
            loop = asyncio.get_running_loop()
            begin = loop.time()
            done = 0
            for index in range(self.count):
                if server.gateway.state(place) != REGISTERED or not server.online:
                    break
                act(numbers[index % len(numbers)], index)
                done += 1
                due = begin + done / self.rate - loop.time() if self.rate > 0 else 0
                if due > 0 or done % 100 == 0:
                    await asyncio.sleep(max(due, 0))
            fleet.happened("mass-ended", gateway=server.name, slot=str(place), done=done, of=self.count)

        fleet.background(work())
        return self.count


class MassSms(Mass, kw_only=True):
    """Many SMS; it stops when the card is locked or pulled."""

    text: str = "You have won! Call now."

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server, place = self.find(fleet)

        def send(number: str, index: int) -> None:
            send_one(server.executor, tid=1_000_000 + index, place=place, number=number, text=self.text)

        count = await self.pace(fleet, server, place, send)
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
                message = gateway.cdr(place, cid=f"{gateway.name}-{stamp}-{index}", callee=number, times=times)
                server.reporter.push("cdr", message, [str(place)])

        count = await self.pace(fleet, server, place, call)
        return {"gateway": server.name, "slot": str(place), "queued": count}


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
