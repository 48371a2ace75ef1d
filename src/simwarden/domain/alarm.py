"""Alarms: what is wrong that a person must see. Kinds, severities, and the words for each."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Any

import msgspec

from simwarden.domain.attachment import Attachment, AttachmentStatus

AGAIN = timedelta(minutes=15)
"""A trouble that comes back within this time after its end opens the same alarm again."""
FLAPPING = 3
"""An alarm that was opened again so often ends only after SETTLED without the trouble."""
SETTLED = timedelta(minutes=10)
UNREACHABLE_AFTER = 3
"""Commands in a row that get no answer before GATEWAY_UNREACHABLE is raised: one lost packet is no alarm."""
UNREGISTERED_AFTER = 3
"""Tries in a row that fail before NRF_UNREGISTERED is raised: an NRF that starts anew is no alarm."""
SLOW_AFTER = 3
"""Measurements in a row that raise, or end, DATABASE_SLOW."""


class Severity(enum.StrEnum):
    """How much it hurts while nobody does anything."""

    CRITICAL = "CRITICAL"
    """A stolen SIM works, or the service does not. Wake somebody."""
    MAJOR = "MAJOR"
    """Something is not watched, or a customer is not told. To be mended today."""
    MINOR = "MINOR"
    """Nothing is lost yet."""


class AlarmKind(enum.StrEnum):
    """What can be wrong. docs/alarms.md has a section for each."""

    ENFORCEMENT_FAILED = "ENFORCEMENT_FAILED"
    GATEWAY_SILENT = "GATEWAY_SILENT"
    GATEWAY_UNREACHABLE = "GATEWAY_UNREACHABLE"
    REPORTS_DOUBTED = "REPORTS_DOUBTED"
    REPORTS_UNPARSED = "REPORTS_UNPARSED"
    SIM_IDENTITY = "SIM_IDENTITY"
    DELIVERIES_DEAD = "DELIVERIES_DEAD"
    WORK_BACKLOG = "WORK_BACKLOG"
    DATABASE_SLOW = "DATABASE_SLOW"
    NRF_UNREGISTERED = "NRF_UNREGISTERED"


SEVERITY = {
    AlarmKind.ENFORCEMENT_FAILED: Severity.CRITICAL,
    AlarmKind.GATEWAY_SILENT: Severity.MAJOR,
    AlarmKind.GATEWAY_UNREACHABLE: Severity.MAJOR,
    AlarmKind.REPORTS_DOUBTED: Severity.MAJOR,
    AlarmKind.REPORTS_UNPARSED: Severity.MINOR,
    AlarmKind.SIM_IDENTITY: Severity.MINOR,
    AlarmKind.DELIVERIES_DEAD: Severity.MAJOR,
    AlarmKind.WORK_BACKLOG: Severity.MAJOR,
    AlarmKind.DATABASE_SLOW: Severity.MINOR,
    AlarmKind.NRF_UNREGISTERED: Severity.MAJOR,
}
"""Unless the trouble itself says another."""

Key = tuple[AlarmKind, str]
"""Kind and subject: at most one alarm of them is open."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong now, to be raised as an alarm or counted in the one that is open."""

    kind: AlarmKind
    subject: str
    """What it is about; with the kind it names the alarm."""
    severity: Severity | None = None
    """None: that of the kind."""
    facts: dict[str, Any] = {}
    """For the words, and for programs. `gateway` and `account` (names) are added where their ids are given."""
    gateway_id: int | None = None
    imsi: str | None = None
    account_id: str | None = None
    times: int = 1
    """How often it happened."""

    @property
    def key(self) -> Key:
        """Names the alarm."""
        return self.kind, self.subject


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm as it is stored."""

    id: int
    kind: AlarmKind
    subject: str
    severity: Severity
    facts: dict[str, Any]
    gateway_id: int | None
    imsi: str | None
    account_id: str | None
    first_at: datetime
    last_at: datetime
    count: int
    reopened: int
    """How often the trouble came back within AGAIN."""
    ends_at: datetime | None
    """The trouble is over; because it keeps coming back, the alarm stays open until then."""
    cleared_at: datetime | None
    cleared_because: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    version: int
    """Counts what is to be pushed: raised, raised again, more severe, cleared."""


def enforcement_key(imsi: str, item: Attachment) -> Key:
    """Names the alarm about a SIM at one target."""
    where = ".".join(str(fact) for fact in item.target.facts.values())
    return AlarmKind.ENFORCEMENT_FAILED, f"{imsi}@{item.target.element_id}:{where}"


def enforcement_failed(imsi: str, account_id: str, item: Attachment) -> Trouble:
    """The network does not do what it was commanded."""
    kind, subject = enforcement_key(imsi, item)
    return Trouble(
        kind=kind,
        subject=subject,
        severity=Severity.CRITICAL if item.wanted else Severity.MAJOR,
        gateway_id=item.target.element_id,
        imsi=imsi,
        account_id=account_id,
        facts={
            "imsi": imsi,
            **item.target.facts,
            "command": "lock" if item.wanted else "unlock",
            "since": item.since.isoformat(),
            "attempts": item.attempts,
            "reason": item.last_error,
        },
    )


def attempt_failed(before: Attachment | None, after: Attachment) -> bool:
    """Whether between these a failure is to be raised, or counted once more."""
    if after.status is not AttachmentStatus.FAILED:
        return False
    if before is None or before.status is not AttachmentStatus.FAILED:
        return True
    # A command that is announced moves `commanded_at`; what came of it, only the next attempt.
    return before.commanded_at == after.commanded_at and before.next_attempt_at != after.next_attempt_at


def of_gateway(kind: AlarmKind, gateway_id: int, **facts: Any) -> Trouble:
    """A trouble with a gateway as a whole."""
    return Trouble(kind=kind, subject=f"gateway {gateway_id}", gateway_id=gateway_id, facts=facts)


def gateway_key(kind: AlarmKind, gateway_id: int) -> Key:
    """Names the alarm about a gateway as a whole."""
    return kind, f"gateway {gateway_id}"
