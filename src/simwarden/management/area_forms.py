"""Areas and area limits as the management API writes them: circles, GeoJSON polygons, lists of cells and gateways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.area import MAX_LIST, Area, Cells, Circle, InvalidArea, Polygon, Sites, check
from simwarden.domain.cell import InvalidCell, parse_cell
from simwarden.domain.place import PlaceSource
from simwarden.domain.rules.area import Dwell, LimitArea, Radius, off_border
from simwarden.domain.sim import BarCause
from simwarden.management.shapes import Camel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from simwarden.domain.place import Place
    from simwarden.domain.sim import AreaLimit, Policy, Sim
    from simwarden.store.areas import NamedArea

AreaName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]
_Text = Annotated[str, Meta(min_length=1, max_length=64)]
_Texts = Annotated[tuple[_Text, ...], Meta(max_length=10 * MAX_LIST)]
_PARTS = {"Circle": ("center", "radius"), "Polygon": ("coordinates",), "Cells": ("cells",), "Sites": ("gateways",)}
"""What each type of shape consists of."""


class _Form(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Center(_Form, frozen=True):
    """Point."""

    latitude: float
    longitude: float


class Shape(_Form, frozen=True, omit_defaults=True):
    """Shape: of one type, with the parts of that type."""

    type: Literal["Circle", "Polygon", "Cells", "Sites"]
    center: Center | UnsetType = UNSET
    radius: float | UnsetType = UNSET
    coordinates: list[list[list[float]]] | UnsetType = UNSET
    cells: _Texts | UnsetType = UNSET
    gateways: _Texts | UnsetType = UNSET

    @property
    def names(self) -> tuple[str, ...]:
        """The gateways that it names."""
        return () if self.gateways is UNSET else self.gateways

    def parsed(self, gateways: Mapping[str, int]) -> Area:
        """As the rules take it. `gateways`: their ids by name. Raises InvalidArea, naming the field."""
        given = {name for name in self.__struct_fields__[1:] if getattr(self, name) is not UNSET}
        wanted = _PARTS[self.type]
        for name in wanted:
            if name not in given:
                raise InvalidArea(f"{name}: a {self.type} needs it")
        for name in sorted(given.difference(wanted)):
            raise InvalidArea(f"{name}: does not go with a {self.type}")
        made = self._made(gateways)
        check(made)
        return made

    def _made(self, gateways: Mapping[str, int]) -> Area:
        if self.center is not UNSET and self.radius is not UNSET:
            return Circle(self.center.latitude, self.center.longitude, self.radius)
        if self.coordinates is not UNSET:
            for n, ring in enumerate(self.coordinates):
                for i, position in enumerate(ring):
                    if not 2 <= len(position) <= 3:
                        raise InvalidArea(f"coordinates[{n}][{i}]: a position is longitude and latitude")
            return Polygon(tuple(tuple((p[0], p[1]) for p in ring) for ring in self.coordinates))
        if self.cells is not UNSET:
            return Cells(tuple(dict.fromkeys(_cell(n, text) for n, text in enumerate(self.cells))))
        assert self.gateways is not UNSET
        for n, name in enumerate(self.gateways):
            if name not in gateways:
                raise InvalidArea(f"gateways[{n}]: no gateway is named {name!r}")
        return Sites(tuple(sorted({gateways[name] for name in self.gateways})))


def _cell(n: int, text: str) -> str:
    try:
        return parse_cell(text).key
    except InvalidCell as error:
        raise InvalidArea(f"cells[{n}]: {error.message}") from error


def shape_of(area: Area, gateways: Mapping[int, str]) -> Shape:
    """An area as it is written. `gateways`: their names by id."""
    match area:
        case Circle():
            return Shape("Circle", center=Center(area.latitude, area.longitude), radius=area.radius)
        case Polygon():
            return Shape("Polygon", coordinates=[[list(point) for point in ring] for ring in area.rings])
        case Cells():
            return Shape("Cells", cells=area.cells)
        case Sites():
            names = (gateways.get(each, f"number {each} (deleted)") for each in area.gateways)
            return Shape("Sites", gateways=tuple(names))


class AreaWish(_Form, frozen=True):
    """AreaWish: one of shape, named and around; none of them: what the SIM is limited to."""

    shape: Shape | None = None
    named: AreaName | None = None
    around: Radius | None = None
    dwell_seconds: Dwell | None = None

    def parsed(self, policy: Policy | None, gateways: Mapping[str, int]) -> LimitArea:
        """As the engine does it. Raises InvalidArea."""
        if sum(each is not None for each in (self.shape, self.named, self.around)) > 1:
            raise InvalidArea("area: give one of shape, named and around, not several")
        return LimitArea(
            area=None if self.shape is None else self.shape.parsed(gateways),
            named=self.named,
            around=self.around,
            dwell=self.dwell_seconds,
            policy=policy,
        )


class CreateArea(_Form, frozen=True):
    """CreateArea."""

    account: Annotated[str, Meta(min_length=1, max_length=100)]
    name: AreaName
    shape: Shape


class ChangeArea(_Form, frozen=True):
    """ChangeArea."""

    name: AreaName | None = None
    shape: Shape | None = None


class TryArea(_Form, frozen=True):
    """TryArea."""

    shape: Shape | None = None


class NamedAreaView(Camel, frozen=True, omit_defaults=False):
    """NamedArea."""

    id: str
    account: str
    name: str
    shape: Shape
    version: int
    moving: bool
    """SIMs follow a change of its shape still."""
    created_at: datetime
    changed_at: datetime


def named_area(found: NamedArea, gateways: Mapping[int, str]) -> NamedAreaView:
    """A named area."""
    return NamedAreaView(
        id=found.id,
        account=found.account_id,
        name=found.name,
        shape=shape_of(found.shape, gateways),
        version=found.version,
        moving=found.behind,
        created_at=found.created_at,
        changed_at=found.changed_at,
    )


def _named(place: Place, gateways: Mapping[int, str]) -> str:
    """What a place is taken from: the gateway's name, or the cell's key."""
    is_site = place.source is PlaceSource.SITE and place.ref.isdecimal()
    return gateways.get(int(place.ref), f"number {place.ref} (deleted)") if is_site else place.ref


def limit(found: AreaLimit, gateways: Mapping[int, str]) -> dict[str, Any]:
    """AreaLimit: where a SIM may be, and on which side of the border it is."""
    policy, place = found.policy, found.place
    distance = off_border(found)
    shown: dict[str, Any] = {
        "state": found.state,
        "since": found.since,
        "learnt": str(found.learnt),
        "policy": {"onMismatch": str(policy.on_mismatch), "unknown": str(policy.unknown), "resume": str(policy.resume)},
        "dwellSeconds": found.dwell,
        "shape": found.area and shape_of(found.area, gateways),
        "named": found.name,
        "around": found.radius,
        "sideSince": found.side_since,
        "place": None
        if place is None
        else {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "radius": place.radius,
            "at": place.at,
            "source": str(place.source),
            "ref": _named(place, gateways),
        },
        "distance": None if distance is None else abs(distance),
        "pending": found.pending and {"to": str(found.pending.to), "due": found.pending.due},
    }
    return {name: value for name, value in shown.items() if value is not None}


def sim_of_area(sim: Sim, after: Sim | None, gateways: Mapping[int, str]) -> dict[str, Any]:
    """AreaSim: where it is, and where it would be."""
    assert sim.area is not None
    shown = limit(sim.area, gateways)
    row = {"imsi": sim.imsi, "state": shown["state"], "barred": _left(sim), "place": shown.get("place")}
    if after is not None and after.area is not None:
        row |= {"then": after.area.state, "thenBarred": _left(after)}
    return {name: value for name, value in row.items() if value is not None}


def _left(sim: Sim) -> bool:
    return any(bar.cause is BarCause.AREA_EXIT for bar in sim.bars)
