"""Buckets that several workers draw from: the bound holds in any span of time, and nothing is withheld for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simwarden.domain.rates import InvalidLimit, Level, Need, RateLimit, draw, holding, rate_limit, until_next

BEGIN = datetime(2026, 11, 21, tzinfo=UTC)
TERM = 300.0


class Workers:
    """Several workers and the store that they share, at a time that is set by hand."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self.level: Level | None = None
        self.records: dict[int, tuple[int, float]] = {}
        """By worker: what it is recorded to hold, and until when."""
        self.hands: dict[int, int] = {}
        self.at = 0.0
        self.calls: list[float] = []

    def call(self, worker: int, waiting: int, ahead: int) -> None:
        """So many calls come to a worker, which draws when it has too few tokens for them."""
        if self.records.get(worker, (0, 0.0))[1] <= self.at:
            self.hands[worker] = 0
        hand = self.hands.get(worker, 0)
        if hand < waiting:
            hand += self.drawn(worker, Need(hand, waiting - hand, ahead))
        used = min(hand, waiting)
        self.hands[worker] = hand - used
        self.calls += [self.at] * used

    def drawn(self, worker: int, need: Need) -> int:
        recorded = sum(held for held, _ in self.records.values())
        others = sum(held for each, (held, until) in self.records.items() if each != worker and until > self.at)
        now = BEGIN + timedelta(seconds=self.at)
        self.level, got = draw(self.limit, self.level, now, recorded, others, need)
        self.records = {each: kept for each, kept in self.records.items() if kept[1] > self.at}
        self.records[worker] = (holding(need, got), self.at + TERM)
        return got


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.01, 0.3, 1.0, 30.0, 400.0]),
        st.integers(0, 3),
        st.integers(0, 40),
        st.integers(0, 40),
        st.booleans(),
    ),
    max_size=80,
)


@settings(max_examples=150)
@given(st.sampled_from([RateLimit(1.0, 2), RateLimit(0.05, 5), RateLimit(10.0, 40), RateLimit(100.0, 200)]), STEPS)
def test_in_no_span_of_time_more_calls_than_rate_and_burst_allow(
    limit: RateLimit, steps: list[tuple[float, int, int, int, bool]]
) -> None:
    workers = Workers(limit)
    for seconds, worker, waiting, ahead, dies in steps:
        workers.at += seconds
        workers.call(worker, waiting, ahead)
        if dies:
            del workers.hands[worker]  # what it held is recorded until its term is over
    calls = workers.calls
    for first in range(len(calls)):
        for last in range(first, len(calls)):
            most = limit.burst + limit.rate * (calls[last] - calls[first])
            assert last - first + 1 <= most + 1e-6


def test_all_of_the_burst_is_there_at_once_and_then_the_rate() -> None:
    workers = Workers(RateLimit(10.0, 40))
    for worker in (0, 1, 2, 3, 0, 1):
        workers.call(worker, 10, 20)
    assert len(workers.calls) == 40
    for _ in range(30):
        workers.at += 0.1
        workers.call(0, 5, 20)
        workers.call(1, 5, 20)
    assert len(workers.calls) in range(69, 71), "but for what the last one holds"


def test_what_a_dead_worker_held_is_there_again_after_its_term() -> None:
    workers = Workers(RateLimit(10.0, 40))
    workers.call(0, 1, 40)
    assert workers.hands.pop(0) == 5, "an eighth of the burst ahead of need"
    workers.at += 60
    workers.call(1, 40, 0)
    assert len(workers.calls) == 36
    workers.at += TERM
    workers.call(1, 1, 0)
    workers.at += 4
    workers.call(1, 40, 0)
    assert len(workers.calls) == 36 + 1 + 40


def test_workers_together_hold_half_of_the_burst_at_most() -> None:
    limit = RateLimit(1.0, 80)
    workers = Workers(limit)
    for worker in range(20):
        workers.call(worker, 1, 100)
    assert sum(workers.hands.values()) <= 40


def test_a_clock_that_is_set_back_neither_stops_nor_doubles() -> None:
    limit = RateLimit(1.0, 10)
    level, got = draw(limit, None, BEGIN, 0, 0, Need(0, 10, 0))
    assert (level.tokens, got) == (0.0, 10)
    level, got = draw(limit, level, BEGIN - timedelta(hours=1), 0, 0, Need(0, 10, 0))
    assert got == 0
    level, got = draw(limit, level, BEGIN - timedelta(hours=1) + timedelta(seconds=3), 0, 0, Need(0, 10, 0))
    assert got == 3
    again, got = draw(limit, level, level.at - timedelta(seconds=1), 0, 0, Need(0, 10, 0))
    assert (again.at, got) == (level.at, 0), "another server's clock, or who waited for a lock"


def test_when_there_will_be_a_token() -> None:
    assert until_next(RateLimit(0.5, 2), Level(0.0, BEGIN)) == 2.0
    assert until_next(RateLimit(0.5, 2), Level(1.5, BEGIN)) == 0.0


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 5), (0.001, 5), (2e6, None), (10.0, 9), (1.0, 1), (1.0, 10**8)])
def test_limits_that_cannot_be(rate: float, burst: int | None) -> None:
    with pytest.raises(InvalidLimit):
        rate_limit(rate, burst)


def test_a_limit_in_words() -> None:
    found = [str(rate_limit(rate)) for rate in (0.1, 1, 2.5)]
    assert found == ["6 calls a minute, 2 at once", "1 calls a second, 2 at once", "2.5 calls a second, 5 at once"]
    assert [rate_limit(rate).window for rate in (0.1, 1, 2.5)] == [20, 2, 2]
