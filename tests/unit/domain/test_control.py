"""Switches, lifecycle and bars: what each does alone, and that no order of them ever matters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.decision import Decision, SimMutation
from simwarden.domain.errors import IllegalTransition, InvalidIdentifier, NothingToChange, TooManyApns
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.identifiers import parse_apn
from simwarden.domain.rules.device import Bind, bind, sight
from simwarden.domain.rules.functions import (
    MAX_CLOSED_APNS,
    FunctionState,
    SetApn,
    SetFunctions,
    set_apn,
    set_functions,
)
from simwarden.domain.rules.lifecycle import TRANSITIONS, Step, Transition, transition
from simwarden.domain.sim import (
    ALL_FUNCTIONS,
    BarCause,
    Function,
    Lifecycle,
    Sighting,
    Sim,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
CAUSE = Cause(CauseKind.CALL, "app", NOW, "manage", "c-1")
HOME, AWAY = "35200000000001", "35200000000002"
VOICE, SMS, DATA = Function.VOICE, Function.SMS, Function.DATA


def sim(**fields: object) -> Sim:
    return msgspec.structs.replace(Sim(bucket=1, imsi="460000990000001", account_id="acme"), **fields)


def at(state: Lifecycle) -> Sim:
    """A SIM that went the way to this state."""
    ways: dict[Lifecycle, tuple[Step, ...]] = {
        Lifecycle.PRE_ACTIVE: (),
        Lifecycle.ACTIVE: (Step.ACTIVATE,),
        Lifecycle.SUSPENDED: (Step.ACTIVATE, Step.SUSPEND),
        Lifecycle.DEACTIVATED: (Step.ACTIVATE, Step.DEACTIVATE),
    }
    found = sim(lifecycle=Lifecycle.PRE_ACTIVE)
    for each in ways[state]:
        found = transition(found, Transition(each), NOW, CAUSE).sim
    return found


def test_closing_bars_each_function_for_itself() -> None:
    first = set_functions(sim(), SetFunctions(FunctionState.CLOSED, int(DATA)), NOW, CAUSE)
    second = set_functions(first.sim, SetFunctions(FunctionState.CLOSED, int(VOICE | SMS | DATA)), LATER, CAUSE)
    assert [(event.n, event.type, event.data) for event in (*first.events, *second.events)] == [
        (1, EventType.FUNCTION_CLOSED, {"function": "DATA"}),
        (2, EventType.FUNCTION_CLOSED, {"function": "VOICE"}),
        (3, EventType.FUNCTION_CLOSED, {"function": "SMS"}),
    ]
    assert [(Function(bar.functions), bar.since, bar.event) for bar in second.sim.bars] == [
        (DATA, NOW, 1),
        (VOICE, LATER, 2),
        (SMS, LATER, 3),
    ]
    assert (first.sim.functions_off, second.sim.functions_off) == (DATA, ALL_FUNCTIONS)
    assert second.sim.event_count == 3


def test_opening_lifts_only_its_own_bar() -> None:
    closed = set_functions(sim(), SetFunctions(FunctionState.CLOSED, int(ALL_FUNCTIONS)), NOW, CAUSE).sim
    opened = set_functions(closed, SetFunctions(FunctionState.OPEN, int(SMS)), LATER, CAUSE)
    assert (opened.sim.closed, opened.sim.functions_off) == (VOICE | DATA, VOICE | DATA)
    assert [event.type for event in opened.events] == [EventType.FUNCTION_OPENED]


@pytest.mark.parametrize("state", list(FunctionState))
def test_what_is_so_already_is_nothing_to_change(state: FunctionState) -> None:
    before = set_functions(sim(), SetFunctions(FunctionState.CLOSED, int(VOICE | DATA)), NOW, CAUSE).sim
    wanted = VOICE | DATA if state is FunctionState.CLOSED else SMS
    with pytest.raises(NothingToChange, match="already"):
        set_functions(before, SetFunctions(state, int(wanted)), NOW, CAUSE)
    with pytest.raises(ValueError, match="At least one"):
        set_functions(before, SetFunctions(state, int(Function(0))), NOW, CAUSE)


def test_a_bar_of_several_functions_gives_up_one() -> None:
    change = SimMutation(sim(), NOW, CAUSE)
    change.add_bar(BarCause.CLOSED_BY_CUSTOMER, ALL_FUNCTIONS, 1)
    opened = set_functions(change.decision().sim, SetFunctions(FunctionState.OPEN, int(SMS)), NOW, CAUSE).sim
    assert [Function(bar.functions) for bar in opened.bars] == [VOICE | DATA]


def test_an_apn_is_closed_and_opened_whatever_its_case_and_data_stays_open() -> None:
    closed = set_apn(sim(), SetApn(FunctionState.CLOSED, "IoT.Example"), NOW, CAUSE)
    assert [(each.apn, each.since, each.event) for each in closed.sim.closed_apns] == [("iot.example", NOW, 1)]
    assert closed.sim.functions_off == Function(0)
    assert closed.events[0].data == {"apn": "iot.example"}
    both = set_apn(closed.sim, SetApn(FunctionState.CLOSED, "a.example"), NOW, CAUSE).sim
    assert [each.apn for each in both.closed_apns] == ["a.example", "iot.example"]
    with pytest.raises(NothingToChange):
        set_apn(both, SetApn(FunctionState.CLOSED, "iot.EXAMPLE"), NOW, CAUSE)
    opened = set_apn(both, SetApn(FunctionState.OPEN, "iot.example"), NOW, CAUSE)
    assert [each.apn for each in opened.sim.closed_apns] == ["a.example"]
    with pytest.raises(NothingToChange):
        set_apn(opened.sim, SetApn(FunctionState.OPEN, "iot.example"), NOW, CAUSE)


def test_the_number_of_closed_apns_is_limited() -> None:
    full = sim()
    for number in range(MAX_CLOSED_APNS):
        full = set_apn(full, SetApn(FunctionState.CLOSED, f"apn{number}"), NOW, CAUSE).sim
    with pytest.raises(TooManyApns, match="50"):
        set_apn(full, SetApn(FunctionState.CLOSED, "one-more"), NOW, CAUSE)
    assert set_apn(full, SetApn(FunctionState.OPEN, "apn7"), NOW, CAUSE)


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "-a", "a-", "a..b", ".a", "a" * 64, "a." * 50 + "b", "ä", "a\n", "a/b"]
)
def test_what_is_no_apn_is_refused(text: str) -> None:
    if text == "a\n":  # blanks around it are not part of it
        assert parse_apn(text) == "a"
        return
    with pytest.raises(InvalidIdentifier):
        parse_apn(text)


@pytest.mark.parametrize(("state", "what"), list(itertools.product(list(Lifecycle)[:4], Step)))
def test_every_step_from_every_state(state: Lifecycle, what: Step) -> None:
    legal = {
        ("PRE_ACTIVE", "activate"): "ACTIVE",
        ("DEACTIVATED", "activate"): "ACTIVE",
        ("ACTIVE", "suspend"): "SUSPENDED",
        ("SUSPENDED", "restore"): "ACTIVE",
        ("ACTIVE", "deactivate"): "DEACTIVATED",
        ("SUSPENDED", "deactivate"): "DEACTIVATED",
        ("DEACTIVATED", "delete"): "DELETED",
    }
    before = at(state)
    expected = legal.get((str(state), str(what)))
    if expected is None:
        with pytest.raises(IllegalTransition, match=str(state)) as refused:
            transition(before, Transition(what), LATER, CAUSE)
        assert refused.value.unchanged is (state is TRANSITIONS[what][1])
        return
    after = transition(before, Transition(what), LATER, CAUSE)
    assert (after.sim.lifecycle, after.sim.lifecycle_since) == (expected, LATER)
    assert [(event.type, event.data) for event in after.events] == [
        (EventType.LIFECYCLE_CHANGED, {"from": str(state), "to": expected})
    ]
    assert bool(after.sim.bar(BarCause.SUSPENDED)) is (expected == "SUSPENDED")
    assert after.sim.functions_off == (Function(0) if expected == "ACTIVE" else ALL_FUNCTIONS)


def test_only_an_active_sim_works_and_closed_functions_stay_closed_through_its_life() -> None:
    found = set_functions(at(Lifecycle.PRE_ACTIVE), SetFunctions(FunctionState.CLOSED, int(DATA)), NOW, CAUSE).sim
    assert found.functions_off == ALL_FUNCTIONS
    found = transition(found, Transition(Step.ACTIVATE), NOW, CAUSE).sim
    assert found.functions_off == DATA
    found = transition(found, Transition(Step.SUSPEND), NOW, CAUSE).sim
    found = set_functions(found, SetFunctions(FunctionState.OPEN, int(DATA)), NOW, CAUSE).sim
    assert (found.functions_off, found.closed) == (ALL_FUNCTIONS, Function(0))
    assert transition(found, Transition(Step.RESTORE), NOW, CAUSE).sim.functions_off == Function(0)


@given(st.lists(st.sampled_from(Step), max_size=12))
def test_a_life_is_a_walk_through_the_transitions(steps: list[Step]) -> None:
    found = sim(lifecycle=Lifecycle.PRE_ACTIVE)
    for what in steps:
        before = found
        needed, leads_to = TRANSITIONS[what]
        try:
            found = transition(found, Transition(what), NOW, CAUSE).sim
        except IllegalTransition:
            assert before.lifecycle not in needed
            assert found is before
        else:
            assert before.lifecycle in needed
            assert found.lifecycle is leads_to
            assert found.event_count == before.event_count + 1
        assert (found.functions_off == Function(0)) is (found.lifecycle is Lifecycle.ACTIVE)


CAUSES = st.tuples(st.sampled_from(BarCause), st.integers(1, 7).map(Function))


@given(st.lists(CAUSES, max_size=8), st.sampled_from(BarCause), st.integers(1, 7).map(Function), st.randoms())
def test_lifting_one_bar_never_lifts_another(
    raised: list[tuple[BarCause, Function]], lifted: BarCause, functions: Function, shuffle: object
) -> None:
    change = SimMutation(sim(), NOW, CAUSE)
    for n, (cause, mask) in enumerate(raised, 1):
        change.add_bar(cause, mask, n)
    before = {cause: _of(change.sim, cause) for cause in BarCause}
    change.drop_bar(lifted, functions)
    for cause in BarCause:
        left = before[cause] & ~functions if cause is lifted else before[cause]
        assert _of(change.sim, cause) == left
    shuffled = list(change.sim.bars)
    shuffle.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sim(bars=tuple(shuffled)).functions_off == change.sim.functions_off


def _of(found: Sim, cause: BarCause) -> Function:
    off = Function(0)
    for bar in found.bars:
        if bar.cause is cause:
            off |= Function(bar.functions)
    return off


def _mismatch(found: Sim) -> Sim:
    n = found.event_count
    return sight(found, Sighting(imsi=found.imsi, imei=AWAY, at=NOW + timedelta(minutes=n + 1)), NOW, CAUSE).sim


def _home(found: Sim) -> Sim:
    n = found.event_count
    return sight(found, Sighting(imsi=found.imsi, imei=HOME, at=NOW + timedelta(minutes=n + 1)), NOW, CAUSE).sim


RAISE: dict[str, Callable[[Sim], Sim]] = {
    "mismatch": _mismatch,
    "voice": lambda found: set_functions(found, SetFunctions(FunctionState.CLOSED, int(VOICE)), NOW, CAUSE).sim,
    "data": lambda found: set_functions(found, SetFunctions(FunctionState.CLOSED, int(DATA)), NOW, CAUSE).sim,
    "suspended": lambda found: transition(found, Transition(Step.SUSPEND), NOW, CAUSE).sim,
}
LIFT: dict[str, Callable[[Sim], Sim]] = {
    "mismatch": _home,
    "voice": lambda found: set_functions(found, SetFunctions(FunctionState.OPEN, int(VOICE)), NOW, CAUSE).sim,
    "data": lambda found: set_functions(found, SetFunctions(FunctionState.OPEN, int(DATA)), NOW, CAUSE).sim,
    "suspended": lambda found: transition(found, Transition(Step.RESTORE), NOW, CAUSE).sim,
}
MASK = {"mismatch": ALL_FUNCTIONS, "voice": VOICE, "data": DATA, "suspended": ALL_FUNCTIONS}


@given(st.permutations(sorted(RAISE)), st.permutations(sorted(RAISE)))
def test_causes_come_and_go_in_any_order(coming: list[str], going: list[str]) -> None:
    found = bind(sim(), Bind(imei=HOME), NOW, CAUSE).sim
    standing: set[str] = set()
    for name in coming:
        found = RAISE[name](found)
        standing.add(name)
        assert found.functions_off == _expected(standing)
    for name in going:
        found = LIFT[name](found)
        standing.remove(name)
        assert found.functions_off == _expected(standing)
    assert found.bars == ()
    assert found.lifecycle is Lifecycle.ACTIVE


@given(st.lists(st.sampled_from(sorted(RAISE)), max_size=14))
def test_whatever_came_and_went_before_what_stands_decides(turns: list[str]) -> None:
    """Each name turns its cause on and off. Only those that are on at the end matter, not the way there."""
    found = bind(sim(), Bind(imei=HOME), NOW, CAUSE).sim
    standing: set[str] = set()
    for name in turns:
        found = (LIFT if name in standing else RAISE)[name](found)
        standing ^= {name}
        assert found.functions_off == _expected(standing)
        assert {bar.cause for bar in found.bars} == {CAUSE_OF[name] for name in standing}
        assert found.closed == _expected(standing & {"voice", "data"})
    assert (found.lifecycle is Lifecycle.SUSPENDED) is ("suspended" in standing)


CAUSE_OF = {
    "mismatch": BarCause.IMEI_MISMATCH,
    "voice": BarCause.CLOSED_BY_CUSTOMER,
    "data": BarCause.CLOSED_BY_CUSTOMER,
    "suspended": BarCause.SUSPENDED,
}


def _expected(standing: set[str]) -> Function:
    off = Function(0)
    for name in standing:
        off |= MASK[name]
    return off


def test_a_change_without_events_changes_nothing() -> None:
    untouched = sim()
    assert SimMutation(untouched, NOW, CAUSE).decision() == Decision(untouched)
