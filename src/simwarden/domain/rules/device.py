"""The device that a SIM is in and the one it is bound to: what seeing, binding and unbinding it lead to. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from simwarden.domain.command import Command
from simwarden.domain.decision import Decision, SimMutation, Verdict
from simwarden.domain.errors import InvalidBinding, NoDeviceSeen, NotBound, NothingToChange
from simwarden.domain.events import Cause, EventType
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


class MatchKind(enum.StrEnum):
    """How close a device is to the binding."""

    EXACT = "EXACT"
    LIST = "LIST"
    TAC = "TAC"
    TAC_ONLY = "TAC_ONLY"
    """Bound to a device, seen in another one of the same model."""
    NONE = "NONE"


class Bind(Command, frozen=True, tag="bind", omit_defaults=True):
    """Bind to one of these; where none is given to what it is explicitly bound to, else to the device it is in."""

    imei: str | None = None
    tac: str | None = None
    imeis: tuple[str, ...] = ()
    first_seen: bool = False
    policy: Policy | None = None
    """None: as it is bound now, else `new_policy`."""
    new_policy: Policy = Policy()
    """For a SIM that is not bound, where `policy` does not say."""
    strict: bool = False
    """Refuse a SIM that was never seen, where no device is given."""
    again: bool = False
    """Bind it, with an event, also where it has this binding already."""

    @property
    def verb(self) -> str:
        """`bind`."""
        return "bind"


class Unbind(Command, frozen=True, tag="unbind"):
    """Remove the binding."""

    @property
    def verb(self) -> str:
        """`unbind`."""
        return "unbind"


class LiftMismatch(Command, frozen=True, tag="resume"):
    """Lift the mismatch bar by hand."""

    @property
    def verb(self) -> str:
        """`resume`."""
        return "resume"


class SetPolicy(Command, frozen=True):
    """Change what the binding does when it is not met; None leaves a part of the policy as it is."""

    on_mismatch: OnMismatch | None = None
    unknown: OnUnknown | None = None
    resume: Resume | None = None

    @property
    def verb(self) -> str:
        """`change policy`."""
        return "change policy"


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
    """Whether a newer sighting than this one counted already (newest source time wins).

    What says that a SIM has been in a device since a time is as old as that time, against other devices: so it does not
    matter in which order the sightings of several sources arrive. Of two at one time the one that comes later counts.
    """
    if sim.seen is None:
        return False
    seen = sim.seen
    newest = seen.at
    if seen.device_at is not None and not seen.unknown and sighting.imei is not None:
        newest = seen.device_at
    if sighting.since is not None and seen.imei not in (None, sighting.imei) and newest >= sighting.since:
        return True
    if sighting.confirmed_at is not None and sighting.confirmed_at > newest:
        newest = sighting.confirmed_at
    return sighting.at < newest


def sight(sim: Sim, sighting: Sighting, now: datetime, cause: Cause) -> Decision:
    """What seeing `sim` as `sighting` says leads to.

    A sighting older than the newest one changes nothing (promise: a replayed report never blocks or opens a SIM).
    """
    if is_stale(sim, sighting):
        return Decision(sim, verdict=Verdict.STALE)
    change = _DeviceMutation(sim, now, cause)
    if sighting.iccid is not None and sim.iccid is not None:
        change.identify(sim.iccid, sighting.iccid)
    before = sim.seen
    known = before.imei if before else None
    verdict, kind = compare(sim.binding, sighting.imei) if sim.binding else (Verdict.NOT_BOUND, MatchKind.NONE)
    armed = sim.state is BindingState.ARMED
    change.sim = msgspec.structs.replace(change.sim, seen=_seen(before, sighting))
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


def _seen(before: Seen | None, sighting: Sighting) -> Seen:
    """What is known of the device after a sighting that counts."""
    if before is None:
        begun = sighting.since if sighting.since is not None and sighting.since < sighting.at else None
        return Seen(sighting.at, sighting.imei, sighting.imei is None, sighting.slot, begun)
    known_at, claimed_at = before.device_at or before.at, sighting.since or sighting.at
    device_at: datetime | None
    if sighting.imei is None:
        at, device_at = max(sighting.at, before.at), before.device_at
    elif sighting.imei == before.imei:
        at, device_at = max(sighting.at, before.at), max(known_at, claimed_at)
    else:
        at, device_at = sighting.at, claimed_at
    return Seen(
        at,
        sighting.imei or before.imei,
        sighting.imei is None,
        (sighting.slot if at == sighting.at else None) or before.slot,
        device_at if device_at is not None and device_at < at else None,
    )


def bind(sim: Sim, wanted: Bind, now: datetime, cause: Cause) -> Decision:
    """Bind `sim`, replacing what bound it before.

    Where no device is given: to the device that it was explicitly bound to before, which only another explicit one
    replaces; else to the device it is in now; none seen yet: to the first one seen later, or with `strict`
    NoDeviceSeen. Raises InvalidIdentifier, InvalidBinding (two devices at once, an empty or too long list);
    NothingToChange when the binding stays as it is. With `again` it is made anew in place of NothingToChange, and
    there are no events when it keeps both its explicit device and its policy.
    """
    policy = wanted.policy or (sim.binding.policy if sim.binding else wanted.new_policy)
    decision = _bind(sim, wanted, policy, now, cause)
    if not wanted.again:
        before, after = sim.binding, decision.sim.binding
        assert after is not None
        if not decision.events:
            raise NothingToChange("The SIM keeps the device that it was bound to by name; name another to replace it")
        if before is not None and _same(before, after):
            raise NothingToChange("The SIM has this binding already")
    return decision


def _same(one: Binding, other: Binding) -> bool:
    return (one.kind, one.values, one.policy) == (other.kind, other.values, other.policy)


def _bind(sim: Sim, wanted: Bind, policy: Policy, now: datetime, cause: Cause) -> Decision:
    current = sim.seen.imei if sim.seen else None
    if not _names_device(wanted) and is_explicit(sim.binding):
        assert sim.binding is not None
        if sim.binding.policy == policy:
            return Decision(sim, verdict=Verdict.UNKNOWN)
        kind, values, learnt = sim.binding.kind, sim.binding.values, sim.binding.learnt
    else:
        kind, values, learnt = _resolve(wanted, current)
    change = _DeviceMutation(sim, now, cause)
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


def unbind(sim: Sim, _wanted: Unbind, now: datetime, cause: Cause) -> Decision:
    """Remove the binding and the bar it raised. Raises NotBound."""
    if sim.binding is None:
        raise NotBound
    change = _DeviceMutation(sim, now, cause)
    change.sim = msgspec.structs.replace(sim, binding=None, state=BindingState.NEUTRAL)
    change.record(EventType.BINDING_REMOVED)
    change.lift(BarCause.IMEI_MISMATCH)
    return change.decision(Verdict.NOT_BOUND)


def lift_mismatch(sim: Sim, _wanted: LiftMismatch, now: datetime, cause: Cause) -> Decision:
    """Lift the mismatch bar by hand, of a SIM that came back where its policy does not do that. Raises NotBound.

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
    change = _DeviceMutation(sim, now, cause)
    change.lift(BarCause.IMEI_MISMATCH)
    return change.decision(Verdict.MATCH)


def set_policy(sim: Sim, wanted: SetPolicy, now: datetime, cause: Cause) -> Decision:
    """Bind the SIM to what it is bound to, by another policy. Raises InvalidBinding where there is no binding."""
    if sim.binding is None:
        raise InvalidBinding("The SIM is not bound to a device, so there is no policy to change")
    kept = sim.binding.policy
    policy = Policy(
        wanted.on_mismatch or kept.on_mismatch, wanted.unknown or kept.unknown, wanted.resume or kept.resume
    )
    return _bind(sim, _as_bound(sim.binding), policy, now, cause)


def _as_bound(binding: Binding) -> Bind:
    match binding.kind:
        case BindingKind.TAC:
            return Bind(tac=binding.values[0])
        case BindingKind.LIST:
            return Bind(imeis=binding.values)
    return Bind(imei=binding.values[0]) if binding.values else Bind(first_seen=True)


def _given(wanted: Bind) -> list[bool]:
    return [bool(wanted.imei), bool(wanted.tac), bool(wanted.imeis), wanted.first_seen]


def _names_device(wanted: Bind) -> bool:
    """Whether it says which device(s), be it the first one seen."""
    return any(_given(wanted))


def _resolve(wanted: Bind, current: str | None) -> tuple[BindingKind, tuple[str, ...], Learnt]:
    if sum(_given(wanted)) > 1:
        raise InvalidBinding("Give one of an IMEI, a TAC, a list of IMEIs or the first device seen, not several")
    if wanted.imei:
        return BindingKind.IMEI, (parse_imei(wanted.imei).key,), Learnt.EXPLICIT
    if wanted.tac:
        return BindingKind.TAC, (parse_tac(wanted.tac),), Learnt.EXPLICIT
    if wanted.imeis:
        if len(wanted.imeis) > MAX_LIST:
            raise InvalidBinding(f"A list holds at most {MAX_LIST} IMEIs, this one {len(wanted.imeis)}")
        return BindingKind.LIST, tuple(sorted({parse_imei(text).key for text in wanted.imeis})), Learnt.EXPLICIT
    if wanted.first_seen:
        return BindingKind.IMEI, (), Learnt.FIRST_SEEN
    if current is not None:
        return BindingKind.IMEI, (current,), Learnt.CURRENT
    if wanted.strict:
        raise NoDeviceSeen
    return BindingKind.IMEI, (), Learnt.FIRST_SEEN


def same_card(one: str, other: str) -> bool:
    """Whether two ICCIDs are of one card: some gateways leave out the last digits, or registers the check digit."""
    return one.startswith(other) or other.startswith(one)


class _DeviceMutation(SimMutation):
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


RULES: Mapping[type, object] = MappingProxyType(
    {Sighting: sight, Bind: bind, Unbind: unbind, LiftMismatch: lift_mismatch, SetPolicy: set_policy}
)
