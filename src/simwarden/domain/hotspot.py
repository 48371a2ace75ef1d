"""Places where more SIMs show signs of fraud than chance explains. Pure.

Of n SIMs at a place k show a sign within a window of time, where of all SIMs of the installation a part of p0 does in
such a window. By chance k is distributed as Poisson has it, with a mean of n p0.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from math import exp, fsum, lgamma, log

import msgspec

from simwarden.domain.events import EventType

FEWEST = 3
"""Fewer SIMs are no hotspot."""
SURE = 0.001
"""A hotspot is less likely by chance than this, divided by the number of places that are looked at: so often one of
them is found that is none."""
CALM = 0.01
"""What is more likely by chance than this is calm."""
RAREST = 1e-4
"""So many SIMs are taken to show a sign in a window, at least."""
COMPARED = timedelta(days=30)
"""The time before a window by which the usual is known."""
COOLS_AFTER = 2
"""A hotspot is over when it was calm for so many windows."""
SIGNS = (EventType.BINDING_DIFFERED, EventType.RULE_FIRED, EventType.HOTZONE_ANOMALY)
"""Events that are signs of fraud: in a wrong device, a rule was met, unusual traffic with a hotzone."""


class Window(enum.Enum):
    """How far a look goes back."""

    HOUR = timedelta(hours=1)
    DAY = timedelta(hours=24)

    @property
    def hours(self) -> int:
        """Its length."""
        return int(self.value / timedelta(hours=1))


class Counted(msgspec.Struct, frozen=True):
    """What is seen at a place in a window."""

    sims: int
    """That are there, or showed a sign there."""
    with_sign: int
    """Of these."""
    expected: float
    """How many would show one by chance."""
    chance: float
    """How likely so many are, or more."""


class Hotspot(msgspec.Struct, frozen=True, kw_only=True):
    """A place that is hot, or was."""

    place: str
    window: Window
    since: datetime
    counted: Counted
    """When it was looked at last while it was hot."""
    at: datetime
    """When that was."""
    calm_since: datetime | None = None
    """What is seen there has been calm since; None: it is not."""
    ended_at: datetime | None = None


def tail(k: int, mean: float) -> float:
    """The probability of k or more, if the number is distributed as Poisson has it."""
    if k <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    # From k on until nothing is added: exact to the last digits also where it is small.
    terms: list[float] = []
    n = k
    while n <= mean or not terms or terms[-1] > 1e-18 * terms[0]:
        terms.append(exp(n * log(mean) - mean - lgamma(n + 1)))
        n += 1
        if terms[-1] == 0.0 and n > mean:
            break
    return min(1.0, fsum(terms))


def usual_rate(signs: int, sims: int, window: Window) -> float:
    """How large a part of all SIMs shows a sign in a window. `signs`: in `COMPARED`, each SIM once in a window."""
    windows = COMPARED / window.value
    return max(signs / (sims * windows) if sims else 0.0, RAREST)


def count(sims: int, with_sign: int, rate: float) -> Counted:
    """What is seen at a place, `sims` of which are there now. Who showed a sign and has left was there too."""
    there = max(sims, with_sign)
    expected = there * rate
    return Counted(there, with_sign, expected, tail(with_sign, expected))


def is_hot(counted: Counted, places: int) -> bool:
    """Whether chance does not explain it, of so many places that are looked at."""
    return counted.with_sign >= FEWEST and counted.chance < SURE / max(places, 1)


def follow(
    known: Hotspot | None, place: str, window: Window, counted: Counted, places: int, now: datetime
) -> Hotspot | None:
    """A place as it is to be remembered, now that this is seen there; None: as nothing."""
    hot = is_hot(counted, places)
    if known is None or known.ended_at is not None:
        return Hotspot(place=place, window=window, since=now, counted=counted, at=now) if hot else None
    if hot or counted.chance <= CALM:
        seen = {"counted": counted, "at": now} if hot else {}
        return msgspec.structs.replace(known, calm_since=None, **seen)
    calm_since = known.calm_since or now
    over = now - calm_since >= COOLS_AFTER * window.value
    return msgspec.structs.replace(known, calm_since=calm_since, ended_at=now if over else None)


def place_name(latitude: float, longitude: float) -> str:
    """What a site is known by: those of one point are one place."""
    return f"{latitude:.5f},{longitude:.5f}"


def position_of(place: str) -> tuple[float, float]:
    """Latitude and longitude of a site, of its name."""
    latitude, _, longitude = place.partition(",")
    return float(latitude), float(longitude)
