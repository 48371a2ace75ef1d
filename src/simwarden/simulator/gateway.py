"""A virtual SIM gateway as a model without sockets: ports x slots, cards, locks and the counters in its reports.

Who changes it gets back the slots that changed and decides what to push; the model itself never sends.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence

from simwarden.simulator import messages
from simwarden.simulator.errors import Conflict, NotFound
from simwarden.simulator.identity import VirtualSim, make_imei
from simwarden.simulator.messages import CardUsage, Form, Message, SlotState
from simwarden.simulator.slot_addresses import SlotAddress

FIRMWARE = "532-600-999-041-100-000"

#: How many received SMS the device remembers for polling.
INBOX_SIZE = 1000


class VirtualGateway:
    """The device: one radio module (and so one IMEI) per port, several SIM slots behind it."""

    def __init__(
        self,
        name: str,
        *,
        ports: int = 32,
        slots: int = 4,
        imeis: Sequence[str] | None = None,
        mac: str = "00-30-f1-00-00-01",
        ip: str = "127.0.0.1",
        operator: str = "46000 CHINA MOBILE",
        one_active: bool = False,
        counters: bool = False,
    ) -> None:
        """`imeis` has one IMEI a port (made up when absent).

        With `one_active` only the port's active slot registers and the other cards report st 1 (idle), as a device
        with one module a port does; without it every unlocked card reports st 3. `counters` adds the Call Control and
        SMS Control fields to the port objects.
        """
        self.name = name
        self.ports = ports
        self.slots = slots
        self.mac = mac
        self.ip = ip
        self.operator = operator
        self.one_active = one_active
        self.counters = counters
        self.imeis = list(imeis) if imeis is not None else [make_imei(port) for port in range(ports)]
        if len(self.imeis) != ports or len(set(self.imeis)) != ports:
            raise ValueError(f"{name} needs {ports} distinct IMEIs, one a port, got {len(set(self.imeis))}")
        self.port_seq = 0
        self.dev_seq = 0
        self.boots = 1
        self.inbox: deque[tuple[int, SlotAddress, str, str, int]] = deque(maxlen=INBOX_SIZE)
        self._sms_id = 0
        self._cards: dict[SlotAddress, VirtualSim] = {}
        self._where: dict[str, SlotAddress] = {}
        self._locked: set[SlotAddress] = set()
        self._nameless: set[SlotAddress] = set()
        self._registering: set[SlotAddress] = set()
        self._active: dict[int, int] = {}
        self._usage: defaultdict[str, CardUsage] = defaultdict(CardUsage)
        self._watchers: list[Callable[[SlotAddress], None]] = []

    # -- what is where -------------------------------------------------------------------------------------------

    def place(self, port: int, slot: int) -> SlotAddress:
        """The slot if the device has it."""
        if not (1 <= port <= self.ports and 1 <= slot <= self.slots):
            raise NotFound(f"{self.name} has no slot {port}.{slot:02d}: it has {self.ports} ports x {self.slots} slots")
        return SlotAddress(port, slot)

    def places(self) -> Iterable[SlotAddress]:
        """Every slot, port by port."""
        return (SlotAddress(port, slot) for port in range(1, self.ports + 1) for slot in range(1, self.slots + 1))

    def cards(self) -> dict[SlotAddress, VirtualSim]:
        """The occupied slots and their cards (a copy)."""
        return dict(self._cards)

    def card(self, place: SlotAddress) -> VirtualSim | None:
        """The card in this slot."""
        return self._cards.get(place)

    def find(self, imsi: str) -> SlotAddress | None:
        """Where the card with this IMSI sits."""
        return self._where.get(imsi)

    def is_locked(self, place: SlotAddress) -> bool:
        """Whether the slot is locked, whatever is in it."""
        return place in self._locked

    def locked(self) -> list[SlotAddress]:
        """The locked slots in order."""
        return sorted(self._locked)

    def active_slot(self, port: int) -> int:
        """The slot the port's module uses (1 until switched)."""
        return self._active.get(port, 1)

    def watch(self, callback: Callable[[SlotAddress], None]) -> None:
        """Call `callback` for every slot whose report would now read differently (to keep encoded copies true)."""
        self._watchers.append(callback)

    # -- changes: each returns the slots that changed --------------------------------------------------------------

    def insert(self, sim: VirtualSim, port: int, slot: int) -> list[SlotAddress]:
        """Put a card into an empty slot."""
        place = self.place(port, slot)
        if (present := self._cards.get(place)) is not None:
            raise Conflict(f"slot {place} of {self.name} already holds the card with IMSI {present.imsi}")
        if (elsewhere := self._where.get(sim.imsi)) is not None:
            raise Conflict(f"the card with IMSI {sim.imsi} is already in slot {elsewhere} of {self.name}")
        self._cards[place] = sim
        self._where[sim.imsi] = place
        return self._changed(place)

    def take(self, port: int, slot: int) -> VirtualSim:
        """Pull the card out of a slot and return it; a lock of the slot stays."""
        place = self.place(port, slot)
        sim = self._cards.pop(place, None)
        if sim is None:
            raise NotFound(f"slot {place} of {self.name} is empty")
        del self._where[sim.imsi]
        self._changed(place)
        return sim

    def remove(self, port: int, slot: int) -> list[SlotAddress]:
        """Pull the card out of a slot and lay it aside."""
        self.take(port, slot)
        return [SlotAddress(port, slot)]

    def move(self, source: SlotAddress, target: SlotAddress, *, swap: bool = False) -> list[SlotAddress]:
        """Carry the card from one slot to another of this device; with `swap` the two cards exchange places."""
        self.place(*source)
        self.place(*target)
        if source == target:
            return []
        if not swap and (present := self._cards.get(target)) is not None:
            raise Conflict(f"slot {target} of {self.name} already holds the card with IMSI {present.imsi}")
        moved = self.take(*source)
        other = self.take(*target) if target in self._cards else None
        self.insert(moved, *target)
        if other is not None:
            self.insert(other, *source)
        return [source, target]

    def lock(self, places: Iterable[SlotAddress]) -> list[SlotAddress]:
        """Lock slots (st 12 while a card is in them); a lock belongs to the slot and outlives the card."""
        return self._flag(self._locked, places, on=True)

    def unlock(self, places: Iterable[SlotAddress]) -> list[SlotAddress]:
        """Unlock slots."""
        return self._flag(self._locked, places, on=False)

    def set_imei_missing(self, port: int, slot: int, *, missing: bool = True) -> list[SlotAddress]:
        """Report this slot with an empty IMEI, as when the module does not answer."""
        return self._flag(self._nameless, [self.place(port, slot)], on=missing)

    def set_registering(self, places: Iterable[SlotAddress], *, on: bool) -> list[SlotAddress]:
        """Cards that are registering report st 2 (after a module reset) until this is taken back."""
        return self._flag(self._registering, places, on=on)

    def switch(self, port: int, slot: int) -> list[SlotAddress]:
        """Make this the slot the port's module uses (`switch "2.02"` moves port 2 to slot 2)."""
        place = self.place(port, slot)
        before = SlotAddress(port, self.active_slot(port))
        if before == place:
            return []
        self._active[port] = slot
        return self._changed(before, place)

    def reboot(self) -> None:
        """Restart: both seq counters and the SMS inbox begin again; cards and locks stay."""
        self.port_seq = 0
        self.dev_seq = 0
        self.boots += 1
        self.inbox.clear()
        self._sms_id = 0
        self._registering.clear()

    def use(self, place: SlotAddress, *, minutes: int = 0, calls: int = 0, talks: int = 0, sms: int = 0) -> None:
        """Count what the card in this slot did."""
        if (sim := self._cards.get(place)) is not None:
            usage = self._usage[sim.imsi]
            usage.minutes += minutes
            usage.calls += calls
            usage.talks += talks
            usage.messages += sms
            self._changed(place)

    def receive_sms(self, place: SlotAddress, sender: str, text: str, at: int) -> None:
        """Keep a received SMS (at: epoch seconds) for the polling page."""
        self._sms_id += 1
        self.inbox.append((self._sms_id, place, sender, text, at))

    # -- reports ---------------------------------------------------------------------------------------------------

    def state(self, place: SlotAddress) -> int:
        """The `st` code of a slot: 0 empty, 12 locked, 2 registering, 1 idle, 3 registered."""
        if place not in self._cards:
            return messages.NO_SIM
        if place in self._locked:
            return messages.USER_LOCKED
        if place in self._registering:
            return messages.REGISTERING
        if self.one_active and self.active_slot(place.port) != place.slot:
            return messages.IDLE
        return messages.REGISTERED

    def view(self, place: SlotAddress) -> SlotState:
        """All that a report can say about this slot now."""
        sim = self._cards.get(place)
        return SlotState(
            place=place,
            st=self.state(place),
            imei="" if place in self._nameless else self.imeis[place.port - 1],
            sim=sim,
            active=self.active_slot(place.port) == place.slot,
            usage=self._usage[sim.imsi] if sim is not None and sim.imsi in self._usage else CardUsage(),
            operator=self.operator,
            signal=20 + (place.port + place.slot) % 12,
            enabled=place not in self._locked,
        )

    def next_port_seq(self) -> int:
        """Count one more port object sent; one counter for the whole device, from 1."""
        self.port_seq += 1
        return self.port_seq

    def port_status(self, place: SlotAddress, form: Form = "v2") -> Message:
        """A `port-status` for one slot (document section 4.1)."""
        return messages.port_status(self.view(place), seq=self.next_port_seq(), form=form, counters=self.counters)

    def dev_status(self, form: Form = "v2", *, expires: int = 60000, all_slots: bool = True) -> Message:
        """A `dev-status` (document section 4.2) of every slot, or of every port's active slot only."""
        self.dev_seq += 1
        seq = self.dev_seq
        places = self.places() if all_slots else (SlotAddress(p, self.active_slot(p)) for p in range(1, self.ports + 1))
        objects = [
            messages.port_object(self.view(place), seq=self.next_port_seq(), form=form, counters=self.counters)
            for place in places
        ]
        return messages.dev_status(self.header(), objects, seq=seq, expires=expires, form=form)

    def header(self) -> Message:
        """What a dev-status says about the device itself."""
        return {"mac": self.mac, "ip": self.ip, "ver": FIRMWARE, "ports": self.ports, "slots": self.slots}

    def received_sms(self, place: SlotAddress, *, sender: str, text: str, at: int, form: Form = "v2") -> Message:
        """A `recv-sms` (v3: `received-sms`), `at` in epoch seconds."""
        return messages.received_sms(self.view(place), mac=self.mac, sender=sender, text=text, at=at, form=form)

    def sent_sms(self, place: SlotAddress, *, tid: int, to: str, text: str, at: int, form: Form = "v2") -> Message:
        """A `sent-sms` (v3: `sms-sent-status`); it fails with code 5 when the card is not registered."""
        view = self.view(place)
        registered = view.st == messages.REGISTERED
        if form == "v3":
            return messages.sms_sent_status(view, tid=tid, numbers=[to], at=at, failed=not registered)
        code = "0 OK" if registered else "5 SIM Unregistered"
        return messages.sent_sms(
            view, mac=self.mac, seq=self.next_port_seq(), tid=tid, to=to, text=text, at=at, code=code
        )

    def cdr(
        self, place: SlotAddress, *, cid: str, other: str, times: tuple[int, int, int], incoming: bool = False
    ) -> Message:
        """A `cdr` of a call with `other`; `times` are begin, answer, end in epoch seconds, 0 = not yet."""
        view = self.view(place)
        seq = self.next_port_seq()
        return messages.cdr(
            view, mac=self.mac, ip=self.ip, seq=seq, cid=cid, other=other, times=times, incoming=incoming
        )

    # -- inner -----------------------------------------------------------------------------------------------------

    def _flag(self, flags: set[SlotAddress], places: Iterable[SlotAddress], *, on: bool) -> list[SlotAddress]:
        changed = [self.place(*place) for place in places if (place in flags) != on]
        (flags.update if on else flags.difference_update)(changed)
        return self._changed(*changed)

    def _changed(self, *places: SlotAddress) -> list[SlotAddress]:
        for callback in self._watchers:
            for place in places:
                callback(place)
        return list(places)
