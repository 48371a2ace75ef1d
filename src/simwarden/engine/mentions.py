"""The ids of the gateways that SIMs, events, areas and places refer to, so that their names can be looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.domain.area import Area, Sites
from simwarden.domain.place import PlaceSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simwarden.domain.sim import AreaLimit, Sim


def in_sims(sims: Iterable[Sim]) -> Iterator[int]:
    """The gateways that SIMs are in, may be in, and had their places from."""
    for sim in sims:
        if sim.seen is not None and sim.seen.slot is not None:
            yield sim.seen.slot.gateway_id
        if sim.area is not None:
            yield from in_limit(sim.area)


def in_limit(limit: AreaLimit) -> Iterator[int]:
    """The gateways of an area limit."""
    if limit.area is not None:
        yield from in_areas([limit.area])
    if limit.place is not None:
        yield from in_place(str(limit.place.source), limit.place.ref)


def in_areas(areas: Iterable[Area]) -> Iterator[int]:
    """The gateways that areas consist of."""
    for area in areas:
        if isinstance(area, Sites):
            yield from area.gateways


def in_place(source: str, ref: str) -> Iterator[int]:
    """The gateway that a place of this source was taken from, if it was one."""
    if source == PlaceSource.SITE and ref.isdecimal():
        yield int(ref)


def in_data(events: Iterable[dict[str, Any]]) -> Iterator[int]:
    """The gateways that the data of events name."""
    for data in events:
        if isinstance(data.get("gateway"), int):
            yield data["gateway"]
        yield from in_place(str(data.get("source")), str(data.get("ref", "")))
