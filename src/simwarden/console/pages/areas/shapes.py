"""Shapes as forms: circles by a point and metres, polygons by lines of points, lists by lines of names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simwarden.console.visit import Visit

KINDS = ("Circle", "Polygon", "Sites", "Cells")
_POINT = re.compile(r"\s*(-?[0-9]{1,2}(?:\.[0-9]{1,12})?)\s*[,;\s]\s*(-?[0-9]{1,3}(?:\.[0-9]{1,12})?)\s*")
_NUMBER = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,12})?")


class NotReadable(ValueError):
    """A line of a form is no point; the text is the line."""


def shape_of(one: Callable[[str], str]) -> dict[str, Any]:
    """The shape of a form, as the API takes it. Raises NotReadable."""
    kind = one("kind") if one("kind") in KINDS else "Circle"
    if kind == "Circle":
        center = {"latitude": _number(one("latitude")), "longitude": _number(one("longitude"))}
        return {"type": kind, "center": center, "radius": _number(one("radius"))}
    if kind == "Polygon":
        rings = [_ring(part) for part in re.split(r"\n\s*\n", one("points").replace("\r", "")) if part.strip()]
        return {"type": kind, "coordinates": rings}
    name = "gateways" if kind == "Sites" else "cells"
    return {"type": kind, name: [line.strip() for line in one(name).splitlines() if line.strip()]}


def fields_of(shape: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the form for a shape."""
    found: dict[str, Any] = {"kind": shape["type"]}
    if shape["type"] == "Circle":
        return {**found, **shape["center"], "radius": f"{shape['radius']:g}"}
    if shape["type"] == "Polygon":
        rings = ["\n".join(f"{point[1]}, {point[0]}" for point in ring[:-1]) for ring in shape["coordinates"]]
        return found | {"points": "\n\n".join(rings)}
    name = "gateways" if shape["type"] == "Sites" else "cells"
    return found | {name: "\n".join(shape[name])}


def in_words(visit: Visit, shape: Mapping[str, Any]) -> str:
    """What it is, in a few words."""
    if shape["type"] == "Circle":
        center = shape["center"]
        where = f"{center['latitude']:.4f}, {center['longitude']:.4f}"
        return visit.t("areas.a_circle", metres=f"{shape['radius']:,.0f}", where=where)
    if shape["type"] == "Polygon":
        return visit.t("areas.a_polygon", n=sum(len(ring) - 1 for ring in shape["coordinates"]))
    name = "gateways" if shape["type"] == "Sites" else "cells"
    return visit.t(f"areas.some_{name}", n=len(shape[name]))


def _ring(text: str) -> list[list[float]]:
    """Latitude and longitude of a line as the API has them, the other way round, and closed."""
    points = []
    for line in text.splitlines():
        if not line.strip():
            continue
        match = _POINT.fullmatch(line)
        if match is None:
            raise NotReadable(line.strip()[:80])
        points.append([float(match[2]), float(match[1])])
    if points and points[0] != points[-1]:
        points.append(points[0])
    return points


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise NotReadable(text[:80])
    return float(text)
