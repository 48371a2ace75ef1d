"""What can be done to a running fleet: the one list behind the control server and the scenarios.

Every operation is a small struct; its fields are the parameters, checked when it is read.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from simwarden.simulator.errors import Conflict, InvalidRequest
from simwarden.simulator.faults import Fault, FaultName
from simwarden.simulator.fleet import SimulatedFleet
from simwarden.simulator.identity import VirtualSim, make_sim
from simwarden.simulator.messages import Message
from simwarden.simulator.server import GatewayServer
from simwarden.simulator.slot_addresses import SlotAddress, parse_place

#: How long a request that waits for its push waits, in seconds.
PATIENCE = 30.0


class Instruction(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of all: the gateway it is about."""

    gateway: str


class AtSlot(Instruction, kw_only=True):
    """An operation on one slot."""

    port: int
    slot: int

    def find(self, fleet: SimulatedFleet) -> tuple[GatewayServer, SlotAddress]:
        """The gateway and its slot."""
        server = fleet.server(self.gateway)
        return server, server.gateway.place(self.port, self.slot)


class Insert(AtSlot, kw_only=True):
    """Put a card into an empty slot; iccid and msisdn are made up when the card is new and they are not given."""

    imsi: str
    iccid: str | None = None
    msisdn: str | None = None

    async def perform(self, fleet: SimulatedFleet) -> Message:
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

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server, place = self.find(fleet)
        sim = server.gateway.take(*place)
        fleet.drawer[sim.imsi] = sim
        server.report_slots([place])
        return {"gateway": server.name, "slot": str(place), "imsi": sim.imsi}


class Move(AtSlot, kw_only=True):
    """Carry a card from wherever it is to a slot, across gateways; with swap two cards exchange places."""

    imsi: str
    swap: bool = False

    async def perform(self, fleet: SimulatedFleet) -> Message:
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


class MoveWithin(Instruction, kw_only=True):
    """Carry the card of one slot (from) to another (to) of the same gateway; slots are written like 1.02."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    swap: bool = False

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server = fleet.server(self.gateway)
        changed = server.gateway.move(parse_place(self.source), parse_place(self.target), swap=self.swap)
        server.report_slots(changed)
        return {"gateway": server.name, "changed": [str(place) for place in changed], "moved_ns": time.time_ns()}


class ImeiMissing(AtSlot, kw_only=True):
    """Report a slot without its IMEI, or with it again."""

    missing: bool = True

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server, place = self.find(fleet)
        server.report_slots(server.gateway.set_imei_missing(*place, missing=self.missing))
        return {"gateway": server.name, "slot": str(place), "imei": server.gateway.view(place).imei}


class SetFault(Instruction, kw_only=True):
    """Switch a fault on; none heals. status and code are for refuse, delay (seconds) for slow."""

    fault: FaultName
    status: int = 500
    code: int = 7
    delay: float = 1.0
    count: int | None = None

    async def perform(self, fleet: SimulatedFleet) -> Message:
        if not 200 <= self.status <= 599:
            raise InvalidRequest(f"status {self.status} is not an HTTP status from 200 to 599")
        server = fleet.server(self.gateway)
        await server.set_fault(Fault(self.fault, self.status, self.code, self.delay, self.count))
        fleet.happened("fault", gateway=server.name, fault=self.fault)
        return {"gateway": server.name, "fault": self.fault, "online": server.online}


class Reboot(Instruction, kw_only=True):
    """Restart a gateway: its seq counters begin again and it sends a dev-status."""

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server = fleet.server(self.gateway)
        await server.reboot()
        return {"gateway": server.name, "boots": server.gateway.boots}


class ReportNow(Instruction, kw_only=True):
    """Push a dev-status, or with port and slot a port-status, and wait for the answer."""

    port: int | None = None
    slot: int | None = None

    async def perform(self, fleet: SimulatedFleet) -> Message:
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


class ReportUrl(Instruction, kw_only=True):
    """Report to this URL from now on; with interval (seconds, 0 = off) also at another pace; report_now at once."""

    url: str
    interval: float | None = None
    report_now: bool = False

    async def perform(self, fleet: SimulatedFleet) -> Message:
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

    async def perform(self, fleet: SimulatedFleet) -> Message:
        server, place = self.find(fleet)
        now = int(time.time())
        server.gateway.receive_sms(place, self.sender, self.text, now)
        message = server.gateway.received_sms(place, sender=self.sender, text=self.text, at=now, form=server.form)
        server.reporter.push(message["type"], message, [str(place)])
        return {"gateway": server.name, "slot": str(place), "at": now}
