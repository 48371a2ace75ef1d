"""Where a SIM can be acted upon: which functions are to be off there, and which were seen to be off.

Everything here is said of sets of functions. What a network element can separate is in `Attachment.groups`.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

import msgspec

from simwarden.domain.sim import ALL_FUNCTIONS, Function, NetworkTarget

FAILED_AFTER = 5
"""Attempts after which an enforcement counts as failed. It is tried on, and the failure is shown."""
CONFIRM_WAIT = timedelta(seconds=2)
"""How long the report that proves a command may take before the element is asked for its state."""
BACKOFF_FIRST = timedelta(seconds=1)
BACKOFF_CAP = timedelta(seconds=60)
MOST_TARGETS = 32
"""Targets of a SIM at an element that are no slots. An element that invents access points fills no table."""
LINGER_LOOK = timedelta(seconds=60)
"""How often the element is asked about what goes on although it is switched off there."""


class CommandPhase(enum.StrEnum):
    """How far the command that is under way has come."""

    IDLE = "IDLE"
    """None is under way: not sent yet, or the last one failed."""
    SENT = "SENT"
    """Its answer has not been noted."""
    ANSWERED = "ANSWERED"
    """The element took it. Noted where that may be all the proof there will be: of what is to be on again, and at
    elements that prove nothing else."""
    CROSSED = "CROSSED"
    """Something else became wanted while a command was under way, which may still be carried out. Until the next one is
    sent behind it, that the element shows what is wanted is no proof."""


class AttachmentStatus(enum.StrEnum):
    """How far the network matches what it is to be."""

    PENDING = "PENDING"
    APPLIED = "APPLIED"
    FAILED = "FAILED"
    """Tried several times without effect; still tried, rarely."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A SIM at one target of one network element."""

    target: NetworkTarget
    groups: tuple[Function, ...] = (ALL_FUNCTIONS,)
    """The sets of functions that can be switched there, each only as a whole."""
    current: bool
    """The SIM is there now; otherwise only what we switched off is to be switched on again."""
    desired: int
    """Functions that are to be off, whether or not they can be switched there."""
    applied: int | None
    """Functions seen to be off; None while not known."""
    phase: CommandPhase = CommandPhase.IDLE
    status: AttachmentStatus
    event: int | None = None
    """The SIM's event that asked for it."""
    since: datetime
    attempts: int = 0
    next_attempt_at: datetime | None = None
    commanded_at: datetime | None = None
    last_error: str | None = None
    held: int | None = None
    """Where the element keeps what is switched off (a subscriber of an HLR, a session that goes on and is filtered):
    the functions that we switched off. What somebody else did there is left alone. None at other targets."""
    lingering: int = 0
    """Functions that are switched off there, and go on all the same until the device registers again. Who is registered
    is not asked; only new registrations are refused."""
    device: str | None = None
    """The device (14 digits) that the element keeps with the subscriber,"""
    device_since: datetime | None = None
    """and since when it is known to; None: it was there when the SIM was first seen there."""

    @property
    def switchable(self) -> Function:
        """The functions that can be switched there."""
        found = Function(0)
        for group in self.groups:
            found |= group
        return found

    @property
    def wanted(self) -> Function:
        """The functions that are to be switched off there: of `desired`, the groups that are in it as a whole."""
        return self.wanted_of(self.desired)

    @property
    def off(self) -> Function:
        """All functions that are to be off there: what is wanted, and what somebody else switched off."""
        others = 0 if self.held is None else (self.applied or 0) & ~self.held
        return self.wanted | Function(others & int(self.switchable))

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.status is not AttachmentStatus.APPLIED

    def wanted_of(self, desired: int) -> Function:
        """The same for another set."""
        found = Function(0)
        for group in self.groups:
            if desired & group == group:
                found |= group
        return found


def _matches(attachment: Attachment, off: int | None) -> bool:
    """Whether these functions being off is what is wanted, as far as they can be switched there."""
    if off is None:
        return False
    if attachment.held is not None:
        return not attachment.wanted & ~off and not off & attachment.held & ~int(attachment.wanted)
    return off & attachment.switchable == attachment.wanted


def _is_left_alone(attachment: Attachment, off: int | None, *, ours: bool) -> bool:
    """Whether more is off than is wanted because of somebody else: an operator did it by hand."""
    return off is not None and not ours and attachment.held is None and not attachment.wanted & ~off


def set_desired(attachment: Attachment, desired: int, event: int | None, now: datetime, *, ours: bool) -> Attachment:
    """Change what is to be off; due at once when it is not so already. `ours`: we switched off what is off there.

    What somebody else switched off before the bar is left alone when the bar goes. Functions that change without
    changing what can be switched are noted, and nothing is commanded: what is under way goes on.
    """
    if desired == attachment.desired:
        return attachment
    after = msgspec.structs.replace(attachment, desired=desired)
    if after.wanted == attachment.wanted:
        return after if attachment.is_open else msgspec.structs.replace(after, event=event, since=now)
    fits = _matches(after, after.applied) or _is_left_alone(after, after.applied, ours=ours)
    done = fits and not attachment.is_open
    # What ends sessions leaves nothing behind that would have to be undone.
    keeps = attachment.target.holds_card or attachment.held is not None
    crossed = attachment.is_open and attachment.phase is not CommandPhase.IDLE and keeps
    return msgspec.structs.replace(
        after,
        event=event,
        since=now,
        phase=CommandPhase.CROSSED if crossed else CommandPhase.IDLE,
        status=AttachmentStatus.APPLIED if done else AttachmentStatus.PENDING,
        attempts=0,
        next_attempt_at=None if done else now,
        commanded_at=None,
        last_error=None,
        lingering=attachment.lingering & int(after.wanted),
    )


def attach(
    target: NetworkTarget,
    groups: tuple[Function, ...],
    desired: int,
    event: int | None,
    now: datetime,
    *,
    off: int,
    ours: bool,
    keeps: bool = False,
) -> Attachment:
    """A SIM is at a new target. `off` is what is off there, `ours` says that we switched it off.

    What somebody else switched off is left alone when the SIM may work: an operator did it by hand. `keeps`: the
    element keeps what is switched off for the SIM (see Attachment.held).
    """
    made = Attachment(
        target=target,
        groups=groups,
        current=True,
        desired=desired,
        applied=off,
        status=AttachmentStatus.APPLIED,
        event=event,
        since=now,
        held=0 if keeps else None,
    )
    if _matches(made, off) or _is_left_alone(made, off, ours=ours):
        return made
    return msgspec.structs.replace(made, status=AttachmentStatus.PENDING, next_attempt_at=now)


def make_room(items: dict[NetworkTarget, Attachment], element_id: int) -> bool:
    """Whether a SIM may have one more target at an element. One where nothing is to be done is taken out for it."""
    here = [item for item in items.values() if item.target.element_id == element_id and not item.target.holds_card]
    if len(here) < MOST_TARGETS:
        return True
    idle = [item for item in here if not item.is_open and not item.wanted]
    if not idle:
        return False
    del items[min(idle, key=lambda item: (item.since, item.target.key)).target]
    return True


def detach(attachment: Attachment, event: int | None, now: datetime, *, ours: bool) -> Attachment | None:
    """The SIM went elsewhere: what we switched off is to be switched on. None when nothing is left to do."""
    if not ours:
        return None
    return msgspec.structs.replace(
        attachment,
        current=False,
        desired=0,
        event=event,
        since=now,
        phase=CommandPhase.IDLE,
        status=AttachmentStatus.PENDING,
        attempts=0,
        next_attempt_at=now,
        commanded_at=None,
        last_error=None,
    )


def _applied(attachment: Attachment) -> Attachment:
    """The element showed that what is wanted is so."""
    return msgspec.structs.replace(
        attachment, phase=CommandPhase.IDLE, status=AttachmentStatus.APPLIED, next_attempt_at=None, last_error=None
    )


def _to_be_done(attachment: Attachment, now: datetime) -> Attachment:
    """The element showed something else than what is wanted, after all was done: the attempts begin anew."""
    return msgspec.structs.replace(
        attachment,
        phase=CommandPhase.IDLE,
        status=AttachmentStatus.PENDING,
        since=now,
        attempts=0,
        next_attempt_at=now,
        commanded_at=None,
    )


def observe(attachment: Attachment, now: datetime, *, off: int | None, ours: bool) -> Attachment:
    """The element showed which functions are off. This, not the answer to a command, is the proof.

    `off` None: it does not show that, because no card is there. There is nothing to switch off then, and a command to
    switch on that was answered is all the proof there will be.
    """
    if off is None:
        if attachment.wanted:
            return msgspec.structs.replace(attachment, next_attempt_at=None)
        off = int(attachment.switchable) if attachment.is_open and attachment.phase is not CommandPhase.ANSWERED else 0
    after = msgspec.structs.replace(attachment, applied=off, lingering=0)
    if _matches(after, off) and attachment.phase is not CommandPhase.CROSSED:
        return _applied(after)
    if attachment.is_open:  # not yet, or without effect: the next attempt stands
        return msgspec.structs.replace(after, next_attempt_at=attachment.next_attempt_at or now)
    if _is_left_alone(after, off, ours=ours):
        return after
    return _to_be_done(after, now)


def kept(attachment: Attachment, now: datetime, *, off: int, idle: int) -> Attachment:
    """The element showed which functions it keeps switched off for the SIM. `idle`: those of which nothing goes on.

    What is switched off and goes on is neither done nor a failure: it is pending until the device registers again, or
    somebody shows that nothing goes on any more.
    """
    assert attachment.held is not None
    off &= int(attachment.switchable)
    after = msgspec.structs.replace(
        attachment,
        applied=off,
        held=attachment.held & (off | int(attachment.wanted)),
        lingering=attachment.lingering & int(attachment.wanted) & ~idle,
    )
    if _matches(after, off) and attachment.phase is not CommandPhase.CROSSED:
        if after.lingering:
            return msgspec.structs.replace(
                after,
                phase=CommandPhase.ANSWERED,
                status=AttachmentStatus.PENDING,
                attempts=0,
                next_attempt_at=now + LINGER_LOOK,
                last_error=None,
            )
        return _applied(after)
    if attachment.is_open:  # not yet, or without effect: the next attempt stands
        return msgspec.structs.replace(after, next_attempt_at=attachment.next_attempt_at or now)
    return _to_be_done(after, now)


def commanded(attachment: Attachment, now: datetime) -> Attachment:
    """A command is about to be sent: the next step, if no proof comes, is to ask for the state."""
    attempts = attachment.attempts + 1
    held, lingering = attachment.held, attachment.lingering
    if held is not None:
        begun = int(attachment.wanted) & ~(attachment.applied or 0)
        held, lingering = held | begun, lingering | begun
    wait = CONFIRM_WAIT if attempts < FAILED_AFTER else max(CONFIRM_WAIT, backoff(attempts))
    return msgspec.structs.replace(
        attachment,
        phase=CommandPhase.SENT,
        attempts=attempts,
        commanded_at=now,
        next_attempt_at=now + wait,
        held=held,
        lingering=lingering,
    )


def answered(attachment: Attachment) -> Attachment:
    """The element took the command."""
    if attachment.phase is not CommandPhase.SENT:
        return attachment
    return msgspec.structs.replace(attachment, phase=CommandPhase.ANSWERED)


def failed(attachment: Attachment, reason: str, now: datetime, *, commanded: bool, soon: bool = False) -> Attachment:
    """An attempt failed: when to try again, and whether to say that it failed.

    `commanded`: it was counted when the command was sent; otherwise it failed before that and counts now. `soon`: there
    is a sign that the next attempt will fare better.
    """
    attempts = attachment.attempts + (0 if commanded else 1)
    return msgspec.structs.replace(
        attachment,
        phase=attachment.phase if attachment.phase is CommandPhase.CROSSED else CommandPhase.IDLE,
        attempts=attempts,
        status=AttachmentStatus.FAILED if attempts >= FAILED_AFTER else attachment.status,
        last_error=reason[:500],
        next_attempt_at=now + (BACKOFF_FIRST if soon else backoff(attempts)),
    )


def backoff(attempts: int) -> timedelta:
    """How long to wait after so many attempts: 1, 2, 4 ... 60 seconds."""
    doublings = min(max(attempts - 1, 0), 10)
    return min(BACKOFF_CAP, BACKOFF_FIRST * int(2**doublings))
