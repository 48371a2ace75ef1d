"""Sightings of several sources, in any order of arrival."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.rules import device as rules
from simwarden.domain.rules.device import Bind
from simwarden.domain.sim import Policy, Sighting, Sim

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = START + timedelta(hours=1)
DEVICES = ("35368953070790", "35368953070791", "86112203000001")
IMSI = "460000990123698"


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@st.composite
def sightings(draw: st.DrawFn) -> list[Sighting]:
    """Of two sources: one says when it saw a device, the other what its sessions began with; at different times."""
    times = draw(st.lists(st.integers(0, 60), min_size=4, max_size=8, unique=True))
    found: list[Sighting] = []
    for begin, second in itertools.pairwise(times):
        imei, since = draw(st.sampled_from(DEVICES)), None
        if draw(st.booleans()) and begin < second and begin not in {item.at for item in found}:
            since = at(begin)
        found.append(Sighting(imsi=IMSI, imei=imei, at=at(second), since=since))
    begun = [item.since or item.at for item in found]
    return [item for item in found if begun.count(item.since or item.at) == 1][:5]


def end(order: tuple[Sighting, ...], bound: bool) -> tuple[object, ...]:
    """The state after these."""
    sim = Sim(bucket=1, imsi=IMSI, account_id="acme")
    cause = Cause(CauseKind.REPORT, "two", START, "report")
    if bound:
        sim = rules.bind(sim, Bind(imei=DEVICES[0], policy=Policy(), again=True), START, cause).sim
    for sighting in order:
        sim = rules.sight(sim, sighting, LATER, cause).sim
    bars = {(bar.cause, bar.functions) for bar in sim.bars}
    return sim.state, sim.seen.imei if sim.seen else None, frozenset(bars)


@given(sightings(), st.booleans())
def test_any_order_of_arrival_ends_alike(found: list[Sighting], bound: bool) -> None:
    ends = {end(order, bound) for order in itertools.permutations(found)}
    assert len(ends) == 1


@given(sightings())
def test_the_device_that_was_entered_last_is_the_one_it_is_in(found: list[Sighting]) -> None:
    if found:
        newest = max(found, key=lambda item: item.since or item.at)
        assert end(tuple(found), bound=False)[1] == newest.imei


def test_a_session_that_goes_on_hides_no_late_sighting_of_another_device() -> None:
    session = Sighting(imsi=IMSI, imei=DEVICES[0], at=at(10), since=at(1))
    late = Sighting(imsi=IMSI, imei=DEVICES[2], at=at(5))
    assert end((session, late), bound=True) == end((late, session), bound=True)
    assert end((session, late), bound=True)[1] == DEVICES[2]
