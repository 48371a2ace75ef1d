"""Area limits in customers' APIs: CAMARA's areas in both directions, and the limit of a bind that names no area."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain import shape
from simwarden.domain.area import MAX_POINTS, MAX_RADIUS, Area, Circle, InvalidArea, Polygon, check, covering
from simwarden.domain.rules.area import LimitArea
from simwarden.northbound.kernel.areas import Point
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from simwarden.store.accounts import AccountSettings


class ShownCircle(msgspec.Struct, frozen=True, rename="camel"):
    """Circle, of whole metres."""

    center: Point
    radius: int
    area_type: Literal["CIRCLE"] = "CIRCLE"


class GivenArea(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Area: a circle, or a polygon by its corners (Commonalities, `Polygon.boundary`)."""

    area_type: Literal["CIRCLE", "POLYGON"]
    center: Point | UnsetType = UNSET
    radius: Annotated[int, Meta(ge=1, le=MAX_RADIUS)] | UnsetType = UNSET
    boundary: Annotated[list[Point], Meta(min_length=3, max_length=MAX_POINTS - 1)] | UnsetType = UNSET

    def parsed(self) -> Area:
        """As the rules take it. Raises InvalidArgument."""
        wanted = {"center", "radius"} if self.area_type == "CIRCLE" else {"boundary"}
        given = {name for name in ("center", "radius", "boundary") if getattr(self, name) is not UNSET}
        if wanted != given:
            name = min(wanted ^ given)
            what = "must be specified" if name in wanted else f"does not go with {self.area_type}"
            raise InvalidArgument(f"area.{name} {what}")
        area: Area
        if self.center is not UNSET and self.radius is not UNSET:
            area = Circle(self.center.latitude, self.center.longitude, self.radius)
        else:
            assert self.boundary is not UNSET
            corners = tuple((point.longitude, point.latitude) for point in self.boundary)
            area = Polygon(((*corners, corners[0]),))
        try:
            check(area)
        except InvalidArea as error:
            raise InvalidArgument(f"Invalid value: area. {error.message}") from error
        return area


def bare_limit(settings: AccountSettings) -> LimitArea:
    """The limit of a bind that names no area: what somebody gave the SIM, else the account's area, else a circle around
    the place where the SIM is."""
    return LimitArea(
        named=settings.area,
        around=None if settings.area else settings.area_radius,
        keeps=True,
        new_policy=settings.policy,
        strict=settings.strict,
        again=True,
    )


def shown_circle(area: Area | None) -> ShownCircle | UnsetType:
    """A circle that is or covers the area; nothing for lists, and for what no circle of CAMARA covers."""
    if isinstance(area, Polygon) and not _fits(area):
        return UNSET
    found = None if area is None else covering(area)
    if found is None:
        return UNSET
    return ShownCircle(Point(found.latitude, found.longitude), math.ceil(found.radius))


def shown_area(area: Area) -> GivenArea | UnsetType:
    """The area itself; nothing for lists, and for polygons with holes, which CAMARA's form has no place for."""
    if isinstance(area, Circle):
        return GivenArea("CIRCLE", center=Point(area.latitude, area.longitude), radius=math.ceil(area.radius))
    if isinstance(area, Polygon) and len(area.rings) == 1:
        corners = [Point(latitude, longitude) for longitude, latitude in area.rings[0][:-1]]
        return GivenArea("POLYGON", boundary=corners)
    return UNSET


def _fits(area: Polygon) -> bool:
    return shape.of(area.rings).extent <= MAX_RADIUS
