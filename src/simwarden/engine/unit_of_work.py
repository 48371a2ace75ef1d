"""One commit for one cause: state, events, enforcement intents and deliveries are written here, together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import alarm as alarm_rules
from simwarden.domain import attachment as rules
from simwarden.domain.attachment import Attachment, AttachmentStatus
from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.domain.sim import Lifecycle
from simwarden.engine import subscriptions
from simwarden.store import alarms, attachments, gateways, sims

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    import asyncpg

    from simwarden.domain.decision import Decision
    from simwarden.domain.sim import Place, Sim


class SlotView(msgspec.Struct, frozen=True):
    """What a gateway shows of a slot."""

    locked: bool | None
    """None for an empty slot, which does not show whether it is locked."""
    held: bool
    """The lock is ours, or one of ours is on its way."""


class Outcome(msgspec.Struct, frozen=True):
    """What a commit leaves to be done by others."""

    changed: int = 0
    events: int = 0
    enforcement_due: bool = False
    deliveries: int = 0


class UnitOfWork:
    """Changes to SIMs that this transaction has locked, written by `write()`."""

    def __init__(self, connection: asyncpg.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self.sims: dict[str, Sim] = {}
        self._attachments: dict[str, dict[Place, Attachment]] = {}
        self._before: dict[str, dict[Place, Attachment]] = {}
        self._original: dict[str, Sim] = {}
        self._events: dict[str, list[Event]] = {}
        self._ours: set[Place] = set()

    async def lock(self, imsis: Iterable[str]) -> None:
        """Lock SIMs and read them with their attachments."""
        wanted = set(imsis) - self.sims.keys()
        if not wanted:
            return
        found = await sims.lock(self._connection, sorted(wanted))
        self.sims.update(found)
        self._original.update(found)
        for imsi, items in (await attachments.of_sims(self._connection, found)).items():
            self._attachments[imsi] = {item.place: item for item in items}
            self._before[imsi] = dict(self._attachments[imsi])
        places = [place for imsi in found for place in self._before[imsi]]
        if places:
            self._ours |= await gateways.held(self._connection, places)

    def attachments(self, imsi: str) -> list[Attachment]:
        """Where a locked SIM can be acted upon, as far as this transaction has come."""
        return list(self._attachments[imsi].values())

    def attachment(self, imsi: str, place: Place) -> Attachment | None:
        """The attachment of a locked SIM at a place."""
        return self._attachments.get(imsi, {}).get(place)

    def decide(
        self,
        decision: Decision,
        slots: Mapping[Place, SlotView] | None = None,
        upheld: Collection[Place] = (),
    ) -> None:
        """Take over a decision about a locked SIM. `slots`: what is known of the slot it is in now.

        A SIM gets a new attachment only in a slot that `slots` names: one where it is, not where it was once. It keeps
        those at `upheld` places, where another gateway shows it too, until that gateway shows it no longer.
        """
        sim = decision.sim
        self.sims[sim.imsi] = sim
        self._events.setdefault(sim.imsi, []).extend(decision.events)
        self._move(sim, decision.events[-1].n if decision.events else None, slots or {}, upheld)

    def wait_for_proof(self, imsi: str, upheld_at: datetime | None) -> None:
        """A report that would lift the bar of a locked SIM waits; the bar was upheld last at `upheld_at`. None: it is
        refuted."""
        self.sims[imsi] = msgspec.structs.replace(self.sims[imsi], upheld_at=upheld_at)

    def vacate(self, place: Place, imsi: str | None, iccid: str | None) -> None:
        """A gateway shows this SIM, or none, in a slot: others, seen elsewhere since, are not there any more."""
        for other, items in self._attachments.items():
            sim, here = self.sims[other], items.get(place)
            if here is None or not here.current or imsi == other or (imsi is None and iccid and iccid == sim.iccid):
                continue
            if sim.seen is not None and sim.seen.place not in (None, place):
                self._leave(items, here, sim.event_count)

    def observe(self, place: Place, view: SlotView, cause: Cause) -> None:
        """A gateway showed a slot: proof, or its absence, for what was commanded there."""
        for imsi, items in self._attachments.items():
            if place in items and imsi in self.sims:
                before = items[place]
                after = rules.observe(before, self._now, locked=view.locked, held=view.held)
                self.replace(imsi, after)
                if before.is_open and not after.is_open:
                    self.record(imsi, EventType.ENFORCEMENT_APPLIED, cause, after.event, _applied(after))
                    if not after.current:
                        del items[place]

    def forget(self, imsi: str, place: Place) -> None:
        """Act no more for a locked SIM at this place."""
        del self._attachments[imsi][place]

    def replace(self, imsi: str, attachment: Attachment) -> None:
        """Set one attachment of a locked SIM."""
        self._attachments[imsi][attachment.place] = attachment

    def record(self, imsi: str, kind: EventType, cause: Cause, parent: int | None, data: dict[str, object]) -> int:
        """Add an event to a locked SIM; returns its number."""
        sim = self.sims[imsi]
        n = sim.event_count + 1
        self.sims[imsi] = msgspec.structs.replace(sim, event_count=n)
        self._events.setdefault(imsi, []).append(Event(n, kind, self._now, cause, data, parent))
        return n

    def is_done_with(self, place: Place, view: SlotView) -> bool:
        """Whether a lock of ours at this slot is gone, and none is wanted or on its way."""
        here = [items[place] for items in self._attachments.values() if place in items]
        return not view.locked and not any(item.wants_lock or item.is_open for item in here)

    def _move(self, sim: Sim, event: int | None, slots: Mapping[Place, SlotView], upheld: Collection[Place]) -> None:
        items = self._attachments[sim.imsi]
        desired = int(sim.functions_off)
        reason = event or (sim.bars[-1].event if sim.bars else None)
        place = sim.seen.place if sim.seen else None
        view = slots.get(place) if place is not None else None
        if place is None or view is None:
            for item in list(items.values()):
                if item.current:
                    items[item.place] = rules.aim(item, desired, reason, self._now, held=self._is_ours(item))
            return
        arrives = place not in items or not items[place].current
        for item in list(items.values()):
            if not item.current:
                continue
            if item.place == place or item.place in upheld:
                items[item.place] = rules.aim(item, desired, reason, self._now, held=self._is_ours(item))
            else:
                self._leave(items, item, reason)
        if arrives:
            here = rules.arrive(place, desired, reason, self._now, locked=bool(view.locked), held=view.held)
            items[place] = here
            self._evict(place, sim.imsi)
            if here.wants_lock and not here.is_open:
                cause = Cause(CauseKind.ENFORCEMENT, "engine", self._now, "already locked")
                self.record(sim.imsi, EventType.ENFORCEMENT_APPLIED, cause, reason, _applied(here))

    def _leave(self, items: dict[Place, Attachment], old: Attachment, reason: int | None) -> None:
        gone = rules.leave(old, reason, self._now, held=self._is_ours(old))
        if gone is None:
            del items[old.place]
        else:
            items[old.place] = gone

    def _is_ours(self, item: Attachment) -> bool:
        """Whether a lock in this slot is ours, or may be about to be."""
        return item.place in self._ours or _locks(item)

    def _evict(self, place: Place, imsi: str) -> None:
        """Another SIM is in the slot now: what was to be done there for the SIM before is the new one's business."""
        for other, items in self._attachments.items():
            if other != imsi and place in items:
                del items[place]

    async def write(self) -> Outcome:
        """Write everything. The caller commits, then wakes whoever the outcome names."""
        changed = [sim for imsi, sim in self.sims.items() if sim != self._original[imsi]]
        gone = [sim for sim in changed if sim.lifecycle is Lifecycle.DELETED]
        for sim in gone:
            self._attachments[sim.imsi] = {}  # a lock of ours stays, and is lifted for the next SIM in the slot
        kept = [sim for sim in changed if sim.lifecycle is not Lifecycle.DELETED]
        if kept:
            await sims.save(self._connection, kept)
        if gone:
            await sims.delete(self._connection, gone, self._now)
        events = [(self.sims[imsi], event) for imsi, items in self._events.items() for event in items]
        if events:
            await sims.add_events(self._connection, events)
        due = await self._write_attachments()
        deliveries = 0
        if events:
            told = [(self.sims[imsi], items) for imsi, items in self._events.items() if items]
            deliveries = await subscriptions.publish(self._connection, told)
        if gone:
            deliveries += await subscriptions.end_of_sims(self._connection, gone, self._now)
        await self._raise_alarms()
        if due:
            await attachments.wake(self._connection)
        return Outcome(len(changed), len(events), due, deliveries)

    async def _raise_alarms(self) -> None:
        """An enforcement that failed is an alarm until the network matches, or nothing is to be done any more."""
        troubles = []
        done: list[alarm_rules.Key] = []
        dropped: list[alarm_rules.Key] = []
        for imsi, items in self._attachments.items():
            before = self._before[imsi]
            for place, item in items.items():
                if alarm_rules.attempt_failed(before.get(place), item):
                    troubles.append(alarm_rules.enforcement_failed(imsi, self.sims[imsi].account_id, item))
            for place, old in before.items():
                now = items.get(place)
                if old.status is AttachmentStatus.FAILED and (now is None or now.status is not AttachmentStatus.FAILED):
                    applied = now is not None and now.status is AttachmentStatus.APPLIED
                    (done if applied else dropped).append(alarm_rules.enforcement_key(imsi, old))
        await alarms.raise_all(self._connection, troubles, self._now)
        await alarms.clear_all(self._connection, done, self._now, "The gateway shows the effect")
        await alarms.clear_all(self._connection, dropped, self._now, "Nothing of it is to be done any more")

    async def _write_attachments(self) -> bool:
        save, drop = [], []
        for imsi, items in self._attachments.items():
            before = self._before[imsi]
            save += [(imsi, item) for place, item in items.items() if before.get(place) != item]
            drop += [(imsi, place) for place in before if place not in items]
        if drop:
            await attachments.drop(self._connection, drop)
        if save:
            await attachments.save(self._connection, save)
        held = {item.place for imsi, item in save if _locks(item) and not _locks(self._before[imsi].get(item.place))}
        if held:
            await gateways.hold(self._connection, sorted(held, key=lambda p: (p.gateway_id, p.port, p.slot)))
        return any(item.status is not AttachmentStatus.APPLIED for _, item in save)


def _locks(attachment: Attachment | None) -> bool:
    """Whether we lock this slot, or will: from then on the lock counts as ours."""
    return attachment is not None and attachment.wants_lock and attachment.is_open


def enforcement_data(place: Place, gateway: str | None = None, **facts: object) -> dict[str, object]:
    """The data of every ENFORCEMENT_... event: `gateway` is the gateway's id, then port and slot, then `facts`.

    `gateway`: its name, for when the gateway is deleted; left out where it is not at hand. Events written before this
    was one shape hold the name in place of the id, or neither: `explain.readable` takes all of them.
    """
    named = {} if gateway is None else {"gateway_name": gateway}
    return {"gateway": place.gateway_id, **named, "port": place.port, "slot": place.slot, **facts}


def _applied(attachment: Attachment) -> dict[str, object]:
    """What ENFORCEMENT_APPLIED says."""
    return enforcement_data(
        attachment.place,
        locked=attachment.wants_lock,
        attempts=attachment.attempts,
        commanded_at=attachment.commanded_at and attachment.commanded_at.isoformat(),
    )
