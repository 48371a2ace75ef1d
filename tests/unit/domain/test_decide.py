"""decide, bind, unbind and resume against a model written from the architecture page, and case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain.model import ModelSim

from simwarden.domain.decision import Verdict
from simwarden.domain.errors import InvalidBinding, InvalidIdentifier, NoDeviceSeen, NotBound
from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.domain.identifiers import full_imei, parse_imei
from simwarden.domain.rules import device as rules
from simwarden.domain.rules.device import MAX_LIST, Bind, LiftMismatch, Unbind
from simwarden.domain.sim import (
    ALL_FUNCTIONS,
    BarCause,
    BindingKind,
    BindingState,
    CardSlot,
    Function,
    Learnt,
    OnMismatch,
    OnUnknown,
    Policy,
    Resume,
    Seen,
    Sighting,
    Sim,
)

if TYPE_CHECKING:
    from simwarden.domain.decision import Decision

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAUSE = Cause(CauseKind.REPORT, "gw1", START, "port-status", "port 1.02 seq 7")
A, A2, B = "35368953070790", "35368953070791", "86112203000001"
"""A and A2 are devices of one model."""
DEVICES = (A, A2, B)


def after(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def new_sim() -> Sim:
    return Sim(bucket=1, imsi="460000990123698", account_id="acme")


def see(sim: Sim, imei: str | None, at: int, **more: Any) -> Decision:
    return rules.sight(sim, Sighting(imsi=sim.imsi, imei=imei, at=after(at), **more), after(at), CAUSE)


def bind(sim: Sim, target: Bind, policy: Policy, now: datetime, *, strict: bool = False) -> Decision:
    """As a customer's call binds."""
    command = msgspec.structs.replace(target, policy=policy, strict=strict, again=True)
    return rules.bind(sim, command, now, CAUSE)


def bound(target: Bind, policy: Policy | None = None, sim: Sim | None = None) -> Sim:
    return bind(sim or new_sim(), target, policy or Policy(), START).sim


def types(decision: Decision) -> list[EventType]:
    return [event.type for event in decision.events]


# -- against the model ---------------------------------------------------------------------------------------------

sightings = st.tuples(st.just("see"), st.sampled_from([*DEVICES, None]), st.integers(0, 40))
policies = st.tuples(
    st.sampled_from(["enforce", "alert"]), st.sampled_from(["allow", "deny"]), st.sampled_from(["auto", "manual"])
)
targets = st.sampled_from(["current", "first", "A", "B", "tac", "list"])
steps = st.one_of(
    sightings,
    sightings,
    st.tuples(st.just("bind"), targets, policies),
    st.tuples(st.just("unbind"), st.none(), st.none()),
    st.tuples(st.just("resume"), st.none(), st.none()),
)
TARGETS: dict[str, tuple[Bind, frozenset[str] | None]] = {
    "current": (Bind(), None),
    "first": (Bind(first_seen=True), frozenset()),
    "A": (Bind(imei=f"imei-{full_imei(A)}"), frozenset([A])),
    "B": (Bind(imei=B + "07"), frozenset([B])),
    "tac": (Bind(tac=A[:8]), frozenset([A[:8]])),
    "list": (Bind(imeis=(A2, full_imei(B))), frozenset([A2, B])),
}


def policy_of(words: tuple[str, str, str]) -> Policy:
    return Policy(OnMismatch(words[0].upper()), OnUnknown(words[1].upper()), Resume(words[2].upper()))


class Pair:
    """The product and the model side by side, with everything that the product committed."""

    def __init__(self) -> None:
        self.sim = new_sim()
        self.model = ModelSim()
        self.events: list[Event] = []
        self.now = 0

    def step(self, kind: str, what: Any, how: Any) -> None:
        before = self.sim
        self.now += 1
        if kind == "see":
            decision = see(before, what, how)
            verdict = self.model.sight(what, how)
            assert decision.verdict == verdict
            if verdict == "STALE":
                assert decision.sim == before
                assert decision.events == ()
            self.take(decision)
        elif kind == "bind":
            target, allowed = TARGETS[what]
            self.take(bind(before, target, policy_of(how), after(self.now)))
            self.model.bind(allowed, how)
        elif kind == "unbind":
            if self.model.unbind():
                self.take(rules.unbind(before, Unbind(), after(self.now), CAUSE))
            else:
                with pytest.raises(NotBound):
                    rules.unbind(before, Unbind(), after(self.now), CAUSE)
        elif self.model.resume():
            self.take(rules.lift_mismatch(before, LiftMismatch(), after(self.now), CAUSE))
        else:
            with pytest.raises((NotBound, InvalidBinding)):
                rules.lift_mismatch(before, LiftMismatch(), after(self.now), CAUSE)
        self.agree()

    def take(self, decision: Decision) -> None:
        known = {event.n for event in self.events}
        for event in decision.events:
            assert event.n == len(self.events) + 1, "numbered without gaps"
            assert event.parent is None or event.parent in known, "the parent exists"
            assert event.cause == CAUSE
            known.add(event.n)
            self.events.append(event)
        assert decision.sim.event_count == len(self.events)
        self.sim = decision.sim

    def agree(self) -> None:
        sim, model = self.sim, self.model
        assert sim.state == model.state
        bar = sim.bar(BarCause.IMEI_MISMATCH)
        assert (bar is not None) == model.barred
        assert len(sim.bars) == len({b.cause for b in sim.bars})
        assert sim.functions_off == (ALL_FUNCTIONS if model.barred else Function(0))
        assert (sim.seen.imei if sim.seen else None) == model.device
        assert (sim.seen is not None and sim.seen.unknown) == model.hidden
        assert (None if sim.seen is None else sim.seen.at) == (None if model.newest is None else after(model.newest))
        assert (sim.binding is None) == (model.allowed is None)
        if sim.binding is not None:
            assert frozenset(sim.binding.values) == model.allowed
            assert rules.is_explicit(sim.binding) == model.named
        if bar is not None:
            raised = self.events[bar.event - 1]
            assert raised.type is EventType.BAR_RAISED
            assert raised.n == bar.event


@settings(max_examples=400, deadline=None)
@given(st.lists(steps, max_size=14))
def test_any_history_ends_as_the_architecture_says(history: list[tuple[str, Any, Any]]) -> None:
    pair = Pair()
    for step in history:
        pair.step(*step)


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, min_size=1, max_size=10))
def test_replaying_all_old_sightings_changes_nothing(history: list[tuple[str, Any, Any]]) -> None:
    pair = Pair()
    for step in history:
        pair.step(*step)
    if pair.sim.seen is None:
        return
    newest = pair.model.newest
    assert newest is not None
    for kind, device, at in history:
        if kind == "see" and at < newest:
            decision = see(pair.sim, device, at)
            assert decision.verdict is Verdict.STALE
            assert decision.sim is pair.sim
            assert decision.events == ()


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, max_size=10), st.sampled_from([*DEVICES, None]))
def test_the_same_sighting_twice_decides_nothing_the_second_time(
    history: list[tuple[str, Any, Any]], device: str | None
) -> None:
    pair = Pair()
    for step in history:
        pair.step(*step)
    first = see(pair.sim, device, 50)
    second = see(first.sim, device, 50)
    assert second.events == ()
    assert second.sim == first.sim


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["A", "B", "tac", "list"]),
    st.sampled_from(DEVICES),
    st.sampled_from("0123456789"),
    st.text("0123456789", min_size=2, max_size=2),
)
def test_only_fourteen_digits_count(target: str, key: str, check: str, version: str) -> None:
    forms = (key, key + check, key + version, f"imei-{key}{check}", f"imeisv-{key}{version}")
    verdicts = {see(bound(TARGETS[target][0]), parse_imei(form).key, 1).verdict for form in forms}
    assert len(verdicts) == 1


@given(policies)
def test_unknown_is_neither_match_nor_mismatch(words: tuple[str, str, str]) -> None:
    sim = bound(Bind(imei=A), policy_of(words))
    decision = see(sim, None, 1)
    assert decision.verdict is Verdict.UNKNOWN
    assert decision.sim.state is BindingState.LOCKED
    assert bool(decision.sim.bars) == (words[:2] == ("enforce", "deny"))
    away = see(see(sim, B, 1).sim, None, 2)
    assert away.sim.state is BindingState.DIFFERED
    assert bool(away.sim.bars) == (words[0] == "enforce")


# -- case by case ----------------------------------------------------------------------------------------------------


def test_a_stolen_sim_makes_a_chain_of_events() -> None:
    sim = see(bound(Bind(imei=A)), A, 1).sim
    stolen = see(sim, B, 2, slot=CardSlot(1, 2, 3))
    assert types(stolen) == [EventType.DEVICE_CHANGED, EventType.BINDING_DIFFERED, EventType.BAR_RAISED]
    assert [event.parent for event in stolen.events] == [None, stolen.events[0].n, stolen.events[1].n]
    assert stolen.events[0].data == {"imei": full_imei(B), "before": full_imei(A), "match": "NONE"}
    assert stolen.sim.seen == Seen(after(2), B, False, CardSlot(1, 2, 3))
    back = see(stolen.sim, A, 3)
    assert types(back) == [EventType.DEVICE_CHANGED, EventType.BINDING_RESTORED, EventType.BAR_LIFTED]
    assert back.sim.bars == ()


def test_the_same_model_is_told_apart_but_not_let_in() -> None:
    decision = see(see(bound(Bind(imei=A)), A, 1).sim, A2, 2)
    assert decision.verdict is Verdict.MISMATCH
    assert decision.events[0].data["match"] == "TAC_ONLY"


def test_a_first_sighting_in_a_wrong_device_is_a_change_of_device() -> None:
    decision = see(bound(Bind(imei=A)), B, 1)
    assert types(decision) == [EventType.DEVICE_CHANGED, EventType.BINDING_DIFFERED, EventType.BAR_RAISED]
    assert decision.events[0].data["before"] is None


def test_an_armed_binding_learns_the_first_device() -> None:
    armed = bind(new_sim(), Bind(), Policy(), START)
    assert types(armed) == [EventType.BINDING_ARMED]
    unknown = see(armed.sim, None, 1)
    assert unknown.sim.state is BindingState.ARMED
    learnt = see(unknown.sim, A, 2)
    assert types(learnt) == [EventType.DEVICE_SEEN, EventType.BINDING_LEARNT]
    assert learnt.sim.state is BindingState.LOCKED
    assert learnt.sim.binding is not None
    assert learnt.sim.binding.values == (A,)
    assert learnt.sim.binding.learnt is Learnt.FIRST_SEEN


def test_binding_to_the_first_device_seen_later_does_not_stop_a_sim_whose_device_is_known() -> None:
    seen = see(new_sim(), A, 1).sim
    policy = Policy(unknown=OnUnknown.DENY, resume=Resume.MANUAL)
    decision = bind(seen, Bind(first_seen=True), policy, after(2))
    assert decision.sim.state is BindingState.ARMED
    assert decision.sim.bars == ()


def test_a_bare_bind_takes_the_device_it_is_in() -> None:
    seen = see(new_sim(), A, 1).sim
    decision = bind(seen, Bind(), Policy(), after(2), strict=True)
    assert decision.sim.binding is not None
    assert (decision.sim.binding.values, decision.sim.binding.learnt) == ((A,), Learnt.CURRENT)
    hidden = see(seen, None, 2).sim
    kept = bind(hidden, Bind(), Policy(), after(3), strict=True)
    assert kept.sim.binding is not None
    assert kept.sim.binding.values == (A,), "the last known device"


@pytest.mark.parametrize("target", [Bind(imei=A), Bind(tac=A[:8]), Bind(imeis=(A, A2))])
@pytest.mark.parametrize("seen", [None, A, B])
def test_a_bare_bind_keeps_a_device_that_was_named(target: Bind, seen: str | None) -> None:
    sim = bound(target)
    if seen:
        sim = see(sim, seen, 1).sim
    decision = bind(sim, Bind(), Policy(), after(2), strict=True)
    assert (decision.sim, decision.events) == (sim, ())
    softer = bind(sim, Bind(), Policy(OnMismatch.ALERT), after(2))
    assert sim.binding is not None
    assert softer.sim.binding is not None
    assert softer.sim.binding.values == sim.binding.values
    assert softer.sim.binding.policy.on_mismatch is OnMismatch.ALERT
    assert softer.sim.state is sim.state
    named = bind(sim, Bind(imei=B), Policy(), after(2))
    assert named.sim.binding is not None
    assert named.sim.binding.values == (B,), "whoever names another device replaces it"


@pytest.mark.parametrize(
    ("registered", "reported", "same"),
    [
        ("8986011784124236470", "8986011784124236470", True),
        ("8986011784124236470", "898601178412423647", True),
        ("898601178412423647", "8986011784124236470", True),
        ("8986011784124236470", "8986011784124236478", False),
    ],
)
def test_cards_are_told_apart_by_their_iccid(registered: str, reported: str, same: bool) -> None:
    assert rules.same_card(registered, reported) is same


def test_strict_refuses_to_bind_a_sim_never_seen() -> None:
    with pytest.raises(NoDeviceSeen):
        bind(new_sim(), Bind(), Policy(), START, strict=True)
    with pytest.raises(NoDeviceSeen):
        bind(see(new_sim(), None, 1).sim, Bind(), Policy(), START, strict=True)


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (Bind(imei=A, tac=A[:8]), InvalidBinding),
        (Bind(imei=A, first_seen=True), InvalidBinding),
        (Bind(imeis=(A,), imei=B), InvalidBinding),
        (Bind(imeis=tuple(f"{n:014}" for n in range(1, MAX_LIST + 2))), InvalidBinding),
        (Bind(imei="123"), InvalidIdentifier),
        (Bind(tac="123"), InvalidIdentifier),
        (Bind(imeis=(A, "x")), InvalidIdentifier),
    ],
)
def test_impossible_targets_are_refused(target: Bind, error: type[Exception]) -> None:
    with pytest.raises(error):
        bind(new_sim(), target, Policy(), START)


def test_a_list_holds_each_device_once_and_up_to_its_limit() -> None:
    sim = bound(Bind(imeis=(full_imei(B), B, A)))
    assert sim.binding is not None
    assert sim.binding.values == (A, B)
    assert sim.binding.kind is BindingKind.LIST
    most = bound(Bind(imeis=tuple(f"{n:014}" for n in range(1, MAX_LIST + 1))))
    assert most.binding is not None
    assert len(most.binding.values) == MAX_LIST


def test_a_manual_resume_waits_for_the_sim_to_be_back() -> None:
    policy = Policy(resume=Resume.MANUAL)
    away = see(see(bound(Bind(imei=A), policy), A, 1).sim, B, 2).sim
    with pytest.raises(InvalidBinding):
        rules.lift_mismatch(away, LiftMismatch(), after(3), CAUSE)
    back = see(away, A, 3).sim
    assert back.state is BindingState.LOCKED
    assert back.bar(BarCause.IMEI_MISMATCH) is not None
    opened = rules.lift_mismatch(back, LiftMismatch(), after(4), CAUSE)
    assert opened.sim.bars == ()
    assert types(opened) == [EventType.BAR_LIFTED]
    assert rules.lift_mismatch(opened.sim, LiftMismatch(), after(5), CAUSE).events == (), "again is harmless"


def test_a_sim_whose_device_is_hidden_is_not_resumed_against_its_policy() -> None:
    hidden = see(bound(Bind(imei=A), Policy(unknown=OnUnknown.DENY)), None, 1).sim
    assert hidden.bars
    with pytest.raises(InvalidBinding):
        rules.lift_mismatch(hidden, LiftMismatch(), after(2), CAUSE)


def test_rebinding_to_the_device_it_is_in_opens_it() -> None:
    away = see(bound(Bind(imei=A), Policy(resume=Resume.MANUAL)), B, 1).sim
    decision = bind(away, Bind(imei=B), Policy(), after(2))
    assert decision.sim.state is BindingState.LOCKED
    assert decision.sim.bars == ()
    assert types(decision) == [EventType.BINDING_REPLACED, EventType.BAR_LIFTED]


def test_an_alert_only_binding_tells_and_does_not_bar() -> None:
    decision = see(bound(Bind(imei=A), Policy(on_mismatch=OnMismatch.ALERT)), B, 1)
    assert types(decision) == [EventType.DEVICE_CHANGED, EventType.BINDING_DIFFERED]
    assert decision.sim.bars == ()


def test_a_record_from_before_the_last_confirmation_is_late() -> None:
    sim = see(bound(Bind(imei=A)), A, 1).sim
    late = see(sim, B, 5, confirmed_at=after(6))
    assert late.verdict is Verdict.STALE
    assert see(sim, B, 7, confirmed_at=after(6)).verdict is Verdict.MISMATCH
    assert see(sim, B, 5, confirmed_at=after(0)).verdict is Verdict.MISMATCH


def test_unbinding_lifts_the_bar() -> None:
    away = see(bound(Bind(imei=A)), B, 1).sim
    decision = rules.unbind(away, Unbind(), after(2), CAUSE)
    assert types(decision) == [EventType.BINDING_REMOVED, EventType.BAR_LIFTED]
    assert (decision.sim.binding, decision.sim.state, decision.sim.bars) == (None, BindingState.NEUTRAL, ())
