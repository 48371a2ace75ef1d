"""Tiers of a price as a staircase, with where a month stands on it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 480, 120
_LOW, _HIGH = 96, 20
"""Heights of the cheapest and of the dearest step."""


class TierStep(msgspec.Struct, frozen=True):
    """One tier; `x`, `y` and `width` in the drawing's units."""

    x: float
    y: float
    width: float
    price: str
    flat: str | None
    up_to: int | None
    is_here: bool


class Staircase(msgspec.Struct, frozen=True):
    """What a template draws."""

    steps: list[TierStep]
    mark: float
    """Where the month stands,"""
    units: float
    """and how many units that is, free ones taken off."""


def staircase(price: Mapping[str, Any], quantity: float) -> Staircase:
    """Of a price of a plan (`CallPrice`, `SimPrice`) and how much of it was used, in units of its tiers.

    Every tier is as wide as the others.
    """
    paid = max(quantity - price.get("free", 0), 0)
    units = -(-paid // price["package"]) if "package" in price else paid
    tiers: Sequence[Mapping[str, Any]] = price["tiers"]
    dearest = max((Decimal(tier.get("price", "0")) for tier in tiers), default=Decimal(0)) or Decimal(1)
    width = WIDTH / len(tiers)
    steps, mark, begin = [], 0.0, 0
    for n, tier in enumerate(tiers):
        end = tier.get("upTo")
        is_here = begin < units or n == 0
        is_here = is_here and (end is None or units <= end)
        if is_here:
            share = (units - begin) / (end - begin) if end is not None else 1 - (begin + 1) / (units + 1)
            mark = width * (n + min(max(share, 0.0), 1.0))
        height = float(Decimal(tier.get("price", "0")) / dearest)
        y = _LOW - height * (_LOW - _HIGH)
        steps.append(
            TierStep(
                round(width * n, 1),
                round(y, 1),
                round(width, 1),
                tier.get("price", "0"),
                tier.get("flat"),
                end,
                is_here,
            )
        )
        begin = end or begin
    return Staircase(steps, round(mark, 1), units)
