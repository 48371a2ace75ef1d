"""The rule of area limits: what is barred, what lifts it, and that nobody flaps at a border."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.area import Area, Cells, Circle, InvalidArea, Polygon, Sites, Whereabouts
from simwarden.domain.command import Command
from simwarden.domain.decision import Decision
from simwarden.domain.errors import AreaNotFound, NoPlaceSeen, NothingToChange, NotLimited, StillOutside
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.rules import decide
from simwarden.domain.rules.area import (
    CELL_DWELL,
    HYSTERESIS,
    LiftAreaExit,
    LimitArea,
    PlaceLost,
    RedrawArea,
    UnlimitArea,
)
from simwarden.domain.rules.device import Bind
from simwarden.domain.rules.timed import Expire
from simwarden.domain.shape import EARTH
from simwarden.domain.sim import BarCause, Learnt, OnMismatch, OnUnknown, Policy, Resume, Sighting, Sim
from simwarden.domain.telling import data_of
from simwarden.engine.commands.catalogue import from_plain

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAUSE = Cause(CauseKind.REPORT, "gw1", NOW)
DEPOT = Circle(52.5, 13.4, 10_000)
CITY = Policy()
DENY, ALERT, MANUAL = Policy(unknown=OnUnknown.DENY), Policy(OnMismatch.ALERT), Policy(resume=Resume.MANUAL)
EVENTS, METRES = EventType, math.degrees(1 / EARTH)


def sim() -> Sim:
    return Sim(bucket=1, imsi="460000990000001", account_id="acme")


def north(metres: float, radius: float = 500, seconds: float = 0, **more: Any) -> Place:
    """So far north of the middle of the depot."""
    given = {"source": PlaceSource.SITE, "ref": "1"} | more
    return Place(52.5 + metres * METRES, 13.4, radius, NOW + timedelta(seconds=seconds), **given)


INSIDE, BORDER, OUTSIDE = north(0), north(10_000), north(15_000)


def do(before: Sim, *inputs: object, at: datetime = NOW) -> Decision:
    """One after the other; the last decision with all events."""
    events: list[Any] = []
    decision = Decision(before)
    for each in inputs:
        decision = decide(decision.sim, each, at, CAUSE)
        events += decision.events
    return msgspec.structs.replace(decision, events=tuple(events))


def limited(area: Area | None = DEPOT, **more: Any) -> Sim:
    return do(sim(), LimitArea(area, **more)).sim


def types(decision: Decision) -> list[EventType]:
    return [event.type for event in decision.events]


def state(found: Sim) -> str:
    assert found.area is not None
    return found.area.state


def barred(found: Sim) -> bool:
    return found.bar(BarCause.AREA_EXIT) is not None


def test_a_sim_that_leaves_is_barred_and_free_again_when_it_is_back() -> None:
    start = do(limited(), INSIDE)
    assert (types(start), state(start.sim), barred(start.sim)) == ([], "INSIDE", False)
    gone = do(start.sim, OUTSIDE)
    assert types(gone) == [EVENTS.AREA_CHANGED, EVENTS.BAR_RAISED]
    assert (state(gone.sim), int(gone.sim.functions_off)) == ("OUTSIDE", 7)
    said = gone.events[0].data
    assert (said["to"], said["source"], said["ref"], said["distance"]) == ("OUTSIDE", "SITE", "1", 5000)
    assert "latitude" not in said, "of the SIM's place no coordinates are kept in events"
    assert data_of(gone.events[0]) == {
        "area": {"areaType": "CIRCLE", "center": {"latitude": 52.5, "longitude": 13.4}, "radius": 10_000}
    }
    assert gone.events[1].parent == gone.events[0].n
    back = do(gone.sim, INSIDE)
    assert types(back) == [EVENTS.AREA_CHANGED, EVENTS.BAR_LIFTED]
    assert (state(back.sim), int(back.sim.functions_off)) == ("INSIDE", 0)


def test_first_seen_outside_is_said_and_first_seen_inside_is_not() -> None:
    assert types(do(limited(), OUTSIDE)) == [EVENTS.AREA_CHANGED, EVENTS.BAR_RAISED]
    assert types(do(limited(), INSIDE)) == []
    at_once = do(sim(), LimitArea(DEPOT, place=OUTSIDE))
    assert types(at_once) == [EVENTS.AREA_LIMITED, EVENTS.AREA_CHANGED, EVENTS.BAR_RAISED]


@pytest.mark.parametrize(
    ("policy", "start", "seen", "is_barred", "where"),
    [
        (Policy(), INSIDE, BORDER, False, "UNKNOWN"),
        (Policy(), OUTSIDE, BORDER, True, "UNKNOWN"),
        (DENY, INSIDE, BORDER, True, "UNKNOWN"),
        (DENY, INSIDE, INSIDE, False, "INSIDE"),
        (DENY, OUTSIDE, BORDER, True, "UNKNOWN"),
        (ALERT, INSIDE, OUTSIDE, False, "OUTSIDE"),
        (MANUAL, INSIDE, OUTSIDE, True, "OUTSIDE"),
        (MANUAL, OUTSIDE, INSIDE, True, "INSIDE"),
        (Policy(), INSIDE, PlaceLost(NOW), False, "UNKNOWN"),
        (DENY, INSIDE, PlaceLost(NOW), True, "UNKNOWN"),
        (Policy(), OUTSIDE, PlaceLost(NOW), True, "UNKNOWN"),
    ],
)
def test_policies(policy: Policy, start: Place, seen: object, is_barred: bool, where: str) -> None:
    found = do(limited(policy=policy), start, seen).sim
    assert (barred(found), state(found)) == (is_barred, where)


def test_a_sim_never_seen_is_not_barred_whatever_the_policy() -> None:
    assert not barred(limited(policy=DENY))
    assert state(limited(policy=DENY)) == "UNKNOWN"


def test_by_hand_only_a_sim_that_is_back_is_resumed() -> None:
    gone = do(limited(policy=MANUAL), INSIDE, OUTSIDE).sim
    with pytest.raises(StillOutside):
        do(gone, LiftAreaExit())
    back = do(gone, INSIDE).sim
    assert barred(back)
    resumed = do(back, LiftAreaExit())
    assert (types(resumed), barred(resumed.sim)) == ([EVENTS.BAR_LIFTED], False)
    with pytest.raises(NothingToChange):
        do(resumed.sim, LiftAreaExit())
    with pytest.raises(StillOutside):
        do(limited(policy=DENY), INSIDE, BORDER, LiftAreaExit())
    with pytest.raises(NotLimited):
        do(sim(), LiftAreaExit())


def test_binding_and_area_are_two_bars_and_lifting_one_keeps_the_other() -> None:
    found = do(limited(), Bind(imei="352099001761481"), OUTSIDE).sim
    found = do(found, Sighting(imsi=found.imsi, imei="86052105000017", at=NOW)).sim
    assert {bar.cause for bar in found.bars} == {BarCause.AREA_EXIT, BarCause.IMEI_MISMATCH}
    unlimited = do(found, UnlimitArea())
    assert types(unlimited) == [EVENTS.AREA_UNLIMITED, EVENTS.BAR_LIFTED]
    assert [bar.cause for bar in unlimited.sim.bars] == [BarCause.IMEI_MISMATCH]
    assert unlimited.sim.binding is not None
    with pytest.raises(NotLimited):
        do(unlimited.sim, UnlimitArea())


def test_another_area_replaces_the_one_before_and_its_bar() -> None:
    gone = do(limited(), OUTSIDE).sim
    moved = do(gone, LimitArea(Circle(52.5 + 15_000 * METRES, 13.4, 5000)))
    assert (types(moved), state(moved.sim)) == ([EVENTS.AREA_LIMITED, EVENTS.BAR_LIFTED], "INSIDE")
    with pytest.raises(NothingToChange):
        do(gone, LimitArea(DEPOT))
    again = do(gone, LimitArea(DEPOT, again=True))
    assert (types(again)[0], barred(again.sim)) == (EVENTS.AREA_LIMITED, True)
    assert state(again.sim) == "OUTSIDE"
    softer = do(gone, LimitArea(policy=ALERT))
    assert softer.sim.area is not None
    assert (softer.sim.area.area, barred(softer.sim)) == (DEPOT, False)


def test_around_the_last_place_or_the_first_one_or_not_at_all() -> None:
    here = do(sim(), LimitArea(around=3000, place=INSIDE)).sim
    assert here.area is not None
    assert (here.area.area, here.area.learnt, state(here)) == (Circle(52.5, 13.4, 3000), Learnt.CURRENT, "INSIDE")
    armed = do(sim(), LimitArea(around=3000))
    assert (types(armed), state(armed.sim)) == ([EVENTS.AREA_ARMED], "ARMED")
    learnt = do(armed.sim, OUTSIDE)
    assert (types(learnt), state(learnt.sim), barred(learnt.sim)) == ([EVENTS.AREA_LEARNT], "INSIDE", False)
    assert barred(do(learnt.sim, INSIDE).sim)
    assert state(do(armed.sim, PlaceLost(NOW)).sim) == "ARMED"
    with pytest.raises(NoPlaceSeen):
        do(sim(), LimitArea(around=3000, strict=True))
    with pytest.raises(NotLimited):
        do(sim(), LimitArea())


def test_a_bare_bind_keeps_an_area_that_somebody_gave_and_refreshes_any_other() -> None:
    bare = LimitArea(around=3000, keeps=True, again=True)
    kept = do(do(limited(), OUTSIDE).sim, bare)
    assert (types(kept), kept.sim.area and kept.sim.area.area) == ([], DEPOT)
    first = do(sim(), msgspec.structs.replace(bare, place=INSIDE)).sim
    second = do(first, OUTSIDE, bare)
    assert second.sim.area is not None
    assert isinstance(second.sim.area.area, Circle)
    assert (second.sim.area.area.latitude, barred(second.sim)) == (OUTSIDE.latitude, False)


def test_a_named_area_is_redrawn_once_for_each_version() -> None:
    named = LimitArea(DEPOT, named="depot", id="a1", version=1)
    found = do(sim(), named, INSIDE).sim
    assert found.area is not None
    assert (found.area.name, found.area.id, found.area.version) == ("depot", "a1", 1)
    small = RedrawArea("a1", "depot", 2, Circle(52.5 + 3000 * METRES, 13.4, 1000))
    redrawn = do(found, small)
    assert types(redrawn) == [EVENTS.AREA_LIMITED, EVENTS.AREA_CHANGED, EVENTS.BAR_RAISED]
    assert do(redrawn.sim, small).events == ()
    assert do(redrawn.sim, RedrawArea("a2", "other", 9, DEPOT)).sim == redrawn.sim
    wide = do(redrawn.sim, RedrawArea("a1", "yard", 3, DEPOT))
    assert (types(wide)[1:], barred(wide.sim)) == ([EVENTS.AREA_CHANGED, EVENTS.BAR_LIFTED], False)
    renamed = do(wide.sim, RedrawArea("a1", "court", 4, DEPOT))
    assert renamed.sim.area is not None
    assert (renamed.events, renamed.sim.area.name, renamed.sim.area.version) == ((), "court", 4)
    with pytest.raises(AreaNotFound):
        do(sim(), LimitArea(named="nowhere"))


def test_an_older_place_changes_nothing() -> None:
    found = do(limited(), north(0, seconds=10)).sim
    assert do(found, north(15_000, seconds=9)).sim == found
    assert do(sim(), OUTSIDE).sim == sim(), "nor does any place where there is no limit"


def test_a_change_of_side_counts_when_it_has_lasted() -> None:
    start = do(limited(dwell=60), INSIDE).sim
    leaving = do(start, OUTSIDE)
    assert (leaving.events, state(leaving.sim), barred(leaving.sim)) == ((), "INSIDE", False)
    due = NOW + timedelta(seconds=60)
    assert leaving.sim.due_at == due
    assert do(leaving.sim, Expire(), at=due - timedelta(seconds=1)).sim == leaving.sim
    left = do(leaving.sim, Expire(), at=due)
    assert types(left) == [EVENTS.AREA_CHANGED, EVENTS.BAR_RAISED]
    assert (state(left.sim), left.sim.due_at) == ("OUTSIDE", None)
    again = do(leaving.sim, north(0, seconds=30))
    assert (again.events, again.sim.due_at) == ((), None)
    still = do(leaving.sim, north(16_000, seconds=30), at=NOW + timedelta(seconds=30))
    assert still.sim.due_at == due, "it began to last when it was there first"
    late = do(leaving.sim, north(0, seconds=90), at=NOW + timedelta(seconds=90))
    assert [event.data.get("to") for event in late.events] == ["OUTSIDE", None], "it was outside long enough"
    assert (state(late.sim), late.sim.due_at) == ("OUTSIDE", NOW + timedelta(seconds=150))


def test_cells_dwell_by_default_and_sites_do_not() -> None:
    assert [limited(area).area.dwell for area in (Cells(("ecgi:26201-0000001",)), Sites((1,)), DEPOT)] == [  # type: ignore[union-attr]
        CELL_DWELL,
        0,
        0,
    ]
    found = limited(Sites((1, 2)))
    assert not barred(do(found, north(0), north(0, ref="2")).sim)
    gone = do(found, north(99_000, ref="3"))
    assert barred(gone.sim)
    assert data_of(gone.events[0])["area"]["radius"] == 500, "a list is told by the circle of the SIM's place"


def test_what_is_no_area_is_refused() -> None:
    with pytest.raises(InvalidArea):
        limited(Circle(0, 0, 0))


@pytest.mark.parametrize(
    "command",
    [
        LimitArea(DEPOT, policy=DENY, dwell=5),
        LimitArea(Polygon((((9.0, 52.0), (9.2, 52.0), (9.2, 52.1), (9.0, 52.0)),))),
        LimitArea(named="depot"),
        LimitArea(around=500, strict=True),
        UnlimitArea(),
        LiftAreaExit(),
    ],
)
def test_jobs_store_the_commands(command: Command) -> None:
    assert from_plain(msgspec.to_builtins(command)) == command


WALKS: Any = st.lists(
    st.tuples(st.floats(-200, 200), st.floats(-1, 1), st.floats(0, 400)), min_size=5, max_size=60
)  # steps in metres, noise as a part of the uncertainty, uncertainty
SHAPES: Any = st.sampled_from(
    [
        DEPOT,
        Polygon(
            (
                (
                    (13.2, 52.45),
                    (13.6, 52.45),
                    (13.6, 52.5 + 10_000 * METRES),
                    (13.2, 52.5 + 10_000 * METRES),
                    (13.2, 52.45),
                ),
            )
        ),
    ]
)


def changes(found: Decision) -> int:
    """Changes of side after the first known one."""
    return types(found).count(EVENTS.AREA_CHANGED)


@given(SHAPES, WALKS, st.sampled_from([Policy(), DENY, MANUAL, ALERT]), st.sampled_from([0, 25]))
def test_along_a_border_with_honest_noise_there_is_one_change_at_most_for_each_crossing(
    shape: Area, walk: list[tuple[float, float, float]], policy: Policy, dwell: int
) -> None:
    """The true position is always in the circle of the place."""
    position, crossings, side = -300.0, 0, False
    places: list[Place] = [north(5_000, 1)]
    for n, (step, noise, radius) in enumerate(walk, 1):
        position += step
        crossings += (position > 0) is not side
        side = position > 0
        # some metres more, for the polygon's edge is drawn to within 8 m (shape.STEP)
        places.append(north(10_000 + position + noise * radius, radius + 10, n * 10))
    decision = Decision(limited(shape, policy=policy, dwell=dwell))
    seen = 0
    for place in places:
        for each in (Expire(), place):
            decision = decide(decision.sim, each, place.at, CAUSE)
            seen += changes(decision)
    assert seen <= crossings


@given(SHAPES, st.lists(st.tuples(st.floats(-HYSTERESIS / 2 + 10, HYSTERESIS / 2 - 10), st.floats(-14, 14))))
def test_along_a_border_with_noise_that_nobody_tells_of_a_sim_that_is_inside_stays_inside(
    shape: Area, walk: list[tuple[float, float]]
) -> None:
    """Up to half of the hysteresis from the border, by points that claim to be exact."""
    decision = do(limited(shape), north(5_000, 0))
    for n, (position, noise) in enumerate(walk, 1):
        decision = do(decision.sim, north(10_000 + position + noise, 0, n))
        assert (decision.events, state(decision.sim)) == ((), str(Whereabouts.INSIDE))
