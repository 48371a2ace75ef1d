"""Hexagons of the map: names, centres, and boxes that hold all of their points."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.hexagons import box_of, centre_of, hexagon_of, index_of

LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)


def test_a_hexagon_has_the_index_of_the_library() -> None:
    assert hexagon_of(52.52, 13.405) == "h3:861f1d48fffffff"
    assert index_of("h3:861f1d48fffffff") == "861f1d48fffffff"
    assert index_of("52.52000,13.40500") is None


@given(LATITUDES, LONGITUDES)
def test_a_box_holds_every_point_of_its_hexagon(latitude: float, longitude: float) -> None:
    name = hexagon_of(latitude, longitude)
    box = box_of(name)
    assert box.south - 0.01 <= latitude <= box.north + 0.01
    assert box.west - 0.01 <= longitude <= box.east + 0.01
    assert hexagon_of(*centre_of(name)) == name
