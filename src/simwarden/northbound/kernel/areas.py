"""The circles that clients of location APIs draw: CAMARA's Area of type CIRCLE."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from simwarden.domain.area import Circle
from simwarden.domain.errors import SimwardenError
from simwarden.northbound.kernel.bodies import Problem
from simwarden.northbound.kernel.errors import InvalidArgument

WIDEST = 20_037_508.0
"""Metres: half the circumference of the earth. A larger circle has no border."""

MOST = 2**53 - 1
"""The largest whole number that every reader of JSON takes as it is written."""


class Point(msgspec.Struct, frozen=True):
    """Point: degrees, WGS 84."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]


class CircleArea(msgspec.Struct, frozen=True, rename="camel"):
    """Circle."""

    area_type: Literal["CIRCLE"]
    center: Point
    radius: Annotated[float, Meta(ge=1)]
    """Metres."""

    @property
    def circle(self) -> Circle:
        """The same in the words of the rules."""
        return Circle(self.center.latitude, self.center.longitude, self.radius)


class CircleRules(msgspec.Struct, frozen=True):
    """Which circles an API answers about, and its errors for others."""

    too_small: type[SimwardenError]
    not_covered: type[SimwardenError]
    smallest: float = 1.0
    """Metres of radius."""

    def check(self, wanted: CircleArea) -> None:
        """Raises `too_small` and `not_covered`."""
        if wanted.radius < self.smallest:
            raise self.too_small
        if wanted.radius > WIDEST:
            raise self.not_covered


def area_wording(prefix: str = "area") -> dict[str, Problem]:
    """The texts for an area at `prefix`."""
    return {
        prefix: (InvalidArgument, f"Invalid format: {prefix}"),
        f"{prefix}.areaType": (InvalidArgument, f"{prefix}.areaType must be CIRCLE"),
        f"{prefix}.center": (InvalidArgument, f"{prefix}.center must be a point with latitude and longitude"),
        f"{prefix}.center.latitude": (InvalidArgument, f"{prefix}.center.latitude must be from -90 to 90"),
        f"{prefix}.center.longitude": (InvalidArgument, f"{prefix}.center.longitude must be from -180 to 180"),
        f"{prefix}.radius": (InvalidArgument, f"{prefix}.radius must be at least 1"),
    }
