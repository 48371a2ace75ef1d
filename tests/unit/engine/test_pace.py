"""Background work gives way, and takes what nobody wants."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simwarden.engine.pace import AIM, AIM_BESIDE, LARGEST, LONGEST_PAUSE, QUIET, SMALLEST, SMALLEST_ALONE, Pace


def settled(per_sim: float, calls: float) -> Pace:
    """The pace after many batches that take so many seconds per SIM."""
    pace = Pace()
    for _ in range(100):
        pace.after(pace.size * per_sim, pace.size, calls)
    return pace


def test_it_takes_what_nobody_wants() -> None:
    alone = settled(0.0001, 0.0)
    assert AIM * 0.7 <= alone.size * 0.0001 <= AIM * 1.3
    assert alone.pause <= AIM * 0.2


def test_it_gives_way_to_calls() -> None:
    beside = settled(0.0001, QUIET + 1)
    assert AIM_BESIDE * 0.7 <= beside.size * 0.0001 <= AIM_BESIDE * 1.3
    assert beside.pause >= 2.8 * AIM_BESIDE


def test_it_gives_way_at_once_when_calls_begin() -> None:
    pace = settled(0.0001, 0.0)
    pace.after(AIM, pace.size, 100.0)
    assert pace.pause >= 3.9 * AIM
    assert pace.size * 0.0001 <= AIM_BESIDE * 1.3


def test_a_slow_database_makes_small_batches() -> None:
    assert settled(0.01, 100.0).size == SMALLEST


def test_alone_it_gets_on_where_every_transaction_is_slow() -> None:
    pace, sims, seconds = Pace(), 0, 0.0
    while sims < 10_000:  # a busy machine: 40 ms for the transaction, whatever is in it
        took = 0.04 + pace.size * 0.0003
        sims, seconds = sims + pace.size, seconds + took + pace.pause
        pace.after(took, pace.size, 0.0)
    assert pace.size >= SMALLEST_ALONE
    assert seconds < 15


def test_a_batch_that_was_not_full_says_nothing_about_a_larger_one() -> None:
    pace = Pace()
    before = pace.size
    pace.after(0.001, 1, 0.0)
    assert pace.size == before


def test_batches_of_whole_parts_grow_too() -> None:
    """Parts of 39 SIMs never fill a batch to the brim, and yet it grows until several go together."""
    pace = Pace()
    for _ in range(40):
        done = max(39, pace.size // 39 * 39)
        pace.after(0.004 + done * 0.0001, done, 0.0)
    assert pace.size >= 5 * 39


def test_batches_that_are_not_full_do_not_shrink_by_that() -> None:
    pace = settled(0.0002, 100.0)
    before = pace.size
    for _ in range(40):
        pace.after(0.003 + pace.size * 0.6 * 0.0001, max(1, int(pace.size * 0.6)), 100.0)
    assert pace.size >= before


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1000), st.floats(0, 1e6)), max_size=50))
def test_it_stays_within_its_limits(batches: list[tuple[float, int, float]]) -> None:
    pace = Pace()
    for took, done, calls in batches:
        pace.after(took, done, calls)
        assert SMALLEST <= pace.size <= LARGEST
        assert 0 < pace.pause <= LONGEST_PAUSE
