"""The counters of a port object (4.1) in the house's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.counters import LARGEST, Amounts, Reading, believable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.southbound.ejoin.messages import Counter

_METERS = {
    "call_minutes": ("tot_dur", "mon_dur", "day_dur"),
    "calls": ("men_tot", "men_mon", "men_day"),
    "talks": ("mtn_tot", "mtn_mon", "mtn_day"),
    "messages": ("smsctl_tot", "smsctl_mon", "smsctl_day"),
}
_SPANS = ("total", "month", "day")
_FLOWS = {
    "total": "dataflow_tot",
    "day": "dataflow_day",
    "last_24_hours": "dataflow_24hours",
    "last_hour": "dataflow_1hour",
    "last_access": "dataflow_last",
}
_PASSING = ("dataflow_24hours", "dataflow_1hour", "dataflow_last", "dataflow_url")


def lasting(counters: Mapping[str, Counter | str]) -> list[Counter | str]:
    """The counters that grow by use alone. Volumes of the last hours move by the mere passing of time."""
    return [value for name, value in counters.items() if name not in _PASSING]


def reading_of(balance: str | None, counters: Mapping[str, Counter | str] | None) -> Reading:
    """All counters. Which page was opened last (`dataflow_url`) is none of our business."""
    shown = counters or {}
    found: dict[str, Amounts] = {}
    for meter, names in _METERS.items():
        values: dict[str, int | float] = {}
        for span, name in zip(_SPANS, names, strict=True):
            counter = shown.get(name)
            if counter is None or isinstance(counter, str) or believable(counter.used) is None:
                continue
            values[span] = counter.used
            if counter.limit is not None and counter.limit <= LARGEST:
                values[f"{span}_limit"] = counter.limit
        if values:
            found[meter] = Amounts(**values)  # type: ignore[arg-type]
    flows = {name: _volume(shown.get(key)) for name, key in _FLOWS.items()}
    if any(value is not None for value in flows.values()):
        found["megabytes"] = Amounts(**flows)  # type: ignore[arg-type]
    return Reading(balance=_money(balance), **found)


def _volume(value: Counter | str | None) -> int | float | None:
    return believable(float(value)) if isinstance(value, str) else None


def _money(value: str | None) -> float | None:
    """A debt is a balance too."""
    found = None if value is None else float(value)
    return found if found is not None and abs(found) <= LARGEST else None
