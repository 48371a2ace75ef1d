"""SIMs that network elements ask about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simwarden.domain.identifiers import bucket_of
from simwarden.store.queries import load
from simwarden.store.sims import from_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("admissions")


class AtElement(NamedTuple):
    """A SIM, as a network element asks for it."""

    element_id: int
    imsi: str


class ShownSim(NamedTuple):
    """What an element shows of a SIM when it asks about it."""

    element_id: int
    imsi: str
    imei: str | None
    at: datetime
    cell: str | None
    area: str | None
    cell_at: datetime


class ComparedSim(NamedTuple):
    """A SIM, and what a question says of it."""

    sim: Sim
    news: bool
    """Something else than what is stored."""
    aged: bool
    """The same, but much later (`refresh`)."""


async def compare(db: Database, refresh: timedelta, asked: Sequence[ShownSim]) -> Mapping[ShownSim, ComparedSim]:
    """SIMs that elements may ask about (see `at_elements`), beside what they show of them."""
    rows = await db.fetch(
        Q["compare"],
        [bucket_of(each.imsi) for each in asked],
        [each.imsi for each in asked],
        [each.element_id for each in asked],
        [each.imei for each in asked],
        [each.at for each in asked],
        [each.cell for each in asked],
        [each.area for each in asked],
        [each.cell_at for each in asked],
        refresh,
    )
    return {asked[row["ord"] - 1]: ComparedSim(from_row(row), row["news"], row["aged"]) for row in rows}


async def at_elements(db: Database, wanted: Sequence[AtElement]) -> Mapping[AtElement, Sim]:
    """SIMs of these IMSIs, whosever they are; an element that is pinned to an account finds those of that account."""
    rows = await db.fetch(
        Q["at_elements"],
        [bucket_of(each.imsi) for each in wanted],
        [each.imsi for each in wanted],
        [each.element_id for each in wanted],
    )
    return {AtElement(row["element_id"], row["imsi"]): from_row(row) for row in rows}
