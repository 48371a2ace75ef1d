"""Maps: everything asked for is on them, wherever on earth; shapes survive their form."""

from __future__ import annotations

import re
from typing import Any

import pytest

from simwarden.console import assets, maps
from simwarden.console.pages.areas import shapes


def circle(latitude: float, longitude: float, radius: float) -> dict[str, Any]:
    return {"type": "Circle", "center": {"latitude": latitude, "longitude": longitude}, "radius": radius}


def polygon(*points: tuple[float, float]) -> dict[str, Any]:
    ring = [[longitude, latitude] for latitude, longitude in points]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


@pytest.mark.parametrize(
    "shape",
    [
        circle(0, 0, 1),
        circle(52.5, 13.4, 200_000),
        circle(-17, 179.9, 100_000),
        circle(89.9, 10, 50_000),
        polygon((10, 170), (10, -170), (-10, -170), (-10, 170)),
        polygon((-80, -179), (80, -179), (80, 179), (-80, 179)),
    ],
)
def test_what_is_drawn_is_within_the_map(shape: dict[str, Any]) -> None:
    drawn = maps.world([maps.MapShape(shape)])
    [found] = drawn.shapes
    if found.path:
        points = [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", found.path)]
    else:
        points = [(found.x - found.r, found.y - found.r), (found.x + found.r, found.y + found.r)]
    assert all(0 <= x <= maps.WIDTH for x, _ in points)
    assert all(0 <= y <= maps.HEIGHT for _, y in points)
    assert 1 <= len(drawn.lands) <= 3
    assert 0 < drawn.bar <= maps.WIDTH / 4


def test_a_place_beyond_the_antimeridian_is_beside_its_neighbour() -> None:
    drawn = maps.world(spots=[maps.Spot(0, 179.5), maps.Spot(0, -179.5)])
    west, east = drawn.spots
    assert abs(west.x - east.x) < maps.WIDTH
    assert west.x < east.x
    assert len(drawn.lands) == 2


def test_nothing_to_show_is_the_whole_world() -> None:
    drawn = maps.world()
    assert drawn.across * 360 == maps.WIDTH
    assert (drawn.shapes, drawn.spots) == ([], [])


def test_the_outlines_are_small_and_have_no_script() -> None:
    land = assets.assets()["land.svg"]
    assert len(land.packed) < 150_000
    assert b'id="land"' in land.body
    assert b'id="borders"' in land.body
    assert b"<script" not in land.body


def test_every_outline_is_where_a_map_looks_for_it() -> None:
    body = assets.assets()["land.svg"].body.decode()
    path = body.partition('id="land"')[2].partition(' d="')[2].partition('"')[0]
    highest, widest = 0.0, 0
    for ring in path.removesuffix("z").split("z"):
        start, _, steps = ring.removeprefix("M").partition("l")
        numbers = [int(each) for each in re.findall(r"-?\d+", steps)]
        x = int(start.split()[0])
        longitudes = [x, *(x := x + step for step in numbers[::2])]
        highest = max(highest, *(abs(each) / maps.UNIT for each in longitudes))
        widest = max(widest, max(longitudes) - min(longitudes))
    assert highest <= maps._REACH
    assert widest > 150 * maps.UNIT, "Asia is one piece"


@pytest.mark.parametrize(
    "shape",
    [
        circle(52.5, 13.4, 5000),
        polygon((52, 9), (52, 9.2), (52.1, 9.2)),
        {
            "type": "Polygon",
            "coordinates": [*polygon((0, 0), (0, 9), (9, 9))["coordinates"], [[1, 2], [1, 1], [2, 1], [1, 2]]],
        },
        {"type": "Sites", "gateways": ["gw1", "gw 2"]},
        {"type": "Cells", "cells": ["ecgi:26201-0123456"]},
    ],
)
def test_a_shape_survives_its_form(shape: dict[str, Any]) -> None:
    fields = {name: str(value) for name, value in shapes.fields_of(shape).items()}
    assert shapes.shape_of(lambda name: fields.get(name, "")) == shape


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "Circle", "latitude": "north", "longitude": "1", "radius": "5"},
        {"kind": "Circle", "latitude": "1e9", "longitude": "1", "radius": "5"},
        {"kind": "Circle", "latitude": "nan", "longitude": "1", "radius": "5"},
        {"kind": "Polygon", "points": "1, 2\n3"},
        {"kind": "Polygon", "points": "<script>, 2"},
    ],
)
def test_what_is_no_point_is_named(fields: dict[str, str]) -> None:
    with pytest.raises(shapes.NotReadable):
        shapes.shape_of(lambda name: fields.get(name, ""))
