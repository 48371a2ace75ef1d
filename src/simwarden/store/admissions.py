"""SIMs that network elements ask about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simwarden.domain.identifiers import bucket_of
from simwarden.store.queries import load
from simwarden.store.sims import from_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("admissions")


class AtElement(NamedTuple):
    """A SIM, as a network element asks for it."""

    element_id: int
    imsi: str


async def at_elements(db: Database, wanted: Sequence[AtElement]) -> Mapping[AtElement, Sim]:
    """SIMs of these IMSIs, whosever they are; an element that is pinned to an account finds those of that account."""
    rows = await db.fetch(
        Q["at_elements"],
        [bucket_of(each.imsi) for each in wanted],
        [each.imsi for each in wanted],
        [each.element_id for each in wanted],
    )
    return {AtElement(row["element_id"], row["imsi"]): from_row(row) for row in rows}
