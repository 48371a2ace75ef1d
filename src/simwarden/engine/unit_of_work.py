"""One commit for one cause: state, events, enforcement intents and deliveries are written here, together."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import alarm as alarm_rules
from simwarden.domain import attachment as rules
from simwarden.domain.attachment import Attachment, AttachmentStatus
from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.domain.service_days import changes as service_changes
from simwarden.domain.sim import ALL_FUNCTIONS, Lifecycle, NetworkTarget
from simwarden.engine import publishing, risk, standing
from simwarden.store import alarms, attachments, hotspots, ledger, ports, sims

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    import asyncpg

    from simwarden.domain.decision import Decision
    from simwarden.domain.reports import SubscriberNote
    from simwarden.domain.sim import Function, Sim


class TargetView(msgspec.Struct, frozen=True):
    """What a network element shows of one target."""

    off: int | None
    """The functions that are off there; None where no card is, which does not show it."""
    ours: bool
    """We switched them off, or are about to."""


class Outcome(msgspec.Struct, frozen=True):
    """What a commit leaves to be done by others."""

    changed: int = 0
    events: int = 0
    enforcement_due: bool = False
    deliveries: int = 0
    fired: int = 0
    """Rules that fired."""
    messages: tuple[tuple[str, str], ...] = ()
    """Of each short message that came forward: the kind of network element that sends it, and how far it came."""
    blocked: tuple[float, ...] = ()
    """Of each lock that the network shows now: seconds since the commit that wanted it."""

    def plus(self, more: Outcome) -> Outcome:
        """Of this and more in one commit."""
        due = self.enforcement_due or more.enforcement_due
        changed, events = self.changed + more.changed, self.events + more.events
        deliveries, fired = self.deliveries + more.deliveries, self.fired + more.fired
        messages, blocked = self.messages + more.messages, self.blocked + more.blocked
        return Outcome(changed, events, due, deliveries, fired, messages, blocked)


class UnitOfWork:
    """Changes to SIMs that this transaction has locked, written by `write()`."""

    def __init__(self, connection: asyncpg.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self.sims: dict[str, Sim] = {}
        self._attachments: dict[str, dict[NetworkTarget, Attachment]] = {}
        self._before: dict[str, dict[NetworkTarget, Attachment]] = {}
        self._original: dict[str, Sim] = {}
        self._events: dict[str, list[Event]] = {}
        self._ours: set[NetworkTarget] = set()
        self._blocked: list[float] = []

    async def lock(self, imsis: Iterable[str]) -> None:
        """Lock SIMs and read them with their attachments."""
        wanted = set(imsis) - self.sims.keys()
        if not wanted:
            return
        found = await sims.lock(self._connection, sorted(wanted))
        self.sims.update(found)
        self._original.update(found)
        for imsi, items in (await attachments.of_sims(self._connection, found)).items():
            self._attachments[imsi] = {item.target: item for item in items}
            self._before[imsi] = dict(self._attachments[imsi])
        targets = [target for imsi in found for target in self._before[imsi]]
        if targets:
            self._ours |= await ports.locked_by_us(self._connection, targets)

    def before(self, imsi: str) -> Sim:
        """A locked SIM as it was when this transaction locked it."""
        return self._original[imsi]

    def attachments(self, imsi: str) -> list[Attachment]:
        """Where a locked SIM can be acted upon, as far as this transaction has come."""
        return list(self._attachments[imsi].values())

    def attachment(self, imsi: str, target: NetworkTarget) -> Attachment | None:
        """The attachment of a locked SIM at a target."""
        return self._attachments.get(imsi, {}).get(target)

    def decide(
        self,
        decision: Decision,
        views: Mapping[NetworkTarget, TargetView] | None = None,
        upheld: Collection[NetworkTarget] = (),
    ) -> None:
        """Take over a decision about a locked SIM. `views`: what is known of the target where its card is now.

        A SIM gets a new attachment only at a target that `views` names: one where it is, not where it was once. It
        keeps those at `upheld` targets, where another element shows it too, until that shows it no longer.
        """
        sim = decision.sim
        self.sims[sim.imsi] = sim
        self._events.setdefault(sim.imsi, []).extend(decision.events)
        self._move(sim, decision.events[-1].n if decision.events else None, views or {}, upheld)

    def wait_for_proof(self, imsi: str, upheld_at: datetime | None) -> None:
        """A report that would lift the bar of a locked SIM waits; the bar was upheld last at `upheld_at`. None: it is
        refuted."""
        self.sims[imsi] = msgspec.structs.replace(self.sims[imsi], upheld_at=upheld_at)

    def vacate(self, target: NetworkTarget, imsi: str | None, iccid: str | None) -> None:
        """An element shows this card, or none, at a target: others, seen elsewhere since, are not there any more."""
        for other, items in self._attachments.items():
            sim, here = self.sims[other], items.get(target)
            if here is None or not here.current or imsi == other or (imsi is None and iccid and iccid == sim.iccid):
                continue
            if sim.seen is not None and sim.seen.slot is not None and sim.seen.slot.target != target:
                self._detach(items, here, sim.event_count)

    def observe(self, target: NetworkTarget, view: TargetView, cause: Cause) -> None:
        """An element showed a target: proof, or its absence, for what was commanded there."""
        for imsi, items in self._attachments.items():
            if target in items and imsi in self.sims:
                before = items[target]
                after = rules.observe(before, self._now, off=view.off, ours=view.ours)
                self.replace(imsi, after)
                if before.is_open and not after.is_open:
                    self._applied(imsi, before, after, cause)
                    if not after.current:
                        del items[target]

    def show(
        self,
        imsi: str,
        target: NetworkTarget,
        groups: tuple[Function, ...],
        off: int,
        cause: Cause,
        *,
        held: int | None = None,
    ) -> None:
        """An element shows a locked SIM at a target that holds no card, and which functions are off there.

        `groups`: what can be switched there, for a target at which the SIM was not yet. `held`: what we switched off
        for something that goes on there; where that is not to be off, it counts as off, whatever else goes on there.
        """
        items, sim = self._attachments[imsi], self.sims[imsi]
        if target in items:
            items[target] = msgspec.structs.replace(items[target], held=held)
            off |= (held or 0) & ~int(items[target].wanted)
            self.observe(target, TargetView(off, ours=False), cause)
            return
        if not rules.make_room(items, target.element_id):
            return
        reason = sim.bars[-1].event if sim.bars else None
        items[target] = rules.attach(target, groups, int(sim.off_at(target)), reason, self._now, off=off, ours=False)

    def show_subscriber(self, element_id: int, note: SubscriberNote, cause: Cause) -> None:
        """An element shows what it keeps for a locked SIM: where it may register, and with which device."""
        items, sim = self._attachments[note.imsi], self.sims[note.imsi]
        target = NetworkTarget(element_id, note.imsi)
        before = items.get(target)
        if before is None or before.held is None:
            desired, reason = int(sim.functions_off), sim.bars[-1].event if sim.bars else None
            off = int(note.off)
            made = rules.attach(target, note.groups, desired, reason, self._now, off=off, ours=False, keeps=True)
            items[target] = msgspec.structs.replace(made, device=note.imei)
            return
        after = rules.kept(before, self._now, off=int(note.off), idle=int(note.idle))
        if note.imei is not None and note.imei != before.device:
            after = msgspec.structs.replace(after, device=note.imei, device_since=self._now)
        items[target] = after
        if before.is_open and not after.is_open:
            self._applied(note.imsi, before, after, cause)

    def _applied(self, imsi: str, before: Attachment, after: Attachment, cause: Cause) -> None:
        self.record(imsi, EventType.ENFORCEMENT_APPLIED, cause, after.event, _applied(after))
        if after.wanted:
            self._blocked.append((self._now - before.since).total_seconds())

    def forget(self, imsi: str, target: NetworkTarget) -> None:
        """Act no more for a locked SIM at this target."""
        del self._attachments[imsi][target]

    def replace(self, imsi: str, attachment: Attachment) -> None:
        """Set one attachment of a locked SIM."""
        self._attachments[imsi][attachment.target] = attachment

    def record(self, imsi: str, kind: EventType, cause: Cause, parent: int | None, data: dict[str, object]) -> int:
        """Add an event to a locked SIM; returns its number."""
        sim = self.sims[imsi]
        n = sim.event_count + 1
        self.sims[imsi] = msgspec.structs.replace(sim, event_count=n)
        self._events.setdefault(imsi, []).append(Event(n, kind, self._now, cause, data, parent))
        return n

    def is_done_with(self, target: NetworkTarget, view: TargetView) -> bool:
        """Whether what we switched off at this target is on again, and nothing is to be off or on its way."""
        here = [items[target] for items in self._attachments.values() if target in items]
        return not view.off and not any(item.wanted or item.is_open for item in here)

    def _move(
        self,
        sim: Sim,
        event: int | None,
        views: Mapping[NetworkTarget, TargetView],
        upheld: Collection[NetworkTarget],
    ) -> None:
        items = self._attachments[sim.imsi]
        reason = event or (sim.bars[-1].event if sim.bars else None)
        place = sim.seen.slot.target if sim.seen and sim.seen.slot else None
        view = views.get(place) if place is not None else None
        attaches = place is not None and view is not None and (place not in items or not items[place].current)
        for item in list(items.values()):
            if not item.current:
                continue
            if view is None or item.target == place or item.target in upheld or not item.target.holds_card:
                ours = self._is_ours(item)
                desired = int(sim.off_at(item.target))
                items[item.target] = rules.set_desired(item, desired, reason, self._now, ours=ours)
            else:
                self._detach(items, item, reason)
        if attaches and place is not None and view is not None:
            desired = int(sim.off_at(place))
            here = rules.attach(place, (ALL_FUNCTIONS,), desired, reason, self._now, off=view.off or 0, ours=view.ours)
            items[place] = here
            self._evict(place, sim.imsi)
            if here.wanted and not here.is_open:
                cause = Cause(CauseKind.ENFORCEMENT, "engine", self._now, "already locked")
                self.record(sim.imsi, EventType.ENFORCEMENT_APPLIED, cause, reason, _applied(here))

    def _detach(self, items: dict[NetworkTarget, Attachment], old: Attachment, reason: int | None) -> None:
        gone = rules.detach(old, reason, self._now, ours=self._is_ours(old))
        if gone is None:
            del items[old.target]
        else:
            items[old.target] = gone

    def _is_ours(self, item: Attachment) -> bool:
        """Whether what is off there was switched off by us, or may be about to be."""
        return item.target in self._ours or _switches_off(item)

    def _evict(self, target: NetworkTarget, imsi: str) -> None:
        """Another SIM's card is there now: what was to be done for the SIM before is the new one's business."""
        for other, items in self._attachments.items():
            if other != imsi and target in items:
                del items[target]

    def switched(self) -> dict[str, Cause]:
        """SIMs that are kept and of which other functions are off than before, or that have another data allowance, by
        IMSI, and what caused that last."""
        return {
            imsi: self._events[imsi][-1].cause
            for imsi, sim in self.sims.items()
            if _told(sim) != _told(self._original[imsi])
            and sim.lifecycle is not Lifecycle.DELETED
            and self._events.get(imsi)
        }

    async def write(self, *, shown_later: bool = False) -> Outcome:
        """Write everything. The caller commits, then wakes whoever the outcome names.

        Those who are told whether SIMs can be reached are told what was decided here; with `shown_later` the caller
        sees to it, who has still to store what was reported of these SIMs.
        """
        facts = risk.facts_of(self._events)
        if facts:
            causes = {imsi: self._events[imsi][-1].cause for imsi in facts}
            for decision in await risk.decide(self._connection, facts, self.sims, causes, self._now, self._held):
                self.decide(decision)
        switched = {} if shown_later else self.switched()
        if switched:
            sims_ = [self.sims[imsi] for imsi in sorted(switched)]
            for decision in await standing.decide(self._connection, sims_, switched, self._now):
                self.decide(decision)
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
            await hotspots.add_signs(self._connection, events)
        due = await self._write_attachments()
        deliveries = 0
        if events:
            told = [(self.sims[imsi], items) for imsi, items in self._events.items() if items]
            deliveries = await publishing.publish(self._connection, told)
        if gone:
            deliveries += await publishing.end_of_sims(self._connection, gone, self._now)
        await self._raise_alarms()
        if due:
            await attachments.wake(self._connection)
        await self._count_services(changed)
        fired = sum(event.type is EventType.RULE_FIRED for _, event in events)
        return Outcome(len(changed), len(events), due, deliveries, fired, blocked=tuple(self._blocked))

    async def _count_services(self, changed: Iterable[Sim]) -> None:
        """The last rows that are locked: everybody of the account who does the same waits for them."""
        counted = []
        for sim in changed:
            after = None if sim.lifecycle is Lifecycle.DELETED else sim
            counted += service_changes(self._original[sim.imsi], after)
        if counted:
            await ledger.count_services(self._connection, counted, self._now.astimezone(UTC).date())

    async def _held(self, _imsis: Collection[str]) -> Mapping[str, Sim]:
        return self.sims

    async def _raise_alarms(self) -> None:
        """An enforcement that failed is an alarm until the network matches, or nothing is to be done any more."""
        troubles = []
        done: list[alarm_rules.Key] = []
        dropped: list[alarm_rules.Key] = []
        for imsi, items in self._attachments.items():
            before = self._before[imsi]
            for target, item in items.items():
                if alarm_rules.attempt_failed(before.get(target), item):
                    troubles.append(alarm_rules.enforcement_failed(imsi, self.sims[imsi].account_id, item))
            for target, old in before.items():
                now = items.get(target)
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
            save += [(imsi, item) for target, item in items.items() if before.get(target) != item]
            drop += [(imsi, target) for target in before if target not in items]
        if drop:
            await attachments.drop(self._connection, drop)
        if save:
            await attachments.save(self._connection, save)
        begun = {
            item.target
            for imsi, item in save
            if _switches_off(item) and not _switches_off(self._before[imsi].get(item.target))
        }
        if begun:
            await ports.remember_locks(self._connection, begun)
        return any(item.status is not AttachmentStatus.APPLIED for _, item in save)


def _told(sim: Sim) -> tuple[Function, int | None]:
    """What is decided about a SIM that those are told of who subscribe to how it stands."""
    return sim.functions_off, sim.limits.data_allowance


def _switches_off(attachment: Attachment | None) -> bool:
    """Whether we switch something off there, or will: from then on what is off counts as ours."""
    return attachment is not None and bool(attachment.wanted) and attachment.is_open


def enforcement_data(target: NetworkTarget, gateway: str | None = None, **facts: object) -> dict[str, object]:
    """The data of every ENFORCEMENT_... event: `gateway` is the element's id, then its target, then `facts`.

    `gateway`: its name, for when the element is deleted; left out where it is not at hand. Events written before this
    was one shape hold the name in place of the id, or neither: `explain.readable` takes all of them.
    """
    named = {} if gateway is None else {"gateway_name": gateway}
    return {"gateway": target.element_id, **named, **target.facts, **facts}


def _applied(attachment: Attachment) -> dict[str, object]:
    """What ENFORCEMENT_APPLIED says."""
    return enforcement_data(
        attachment.target,
        locked=bool(attachment.wanted),
        attempts=attachment.attempts,
        commanded_at=attachment.commanded_at and attachment.commanded_at.isoformat(),
    )
