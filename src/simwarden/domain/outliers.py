"""Which days stand out by their counts from those before. Pure.

Days are compared with the 28 days before the first of them. A day is one of UTC.
"""

from __future__ import annotations

import enum
from datetime import date, timedelta
from math import sqrt
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def baseline_of(counts: Sequence[int]) -> Baseline:
    """The usual, by the counts of some days."""
    return Baseline(fmean(counts), pstdev(counts)) if counts else Baseline()


def outliers(counts: Sequence[int], usual: Baseline, method: Method, threshold: float) -> list[int]:
    """Which of these days, by index, are out of the ordinary."""
    if method is Method.RATIO:
        return [n for n, x in enumerate(counts) if x >= FEWEST and (x + 0.5) / (usual.mean + 0.5) >= threshold]
    if method is Method.ZSCORE:
        return [n for n, x in enumerate(counts) if x >= FEWEST and (x - usual.mean) / usual.spread >= threshold]
    found = []
    average = usual.mean
    for n, x in enumerate(counts):
        average = _WEIGHT * x + (1 - _WEIGHT) * average
        if x >= FEWEST and average > usual.mean + threshold * usual.spread * _SMOOTHED:
            found.append(n)
    return found


def find(first: date, counts: Sequence[int], usual: Baseline, method: Method, threshold: float) -> Finding:
    """Compare the days from `first` on with the usual, by every method; `threshold` is that of `method`."""
    found = {
        each: set(outliers(counts, usual, each, threshold if each is method else DEFAULT_THRESHOLD[each]))
        for each in Method
    }
    risks = [_risk(x, sum(n in days for days in found.values()), usual) for n, x in enumerate(counts)]
    return Finding(tuple(first + timedelta(days=n) for n in sorted(found[method])), tuple(risks))


def _risk(count: int, agreeing: int, usual: Baseline) -> Risk | None:
    """Of a day that `agreeing` methods find."""
    if agreeing >= 2 or (count >= FEWEST and count >= FAR_ABOVE * (usual.mean + 0.5)):
        return Risk.HIGH
    if agreeing == 1:
        return Risk.MEDIUM
    return Risk.LOW if count > usual.mean else None


def counts_of(by_day: Mapping[date, int], first: date, days: int) -> list[int]:
    """The counts of consecutive days."""
    return [by_day.get(first + timedelta(days=n), 0) for n in range(days)]
