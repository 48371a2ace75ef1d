"""What is used between two readings of a SIM's counters."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.counters import LARGEST, Amounts, Meter, Reading, believable, completed, used_between


def calls(total: int | None = None, month: int | None = None, day: int | None = None) -> Reading:
    return Reading(calls=Amounts(total=total, month=month, day=day))


@pytest.mark.parametrize(
    ("before", "now", "used", "resets"),
    [
        (None, calls(5), 0, 0),
        (calls(5), calls(5), 0, 0),
        (calls(5), calls(8), 3, 0),
        (calls(5), calls(3), 3, 1),
        (calls(5), calls(0), 0, 1),
        (calls(5, 5, 5), calls(8, 1, 1), 3, 0),  # the total counts; a new month is nothing unusual
        (calls(None, 5, 5), calls(None, 1, 1), 1, 1),
        (calls(None, None, 5), calls(None, None, 6), 1, 0),
        (calls(5), calls(None, 7), 0, 0),  # another span than before
        (calls(5), Reading(), 0, 0),
        (Reading(), calls(5), 0, 0),
    ],
)
def test_what_was_used(before: Reading | None, now: Reading, used: int, resets: int) -> None:
    found, anew = used_between(before, now)
    assert (found, anew) == ({Meter.CALLS: Decimal(used)} if used else {}, resets)


def test_volumes_are_exact() -> None:
    before, now = (Reading(megabytes=Amounts(total=amount)) for amount in (0.1, 0.3))
    assert used_between(before, now) == ({Meter.MEGABYTES: Decimal("0.2")}, 0)


def test_what_a_reading_leaves_out_is_as_before() -> None:
    before = Reading(calls=Amounts(total=5), balance=1.5)
    assert completed(before, Reading(talks=Amounts(total=2))) == Reading(
        calls=Amounts(total=5), talks=Amounts(total=2), balance=1.5
    )
    assert completed(None, before) is before


@pytest.mark.parametrize(
    ("number", "believed"), [(0, True), (1.5, True), (LARGEST, True), (LARGEST + 1, False), (-1, False), (None, False)]
)
def test_extreme_counters_are_not_believed(number: float | None, believed: bool) -> None:
    assert (believable(number) is not None) is believed


@given(st.lists(st.integers(0, 1000), min_size=1), st.data())
def test_repetition_adds_nothing_and_the_sum_is_that_of_a_recount(shown: list[int], data: st.DataObject) -> None:
    """Each fall is a reset, so what was used is the rises, and what stood there after each fall."""
    repeated = [each for each in shown for _ in range(data.draw(st.integers(1, 3)))]
    total, resets, before = Decimal(0), 0, None
    for each in repeated:
        now = completed(before, calls(each))
        used, anew = used_between(before, now)
        total += used.get(Meter.CALLS, Decimal(0))
        resets += anew
        before = now
    pairs = list(pairwise(shown))
    assert total == sum(b - a if b >= a else b for a, b in pairs)
    assert resets == sum(b < a for a, b in pairs)
    assert total >= 0
