"""How many SIMs have a binding or an area limit, by day: counted where that changes, never by looking at all SIMs.

A day (UTC) of an account has, for each service, by how many SIMs it changed (`change`), and how many SIMs began with it
on that day that had not had it before on the same day (`new_day`), in the same month, in the same year.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.price import Month, SimService
from simwarden.domain.price_bill import ServiceUse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.domain.sim import Sim


class ServiceDay(msgspec.Struct, frozen=True):
    """What became of a service of an account on a day, or on all days until then."""

    day: date
    change: int = 0
    new_day: int = 0
    new_month: int = 0
    new_year: int = 0


class ServiceChange(msgspec.Struct, frozen=True):
    """A SIM that begins or ends with a service."""

    bucket: int
    imsi: str
    account_id: str
    service: SimService
    begins: bool


def services_of(sim: Sim | None) -> frozenset[SimService]:
    """What a SIM has; None: there is no SIM."""
    if sim is None:
        return frozenset()
    here = ((SimService.BINDING, sim.binding), (SimService.AREA, sim.area))
    return frozenset(service for service, has in here if has is not None)


def changes(before: Sim | None, after: Sim | None) -> list[ServiceChange]:
    """What a SIM begins and ends with; None: it was not there before, or it is not any more. A SIM that another account
    has afterwards ends with everything here and begins with it there."""
    moved = before is not None and after is not None and before.account_id != after.account_id
    had, has = services_of(before), services_of(after)
    found = []
    if before is not None:
        found += [_change(before, service, begins=False) for service in sorted(had if moved else had - has)]
    if after is not None:
        found += [_change(after, service, begins=True) for service in sorted(has if moved else has - had)]
    return found


def _change(sim: Sim, service: SimService, *, begins: bool) -> ServiceChange:
    return ServiceChange(sim.bucket, sim.imsi, sim.account_id, service, begins)


def use_of_month(month: Month, until: date, before: int, days: Iterable[ServiceDay]) -> ServiceUse:
    """What was used in a month up to the day `until`, included.

    `before`: how many SIMs had the service when the month began. `days`: those of the month, in any order; those behind
    `until` are not looked at.
    """
    by_day: dict[date, list[ServiceDay]] = {}
    for each in days:
        by_day.setdefault(each.day, []).append(each)
    standing, sims = before, before
    sim_days = 0
    new_in_year = before if month.number == 1 else 0
    day = month.first
    while day <= min(month.last, until):
        sim_days += standing
        for each in by_day.get(day, ()):
            sim_days += each.new_day
            sims += each.new_month
            new_in_year += each.new_year
            standing += each.change
        day += timedelta(days=1)
    return ServiceUse(sim_days, sims, new_in_year)
