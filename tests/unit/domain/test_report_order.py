"""Which reports are late, although they carry no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.report_order import (
    REMEMBERED_BOOTS,
    SILENT_INTERVALS,
    ReportOrder,
    follow_port,
    follow_status,
    is_late,
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

    def say(self, sequence: int | None, boot: int = 1, *, after: float = INTERVAL) -> bool:
        """Whether status `sequence` of a boot, which comes `after` seconds, is believed."""
        self.now += timedelta(seconds=after)
        self.order, believed = follow_status(self.order, sequence, digest(boot, sequence), self.now, INTERVAL)
        return believed

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
    assert not gateway.say(2, boot=2)
    assert not gateway.say(3, boot=2)
    assert gateway.say(4, boot=2, after=offline_after(INTERVAL).total_seconds())
    assert gateway.order.boot == 2
    assert gateway.say(5, boot=2)


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
        (1, 5, 1, 6, True),
        (1, 6, 1, 6, False),
        (1, 7, 1, 6, False),
        (2, 1, 1, 6, False),
        (1, 9, 2, 3, False),
        (1, None, 1, 6, False),
        (1, 5, 1, None, False),
        (1, 5, -1, None, False),
    ],
)
def test_port_objects(boot: int, sequence: int | None, known_boot: int, known: int | None, late: bool) -> None:
    assert is_late(boot, sequence, known_boot, known) is late


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_within_a_boot_the_number_never_falls(sequences: list[int]) -> None:
    gateway = Gateway()
    gateway.say(1)
    for sequence in sequences:
        before = gateway.order
        believed = gateway.say(sequence, after=1)
        assert gateway.order.boot == 1
        assert believed == (sequence >= (before.status_sequence or 0))
        assert (gateway.order.status_sequence or 0) == max(before.status_sequence or 0, sequence)


@pytest.mark.parametrize(("interval", "seconds"), [(60, 180), (30, 90), (0, 3), (-5, 3)])
def test_offline(interval: int, seconds: int) -> None:
    assert offline_after(interval) == timedelta(seconds=seconds)
