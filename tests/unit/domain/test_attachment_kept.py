"""What is to be so for a subscriber of an HLR, step by step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain import attachment as rules
from simwarden.domain.attachment import LINGER_LOOK, Attachment, AttachmentStatus
from simwarden.domain.sim import ALL_FUNCTIONS, Function, NetworkTarget

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL, NONE = int(ALL_FUNCTIONS), 0
CIRCUIT, DATA = int(Function.VOICE | Function.SMS), int(Function.DATA)
GROUPS = (Function.VOICE | Function.SMS, Function.DATA)
PENDING, APPLIED = AttachmentStatus.PENDING, AttachmentStatus.APPLIED


def attached(desired: int = NONE, off: int = NONE) -> Attachment:
    """At an HLR for the first time."""
    target = NetworkTarget(1, "460000990000001")
    return rules.attach(target, GROUPS, desired, None, NOW, off=off, ours=False, keeps=True)


def carried_out(item: Attachment, idle: int = ALL) -> Attachment:
    """The command is sent, and the HLR shows it."""
    sent = rules.commanded(item, NOW)
    return rules.kept(sent, NOW, off=int(sent.off), idle=idle)


def test_what_goes_on_is_pending_until_nothing_does() -> None:
    shut = carried_out(attached(ALL), idle=DATA)
    assert (shut.status, shut.lingering, shut.applied) == (PENDING, CIRCUIT, ALL)
    assert shut.next_attempt_at == NOW + LINGER_LOOK
    still = rules.kept(shut, NOW, off=ALL, idle=NONE)
    assert (still.status, still.lingering, still.attempts) == (PENDING, CIRCUIT, 0)
    gone = rules.kept(still, NOW, off=ALL, idle=CIRCUIT)
    assert (gone.status, gone.lingering, gone.next_attempt_at) == (APPLIED, NONE, None)
    # What the HLR says of who served the SIM is old, and makes nothing go on again.
    assert rules.kept(gone, NOW, off=ALL, idle=NONE).status is APPLIED


def test_a_bar_that_goes_while_something_goes_on_leaves_nothing_pending_but_its_opening() -> None:
    shut = carried_out(attached(ALL), idle=NONE)
    opening = rules.set_desired(shut, NONE, 9, NOW, ours=True)
    assert (opening.status, opening.lingering, int(opening.off)) == (PENDING, NONE, NONE)
    assert carried_out(opening).status is APPLIED


def test_what_somebody_else_switched_off_is_left_alone() -> None:
    before = attached(NONE, off=CIRCUIT)
    assert before.status is APPLIED
    shut = carried_out(rules.set_desired(before, ALL, 5, NOW, ours=True))
    assert (shut.status, shut.held) == (APPLIED, DATA)
    opening = rules.set_desired(shut, NONE, 9, NOW, ours=True)
    assert int(opening.off) == CIRCUIT
    assert carried_out(opening).applied == CIRCUIT


def test_a_subscriber_that_somebody_opened_by_hand_is_shut_again() -> None:
    shut = carried_out(attached(ALL))
    opened = rules.kept(shut, NOW, off=NONE, idle=NONE)
    assert (opened.status, opened.next_attempt_at) == (PENDING, NOW)
    assert carried_out(opened).status is APPLIED


def test_single_functions_are_switched_by_groups() -> None:
    assert attached(int(Function.VOICE)).status is APPLIED  # voice alone cannot be
    assert int(attached(int(Function.DATA)).wanted) == DATA


@given(
    st.lists(st.sampled_from(["command", "show", "desire", "hand"]), max_size=30),
    st.randoms(use_true_random=False),
)
def test_however_it_goes_it_ends_as_it_is_to_be(steps: list[str], random: object) -> None:
    """Desires change, hands set modes, commands are carried out or lost: at the end what is ours is as it is wanted."""
    pick = random.choice  # type: ignore[attr-defined]
    item, network, now = attached(), NONE, NOW
    for step in steps:
        now += timedelta(seconds=1)
        if step == "desire":
            item = rules.set_desired(item, pick([NONE, DATA, CIRCUIT, ALL]), 1, now, ours=True)
        elif step == "command" and item.next_attempt_at is not None:
            item = rules.commanded(item, now)
            network = pick([network, int(item.off)])
        elif step == "hand":
            network = pick([NONE, DATA, CIRCUIT, ALL])
        item = rules.kept(item, now, off=network, idle=pick([NONE, ALL])) if step == "show" else item
    for _ in range(4):
        item = rules.kept(item, now, off=network, idle=ALL)
        if item.status is not APPLIED:
            item = rules.commanded(item, now)
            network = int(item.off)
    assert item.status is APPLIED
    assert not int(item.wanted) & ~network
    assert not network & (item.held or 0) & ~int(item.wanted)
    assert msgspec.structs.replace(item, lingering=0) == item
