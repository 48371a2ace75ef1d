"""Which days stand out by their counts from those before. Pure.

Days are compared with the 28 days before the first of them. A day is one of UTC.
"""

from __future__ import annotations

import enum
from datetime import date, timedelta
from math import sqrt
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

BASELINE_DAYS = 28
FEWEST_BASELINE_DAYS = 7
"""With fewer days on which the SIM was seen, other SIMs are its measure."""
FEWEST = 3
"""Fewer calls and messages than this are never out of the ordinary."""
FAR_ABOVE = 10
"""So many times the usual count is a high risk by itself."""
_WEIGHT = 0.3
"""Of the newest day in the moving average."""
_SMOOTHED = sqrt(_WEIGHT / (2 - _WEIGHT))
"""What the deviation of a moving average is of that of its days."""


class Method(enum.StrEnum):
    """How a day is compared."""

    RATIO = "RATIO"
    ZSCORE = "ZSCORE"
    EWMA = "EWMA"


DEFAULT_THRESHOLD = {Method.RATIO: 2.0, Method.ZSCORE: 3.0, Method.EWMA: 3.0}


class Risk(enum.StrEnum):
    """How much speaks for fraud."""

    LOW = "LOW"
    """No method finds anything, but it was more than usual."""
    MEDIUM = "MEDIUM"
    """One method finds it."""
    HIGH = "HIGH"
    """Two methods find the same day, or it was far more than usual."""


_RISING = (Risk.LOW, Risk.MEDIUM, Risk.HIGH)
_MILDER = (Risk.LOW, Risk.MEDIUM)
"""By how many methods find the day."""


class Baseline(msgspec.Struct, frozen=True):
    """What is usual on a day."""

    mean: float = 0.0
    deviation: float = 0.0
    """Of the population."""

    @property
    def spread(self) -> float:
        """The deviation, but not less than counts have by chance (Poisson), and not less than one."""
        return max(self.deviation, sqrt(self.mean), 1.0)


class Finding(msgspec.Struct, frozen=True):
    """What a comparison shows."""

    days: tuple[date, ...]
    """Out of the ordinary by the method that was asked for, ascending."""
    risks: tuple[Risk | None, ...]
    """Of each day looked at, by all methods; None: it had not more than usual."""

    @property
    def risk(self) -> Risk | None:
        """The highest of them."""
        return max((each for each in self.risks if each is not None), key=_RISING.index, default=None)


def baseline_of(counts: Collection[int], days: int) -> Baseline:
    """The usual, by the counts of so many days; days without any may be left out of the counts."""
    if not days:
        return Baseline()
    total = sum(counts)
    return Baseline(total / days, sqrt(days * sum(x * x for x in counts) - total * total) / days)


def outliers(counts: Sequence[int], usual: Baseline, method: Method, threshold: float) -> list[int]:
    """Which of these days, by index, are out of the ordinary."""
    mean, spread = usual.mean, usual.spread
    if method is Method.RATIO:
        return [n for n, x in enumerate(counts) if x >= FEWEST and (x + 0.5) / (mean + 0.5) >= threshold]
    if method is Method.ZSCORE:
        return [n for n, x in enumerate(counts) if x >= FEWEST and (x - mean) / spread >= threshold]
    found = []
    average, limit = mean, mean + threshold * spread * _SMOOTHED
    for n, x in enumerate(counts):
        average = _WEIGHT * x + (1 - _WEIGHT) * average
        if x >= FEWEST and average > limit:
            found.append(n)
    return found


def find(first: date, counts: Sequence[int], usual: Baseline, method: Method, threshold: float) -> Finding:
    """Compare the days from `first` on with the usual, by every method; `threshold` is that of `method`."""
    found = {
        each: outliers(counts, usual, each, threshold if each is method else DEFAULT_THRESHOLD[each]) for each in Method
    }
    agreeing = [0] * len(counts)
    for days in found.values():
        for n in days:
            agreeing[n] += 1
    far = max(FEWEST, FAR_ABOVE * (usual.mean + 0.5))
    risks = [
        Risk.HIGH if x >= far or methods >= 2 else _MILDER[methods] if methods or x > usual.mean else None
        for x, methods in zip(counts, agreeing, strict=True)
    ]
    return Finding(tuple(first + timedelta(days=n) for n in found[method]), tuple(risks))


def counts_of(by_day: Mapping[date, int], first: date, days: int) -> list[int]:
    """The counts of consecutive days."""
    found = [0] * days
    begin = first.toordinal()
    for day, count in by_day.items():
        if 0 <= (n := day.toordinal() - begin) < days:
            found[n] = count
    return found
