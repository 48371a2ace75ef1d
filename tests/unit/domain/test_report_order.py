"""Which reports are late, although they carry no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.doubt import DoubtKind
from simwarden.domain.report_order import (
    AHEAD,
    PORT_AHEAD,
    REMEMBERED_BOOTS,
    REMEMBERED_LINES,
    SILENT_INTERVALS,
    Line,
    ReportOrder,
    doubt_port,
    follow_poll,
    follow_port,
    follow_status,
    may_be_overtaken,
    offline_after,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INTERVAL = 60


def digest(*what: object) -> bytes:
    return repr(what).encode()


class Gateway:
    """Follows statuses, one an interval."""

    def __init__(self) -> None:
        self.order = ReportOrder()
        self.now = NOW
        self.doubt: DoubtKind | None = None

    def say(self, sequence: int | None, boot: int = 1, *, after: float = INTERVAL) -> bool:
        """Whether status `sequence` of a boot, which comes `after` seconds, is believed."""
        self.now += timedelta(seconds=after)
        self.order, self.doubt = follow_status(self.order, sequence, digest(boot, sequence), self.now, INTERVAL)
        return self.doubt is None

    def poll(self, sequence: int | None, *, after: float = 1) -> None:
        self.now += timedelta(seconds=after)
        self.order = follow_poll(self.order, sequence, self.now)

    def port(self, *, after: float = 1) -> None:
        self.now += timedelta(seconds=after)
        self.order = follow_port(self.order, self.now, INTERVAL)


def test_numbers_that_rise_are_believed_and_lower_ones_are_late() -> None:
    gateway = Gateway()
    assert [gateway.say(n) for n in (1, 2, 3, 5)] == [True] * 4
    assert not gateway.say(4)
    assert not gateway.say(1), "the first one again is no restart"
    assert gateway.say(5), "the newest one again changes nothing"
    assert gateway.say(6)
    assert gateway.order.boot == 1


def test_a_restart_begins_a_boot_and_the_one_before_is_over() -> None:
    gateway = Gateway()
    for n in range(1, 6):
        gateway.say(n)
    assert gateway.say(1, boot=2)
    assert gateway.order.boot == 2
    assert [gateway.say(n, after=1) for n in (1, 2)] == [False, True]  # a replayed first one; then the second
    assert gateway.order.boot == 2
    assert gateway.say(3, boot=2)


def test_two_restarts_in_a_row_are_two_boots() -> None:
    gateway = Gateway()
    assert [gateway.say(1, boot=boot, after=1) for boot in (1, 2, 2, 3)] == [True] * 4
    assert gateway.order.boot == 3


def test_a_replayed_status_from_before_the_restart_is_late_unless_its_number_is_plausible() -> None:
    gateway = Gateway()
    gateway.say(1)
    for n in range(400, 500, 20):
        gateway.say(n, after=3600)
    assert gateway.say(1, boot=2)
    assert not gateway.say(480, after=1), "it cannot have come so far within a second"
    assert gateway.order.status_sequence == 1


def test_a_first_status_that_was_lost_is_made_up_for_after_a_silence() -> None:
    gateway = Gateway()
    for n in range(1, 10):
        gateway.say(n)
    assert not gateway.say(2, boot=2, after=1)
    assert gateway.say(4, boot=2, after=offline_after(INTERVAL).total_seconds() + 1)
    assert gateway.order.boot == 2
    assert gateway.say(5, boot=2)


def test_a_numbering_that_goes_on_is_believed_at_its_second_status() -> None:
    gateway = Gateway()
    for n in range(1, 10):
        gateway.say(n)
    assert not gateway.say(2, boot=2), "its first status was lost"
    assert gateway.doubt is DoubtKind.LATE
    assert gateway.say(3, boot=2)
    assert gateway.say(4, boot=2)
    assert gateway.order.boot == 2


@pytest.mark.parametrize("forged", [1, 2**63 - 1, 500, 1500, 100_000])
def test_a_number_that_was_invented_costs_no_more_than_one_status(forged: int) -> None:
    """The review's forms: five true statuses were disbelieved after a faked 1; a number far ahead blinded for ever."""
    gateway = Gateway()
    for n in range(400, 410):
        gateway.say(n)
    gateway.say(forged, boot=7, after=30)
    assert [gateway.say(n, after=after) for n, after in ((410, 30), (411, 60), (412, 60))][1:] == [True, True]
    for n in (1, 2**62, 2**61, 77, 9_000_000):
        gateway.say(n, boot=8, after=5)
    assert [gateway.say(n, after=after) for n, after in ((413, 35), (414, 60), (415, 60))][1:] == [True, True]


def test_a_device_that_numbers_all_its_messages_together_is_believed() -> None:
    gateway = Gateway()
    assert [gateway.say(1 + 300 * n) for n in range(10)] == [True] * 10
    far = 3000 + 2 * AHEAD
    assert not gateway.say(far)
    assert gateway.doubt is DoubtKind.JUMP
    assert gateway.say(far + 700), "the second of a numbering far ahead"


def test_two_old_statuses_in_a_row_are_no_numbering() -> None:
    gateway = Gateway()
    for n in range(1, 20):
        gateway.say(n)
    assert [gateway.say(n, after=1) for n in (5, 6, 7, 8)] == [False] * 4
    assert gateway.say(20)
    assert gateway.order.boot == 1


def test_what_the_gateway_says_when_asked_sets_its_numbering() -> None:
    gateway = Gateway()
    for n in range(1, 10):
        gateway.say(n)
    gateway.say(1, boot=7, after=1)
    assert gateway.order.boot == 2
    gateway.poll(10)
    assert (gateway.order.boot, gateway.order.status_sequence, gateway.order.lines) == (2, 10, ())
    assert not gateway.say(2**40, boot=7, after=1)
    gateway.poll(11)
    assert gateway.order.lines == ()
    assert gateway.say(12, after=1)
    assert not gateway.say(5, after=1)
    assert not gateway.say(2**40, after=1)
    gateway.poll(3)
    assert gateway.order.boot == 3, "it restarted"
    assert gateway.say(4, boot=3, after=1)
    before = gateway.order
    gateway.poll(None)
    assert gateway.order == before


def test_a_gateway_whose_answers_are_numbered_apart_is_believed_all_the_same() -> None:
    gateway = Gateway()
    gateway.say(500_000)
    gateway.say(2**50)
    gateway.poll(7)
    doubted = 0
    for n in range(500_001, 500_010):
        if not gateway.say(n):
            doubted += 1
            gateway.poll(7 + doubted)
    assert doubted <= 1


def test_a_status_that_jumps_is_not_believed_at_once_but_heals() -> None:
    gateway = Gateway()
    gateway.say(1)
    assert not gateway.say(5000)
    assert gateway.say(2)
    assert gateway.say(30), "a few were lost"
    assert not gateway.say(9000)
    assert gateway.say(9001, after=7200), "after two hours of silence it is"


def test_without_numbers_every_status_is_believed() -> None:
    gateway = Gateway()
    assert [gateway.say(None) for _ in range(5)] == [True] * 5
    assert gateway.order.boot == 1


def test_a_port_report_after_a_long_silence_begins_a_boot() -> None:
    gateway = Gateway()
    gateway.say(9)
    gateway.port()
    assert (gateway.order.boot, gateway.order.status_sequence) == (1, 9)
    gateway.port(after=INTERVAL * SILENT_INTERVALS + 1)
    assert (gateway.order.boot, gateway.order.status_sequence) == (2, None)
    gateway.port()
    assert gateway.order.boot == 2
    assert not gateway.say(9, after=1), "the status that began the boot before"
    assert gateway.say(3, boot=2)


def test_the_first_port_report_of_all_begins_the_first_boot() -> None:
    gateway = Gateway()
    gateway.port()
    gateway.port(after=10**6)
    assert gateway.order.boot == 1


def test_only_so_many_boots_are_remembered() -> None:
    gateway = Gateway()
    for boot in range(1, 3 * REMEMBERED_BOOTS):
        assert gateway.say(1, boot=boot)
    assert len(gateway.order.boot_digests) == REMEMBERED_BOOTS


@pytest.mark.parametrize(
    ("boot", "sequence", "known_boot", "known", "late"),
    [
        (1, 5, 1, 6, DoubtKind.LATE),
        (1, 6, 1, 6, None),
        (1, 7, 1, 6, None),
        (2, 1, 1, 6, None),
        (1, 9, 2, 3, None),
        (1, None, 1, 6, None),
        (1, 5, 1, None, None),
        (1, 5, -1, None, None),
        (1, 6 + PORT_AHEAD, 1, 6, None),
        (1, 7 + PORT_AHEAD, 1, 6, DoubtKind.JUMP),
        (1, 2**63 - 1, 1, 6, DoubtKind.JUMP),
    ],
)
def test_port_objects(
    boot: int, sequence: int | None, known_boot: int, known: int | None, late: DoubtKind | None
) -> None:
    assert doubt_port(boot, sequence, known_boot, known) is late


def test_a_single_report_overtakes_a_status_for_half_an_interval_only() -> None:
    assert may_be_overtaken(NOW, NOW + timedelta(seconds=29), INTERVAL)
    assert not may_be_overtaken(NOW, NOW + timedelta(seconds=30), INTERVAL)


def test_no_more_numberings_are_remembered_than_that() -> None:
    gateway = Gateway()
    gateway.say(10)
    for n in range(1, 50):
        gateway.say(10**6 * n, after=0.1)
    assert len(gateway.order.lines) == REMEMBERED_LINES
    assert all(isinstance(line, Line) for line in gateway.order.lines)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_within_a_boot_the_number_never_falls(sequences: list[int]) -> None:
    gateway = Gateway()
    gateway.say(1)
    for sequence in sequences:
        before = gateway.order
        believed = gateway.say(sequence, after=0.5)
        assert gateway.order.boot == 1
        assert believed == (sequence >= (before.status_sequence or 0))
        assert (gateway.order.status_sequence or 0) == max(before.status_sequence or 0, sequence)


@pytest.mark.parametrize(("interval", "seconds"), [(60, 180), (30, 90), (0, 3), (-5, 3)])
def test_offline(interval: int, seconds: int) -> None:
    assert offline_after(interval) == timedelta(seconds=seconds)
