"""3GPP-User-Location-Info: octets that were seen in the field, and octets that cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.southbound.radius.location import MalformedLocation, decode_location, location_time


def keys(octets: str) -> list[str]:
    return [cell.key for cell in decode_location(bytes.fromhex(octets))]


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        ("8264f000123464f00000012345", ["ecgi:46000-0012345", "tai:46000-1234"]),
        ("0064f0001234abcd", ["cgi:46000-1234-abcd"]),
        ("0164f0001234abcd", ["sai:46000-1234-abcd"]),
        ("0264f000123401ff", ["rai:46000-1234-01"]),
        ("0264f000123401", ["rai:46000-1234-01"]),
        ("8064f0001234", ["tai:46000-1234"]),
        ("80130014abcd", ["tai:310410-abcd"]),
        ("8164f00000012345", ["ecgi:46000-0012345"]),
        ("8764f0000123456789", ["ncgi:46000-123456789"]),
        ("8864f000001234", ["tai:46000-001234"]),
        ("8964f00000123464f0000123456789", ["ncgi:46000-123456789", "tai:46000-001234"]),
        ("8464f000123464f000012345", ["tai:46000-1234"]),
        ("8a64f00001", []),
        ("ff", []),
    ],
)
def test_cells_are_read(octets: str, found: list[str]) -> None:
    assert keys(octets) == found


def test_the_spare_bits_of_an_ecgi_are_left_out() -> None:
    assert keys("8164f000f0012345") == ["ecgi:46000-0012345"]


def test_an_ncgi_with_its_spare_bits_at_the_end_is_read_too() -> None:
    assert keys("8764f0001234567890") == ["ncgi:46000-123456789"]


def test_octets_behind_the_end_are_left_alone() -> None:
    assert keys("0064f0001234abcd00") == ["cgi:46000-1234-abcd"]


@pytest.mark.parametrize("octets", ["", "82", "8264f0001234", "8264f000123464f0", "0064f000", "80", "8064aa001234"])
def test_what_is_too_short_or_names_no_network_is_refused(octets: str) -> None:
    with pytest.raises(MalformedLocation):
        keys(octets)


@given(st.binary(max_size=20))
def test_nothing_else_is_raised_whatever_comes(octets: bytes) -> None:
    try:
        found = decode_location(octets)
    except MalformedLocation:
        return
    assert len(found) <= 2


def test_the_time_counts_from_1900() -> None:
    assert location_time(2_208_988_800 + 1_700_000_000) == datetime.fromtimestamp(1_700_000_000, UTC)
    assert location_time(0) is None
