"""What can be done to a running fleet: the one list behind the control server and the scenarios.

Every operation is a small struct; its fields are the parameters, checked when it is read.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from simwarden.simulator.errors import Conflict, InvalidRequest
from simwarden.simulator.faults import Fault, FaultName
from simwarden.simulator.fleet import Fleet
from simwarden.simulator.garbage import DAMAGED_BODIES
from simwarden.simulator.identity import VirtualSim, make_sim
from simwarden.simulator.messages import REGISTERED, Message
from simwarden.simulator.places import Place, parse_place
from simwarden.simulator.server import GatewayServer
from simwarden.simulator.texting import send_one

#: Most SMS or calls one request makes.
MOST = 100_000

#: How long a request that waits for its push waits, in seconds.
PATIENCE = 30.0


class Operation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of all: the gateway it is about."""

    gateway: str


class AtSlot(Operation, kw_only=True):
    """An operation on one slot."""

    port: int
    slot: int

    def find(self, fleet: Fleet) -> tuple[GatewayServer, Place]:
        """The gateway and its slot."""
        server = fleet.server(self.gateway)
        return server, server.gateway.place(self.port, self.slot)


class Insert(AtSlot, kw_only=True):
    """Put a card into an empty slot; iccid and msisdn are made up when the card is new and they are not given."""

    imsi: str
    iccid: str | None = None
    msisdn: str | None = None

    async def perform(self, fleet: Fleet) -> Message:
        server, place = self.find(fleet)
        imsi = fleet.imsi(self.imsi)
        if (found := fleet.find(imsi)) is not None:
            raise Conflict(f"the card with IMSI {imsi} is in slot {found[1]} of {found[0].name}; move it instead")
        made = fleet.drawer.get(imsi) or make_sim(fleet.imsi_base, int(imsi) - fleet.imsi_base)
        sim = VirtualSim(imsi=imsi, iccid=self.iccid or made.iccid, msisdn=self.msisdn or made.msisdn)
        changed = server.gateway.insert(sim, *place)
        fleet.drawer.pop(imsi, None)
        server.report_slots(changed)
        return {"gateway": server.name, "slot": str(place), "imsi": imsi, "st": server.gateway.state(place)}


class Remove(AtSlot, kw_only=True):
    """Pull the card out of a slot; it can be inserted again."""

    async def perform(self, fleet: Fleet) -> Message:
        server, place = self.find(fleet)
        sim = server.gateway.take(*place)
        fleet.drawer[sim.imsi] = sim
        server.report_slots([place])
        return {"gateway": server.name, "slot": str(place), "imsi": sim.imsi}


class Move(AtSlot, kw_only=True):
    """Carry a card from wherever it is to a slot, across gateways; with swap two cards exchange places."""

    imsi: str
    swap: bool = False

    async def perform(self, fleet: Fleet) -> Message:
        target, place = self.find(fleet)
        imsi = fleet.imsi(self.imsi)
        if imsi in fleet.drawer:
            return await Insert(gateway=self.gateway, port=self.port, slot=self.slot, imsi=imsi).perform(fleet)
        source, origin = fleet.locate(imsi)
        if source is target:
            target.report_slots(target.gateway.move(origin, place, swap=self.swap))
        else:
            present = target.gateway.card(place)
            if present is not None and not self.swap:
                raise Conflict(
                    f"slot {place} of {target.name} already holds the card with IMSI {present.imsi}; "
                    f"remove it first or give swap: true"
                )
            sim = source.gateway.take(*origin)
            if present is not None:
                source.gateway.insert(target.gateway.take(*place), *origin)
            target.gateway.insert(sim, *place)
            source.report_slots([origin])
            target.report_slots([place])
        return {
            "imsi": imsi,
            "from": {"gateway": source.name, "slot": str(origin)},
            "to": {"gateway": target.name, "slot": str(place)},
            "st": target.gateway.state(place),
            "moved_ns": time.time_ns(),
        }


class MoveWithin(Operation, kw_only=True):
    """Carry the card of one slot (from) to another (to) of the same gateway; slots are written like 1.02."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    swap: bool = False

    async def perform(self, fleet: Fleet) -> Message:
        server = fleet.server(self.gateway)
        changed = server.gateway.move(parse_place(self.source), parse_place(self.target), swap=self.swap)
        server.report_slots(changed)
        return {"gateway": server.name, "changed": [str(place) for place in changed], "moved_ns": time.time_ns()}


class ImeiMissing(AtSlot, kw_only=True):
    """Report a slot without its IMEI, or with it again."""

    missing: bool = True

    async def perform(self, fleet: Fleet) -> Message:
        server, place = self.find(fleet)
        server.report_slots(server.gateway.set_imei_missing(*place, missing=self.missing))
        return {"gateway": server.name, "slot": str(place), "imei": server.gateway.view(place).imei}


class SetFault(Operation, kw_only=True):
    """Switch a fault on; none heals. status and code are for refuse, delay (seconds) for slow."""

    fault: FaultName
    status: int = 500
    code: int = 7
    delay: float = 1.0
    count: int | None = None

    async def perform(self, fleet: Fleet) -> Message:
        if not 200 <= self.status <= 599:
            raise InvalidRequest(f"status {self.status} is not an HTTP status from 200 to 599")
        server = fleet.server(self.gateway)
        await server.set_fault(Fault(self.fault, self.status, self.code, self.delay, self.count))
        fleet.happened("fault", gateway=server.name, fault=self.fault)
        return {"gateway": server.name, "fault": self.fault, "online": server.online}


class Reboot(Operation, kw_only=True):
    """Restart a gateway: its seq counters begin again and it sends a dev-status."""

    async def perform(self, fleet: Fleet) -> Message:
        server = fleet.server(self.gateway)
        await server.reboot()
        return {"gateway": server.name, "boots": server.gateway.boots}


class ReportNow(Operation, kw_only=True):
    """Push a dev-status, or with port and slot a port-status, and wait for the answer."""

    port: int | None = None
    slot: int | None = None

    async def perform(self, fleet: Fleet) -> Message:
        server = fleet.server(self.gateway)
        if not server.online:
            raise Conflict(f"{server.name} is offline")
        if server.reporter.url is None:
            raise Conflict(f"{server.name} has no report URL; set one with report-url")
        if self.port is None or self.slot is None:
            push = server.report_device()
        else:
            push = server.report_slots([server.gateway.place(self.port, self.slot)])[0]
        await asyncio.wait_for(push.finished.wait(), PATIENCE)
        return push.describe()


class ReportUrl(Operation, kw_only=True):
    """Report to this URL from now on; with interval (seconds, 0 = off) also at another pace; report_now at once."""

    url: str
    interval: float | None = None
    report_now: bool = False

    async def perform(self, fleet: Fleet) -> Message:
        if not self.url.startswith(("http://", "https://")):
            raise InvalidRequest("url must begin with http:// or https://")
        server = fleet.server(self.gateway)
        server.configure_reports(self.url, self.interval)
        if self.report_now and server.online:
            server.report_device()
        return {"gateway": server.name, "url": self.url, "interval": server.interval}


class ReceiveSms(AtSlot, kw_only=True):
    """An SMS arrives at the card in a slot."""

    sender: str
    text: str

    async def perform(self, fleet: Fleet) -> Message:
        server, place = self.find(fleet)
        now = int(time.time())
        server.gateway.receive_sms(place, self.sender, self.text, now)
        message = server.gateway.received_sms(place, sender=self.sender, text=self.text, at=now, form=server.form)
        server.reporter.push(message["type"], message, [str(place)])
        return {"gateway": server.name, "slot": str(place), "at": now}


class Mass(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An infected device: many messages or calls from one card, named by imsi or by gateway, port and slot."""

    imsi: str | None = None
    gateway: str | None = None
    port: int | None = None
    slot: int | None = None
    count: int = 100
    rate: float = 0.0
    """So many a second; 0 = as fast as they are pushed."""

    def find(self, fleet: Fleet) -> tuple[GatewayServer, Place]:
        """The gateway and slot of the infected device."""
        if not 1 <= self.count <= MOST:
            raise InvalidRequest(f"count must be from 1 to {MOST}")
        if self.imsi is not None:
            return fleet.locate(fleet.imsi(self.imsi))
        if self.gateway is None or self.port is None or self.slot is None:
            raise InvalidRequest("name the card by imsi, or by gateway, port and slot")
        server = fleet.server(self.gateway)
        return server, server.gateway.place(self.port, self.slot)

    async def pace(self, fleet: Fleet, server: GatewayServer, place: Place, act: Callable[[str, int], None]) -> int:
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

    async def perform(self, fleet: Fleet) -> Message:
        server, place = self.find(fleet)

        def send(number: str, index: int) -> None:
            send_one(server.executor, tid=1_000_000 + index, place=place, number=number, text=self.text)

        count = await self.pace(fleet, server, place, send)
        return {"gateway": server.name, "slot": str(place), "queued": count}


class MassCalls(Mass, kw_only=True):
    """Many outgoing calls, each told in three cdr pushes (dialling, connected, ended) that lie in the past."""

    seconds: int = 20
    """Length of each call."""

    async def perform(self, fleet: Fleet) -> Message:
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


class Garbage(Operation, kw_only=True):
    """Send damaged bodies (the built-in list, or texts, or `base64:...`) and wait for what is answered."""

    bodies: list[str] | None = None

    async def perform(self, fleet: Fleet) -> Message:
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


#: Operations under /gateways/{name}/...
GATEWAY_OPERATIONS: dict[str, type[Any]] = {
    "insert": Insert,
    "remove": Remove,
    "move": MoveWithin,
    "imei-missing": ImeiMissing,
    "fault": SetFault,
    "reboot": Reboot,
    "report-now": ReportNow,
    "report-url": ReportUrl,
    "receive-sms": ReceiveSms,
}

#: Operations that find their gateway by themselves.
FLEET_OPERATIONS: dict[str, type[Any]] = {
    "move": Move,
    "mass-sms": MassSms,
    "mass-calls": MassCalls,
    "garbage": Garbage,
}

#: What a scenario step may do; there `move` is the one across gateways.
ACTIONS: dict[str, type[Any]] = GATEWAY_OPERATIONS | FLEET_OPERATIONS


def read_operation(kind: type[Any], parameters: object) -> Any:
    """Check the parameters of an operation; raises InvalidRequest that names the field."""
    try:
        return msgspec.convert(parameters, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from error


async def perform(fleet: Fleet, operation: Any) -> Message:
    """Do it and tell what became of it."""
    work: Awaitable[Message] = operation.perform(fleet)
    return await work
