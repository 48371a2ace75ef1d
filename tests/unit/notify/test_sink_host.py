"""What an origin is given to do at once."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from simwarden.notify.sink_host import SinkHost, SinkLimits

LIMITS = SinkLimits(parallel=64, start=8, trip=5, first_open=1.0, longest_open=30.0)


def origin() -> SinkHost:
    return SinkHost("acme https://example.com:443", LIMITS)


def test_quick_answers_let_the_share_grow_to_its_limit() -> None:
    one = origin()
    assert one.concurrency == 8
    one.answered(0.01)
    assert one.concurrency == 9
    for _ in range(200):
        one.answered(0.01)
    assert one.concurrency == 64


def test_slow_answers_do_not_and_very_slow_ones_halve_it() -> None:
    one = origin()
    one.answered(3.0)
    assert one.concurrency == 8
    one.answered(9.0)
    assert one.concurrency == 4
    for _ in range(20):
        one.answered(9.0)
    assert one.concurrency == 1
    assert not one.probing, "it takes events"


def test_quick_errors_open_the_circuit_late_and_briefly() -> None:
    one = origin()
    assert [one.failed(0.0, quick_error=True) for _ in range(19)] == [None] * 19
    assert one.concurrency == 8, "they hold no slot"
    assert one.failed(0.0, quick_error=True) == 1.0
    assert one.just_tripped
    assert one.failed(1.0, quick_error=True) == 1.0
    assert one.answered(0.01) is True


def test_one_good_sink_among_bad_ones_keeps_the_circuit_closed() -> None:
    one = origin()
    for _ in range(50):
        for _ in range(10):
            assert one.failed(0.0, quick_error=True) is None
        one.answered(0.01)
    assert not one.probing


def test_account_and_host_of_an_origin() -> None:
    for key, host in (
        ("acme https://example.com:443", "https://example.com"),
        ("acme https://example.com:8443", "example.com"),
        ("acme http://[::1]:80", "[::1]"),
        ("acme inb_x", "acme inb_x"),
    ):
        one = SinkHost(key, LIMITS, "acme")
        assert one.account == "acme"
        assert one.host == host.removeprefix("https://")


def test_silence_halves_the_share_and_then_opens_the_circuit() -> None:
    one = origin()
    assert [one.failed(0.0) for _ in range(4)] == [None] * 4
    assert one.concurrency == 1
    assert one.failed(0.0) == 1.0
    assert one.capacity(0.5) == 0
    assert one.opens_in(0.5) == 0.5
    assert one.failed(0.5) is None, "a send begun before it opened says nothing new"
    assert one.capacity(1.0) == 1, "one probe"
    one.active += 1
    assert one.capacity(1.0) == 0
    assert one.failed(1.0) == 2.0
    assert one.failed(3.0) == 4.0


def test_the_pause_has_a_limit_however_long_it_lasts() -> None:
    one = origin()
    now = 0.0
    for _ in range(2000):
        now += one.failed(now) or 0.0
    assert one.opens_in(now - 1.0) <= 30.0
    assert one.failed(now) == 30.0


def test_one_answer_closes_the_circuit() -> None:
    one = origin()
    for _ in range(5):
        one.failed(0.0)
    assert one.answered(0.01) is True
    assert one.answered(0.01) is False
    assert not one.probing
    assert one.capacity(0.0) > 0
    assert one.failed(0.0) is None


def test_an_origin_is_forgotten_only_when_nothing_is_known_or_held() -> None:
    one = origin()
    assert one.forgettable(0.0)
    one.reserved += 1
    assert not one.forgettable(0.0)
    one.reserved -= 1
    one.failed(0.0)
    assert not one.forgettable(1.0)
    assert one.forgettable(601.0)


@given(st.lists(st.one_of(st.floats(0, 20), st.none()), max_size=300))
def test_whatever_happens_it_keeps_between_one_and_its_limit(answers: list[float | None]) -> None:
    one = origin()
    for now, duration in enumerate(answers):
        if duration is None:
            one.failed(float(now))
        else:
            one.answered(duration)
        assert 1 <= one.concurrency <= 64
        assert 0 <= one.capacity(float(now)) <= 128


def test_waiting_lanes_begin_within_the_share() -> None:
    one = origin()
    one.waiting.append(cast("Any", object()))
    assert one.can_start(0.0)
    one.active = 8
    assert not one.can_start(0.0)
