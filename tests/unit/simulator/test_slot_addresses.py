from __future__ import annotations

import pytest

from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.slot_addresses import SlotAddress, parse_pattern, parse_place


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("1A,2B", ["1.01", "2.02"]),
        ("2.01", ["2.01"]),
        ("3", ["3.01", "3.02"]),
        ("1-2", ["1.01", "1.02", "2.01", "2.02"]),
        ("1.02-2.01", ["1.02", "2.01"]),
        ("all", ["1.01", "1.02", "2.01", "2.02", "3.01", "3.02"]),
        ("*", ["1.01", "1.02", "2.01", "2.02", "3.01", "3.02"]),
        ("2b, 2B", ["2.02"]),
    ],
)
def test_patterns_name_slots(pattern: str, expected: list[str]) -> None:
    assert [str(place) for place in parse_pattern(pattern, ports=3, slots=2)] == expected


@pytest.mark.parametrize("pattern", ["", "4", "1.03", "0", "1C", "2-1", "x", "1-", "1.0", "1.02-9.01", "１"])
def test_what_the_device_does_not_have_is_an_error(pattern: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_pattern(pattern, ports=3, slots=2)


def test_slot_ten_is_the_number_one_point_one_in_v3() -> None:
    assert SlotAddress(1, 10).as_number == 1.1


def test_a_single_place_needs_its_slot() -> None:
    assert parse_place("2B") == SlotAddress(2, 2)
    with pytest.raises(InvalidRequest, match="without a slot"):
        parse_place("2")
