"""The decision after an attempt, and the schedule of retries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.notify.retry import DELIVERED, RetryDecision, Schedule, SendOutcome, decide, parse_retry_after
from simwarden.store.outbox import EndReason

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCHEDULE = Schedule()
chances = st.floats(0, 1, exclude_max=True)


def outcome(status: int | None, retry_after: timedelta | None = None) -> SendOutcome:
    return SendOutcome(at=NOW, duration=timedelta(), status=status, retry_after=retry_after)


def after(
    status: int | None,
    *,
    attempt: int = 1,
    age: timedelta = timedelta(),
    has_token: bool = False,
    retry_after: timedelta | None = None,
) -> RetryDecision:
    return decide(
        outcome(status, retry_after), attempt=attempt, age=age, has_token=has_token, schedule=SCHEDULE, chance=0.5
    )


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert after(status) == DELIVERED
    assert DELIVERED.status == "DELIVERED"


@pytest.mark.parametrize("status", [None, 301, 302, 307, 308, 304, 429, 500, 502, 503, 504, 599, 101])
def test_what_may_get_better_is_tried_again(status: int | None) -> None:
    assert after(status) == RetryDecision(when=timedelta(seconds=1))
    assert after(status).status == "PENDING"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 422, 499])
def test_what_will_not_get_better_is_given_up(status: int) -> None:
    assert after(status) == RetryDecision(give_up=True)
    assert after(status).status == "DEAD"


def test_gone_ends_the_subscription() -> None:
    assert after(410) == RetryDecision(give_up=True, end_subscription=EndReason.NETWORK_TERMINATED)


def test_a_refused_token_ends_the_subscription() -> None:
    assert after(401, has_token=True) == RetryDecision(give_up=True, end_subscription=EndReason.ACCESS_TOKEN_EXPIRED)
    assert after(403, has_token=True) == RetryDecision(give_up=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (timedelta(seconds=120), timedelta(seconds=120)),
        (timedelta(days=3), timedelta(hours=1)),
        (timedelta(0), timedelta(seconds=1)),
        (timedelta(milliseconds=1), timedelta(seconds=1)),
    ],
)
def test_retry_after_is_honoured_within_reason(status: int, asked: timedelta, granted: timedelta) -> None:
    assert after(status, retry_after=asked) == RetryDecision(when=granted)


def test_retry_after_counts_only_where_it_is_defined() -> None:
    assert after(500, retry_after=timedelta(seconds=120)) == RetryDecision(when=timedelta(seconds=1))


def test_the_window_closes() -> None:
    assert after(500, attempt=50, age=timedelta(hours=23, minutes=54)).when == timedelta(minutes=5)
    assert after(500, attempt=50, age=timedelta(hours=23, minutes=56)) == RetryDecision(give_up=True)
    assert after(429, attempt=50, age=timedelta(hours=23, minutes=1), retry_after=timedelta(hours=2)) == RetryDecision(
        give_up=True
    )


def test_what_waited_long_for_its_turn_still_gets_three_attempts() -> None:
    late = timedelta(days=9)
    assert after(500, attempt=1, age=late).when is not None
    assert after(500, attempt=2, age=late).when is not None
    assert after(500, attempt=3, age=late) == RetryDecision(give_up=True)


def test_the_documented_schedule() -> None:
    waits = [SCHEDULE.wait(attempt, 0.5).total_seconds() for attempt in range(1, 13)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


schedules = st.builds(
    Schedule,
    first=st.timedeltas(timedelta(milliseconds=1), timedelta(seconds=10)),
    factor=st.floats(1, 10),
    longest=st.timedeltas(timedelta(seconds=10), timedelta(hours=2)),
    jitter=st.floats(0, 0.9),
)


@given(schedules, st.integers(1, 100_000), chances)
def test_waits_lie_between_the_first_and_the_longest(schedule: Schedule, attempt: int, chance: float) -> None:
    wait = schedule.wait(attempt, chance)
    assert schedule.first * (1 - schedule.jitter) - timedelta(microseconds=2) <= wait
    assert wait <= schedule.longest * (1 + schedule.jitter) + timedelta(microseconds=2)


@given(schedules, st.integers(1, 200), chances)
def test_waits_never_shrink(schedule: Schedule, attempt: int, chance: float) -> None:
    assert schedule.wait(attempt, chance) <= schedule.wait(attempt + 1, chance) + timedelta(microseconds=2)


@given(st.integers(1, 60), chances, chances)
def test_jitter_spreads(attempt: int, one: float, other: float) -> None:
    first, second = SCHEDULE.wait(attempt, one), SCHEDULE.wait(attempt, other)
    if abs(one - other) > 0.01:
        assert first != second
    assert abs(first - second) <= SCHEDULE.wait(attempt, 0.5) * 0.5 + timedelta(microseconds=2)


@given(st.lists(chances, min_size=3, max_size=2000))
def test_a_dead_sink_is_given_up_within_the_window(rolls: list[float]) -> None:
    """A run with a clock of its own: every attempt fails at once."""
    age, attempts = timedelta(), 0
    while True:
        attempts += 1
        decision = decide(
            outcome(None),
            attempt=attempts,
            age=age,
            has_token=False,
            schedule=SCHEDULE,
            chance=rolls[attempts % len(rolls)],
        )
        if decision.give_up:
            break
        assert decision.when is not None
        age += decision.when
    assert timedelta(hours=23, minutes=53) < age <= SCHEDULE.window
    assert 200 < attempts < 500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("120", timedelta(seconds=120)),
        (" 5 ", timedelta(seconds=5)),
        ("0", timedelta(0)),
        ("99999999999999999999", timedelta(seconds=10**8)),
        ("Sun, 01 Mar 2026 12:01:00 GMT", timedelta(seconds=60)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", timedelta(0)),
        ("Sunday, 01-Mar-26 12:01:00 GMT", timedelta(seconds=60)),
        ("Sun Mar  1 12:01:00 2026", timedelta(seconds=60)),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1.5", None),
        ("٣", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2027 00:00:00 +99999999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, expected: timedelta | None) -> None:
    assert parse_retry_after(text, NOW) == expected


@given(
    st.text()
    | st.from_regex(r"\A\w{3}, \d+ Jan \d+ \d+:\d+:\d+ (GMT|[+-]\d+)\Z", alphabet=st.characters(codec="ascii"))
)
def test_no_retry_after_can_do_harm(text: str) -> None:
    wait = parse_retry_after(text, NOW)
    assert wait is None or wait >= timedelta(0)
