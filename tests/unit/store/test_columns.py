"""Columns that PostgreSQL takes apart line by line: as many lines as values, whatever the values are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.store.columns import lines, numbers, texts

VALUES = st.lists(st.none() | st.text(st.characters(exclude_characters="\n"), min_size=1), min_size=1)


@given(VALUES)
def test_each_value_has_a_line_and_none_an_empty_one(values: list[str | None]) -> None:
    assert texts(values).split("\n") == [value or "" for value in values]
    assert lines(values) == texts(values)


@given(st.lists(st.integers(), min_size=1))
def test_numbers_are_written_as_digits(values: list[int]) -> None:
    assert list(map(int, numbers(values).split("\n"))) == values


def test_of_no_values_nothing_is_written() -> None:
    assert (lines([]), numbers([]), texts([])) == ("", "", "")


@given(VALUES, st.integers(0, 1000), st.sampled_from(["\n", "460001\n460002", "1\n", "\n1"]))
def test_a_line_break_is_refused_wherever_it_stands(values: list[str | None], place: int, broken: str) -> None:
    values.insert(place % (len(values) + 1), broken)
    with pytest.raises(ValueError, match="line break"):
        texts(values)
