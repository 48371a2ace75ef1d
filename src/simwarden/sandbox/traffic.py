"""The calls of virtual SIMs with whatever hotzone is asked about, by the last digit of their number. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from simwarden.domain.daily import Direction, TrafficKind
from simwarden.domain.hotzone import DayCount, HotZones, SimTraffic
from simwarden.domain.live_call import SeenCall

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim

_USUAL = {"0": 2, "3": 2}
"""Calls with the hotzones each day, in either direction."""
_OUTBREAK = {"1": (0, 12), "2": (3, 4), "3": (3, 5)}
"""So many days ago so many calls with them."""
_SILENT = frozenset({"5", "7", "8"})
"""Of these nothing is recorded; 8 has calls of long ago."""
_COUNTED = timedelta(days=300)
_TALKING = "1"
"""In a call for two minutes."""


def counted(sim: Sim, zones: HotZones, first: date, last: date) -> SimTraffic:
    """What is counted of a virtual SIM; on every day it also calls and is called at home."""
    digit = sim.imsi[-1]
    since = last - _COUNTED
    if digit in _SILENT:
        return SimTraffic(since, since if digit == "8" else None)
    country = next(iter(sorted(zones.countries)), "?")
    ago, many = _OUTBREAK.get(digit, (0, 0))
    rows = []
    for n in range((last - first).days + 1):
        day = first + timedelta(days=n)
        hot = many if many and day == last - timedelta(days=ago) else _USUAL.get(digit, 0)
        for direction in (Direction.INBOUND, Direction.OUTBOUND):
            rows.append(DayCount(day, TrafficKind.CALL, direction, "DE", 0))
            rows.append(DayCount(day, TrafficKind.SMS, direction, "DE", 0))
            if hot:
                rows.append(DayCount(day, TrafficKind.CALL, direction, country, hot))
    return SimTraffic(since, since, tuple(rows))


def calls(sim: Sim, now: datetime) -> list[SeenCall]:
    """The newest call of a virtual SIM."""
    if sim.imsi[-1] != _TALKING:
        return []
    answered = now - timedelta(minutes=2)
    return [SeenCall(answered - timedelta(seconds=9), answered, None, now)]
