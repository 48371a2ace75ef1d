"""The staircase of tiers stands where the bill says."""

from __future__ import annotations

from typing import Any

import pytest

from simwarden.console.pages.bill.page import _used, money
from simwarden.console.pages.bill.staircase import WIDTH, staircase

TIERS = [{"upTo": 10, "price": "0.05"}, {"upTo": 100, "price": "0.03"}, {"price": "0.01"}]


@pytest.mark.parametrize(
    ("quantity", "tier", "mark"),
    [(0, 0, 0), (5, 0, 0.5), (10, 0, 1), (11, 1, 1 + 1 / 90), (100, 1, 2), (101, 2, None), (10**9, 2, None)],
)
def test_the_month_stands_in_its_tier(quantity: int, tier: int, mark: float | None) -> None:
    drawn = staircase({"tiers": TIERS}, quantity)
    assert [step.is_here for step in drawn.steps] == [n == tier for n in range(3)]
    if mark is None:
        assert WIDTH * 2 / 3 <= drawn.mark <= WIDTH
    else:
        assert drawn.mark == pytest.approx(mark * WIDTH / 3, abs=0.1)


def test_free_units_are_taken_off_and_begun_packages_count_whole() -> None:
    assert staircase({"free": 8, "package": 10, "tiers": TIERS}, 29).units == 3
    assert staircase({"free": 8, "tiers": TIERS}, 5).units == 0


def test_a_price_of_nothing_is_drawn() -> None:
    assert [step.price for step in staircase({"tiers": [{}]}, 3).steps] == ["0"]


@pytest.mark.parametrize(
    ("price", "unit", "used"),
    [
        ({"per": "month"}, "SIM-day", 2),
        ({}, "SIM-day", 2),
        ({"per": "year"}, "SIM-day", 60 / 365),
        ({"per": "simDay"}, "SIM-day", 60),
        ({"per": "month", "prorated": False}, "SIM", 60),
        ({}, "call", 60),
    ],
)
def test_tiers_of_months_and_years_count_sims(price: dict[str, Any], unit: str, used: float) -> None:
    assert _used(price, {"quantity": 60, "unit": unit}, "2026-11") == pytest.approx(used)
    assert _used(price, None, "2026-11") == 0


def test_amounts_have_their_thousands_parted_and_lose_no_decimal() -> None:
    assert money("-12345.60", "EUR") == "-12,345.60 EUR"
    assert money("123456789012345678.123456", "KWD") == "123,456,789,012,345,678.123456 KWD"
    assert money("0", "JPY") == "0 JPY"
