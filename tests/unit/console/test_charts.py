"""What charts draw, in their units."""

from __future__ import annotations

import pytest

from simwarden.console.charts import HEIGHT, WIDTH, bars, ceiling, curve


@pytest.mark.parametrize(
    ("values", "most"),
    [([], 1), ([0.0], 1), ([0.03], 0.05), ([0.1, 0.2], 0.2), ([0.21], 0.25), ([3.1], 5), ([99.0], 100), ([101.0], 200)],
)
def test_the_top_of_a_chart_is_a_round_number(values: list[float], most: float) -> None:
    assert ceiling(values) == most


def test_a_curve_ends_at_the_right_and_begins_where_something_is_known() -> None:
    drawn = curve([9.0, 0.0, 5.0, 10.0], 3)
    assert (drawn.most, drawn.line) == (10, f"0.0,{HEIGHT}.0 240.0,48.0 {WIDTH}.0,0.0")
    assert curve([5.0], 3).line == f"{WIDTH}.0,0.0"
    assert curve([], 3).line == curve([], 3).area == ""


def test_steps_of_which_nothing_is_known_have_no_bar() -> None:
    drawn = bars([None, (1.0, 2.0), (0.0, 0.0)])
    assert drawn.most == 2
    assert [(bar.step, bar.low, bar.high) for bar in drawn.bars] == [(1, 48, 96), (2, 1.5, 1.5)]
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in drawn.bars)
    assert bars([]).bars == []
