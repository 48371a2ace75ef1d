"""Short messages that customers send from their SIMs: how far each has come. Pure."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

import msgspec

TIMEOUT = timedelta(minutes=10)
"""So long a message waits for its SIM's slot and for the gateway, and as long again for the proof that it was sent."""
AGAIN = timedelta(seconds=15)
"""After an attempt that may succeed later,"""
UNANSWERED = timedelta(seconds=30)
"""and after one of which nobody knows how it ended: the process that made it may be gone."""
REPORTED = timedelta(days=3)
"""A delivery report is about a message that was sent within this time."""


class Stage(enum.IntEnum):
    """How far a message has come; it never goes back."""

    QUEUED = 0
    SUBMITTED = 1
    """The carrier took it."""
    SENT = 2
    """The network took it."""
    DELIVERED = 3
    """The receiver's device has it, as the network reports."""
    FAILED = 4


class FailureReason(enum.StrEnum):
    """Why a message failed."""

    BARRED = "BARRED"
    """SMS of the SIM are barred by now, or it is not active."""
    SIM_REMOVED = "SIM_REMOVED"
    """The SIM was deleted, or is another account's; who has its IMSI since sends nothing of it."""
    NUMBER_MOVED = "NUMBER_MOVED"
    """A message centre was to send it from a phone number that is not the SIM's any more."""
    TIMEOUT = "TIMEOUT"
    """Nothing took it, or proved that it was sent, in time."""
    REFUSED = "REFUSED"
    """By the carrier."""
    UNANSWERED = "UNANSWERED"
    """It was told to a carrier that knows no numbers of tasks, and that did not answer: it may have been sent."""
    NOT_SENT = "NOT_SENT"
    """By the network."""
    NOT_DELIVERED = "NOT_DELIVERED"
    """The network reports that the receiver did not get it."""


class MessageKey(msgspec.Struct, frozen=True, order=True):
    """One message: what was asked for in one call goes to each receiver as a message of its own."""

    bucket: int
    id: str
    """The msgId of the call."""
    recipient: int
    """From 1, in the order of the call."""


class MessageMove(msgspec.Struct, frozen=True):
    """A message comes to another stage."""

    key: MessageKey
    imsi: str
    account_id: str
    """Who sent it: whose SIM the IMSI names by now is another question."""
    stage: Stage
    due_at: datetime | None = None
    """When it fails unless something is heard of it."""
    reason: str | None = None

    @property
    def told(self) -> dict[str, object] | None:
        """What subscribers are told (CAMARA sms-delivery-status); None: nothing."""
        if self.stage < Stage.SENT:
            return None
        status = "FAIL" if self.stage is Stage.FAILED else "SUCCESS"
        return {
            "msgId": self.key.id,
            "status": status,
            "detail": self.reason or self.stage.name,
            "recipient": self.key.recipient,
        }


def after_sending(code: int | None) -> tuple[Stage, str | None]:
    """What a carrier's report of its task means; 0 is sent."""
    return (Stage.SENT, None) if not code else (Stage.FAILED, FailureReason.NOT_SENT)


def after_report(status: int | None) -> tuple[Stage, str | None] | None:
    """What a delivery report means (TP-Status, TS 23.040 9.2.3.15); None: the network still tries, or does not tell."""
    if status is None or 0x20 <= status < 0x40:
        return None
    return (Stage.DELIVERED, None) if status < 0x20 else (Stage.FAILED, FailureReason.NOT_DELIVERED)


def task_of(count: int, bucket: int) -> int:
    """The number of a task at its gateway: its message's bucket, so that a report finds the message, and a counter."""
    return (count % (1 << 23)) << 8 | bucket


def bucket_of_task(task: int) -> int:
    """The bucket of the message that a task may be of."""
    return task & 0xFF
