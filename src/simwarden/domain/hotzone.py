"""Whether a SIM's traffic with some countries and number ranges, the hotzones, was out of the ordinary. Pure."""

from __future__ import annotations

import enum
import re
from collections import Counter
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.daily import Direction, TrafficKind
from simwarden.domain.errors import InvalidValue
from simwarden.domain.outliers import (
    BASELINE_DAYS,
    FEWEST_BASELINE_DAYS,
    Baseline,
    Method,
    Risk,
    baseline_of,
    counts_of,
    find,
)
from simwarden.domain.zones import is_country

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

_RISKS = [str(each) for each in (Risk.LOW, Risk.MEDIUM, Risk.HIGH)]
_COUNTRY = re.compile(r"[A-Z]{2}|001")
_PREFIX = re.compile(r"\+[1-9][0-9]{0,4}")


class HotZones(msgspec.Struct, frozen=True):
    """Where fraud is expected to come from, or to go to."""

    countries: frozenset[str] = frozenset()
    """As in `zones.Zone.country`."""
    prefixes: frozenset[str] = frozenset()
    """First digits of numbers in international form, without plus sign; at most `zones.PREFIX_DIGITS`."""


class InvalidZone(InvalidValue):
    """This is no hotzone."""


def parse_zones(texts: Iterable[str]) -> HotZones:
    """Countries, `001`, and prefixes with a plus sign. Raises InvalidZone."""
    countries, prefixes = set(), set()
    for text in texts:
        if _PREFIX.fullmatch(text):
            prefixes.add(text.removeprefix("+"))
        elif _COUNTRY.fullmatch(text) and is_country(text):
            countries.add(text)
        else:
            raise InvalidZone(
                f"{text[:80]!r} is neither a country (ISO 3166-1 alpha-2, or 001) nor a prefix (+ and up to 5 digits)"
            )
    return HotZones(frozenset(countries), frozenset(prefixes))


class Side(enum.StrEnum):
    """What the subscriber is suspected to be."""

    VICTIM = "VICTIM"
    """Who is called or written to, and calls back."""
    SCAMMER = "SCAMMER"
    """Who calls and writes."""


DIRECTIONS = {
    Side.VICTIM: frozenset({Direction.INBOUND, Direction.CALLED_BACK}),
    Side.SCAMMER: frozenset({Direction.OUTBOUND, Direction.CALLED_BACK}),
}


class DayCount(msgspec.Struct, frozen=True):
    """What a SIM had on a day with a country."""

    day: date
    kind: TrafficKind
    direction: Direction
    country: str
    hot: int
    """Calls or messages with the hotzones."""


class SimTraffic(msgspec.Struct, frozen=True):
    """What is counted of a SIM."""

    counted_since: date
    """Since when its traffic is counted here."""
    first_day: date | None = None
    """The first day with any traffic; None: there never was any."""
    days: tuple[DayCount, ...] = ()
    """Of the days that were asked for; none where there was no traffic. Of traffic without any of the hotzones the
    last day of each kind is enough."""


class Span(msgspec.Struct, frozen=True):
    """Days one behind the other."""

    first: date
    last: date
    """Before the first: there are none."""

    @property
    def count(self) -> int:
        """How many."""
        return max(0, (self.last - self.first).days + 1)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about a SIM."""

    today: date
    """The last of the days."""
    look_back: int
    """How many days there are."""
    kinds: frozenset[TrafficKind]
    side: Side
    method: Method
    threshold: float

    @property
    def first(self) -> date:
        """The first of the days."""
        return self.today - timedelta(days=self.look_back - 1)

    @property
    def before(self) -> date:
        """The day before the first."""
        return self.first - timedelta(days=1)

    @property
    def baseline_first(self) -> date:
        """The first of the days before, which tell what is usual."""
        return self.first - timedelta(days=BASELINE_DAYS)


class HotzoneWatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscription waits for."""

    zones: HotZones
    lists: frozenset[str] = frozenset()
    """Names of lists of the account, whose zones count too."""
    kinds: frozenset[TrafficKind]
    side: Side
    method: Method
    threshold: float
    since: date
    """Days before it are not told."""


class DayDetail(msgspec.Struct, frozen=True):
    """A country of the hotzones on a day."""

    day: date
    country: str
    count: int
    usual: float | None
    """Its mean on the days before; None where they do not tell."""


class HotzoneVerdict(msgspec.Struct, frozen=True):
    """The answer."""

    anomalous: bool | None
    """None: of the days asked for nothing is recorded at all."""
    days: tuple[date, ...]
    risk: Risk | None
    """The highest of the days."""
    last_risk: Risk | None
    """Of the last day."""
    known_from: date
    known_to: date
    """Between these days traffic was recorded."""
    complete: bool
    """It was on all of the days asked for."""
    details: tuple[DayDetail, ...] = ()


def in_use(asked: Question, traffic: SimTraffic, seen: Iterable[datetime | None]) -> tuple[date, date]:
    """The first and the last day on which a SIM is known to have been in use; `seen`: when it was in a device."""
    days = [at.astimezone(UTC).date() for at in seen if at is not None]
    days += [each.day for each in traffic.days]
    days += [] if traffic.first_day is None else [traffic.first_day]
    return min(days, default=asked.today), max(days, default=asked.today)


def is_new(asked: Question, traffic: SimTraffic, seen: tuple[date, date]) -> bool:
    """Whether a SIM was in use on too few days before those asked for to be its own measure."""
    return baseline_days(asked, traffic, seen).count < FEWEST_BASELINE_DAYS


def baseline_days(asked: Question, traffic: SimTraffic, seen: tuple[date, date]) -> Span:
    """The days before those asked for on which the SIM was seen and counted; `seen`: from when to when it was."""
    return Span(max(asked.baseline_first, traffic.counted_since, seen[0]), min(asked.before, seen[1]))


def judge(asked: Question, traffic: SimTraffic, seen: tuple[date, date], others: Baseline) -> HotzoneVerdict:
    """Compare. `seen`: as of `in_use`. `others`: what is usual among its like, which counts where the SIM itself
    `is_new`.
    """
    kinds = [each for each in traffic.days if each.kind in asked.kinds]
    concerned = [each for each in kinds if each.direction in DIRECTIONS[asked.side]]
    by_day: Counter[date] = Counter()
    by_country: Counter[tuple[date, str]] = Counter()
    for each in concerned:
        by_day[each.day] += each.hot
        by_country[each.day, each.country] += each.hot
    first, before = asked.first, baseline_days(asked, traffic, seen)
    own = before.count >= FEWEST_BASELINE_DAYS
    usual = baseline_of([n for day, n in by_day.items() if day in before], before.count) if own else others
    found = find(first, counts_of(by_day, first, asked.look_back), usual, asked.method, asked.threshold)
    recorded = any(each.day >= first for each in kinds)
    known_from = max(first, traffic.counted_since, seen[0])
    known_to = asked.today if seen[1] >= asked.today - timedelta(days=1) else seen[1]
    if known_to < known_from:
        known_from, known_to, recorded = first, asked.today, False
    usually: Counter[str] = Counter()
    for (day, country), count in by_country.items():
        usually[country] += count if day in before else 0
    details = tuple(
        DayDetail(day, country, count, usually[country] / before.count if own else None)
        for (day, country), count in sorted(by_country.items())
        if count > 0 and day >= first
    )
    return HotzoneVerdict(
        anomalous=bool(found.days) if recorded else None,
        days=found.days if recorded else (),
        risk=found.risk if recorded else None,
        last_risk=found.risks[-1] if recorded else None,
        known_from=known_from,
        known_to=known_to,
        complete=recorded and (known_from, known_to) == (first, asked.today),
        details=details if recorded else (),
    )


def anomaly(watch: HotzoneWatch, zones: HotZones, day: date, verdict: HotzoneVerdict) -> dict[str, Any] | None:
    """What is told of a day that stands out, which is the last one that the verdict is about; None: it does not.

    `count` and `zones` are for the SIM's history.
    """
    if day not in verdict.days or verdict.last_risk is None:
        return None
    return {
        **alert(watch, day, verdict.last_risk),
        "count": sum(each.count for each in verdict.details if each.day == day),
        "zones": [*sorted(zones.countries), *(f"+{each}" for each in sorted(zones.prefixes))],
    }


TOGETHER = ""
"""In the place of a hotzone: all that are asked for."""


def one_by_one(zones: HotZones, day: date, verdict: HotzoneVerdict) -> dict[str, HotZones]:
    """Each of several hotzones with which there may have been something on a day, by its name; `verdict`: about all of
    them together."""
    if len(zones.countries) + len(zones.prefixes) < 2:
        return {}
    here = {each.country for each in verdict.details if each.day == day}
    prefixes = sorted(zones.prefixes) if here else []
    return {country: HotZones(frozenset({country})) for country in sorted(zones.countries & here)} | {
        f"+{prefix}": HotZones(prefixes=frozenset({prefix})) for prefix in prefixes
    }


def joined(stand_out: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What is told of a day, by what is found of it with single hotzones or with all TOGETHER (`anomaly`)."""
    single = sorted(name for name in stand_out if name != TOGETHER)
    if TOGETHER in stand_out:
        data = stand_out[TOGETHER]
    else:
        data = max((stand_out[name] for name in single), key=lambda each: _RISKS.index(each["riskLevel"]))
        data = data | {"zones": single, "count": sum(stand_out[name]["count"] for name in single)}
    return data | ({"fraudHotZone": single} if single else {})


def alert(watch: HotzoneWatch, day: date, risk: Risk) -> dict[str, Any]:
    """What subscribers are told of a day."""
    return {
        "anomalyDate": day.isoformat(),
        "checkType": "BOTH" if len(watch.kinds) > 1 else str(next(iter(watch.kinds))),
        "checkTarget": str(watch.side),
        "riskLevel": str(risk),
    }
