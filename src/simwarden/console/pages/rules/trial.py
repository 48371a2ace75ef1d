"""A dry run: whom a rule would have met by what is stored, and on which day first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.console.rendering import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.console.visit import Visit

PAGE, PAGES = 200, 5
"""SIMs of a call, and calls of a look."""
SHOWN = 100
"""Of those that would have been met."""
WIDTH, HEIGHT, FOOT = 640, 160, 20
"""Of the drawing, in its units."""


class DayBar(msgspec.Struct, frozen=True):
    """A day."""

    day: str
    label: str
    count: int
    x: float
    y: float
    height: float
    wide: float
    """Of the day; the bar is two thirds of it."""


class TrialLook(msgspec.Struct, frozen=True):
    """What the page shows."""

    sims: int
    records: int
    cut: int
    count: int
    """SIMs that would have been met,"""
    met: Sequence[Mapping[str, Any]]
    """of which these are shown."""
    bars: Sequence[DayBar]
    cursor: str
    """Where the next look begins; empty when all SIMs were looked at."""


async def looked(visit: Visit, wanted: Mapping[str, Any], cursor: str | None) -> TrialLook:
    """A look at up to a thousand SIMs. Raises CallRefused."""
    sims = records = cut = 0
    met: list[Mapping[str, Any]] = []
    since = ""
    for _ in range(PAGES):
        found = await visit.api.ask("/rule-trials", body=wanted, limit=PAGE, cursor=cursor)
        sims, records, cut = sims + found["sims"], records + found["records"], cut + found["cut"]
        met += found["met"]
        since = since or found["since"]
        cursor = found.get("nextCursor")
        if cursor is None:
            break
    met.sort(key=lambda each: (-each["times"], each["first"]))
    bars = days(met, moment(since), datetime.now(UTC))
    return TrialLook(sims, records, cut, len(met), met[:SHOWN], bars, cursor or "")


def days(met: Sequence[Mapping[str, Any]], since: datetime, until: datetime) -> list[DayBar]:
    """How many SIMs would have been met first on each day (UTC), days without any included."""
    begin = since.date()
    counts = [0] * ((until.date() - begin).days + 1)
    for each in met:
        nth = (moment(each["first"]).date() - begin).days
        counts[min(max(nth, 0), len(counts) - 1)] += 1
    most, wide = max([*counts, 1]), WIDTH / len(counts)
    bars = []
    for n, count in enumerate(counts):
        height = round(count / most * (HEIGHT - FOOT - 16), 1)
        day = begin + timedelta(days=n)
        # A label for each day as long as they fit, else for every fifth.
        label = f"{day:%m-%d}" if len(counts) <= 9 or n % 5 == 0 else ""
        x = round(n * wide, 1)
        bars.append(
            DayBar(f"{day:%Y-%m-%d}", label, count, x, round(HEIGHT - FOOT - height, 1), height, round(wide, 1))
        )
    return bars
