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
    DELIVERIES_DEAD = "DELIVERIES_DEAD"
    WORK_BACKLOG = "WORK_BACKLOG"
    DATABASE_SLOW = "DATABASE_SLOW"


SEVERITY = {
    AlarmKind.ENFORCEMENT_FAILED: Severity.CRITICAL,
    AlarmKind.GATEWAY_SILENT: Severity.MAJOR,
    AlarmKind.GATEWAY_UNREACHABLE: Severity.MAJOR,
    AlarmKind.REPORTS_DOUBTED: Severity.MAJOR,
    AlarmKind.REPORTS_UNPARSED: Severity.MINOR,
    AlarmKind.DELIVERIES_DEAD: Severity.MAJOR,
    AlarmKind.WORK_BACKLOG: Severity.MAJOR,
    AlarmKind.DATABASE_SLOW: Severity.MINOR,
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


class Words(msgspec.Struct, frozen=True):
    """An alarm for people."""

    what: str
    why: str
    todo: str


def enforcement_key(imsi: str, item: Attachment) -> Key:
    """Names the alarm about a SIM at one slot."""
    place = item.place
    return AlarmKind.ENFORCEMENT_FAILED, f"{imsi}@{place.gateway_id}:{place.port}.{place.slot}"


def enforcement_failed(imsi: str, account_id: str, item: Attachment) -> Trouble:
    """The network does not do what it was commanded."""
    kind, subject = enforcement_key(imsi, item)
    return Trouble(
        kind=kind,
        subject=subject,
        severity=Severity.CRITICAL if item.wants_lock else Severity.MAJOR,
        gateway_id=item.place.gateway_id,
        imsi=imsi,
        account_id=account_id,
        facts={
            "imsi": imsi,
            "port": item.place.port,
            "slot": item.place.slot,
            "command": "lock" if item.wants_lock else "unlock",
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


def words(kind: AlarmKind, facts: dict[str, Any]) -> Words:
    """What is wrong, why, and what to do."""
    return _WORDS[kind](_Facts(facts))


class _Facts:
    """Facts as words; what is missing is said to be unknown rather than left to an error."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts

    def __getattr__(self, name: str) -> str:
        value = self._facts.get(name)
        return "(unknown)" if value is None else str(value)

    @property
    def is_lock(self) -> bool:
        return bool(self._facts.get("command") == "lock")

    @property
    def where(self) -> str:
        slot = self._facts.get("slot")
        return f"gateway {self.gateway}, port {self.port}" + (f", slot {slot}" if slot else "")

    @property
    def of_host(self) -> bool:
        return bool(self._facts.get("answered") is False)


def _enforcement_failed(facts: _Facts) -> Words:
    effect = (
        "It is to be stopped and may still work."
        if facts.is_lock
        else "It may work again and is still locked: its owner is cut off."
    )
    return Words(
        f"SIM {facts.imsi} cannot be {facts.command}ed at {facts.where}. {effect}",
        f"{facts.attempts} attempts since {facts.since}. The last one: {facts.reason}",
        f"Run `simwarden sim explain {facts.imsi}`. If it must be done now, {facts.command} the slot "
        "by hand in the gateway's own web page. A refused user name or password: correct it there or in the register. "
        "Simwarden goes on trying every minute, and at once when the gateway reports again.",
    )


def _gateway_silent(facts: _Facts) -> Words:
    return Words(
        f"Gateway {facts.gateway} has not reported since {facts.reportedAt}. Its SIMs are not watched.",
        f"It reports every {facts.reportInterval} s, and three intervals have passed. It is off, has lost its network, "
        "or no longer has the right report URL.",
        f"Ping it at {facts.address}; look at its power, its uplink, and 'State/Status Notification' in its web page. "
        f"`simwarden gateway list` shows whether others of the same site are silent too: then it is the network.",
    )


def _gateway_unreachable(facts: _Facts) -> Words:
    return Words(
        f"Gateway {facts.gateway} does not answer commands. SIMs there can be neither locked nor unlocked.",
        f"{facts.attempts} commands in a row got no answer. The last one: {facts.reason}",
        f"From this server try `curl -m 5 {facts.commandUrl}`. No answer while the gateway still reports: a firewall, "
        "NAT or a changed address on the way to it. What waits is done as soon as it answers.",
    )


def _reports_doubted(facts: _Facts) -> Words:
    return Words(
        f"Reports in the name of gateway {facts.gateway} are doubted.",
        f"The last one: {facts.reason}. The gateway's counters were disturbed, or somebody else knows its report URL.",
        f"Compare the gateway's own web page with `simwarden gateway list`. When in doubt give it a new URL: "
        f"`simwarden gateway renew {facts.gateway}`, and enter that at the gateway.",
    )


def _reports_unparsed(facts: _Facts) -> Words:
    return Words(
        f"Reports of gateway {facts.gateway} cannot be read and are refused.",
        f"The last one: {facts.reason}",
        f"`simwarden gateway rejects {facts.gateway}` shows the bodies. After a firmware update: go back to the "
        "version before, and send us a body. Otherwise somebody else knows the report URL: renew it.",
    )


def _deliveries_dead(facts: _Facts) -> Words:
    if facts.of_host:
        what = (
            f"Events of account {facts.account} were given up: {facts.host} has not answered in all the time allowed."
        )
    else:
        what = f"Events of subscription {facts.subscription} (account {facts.account}) were refused by {facts.host}."
    return Words(
        what,
        f"The last attempt: {facts.reason}",
        "Tell the customer. `simwarden delivery list --status DEAD --subscription "
        f"{facts.subscription}` shows what was given up; when the sink works again, "
        f"`simwarden delivery replay --since 1d --subscription {facts.subscription}` sends it.",
    )


def _work_backlog(facts: _Facts) -> Words:
    return Words(
        f"Work waits too long: {facts.work}, the oldest for {facts.seconds} s.",
        f"{facts.waiting} wait. Workers are too few, stopped, or held up by a slow database. {facts.detail}",
        "Look at `simwarden_enforcements_*` and `simwarden_deliveries_*` in /metrics, at the load of this machine and "
        "of the database, and at the log. Is a server running, and are there workers enough (SIMWARDEN_WORKERS)?",
    )


def _database_slow(facts: _Facts) -> Words:
    return Words(
        f"The database takes {facts.milliseconds} ms for one small commit.",
        f"{SLOW_AFTER} measurements in a row were over {facts.limit} ms. Its disk is slow or full, it is busy, or "
        "a long transaction (a backup, a migration) holds it up.",
        "Look at the disk (`iostat -x 1`), the free space and `pg_stat_activity`. Calls and reports are answered late "
        "meanwhile; nothing is lost.",
    )


_WORDS = {
    AlarmKind.ENFORCEMENT_FAILED: _enforcement_failed,
    AlarmKind.GATEWAY_SILENT: _gateway_silent,
    AlarmKind.GATEWAY_UNREACHABLE: _gateway_unreachable,
    AlarmKind.REPORTS_DOUBTED: _reports_doubted,
    AlarmKind.REPORTS_UNPARSED: _reports_unparsed,
    AlarmKind.DELIVERIES_DEAD: _deliveries_dead,
    AlarmKind.WORK_BACKLOG: _work_backlog,
    AlarmKind.DATABASE_SLOW: _database_slow,
}
