"""Areas on the command line: GeoJSON files, circles, lists of cells and of gateways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")
_LARGEST = 1_000_000
"""Bytes of a GeoJSON file."""


def shape_options(command: F) -> F:
    """Give a command `--circle`, `--geojson`, `--cell` and `--site`."""
    for option in (
        click.option("--site", "sites", multiple=True, metavar="GATEWAY", help="The site of a gateway; repeatable."),
        click.option("--cell", "cells", multiple=True, metavar="KEY", help="A cell (ecgi:26201-0123456); repeatable."),
        click.option(
            "--geojson",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A file with a GeoJSON Polygon, or a Feature that is one.",
        ),
        click.option("--circle", metavar="LAT,LON,METRES", help="A circle: 52.5,13.4,5000"),
    ):
        command = option(command)
    return command


def shape_body(given: dict[str, Any]) -> dict[str, Any] | None:
    """What these options say, as the API takes it; they are taken out of `given`. Raises click.UsageError."""
    circle, geojson, cells, sites = (given.pop(name) for name in ("circle", "geojson", "cells", "sites"))
    if sum(map(bool, (circle, geojson, cells, sites))) > 1:
        raise click.UsageError("Give one of --circle, --geojson, --cell and --site, not several")
    if circle:
        return _circle(circle)
    if geojson:
        return _polygon(geojson)
    if cells:
        return {"type": "Cells", "cells": cells}
    return {"type": "Sites", "gateways": sites} if sites else None


def in_words(shape: dict[str, Any] | None) -> str | None:
    """A shape for people."""
    if shape is None:
        return None
    match shape["type"]:
        case "Circle":
            center = shape["center"]
            return f"{shape['radius']:g} m around {center['latitude']:g}, {center['longitude']:g}"
        case "Polygon":
            points, holes = len(shape["coordinates"][0]) - 1, len(shape["coordinates"]) - 1
            return f"a polygon of {points} corners" + (f" and {holes} holes" if holes else "")
        case "Cells":
            return f"cells {', '.join(shape['cells'])}"
    return f"sites of {', '.join(shape['gateways'])}"


def limit_fields(limit: dict[str, Any] | None) -> dict[str, Any]:
    """A SIM's area limit for people."""
    if limit is None:
        return {}
    area = in_words(limit.get("shape")) or f"{limit['around']} m around the first place at which it is seen"
    named = f"{limit['named']}: " if limit.get("named") else ""
    place, distance = limit.get("place"), limit.get("distance")
    here = None
    if place is not None:
        here = f"{place['latitude']:.4f}, {place['longitude']:.4f} (within {place['radius']:g} m), by {place['source']}"
        here += f" {place['ref']}" if place["ref"] else ""
        here += "" if distance is None else f", {distance} m from the border"
    return {"Area": f"{limit['state']}: {named}{area}", "Area policy": limit["policy"], "Place": here}


def _circle(text: str) -> dict[str, Any]:
    try:
        latitude, longitude, radius = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter("it is not LAT,LON,METRES", param_hint="--circle") from None
    return {"type": "Circle", "center": {"latitude": latitude, "longitude": longitude}, "radius": radius}


def _polygon(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _LARGEST:
        raise click.BadParameter(f"it is larger than {_LARGEST} bytes", param_hint="--geojson")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"it is not JSON: {error}", param_hint="--geojson") from None
    if isinstance(found, dict) and found.get("type") == "FeatureCollection":
        features = found.get("features")
        if not isinstance(features, list) or len(features) != 1:
            raise click.BadParameter("a FeatureCollection must have one Feature", param_hint="--geojson")
        found = features[0]
    if isinstance(found, dict) and found.get("type") == "Feature":
        found = found.get("geometry")
    if not isinstance(found, dict) or found.get("type") != "Polygon" or "coordinates" not in found:
        kind = found.get("type") if isinstance(found, dict) else None
        raise click.BadParameter(f"it must be a Polygon, not {kind or 'something else'}", param_hint="--geojson")
    return {"type": "Polygon", "coordinates": found["coordinates"]}
