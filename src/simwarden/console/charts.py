"""Charts as SVG: what a template draws of values over time. The words beside them stand in the page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH, HEIGHT = 480, 96
_NICE = (1, 2, 2.5, 5, 10)


class Curve(msgspec.Struct, frozen=True):
    """Values over time, the newest at the right."""

    most: float
    """What the top of the chart stands for."""
    line: str
    """Points of a polyline,"""
    area: str
    """and of the polygon under it."""
    width: int = WIDTH
    height: int = HEIGHT


class ChartBar(msgspec.Struct, frozen=True):
    """What happened within a step: half of it took `low` at most, nearly all of it `high`."""

    x: float
    width: float
    low: float
    high: float
    """Heights, in units of the chart."""
    step: int
    """Which step it is."""


class BarChart(msgspec.Struct, frozen=True):
    """Steps over time, the newest at the right."""

    most: float
    bars: list[ChartBar]
    width: int = WIDTH
    height: int = HEIGHT


def curve(values: Sequence[float], steps: int) -> Curve:
    """The newest `steps` values; where there are fewer, the left stays empty."""
    shown = list(values[-steps:])
    most = ceiling(shown)
    begin = steps - len(shown)
    points = [
        ((begin + n) * WIDTH / max(steps - 1, 1), HEIGHT - value / most * HEIGHT) for n, value in enumerate(shown)
    ]
    if not points:
        return Curve(most, "", "")
    feet = [(points[0][0], float(HEIGHT)), *points, (points[-1][0], float(HEIGHT))]
    return Curve(most, _text(points), _text(feet))


def bars(pairs: Sequence[tuple[float, float] | None]) -> BarChart:
    """A bar for each step of which something is known."""
    most = ceiling(high for pair in pairs if pair for high in pair)
    wide = WIDTH / max(len(pairs), 1)
    found = [
        ChartBar(round(n * wide + wide * 0.15, 1), round(wide * 0.7, 1), _tall(pair[0], most), _tall(pair[1], most), n)
        for n, pair in enumerate(pairs)
        if pair is not None
    ]
    return BarChart(most, found)


def ceiling(values: Iterable[float]) -> float:
    """The least round number that none of these exceeds; 1 where there are none."""
    most = max(values, default=0.0)
    if most <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    return next(round(nice * unit, 9) for nice in _NICE if nice * unit >= most * (1 - 1e-9))


def _tall(value: float, most: float) -> float:
    return round(max(value / most * HEIGHT, 1.5), 1)


def _text(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
