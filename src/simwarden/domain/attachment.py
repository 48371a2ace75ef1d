"""Where a SIM can be acted upon: what the network is to be like there, and what it was seen to be like."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

import msgspec

from simwarden.domain.sim import ALL_FUNCTIONS, Place

FAILED_AFTER = 5
"""Attempts after which an enforcement counts as failed. It is tried on, and the failure is shown."""
CONFIRM_WAIT = timedelta(seconds=2)
"""How long the port-status push that proves a command may take before the gateway is asked for its status."""
UNANSWERED = "The gateway has not answered the command yet"
"""What stands as the error of an unlock under way: an empty slot shows no proof, so the answer has to be known."""
BACKOFF_FIRST = timedelta(seconds=1)
BACKOFF_CAP = timedelta(seconds=60)


class AttachmentStatus(enum.StrEnum):
    """How far the network matches what it is to be."""

    PENDING = "PENDING"
    APPLIED = "APPLIED"
    FAILED = "FAILED"
    """Tried several times without effect; still tried, rarely."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A SIM at one slot of one gateway."""

    place: Place
    current: bool
    """The SIM is there now; otherwise only a lock that we left behind is to be lifted."""
    desired: int
    """Functions that are to be off."""
    applied: int | None
    """Functions seen to be off; None while not known."""
    status: AttachmentStatus
    event: int | None = None
    """The SIM's event that asked for it."""
    since: datetime
    attempts: int = 0
    next_attempt_at: datetime | None = None
    commanded_at: datetime | None = None
    last_error: str | None = None

    @property
    def wants_lock(self) -> bool:
        """Whether the whole slot is to be locked: an Ejoin gateway cannot switch single functions off."""
        return self.desired == int(ALL_FUNCTIONS)

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.status is not AttachmentStatus.APPLIED


def _matches(desired: int, applied: int | None) -> bool:
    """What a lock can express: everything off, or nothing."""
    whole = int(ALL_FUNCTIONS)
    return applied is not None and (applied == whole) == (desired == whole)


def aim(attachment: Attachment, desired: int, event: int | None, now: datetime, *, held: bool) -> Attachment:
    """Change what is to be; due at once when it is not so already. `held` says that a lock there is ours.

    A lock of somebody else's that stood before the bar is left alone when the bar goes. Functions that change without
    changing the lock are noted, and nothing is commanded: what is under way for the lock goes on.
    """
    if desired == attachment.desired:
        return attachment
    whole = int(ALL_FUNCTIONS)
    if (desired == whole) == attachment.wants_lock:
        if attachment.is_open:
            return msgspec.structs.replace(attachment, desired=desired)
        return msgspec.structs.replace(attachment, desired=desired, event=event, since=now)
    foreign = attachment.applied == whole and not held and desired != whole
    done = (_matches(desired, attachment.applied) or foreign) and not attachment.is_open
    return msgspec.structs.replace(
        attachment,
        desired=desired,
        event=event,
        since=now,
        status=AttachmentStatus.APPLIED if done else AttachmentStatus.PENDING,
        attempts=0,
        next_attempt_at=None if done else now,
        commanded_at=None,
        last_error=None,
    )


def arrive(place: Place, desired: int, event: int | None, now: datetime, *, locked: bool, held: bool) -> Attachment:
    """A SIM is at a new place. `locked` is what the gateway shows there, `held` says that the lock is ours.

    A lock of somebody else's is left alone when the SIM may work: an operator put it there by hand.
    """
    applied = int(ALL_FUNCTIONS) if locked else 0
    done = _matches(desired, applied) or (locked and not held and desired != int(ALL_FUNCTIONS))
    return Attachment(
        place=place,
        current=True,
        desired=desired,
        applied=applied,
        status=AttachmentStatus.APPLIED if done else AttachmentStatus.PENDING,
        event=event,
        since=now,
        next_attempt_at=None if done else now,
    )


def leave(attachment: Attachment, event: int | None, now: datetime, *, held: bool) -> Attachment | None:
    """The SIM went elsewhere: what we locked is to be opened. None when nothing is left to do."""
    if not held:
        return None
    return msgspec.structs.replace(
        attachment,
        current=False,
        desired=0,
        event=event,
        since=now,
        status=AttachmentStatus.PENDING,
        attempts=0,
        next_attempt_at=now,
        commanded_at=None,
        last_error=None,
    )


def observe(attachment: Attachment, now: datetime, *, locked: bool | None, held: bool) -> Attachment:
    """The gateway showed whether the slot is locked. This, not the answer to a command, is the proof.

    `locked` None: the slot is empty and shows neither. There is nothing to lock then, and an unlock command that was
    answered is all the proof there will be.
    """
    if locked is None:
        if attachment.wants_lock:
            return msgspec.structs.replace(attachment, next_attempt_at=None)
        locked = attachment.is_open and (attachment.commanded_at is None or attachment.last_error is not None)
    applied = int(ALL_FUNCTIONS) if locked else 0
    if _matches(attachment.desired, applied):
        return msgspec.structs.replace(
            attachment, applied=applied, status=AttachmentStatus.APPLIED, next_attempt_at=None, last_error=None
        )
    if attachment.is_open:  # not yet, or without effect: the next attempt stands
        return msgspec.structs.replace(attachment, applied=applied, next_attempt_at=attachment.next_attempt_at or now)
    if locked and not held:  # somebody else's lock
        return msgspec.structs.replace(attachment, applied=applied)
    return msgspec.structs.replace(
        attachment,
        applied=applied,
        status=AttachmentStatus.PENDING,
        since=now,
        attempts=0,
        next_attempt_at=now,
        commanded_at=None,
    )


def commanded(attachment: Attachment, now: datetime) -> Attachment:
    """A command is about to be sent: the next step, if no proof comes, is to ask for the status."""
    attempts = attachment.attempts + 1
    wait = CONFIRM_WAIT if attempts < FAILED_AFTER else max(CONFIRM_WAIT, backoff(attempts))
    return msgspec.structs.replace(
        attachment,
        attempts=attempts,
        commanded_at=now,
        next_attempt_at=now + wait,
        last_error=attachment.last_error if attachment.wants_lock else UNANSWERED,
    )


def answered(attachment: Attachment) -> Attachment:
    """The gateway took the unlock command."""
    if attachment.last_error != UNANSWERED:
        return attachment
    return msgspec.structs.replace(attachment, last_error=None)


def failed(attachment: Attachment, reason: str, now: datetime, *, commanded: bool, soon: bool = False) -> Attachment:
    """An attempt failed: when to try again, and whether to say that it failed.

    `commanded`: it was counted when the command was sent; otherwise it failed before that and counts now. `soon`: there
    is a sign that the next attempt will fare better.
    """
    attempts = attachment.attempts + (0 if commanded else 1)
    return msgspec.structs.replace(
        attachment,
        attempts=attempts,
        status=AttachmentStatus.FAILED if attempts >= FAILED_AFTER else attachment.status,
        last_error=reason[:500],
        next_attempt_at=now + (BACKOFF_FIRST if soon else backoff(attempts)),
    )


def backoff(attempts: int) -> timedelta:
    """How long to wait after so many attempts: 1, 2, 4 ... 60 seconds."""
    doublings = min(max(attempts - 1, 0), 10)
    return min(BACKOFF_CAP, BACKOFF_FIRST * int(2**doublings))
