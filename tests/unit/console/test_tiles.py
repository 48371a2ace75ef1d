"""Tiles behind the maps: the right ones, where they belong, and none where they would lie."""

from __future__ import annotations

import math
from types import SimpleNamespace

import msgspec
import pytest
from starlette.routing import Router

from simwarden.console import drawing, maps, rendering
from simwarden.console.frame import POLICY, Console
from simwarden.console.maps import Ground
from simwarden.console.tiles import LEAST_ZOOM, MOST_ZOOM, TileSource
from simwarden.settings import InvalidSettings, load

SOURCE = TileSource("https://tiles.example/osm/{z}/{x}/{y}.png?key=1", "© Example")


def ground(longitude: float, latitude: float, down: float) -> Ground:
    return Ground(longitude, latitude, down * math.cos(math.radians(latitude)), down)


@pytest.mark.parametrize("down", [150.0, 500.0, 7_000.0, 90_000.0, 5_000_000.0])
@pytest.mark.parametrize(("longitude", "latitude"), [(13.4, 52.5), (0, 0), (179.99, -17), (-180, 60), (100, 70)])
def test_the_whole_map_is_covered_and_a_place_is_where_the_outlines_have_it(
    longitude: float, latitude: float, down: float
) -> None:
    part = ground(longitude, latitude, down)
    tiles = SOURCE.cover(part, maps.WIDTH, maps.HEIGHT)
    zoom = int(tiles[0].href.split("/")[-3])
    assert LEAST_ZOOM <= zoom <= MOST_ZOOM
    assert len(tiles) == len({each.href for each in tiles}) <= 40
    for each in tiles:
        column, row = (int(part.split(".")[0]) for part in each.href.split("/")[-2:])
        assert 0 <= column < 2**zoom  # also beyond the antimeridian
        assert 0 <= row < 2**zoom
    for x, y in ((0.0, 0.0), (719.0, 419.0), (360.0, 210.0)):
        under = [t for t in tiles if t.x <= x <= t.x + t.width + 0.02 and t.y <= y <= t.y + t.height + 0.02]
        assert under, (x, y)
        # The place of that point by Web Mercator is the one by the map's own scale, to a few points.
        row, column = int(under[0].href.split("/")[-1].split(".")[0]), int(under[0].href.split("/")[-2])
        share = (column + (x - under[0].x) / under[0].width) / 2**zoom
        assert abs((share * 360 - 180 - longitude - (x - 360) / part.across + 180) % 360 - 180) * part.across < 0.1
        world = (row + (y - under[0].y) / under[0].height) / 2**zoom
        found = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * world))))
        assert abs((found - latitude + (y - 210) / down) * down) < 5


def test_a_map_of_much_of_the_earth_has_none() -> None:
    assert SOURCE.cover(maps.world().ground, maps.WIDTH, maps.HEIGHT) == []


def test_both_kinds_of_maps_say_what_they_show() -> None:
    place = {"latitude": 52.5, "longitude": 179.999, "radius": 500.0}
    small = drawing.map_of({"shape": {"type": "Circle", "center": place, "radius": 900.0}}, place)
    assert small is not None
    assert small.ground.longitude == pytest.approx(179.999)
    assert small.ground.latitude == pytest.approx(52.5)
    assert small.ground.across == pytest.approx(small.ground.down * math.cos(math.radians(52.5)))
    large = maps.world([maps.MapShape({"type": "Circle", "center": place, "radius": 900.0})])
    assert large.ground.latitude == pytest.approx(52.5)
    for each in (small, large):
        assert SOURCE.cover(each.ground, each.width, each.height)


def test_the_policy_lets_pictures_come_from_that_host_and_nothing_else() -> None:
    policy = Console(Router(), SOURCE.template, SOURCE.attribution).headers["content-security-policy"]
    assert policy == POLICY.replace("img-src 'self'", "img-src 'self' https://tiles.example")
    assert Console(Router()).headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("source", [SOURCE, None])
def test_the_map_of_a_page_has_them_where_a_server_is_set(source: TileSource | None) -> None:
    area = {"type": "Circle", "center": {"latitude": 52.5, "longitude": 13.4}, "radius": 900.0}
    template = rendering.environment().from_string(
        '{% from "areas/map.html" import world with context %}{{ world(map, "Areas") }}'
    )
    page = template.render(visit=SimpleNamespace(tiles=source), map=maps.world([maps.MapShape(area)]))
    assert ('<image class="tile" href="https://tiles.example/osm/' in page) == (source is not None)
    assert ("© Example" in page) == (source is not None)
    assert ("?key=1" in page) == (source is not None)


@pytest.mark.parametrize(
    "wrong",
    [
        "tiles.example/{z}/{x}/{y}",
        "https://tiles.example/{z}/{x}.png",
        "https://tiles.example; script-src *//{z}/{x}/{y}",
        "https://user@tiles.example/{z}/{x}/{y}",
        "https://tiles.example/{z}/{x}/{y}\n",
        "javascript:{z}{x}{y}",
    ],
)
def test_another_form_is_refused_with_its_setting(wrong: str) -> None:
    with pytest.raises(InvalidSettings, match="SIMWARDEN_CONSOLE_TILES"):
        load(environ={"SIMWARDEN_CONSOLE_TILES": wrong})


def test_its_setting_is_taken() -> None:
    settings, _ = load(environ={"SIMWARDEN_CONSOLE_TILES": SOURCE.template})
    assert msgspec.to_builtins(settings)["console_tiles"] == SOURCE.template
