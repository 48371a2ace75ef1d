"""What the network is to be like at a slot, step by step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain import attachment as rules
from simwarden.domain.attachment import CONFIRM_WAIT, FAILED_AFTER, Attachment, AttachmentStatus, CommandPhase
from simwarden.domain.sim import ALL_FUNCTIONS, CardSlot, Function, NetworkTarget

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
ALL = int(ALL_FUNCTIONS)
PENDING, APPLIED, FAILED = AttachmentStatus.PENDING, AttachmentStatus.APPLIED, AttachmentStatus.FAILED
HERE = NetworkTarget(1, "2.03")
WHOLE = (ALL_FUNCTIONS,)


def slot(**changes: Any) -> Attachment:
    """An open slot that is as it should be."""
    usual = Attachment(target=HERE, current=True, desired=0, applied=0, status=APPLIED, since=NOW)
    return msgspec.structs.replace(usual, **changes)


def seen(locked: bool | None) -> int | None:
    """What a slot shows to be off."""
    return None if locked is None else ALL if locked else 0


WAITING = slot(desired=ALL, status=PENDING, next_attempt_at=NOW, event=5)
LOCKED = slot(desired=ALL, applied=ALL, event=5)
FOREIGN = slot(applied=ALL)
UNLOCKING = slot(applied=ALL, status=PENDING, next_attempt_at=NOW, current=False)


@pytest.mark.parametrize("phase", [CommandPhase.SENT, CommandPhase.ANSWERED])
@pytest.mark.parametrize("lock", [True, False])
def test_what_is_shown_proves_nothing_while_a_command_to_the_contrary_may_be_under_way(
    lock: bool, phase: CommandPhase
) -> None:
    """A slot is locked and, before that is done, to be open again, or the other way round: the report of before is no
    proof, or the lock that comes after it would count as somebody else's."""
    before, after = (ALL, 0) if lock else (0, ALL)
    under_way = rules.commanded(slot(desired=before, applied=after, status=PENDING, next_attempt_at=NOW), NOW)
    under_way = msgspec.structs.replace(under_way, phase=phase)
    crossed = rules.set_desired(under_way, after, 9, NOW, ours=True)
    assert (crossed.status, crossed.next_attempt_at) == (PENDING, NOW)
    shown = rules.observe(crossed, NOW, off=after, ours=True)
    assert (shown.status, shown.next_attempt_at) == (PENDING, NOW)
    refused = rules.failed(shown, "down", NOW, commanded=False)
    assert rules.observe(refused, NOW, off=after, ours=True).status is PENDING
    sent = rules.commanded(refused, NOW)
    assert rules.observe(sent, NOW, off=after, ours=True).status is APPLIED


def test_what_was_not_sent_yet_crosses_nothing() -> None:
    asked = rules.set_desired(WAITING, 0, 9, NOW, ours=False)
    assert rules.observe(asked, NOW, off=0, ours=False).status is APPLIED


@pytest.mark.parametrize(
    ("locked", "ours", "desired", "status"),
    [
        (False, False, 0, APPLIED),
        (False, False, ALL, PENDING),
        (True, True, ALL, APPLIED),
        (True, False, ALL, APPLIED),
        (True, True, 0, PENDING),  # our lock, for whoever was here before
        (True, False, 0, APPLIED),  # an operator's lock
        (False, False, int(Function.VOICE), APPLIED),  # a lock cannot separate functions
        (True, True, int(Function.VOICE), PENDING),
    ],
)
def test_attaching(locked: bool, ours: bool, desired: int, status: AttachmentStatus) -> None:
    made = rules.attach(HERE, WHOLE, desired, 7, NOW, off=ALL if locked else 0, ours=ours)
    assert made.status is status
    assert (made.next_attempt_at == NOW) == (status is PENDING)
    assert (made.current, made.desired, made.applied, made.event) == (True, desired, ALL if locked else 0, 7)


@pytest.mark.parametrize(
    ("before", "desired", "ours", "status"),
    [
        (slot(), ALL, False, PENDING),
        (LOCKED, 0, True, PENDING),
        (LOCKED, 0, False, APPLIED),  # the lock was there before the bar, and is somebody else's
        (FOREIGN, ALL, False, APPLIED),
        (WAITING, 0, True, PENDING),  # a lock may be on its way: it has to be undone
        (slot(desired=int(Function.DATA)), ALL, False, PENDING),
    ],
)
def test_what_is_desired(before: Attachment, desired: int, ours: bool, status: AttachmentStatus) -> None:
    tired = msgspec.structs.replace(before, attempts=4, last_error="refused", commanded_at=NOW)
    after = rules.set_desired(tired, desired, 9, LATER, ours=ours)
    assert after.status is status
    assert (after.next_attempt_at == LATER) == (status is PENDING)
    assert (after.desired, after.event, after.since) == (desired, 9, LATER)
    assert (after.attempts, after.last_error, after.commanded_at) == (0, None, None)


def test_single_functions_do_not_touch_what_is_under_way() -> None:
    voice, data = int(Function.VOICE), int(Function.DATA)
    after = rules.set_desired(slot(), data, 9, LATER, ours=False)
    assert (after.desired, after.status, after.next_attempt_at) == (data, APPLIED, None)
    busy = rules.commanded(msgspec.structs.replace(UNLOCKING, current=True), NOW)
    assert rules.set_desired(busy, voice, 9, LATER, ours=True) == msgspec.structs.replace(busy, desired=voice)


@pytest.mark.parametrize("before", [slot(), WAITING, LOCKED, FOREIGN, UNLOCKING])
def test_desiring_the_same_changes_nothing(before: Attachment) -> None:
    assert rules.set_desired(before, before.desired, 9, LATER, ours=True) is before


def test_detaching_from_what_is_not_ours_leaves_nothing_behind() -> None:
    assert rules.detach(FOREIGN, 9, LATER, ours=False) is None
    left = rules.detach(LOCKED, 9, LATER, ours=True)
    assert left is not None
    assert (left.current, left.desired, left.status, left.next_attempt_at) == (False, 0, PENDING, LATER)


@pytest.mark.parametrize(
    ("before", "locked", "ours", "status", "due"),
    [
        (WAITING, True, True, APPLIED, None),
        (WAITING, False, True, PENDING, NOW),
        (WAITING, None, True, PENDING, None),  # nothing to lock in an empty slot: wait for a card
        (msgspec.structs.replace(WAITING, next_attempt_at=None), False, True, PENDING, LATER),  # it is back
        (msgspec.structs.replace(WAITING, status=FAILED, last_error="x"), True, True, APPLIED, None),
        (LOCKED, True, True, APPLIED, None),
        (LOCKED, False, True, PENDING, LATER),  # somebody opened it
        (LOCKED, None, True, APPLIED, None),
        (slot(), False, False, APPLIED, None),
        (slot(), True, False, APPLIED, None),  # an operator locked it
        (slot(), True, True, PENDING, LATER),  # our late lock, not wanted any more
        (slot(), None, False, APPLIED, None),
        (UNLOCKING, False, True, APPLIED, None),
        (UNLOCKING, True, True, PENDING, NOW),
        (UNLOCKING, None, True, PENDING, NOW),  # not commanded yet
    ],
)
def test_observing(
    before: Attachment, locked: bool | None, ours: bool, status: AttachmentStatus, due: datetime | None
) -> None:
    after = rules.observe(before, LATER, off=seen(locked), ours=ours)
    assert (after.status, after.next_attempt_at) == (status, due)
    if status is APPLIED:
        assert after.last_error is None
    assert rules.observe(after, LATER, off=seen(locked), ours=ours) == after, "seen twice is seen once"


def test_an_answered_unlock_of_an_empty_slot_is_done_and_an_unanswered_or_failed_one_is_not() -> None:
    sent = rules.commanded(UNLOCKING, NOW)
    assert rules.observe(sent, LATER, off=None, ours=True).is_open
    taken = rules.answered(sent)
    assert not rules.observe(taken, LATER, off=None, ours=True).is_open
    refused = rules.failed(sent, "refused", NOW, commanded=True)
    assert rules.observe(rules.answered(refused), LATER, off=None, ours=True).is_open
    again = rules.answered(rules.commanded(refused, LATER))
    assert not rules.observe(again, LATER, off=None, ours=True).is_open
    assert rules.answered(WAITING) is WAITING


def test_a_lock_keeps_its_last_error_until_it_is_seen() -> None:
    refused = rules.failed(rules.commanded(WAITING, NOW), "refused", NOW, commanded=True)
    sent = rules.commanded(refused, LATER)
    assert sent.last_error == "refused"
    assert rules.observe(sent, LATER, off=ALL, ours=True).last_error is None


def test_attempts_end_in_failure_and_go_on() -> None:
    item = WAITING
    for attempt in range(1, FAILED_AFTER + 3):
        item = rules.commanded(item, NOW)
        assert item.attempts == attempt
        assert item.next_attempt_at is not None
        assert item.next_attempt_at >= NOW + CONFIRM_WAIT
        item = rules.failed(item, "r" * 900, NOW, commanded=True)
        assert item.status is (FAILED if attempt >= FAILED_AFTER else PENDING)
        assert item.next_attempt_at == NOW + rules.backoff(attempt)
        assert item.last_error == "r" * 500


def test_an_attempt_that_failed_before_its_command_counts_too() -> None:
    item = WAITING
    for _ in range(FAILED_AFTER):
        item = rules.failed(item, "cannot be reached", NOW, commanded=False)
    assert (item.attempts, item.status) == (FAILED_AFTER, FAILED)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (10**6, 60)])
def test_backoff(attempts: int, seconds: int) -> None:
    assert rules.backoff(attempts) == timedelta(seconds=seconds)


@given(
    st.lists(
        st.tuples(st.sampled_from(["desire", "observe", "command", "fail"]), st.sampled_from([None, True, False])),
        max_size=12,
    )
)
def test_what_is_open_is_due_or_waits_for_a_card_and_what_is_done_is_not_due(steps: list[tuple[str, Any]]) -> None:
    item = slot()
    now = NOW
    for step, flag in steps:
        now += timedelta(seconds=1)
        if step == "desire":
            item = rules.set_desired(item, ALL if flag else 0, 1, now, ours=True)
        elif step == "observe":
            item = rules.observe(item, now, off=seen(flag), ours=True)
        elif item.is_open:
            item = (
                rules.commanded(item, now) if step == "command" else rules.failed(item, "no", now, commanded=bool(flag))
            )
        if item.is_open:
            assert item.next_attempt_at is not None or item.wanted
        else:
            assert item.next_attempt_at is None


VOICE, SMS, DATA = Function.VOICE, Function.SMS, Function.DATA
CIRCUIT, NOTHING = VOICE | SMS, Function(0)


@pytest.mark.parametrize(
    ("groups", "desired", "wanted"),
    [
        (WHOLE, VOICE | DATA, NOTHING),
        (WHOLE, ALL_FUNCTIONS, ALL_FUNCTIONS),
        ((CIRCUIT, DATA), VOICE | DATA, DATA),
        ((CIRCUIT, DATA), CIRCUIT, CIRCUIT),
        ((CIRCUIT, DATA), ALL_FUNCTIONS, ALL_FUNCTIONS),
        ((DATA,), ALL_FUNCTIONS, DATA),
        ((DATA,), CIRCUIT, NOTHING),
    ],
)
def test_what_is_commanded_are_the_groups_that_are_to_be_off_as_a_whole(
    groups: tuple[Function, ...], desired: Function, wanted: Function
) -> None:
    made = rules.attach(HERE, groups, int(desired), 1, NOW, off=0, ours=False)
    assert made.wanted == wanted
    assert made.is_open == bool(wanted)
    assert not rules.observe(made, LATER, off=int(wanted), ours=True).is_open
    assert rules.set_desired(made, 0, 2, LATER, ours=False).wanted == NOTHING


def test_where_groups_are_switched_apart_one_is_opened_while_the_other_stays_off() -> None:
    both = slot(groups=(CIRCUIT, DATA), desired=ALL, applied=ALL)
    after = rules.set_desired(both, int(DATA), 2, LATER, ours=True)
    assert (after.wanted, after.status, after.next_attempt_at) == (DATA, PENDING, LATER)
    assert rules.observe(after, LATER, off=ALL, ours=True).is_open
    assert not rules.observe(after, LATER, off=int(DATA), ours=True).is_open
    more = rules.set_desired(after, int(DATA | VOICE), 3, LATER, ours=True)
    assert (more.wanted, more.desired, more.attempts) == (DATA, DATA | VOICE, after.attempts)


def test_what_an_element_cannot_switch_does_not_count_against_it() -> None:
    item = slot(groups=(DATA,), desired=ALL, applied=int(DATA))
    for off in (int(DATA), ALL):
        assert not rules.observe(item, LATER, off=off, ours=True).is_open
    assert rules.observe(item, LATER, off=int(VOICE), ours=True).is_open


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("3.02", (3, 2)),
        ("3.00", (3, 0)),
        ("256.128", (256, 128)),
        ("3", None),
        ("3.2", None),
        ("3.002", None),
        ("03.02", None),
        ("460000990000001", None),
        ("3.02\n", None),
        ("٣.02", None),
        ("a.02", None),
        ("", None),
    ],
)
def test_only_what_is_written_like_a_slot_is_one(key: str, where: tuple[int, int] | None) -> None:
    target = NetworkTarget(1, key)
    assert target.slot == where
    assert target.holds_card == (where is not None)
    assert target.facts == ({"target": key} if where is None else {"port": where[0], "slot": where[1]})
    if where is not None:
        assert CardSlot(1, *where).target == target
