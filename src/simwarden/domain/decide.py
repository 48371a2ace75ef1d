"""What a sighting, a bind or an unbind leads to. Pure: the same input gives the same decision."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from simwarden.domain.change import Change
from simwarden.domain.errors import InvalidBinding, NoDeviceSeen, NotBound
from simwarden.domain.events import Cause, Event, EventType
from simwarden.domain.identifiers import parse_imei, parse_tac
from simwarden.domain.sim import (
    BarCause,
    Binding,
    BindingKind,
    BindingState,
    Learnt,
    OnMismatch,
    OnUnknown,
    Policy,
    Resume,
    Seen,
    Sighting,
    Sim,
)

MAX_LIST = 1000


class Verdict(enum.StrEnum):
    """What comparing a device with a binding says. Unknown is a verdict of its own."""

    NOT_BOUND = "NOT_BOUND"
    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    UNKNOWN = "UNKNOWN"
    STALE = "STALE"
    """A newer sighting counted already: nothing was compared."""


class MatchKind(enum.StrEnum):
    """How close a device is to the binding."""

    EXACT = "EXACT"
    LIST = "LIST"
    TAC = "TAC"
    TAC_ONLY = "TAC_ONLY"
    """Bound to a device, seen in another one of the same model."""
    NONE = "NONE"


class Decision(msgspec.Struct, frozen=True):
    """The SIM as it is to be, and the events that say how it came to that."""

    sim: Sim
    verdict: Verdict
    events: tuple[Event, ...] = ()


class Target(msgspec.Struct, frozen=True):
    """Which device(s) to bind to. Nothing given: what it is explicitly bound to, else the device that it is in now."""

    imei: str | None = None
    tac: str | None = None
    imeis: tuple[str, ...] = ()
    first_seen: bool = False


def compare(binding: Binding, imei: str | None) -> tuple[Verdict, MatchKind]:
    """Compare a 14 digit IMEI (None: unknown) with what a binding allows."""
    if imei is None:
        return Verdict.UNKNOWN, MatchKind.NONE
    if binding.kind is BindingKind.TAC:
        if imei[:8] in binding.values:
            return Verdict.MATCH, MatchKind.TAC
        return Verdict.MISMATCH, MatchKind.NONE
    if imei in binding.values:
        return Verdict.MATCH, MatchKind.LIST if binding.kind is BindingKind.LIST else MatchKind.EXACT
    same_model = any(value[:8] == imei[:8] for value in binding.values)
    return Verdict.MISMATCH, MatchKind.TAC_ONLY if same_model else MatchKind.NONE


def is_stale(sim: Sim, sighting: Sighting) -> bool:
    """Whether a newer sighting than this one counted already (newest source time wins)."""
    if sim.seen is None:
        return False
    newest = sim.seen.at
    if sighting.since is not None and sim.seen.imei not in (None, sighting.imei) and newest >= sighting.since:
        return True
    if sighting.confirmed_at is not None and sighting.confirmed_at > newest:
        newest = sighting.confirmed_at
    return sighting.at < newest


def decide(sim: Sim, sighting: Sighting, now: datetime, cause: Cause) -> Decision:
    """What seeing `sim` as `sighting` says leads to.

    `now` stamps events and bars; `cause` is kept with every event. A sighting older than the newest one changes
    nothing (promise: a replayed report never blocks or opens a SIM).
    """
    if is_stale(sim, sighting):
        return Decision(sim, Verdict.STALE)
    change = _Change(sim, now, cause)
    if sighting.iccid is not None and sim.iccid is not None:
        change.identify(sim.iccid, sighting.iccid)
    before = sim.seen
    known = before.imei if before else None
    verdict, kind = compare(sim.binding, sighting.imei) if sim.binding else (Verdict.NOT_BOUND, MatchKind.NONE)
    armed = sim.state is BindingState.ARMED
    at = max(sighting.at, before.at) if before else sighting.at
    change.sim = msgspec.structs.replace(
        change.sim,
        seen=Seen(
            at, sighting.imei or known, sighting.imei is None, sighting.place or (before.place if before else None)
        ),
    )
    if sighting.imei is None:
        if not (before and before.unknown):
            change.record(EventType.DEVICE_UNKNOWN, last=known)
    elif known is None and (verdict is not Verdict.MISMATCH or armed):
        change.record(EventType.DEVICE_SEEN, imei=sighting.imei)
    elif known != sighting.imei:
        change.record(EventType.DEVICE_CHANGED, imei=sighting.imei, before=known, match=str(kind))
    if armed and sim.binding is not None and sighting.imei is not None:
        learnt = msgspec.structs.replace(sim.binding, values=(sighting.imei,))
        change.sim = msgspec.structs.replace(change.sim, binding=learnt)
        change.record(EventType.BINDING_LEARNT, imei=sighting.imei)
        verdict = Verdict.MATCH
    change.settle(verdict, seen=sighting.imei)
    return change.decision(verdict)


def bind(sim: Sim, target: Target, policy: Policy, now: datetime, cause: Cause, *, strict: bool = False) -> Decision:
    """Bind `sim`, replacing what bound it before.

    Without a device in `target`: to the device that it was explicitly bound to before, which only another explicit one
    replaces; else to the device it is in now; none seen yet: to the first one seen later, or with `strict`
    NoDeviceSeen. Nothing happens, and there is no event, when it keeps both its explicit device and its policy.
    Raises InvalidIdentifier, InvalidBinding (two targets at once, an empty or too long list).
    """
    current = sim.seen.imei if sim.seen else None
    if target == Target() and is_explicit(sim.binding):
        assert sim.binding is not None
        if sim.binding.policy == policy:
            return Decision(sim, Verdict.UNKNOWN)
        kind, values, learnt = sim.binding.kind, sim.binding.values, sim.binding.learnt
    else:
        kind, values, learnt = _resolve(target, current, strict=strict)
    change = _Change(sim, now, cause)
    armed = not values
    state = BindingState.ARMED if armed else BindingState.LOCKED
    change.sim = msgspec.structs.replace(sim, binding=Binding(kind, values, learnt, policy, now), state=state)
    made = EventType.BINDING_REPLACED if sim.binding else EventType.BINDING_CREATED
    change.record(EventType.BINDING_ARMED if armed else made, kind=str(kind), values=list(values), learnt=str(learnt))
    seen = None if sim.seen is None or sim.seen.unknown else sim.seen.imei
    assert change.sim.binding is not None
    if sim.seen is None:
        return change.decision(Verdict.UNKNOWN)  # never seen: nothing to judge, not even an unknown device
    if armed:
        # Nothing to compare with yet. Only a hidden device is an unknown one, not the known one that was not chosen.
        verdict = Verdict.UNKNOWN if seen is None else Verdict.NOT_BOUND
    else:
        verdict, _ = compare(change.sim.binding, seen)
        if verdict is Verdict.UNKNOWN and current is not None:
            # The device is hidden now; the last known one says whether the new binding already differs.
            last, _ = compare(change.sim.binding, current)
            if last is Verdict.MISMATCH:
                change.sim = msgspec.structs.replace(change.sim, state=BindingState.DIFFERED)
    change.settle(verdict, seen=seen, rebound=True)
    return change.decision(verdict)


def is_explicit(binding: Binding | None) -> bool:
    """Whether somebody named the device(s), rather than binding to what was or will be seen."""
    return binding is not None and binding.learnt is Learnt.EXPLICIT and bool(binding.values)


def unbind(sim: Sim, now: datetime, cause: Cause) -> Decision:
    """Remove the binding and the bar it raised. Raises NotBound."""
    if sim.binding is None:
        raise NotBound
    change = _Change(sim, now, cause)
    change.sim = msgspec.structs.replace(sim, binding=None, state=BindingState.NEUTRAL)
    change.record(EventType.BINDING_REMOVED)
    change.lift(BarCause.IMEI_MISMATCH)
    return change.decision(Verdict.NOT_BOUND)


def resume(sim: Sim, now: datetime, cause: Cause) -> Decision:
    """Lift the bar of a SIM that came back, where its policy leaves that to a person. Raises NotBound.

    A SIM that is still in another device, or in one that its policy bars because it is unknown, stays barred: bind it
    to the device, or unbind it. Raises InvalidBinding.
    """
    if sim.binding is None:
        raise NotBound
    if sim.state is BindingState.DIFFERED:
        raise InvalidBinding("The SIM is still in another device: bind it to that device, or unbind it")
    policy = sim.binding.policy
    hidden = sim.seen is not None and sim.seen.unknown
    if hidden and policy.on_mismatch is OnMismatch.ENFORCE and policy.unknown is OnUnknown.DENY:
        raise InvalidBinding(
            "The SIM's device is not known now, and its policy denies that: bind it anew, or unbind it"
        )
    change = _Change(sim, now, cause)
    change.lift(BarCause.IMEI_MISMATCH)
    return change.decision(Verdict.MATCH)


def _resolve(target: Target, current: str | None, *, strict: bool) -> tuple[BindingKind, tuple[str, ...], Learnt]:
    given = [bool(target.imei), bool(target.tac), bool(target.imeis), target.first_seen]
    if sum(given) > 1:
        raise InvalidBinding("Give one of an IMEI, a TAC, a list of IMEIs or the first device seen, not several")
    if target.imei:
        return BindingKind.IMEI, (parse_imei(target.imei).key,), Learnt.EXPLICIT
    if target.tac:
        return BindingKind.TAC, (parse_tac(target.tac),), Learnt.EXPLICIT
    if target.imeis:
        if len(target.imeis) > MAX_LIST:
            raise InvalidBinding(f"A list holds at most {MAX_LIST} IMEIs, this one {len(target.imeis)}")
        return BindingKind.LIST, tuple(sorted({parse_imei(text).key for text in target.imeis})), Learnt.EXPLICIT
    if target.first_seen:
        return BindingKind.IMEI, (), Learnt.FIRST_SEEN
    if current is not None:
        return BindingKind.IMEI, (current,), Learnt.CURRENT
    if strict:
        raise NoDeviceSeen
    return BindingKind.IMEI, (), Learnt.FIRST_SEEN


def same_card(one: str, other: str) -> bool:
    """Whether two ICCIDs are of one card: some gateways leave out the last digits, or registers the check digit."""
    return one.startswith(other) or other.startswith(one)


class _Change(Change):
    """What a device and a binding lead to."""

    def identify(self, registered: str, reported: str) -> None:
        """Remember that another card is reported than the registered one, or that it no longer is."""
        other = None if same_card(registered, reported) else reported
        if other == self.sim.reported_iccid:
            return
        self.update(reported_iccid=other)
        if other is None:
            self.record(EventType.SIM_IDENTITY_RESTORED, iccid=registered)
        else:
            self.record(EventType.SIM_IDENTITY_CONFLICT, iccid=registered, reported=other)

    def settle(self, verdict: Verdict, *, seen: str | None, rebound: bool = False) -> None:
        """Bring state and bar in line with the verdict on the device the SIM is in."""
        binding = self.sim.binding
        if binding is None:
            return
        was_barred = self.sim.bar(BarCause.IMEI_MISMATCH) is not None
        if verdict in (Verdict.MISMATCH, Verdict.MATCH):
            self.update(upheld_at=None)
        if verdict is Verdict.MISMATCH:
            self._enter(BindingState.DIFFERED, EventType.BINDING_DIFFERED, seen)
        elif verdict is Verdict.MATCH:
            self._enter(BindingState.LOCKED, EventType.BINDING_RESTORED, seen)
        if self._wants_bar(binding, verdict):
            if not was_barred:
                self.raise_bar(BarCause.IMEI_MISMATCH, verdict=str(verdict))
        elif was_barred and (rebound or (verdict is Verdict.MATCH and binding.policy.resume is Resume.AUTO)):
            self.lift(BarCause.IMEI_MISMATCH)

    def _wants_bar(self, binding: Binding, verdict: Verdict) -> bool:
        if binding.policy.on_mismatch is not OnMismatch.ENFORCE:
            return False
        if verdict is Verdict.UNKNOWN:
            return binding.policy.unknown is OnUnknown.DENY or self.sim.state is BindingState.DIFFERED
        return verdict is Verdict.MISMATCH

    def _enter(self, state: BindingState, event: EventType, seen: str | None) -> None:
        if self.sim.state is state:
            return
        came_from_armed = self.sim.state is BindingState.ARMED
        self.sim = msgspec.structs.replace(self.sim, state=state)
        if not came_from_armed:
            self.record(event, imei=seen)

    def decision(self, verdict: Verdict) -> Decision:
        changed = self.done()
        return Decision(changed.sim, verdict, changed.events)
