"""The words for each kind of alarm, and the form in which alarms are shown, posted and mailed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.alarm import SLOW_AFTER, UNREGISTERED_AFTER, AlarmKind

if TYPE_CHECKING:
    from simwarden.domain.alarm import Alarm


class Words(msgspec.Struct, frozen=True):
    """An alarm for people."""

    what: str
    why: str
    todo: str


class AlarmPayload(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """Schema Alarm of management/openapi.yaml."""

    id: int
    kind: str
    severity: str
    state: str
    subject: str
    what: str
    why: str
    todo: str
    facts: dict[str, Any]
    first_at: datetime
    last_at: datetime
    count: int
    version: int
    gateway: str | None = None
    imsi: str | None = None
    account: str | None = None
    cleared_at: datetime | None = None
    cleared_because: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None


def payload(alarm: Alarm) -> AlarmPayload:
    """An alarm as it is shown, posted and mailed, with its words."""
    text = words(alarm.kind, alarm.facts)
    return AlarmPayload(
        id=alarm.id,
        kind=alarm.kind.value,
        severity=alarm.severity.value,
        state="OPEN" if alarm.cleared_at is None else "CLEARED",
        subject=alarm.subject,
        what=text.what,
        why=text.why,
        todo=text.todo,
        facts=alarm.facts,
        first_at=alarm.first_at,
        last_at=alarm.last_at,
        count=alarm.count,
        version=alarm.version,
        gateway=alarm.facts.get("gateway"),
        imsi=alarm.imsi,
        account=alarm.facts.get("account"),
        cleared_at=alarm.cleared_at,
        cleared_because=alarm.cleared_because if alarm.cleared_at else None,
        acknowledged_at=alarm.acknowledged_at,
        acknowledged_by=alarm.acknowledged_by,
    )


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
    def is_of_account(self) -> bool:
        return "others" in self._facts

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


def _sim_identity(facts: _Facts) -> Words:
    return Words(
        f"Gateway {facts.gateway} reports another card than the registered one for SIM {facts.imsi}.",
        f"The ICCID {facts.iccid} is registered, {facts.reported} is reported. The card was swapped or cloned, or the "
        "register is wrong. More than one SIM when this was counted more than once.",
        f"Run `simwarden sim explain {facts.imsi}`, and look at the card. If the register is right, suspend the SIM: "
        f"`simwarden sim suspend {facts.imsi}`.",
    )


def _deliveries_dead(facts: _Facts) -> Words:
    if facts.is_of_account:
        what = (
            f"Events of more subscriptions or hosts of account {facts.account} than the {facts.others} with alarms "
            f"of their own were given up; the last one is subscription {facts.subscription} to {facts.host}."
        )
    elif facts.of_host:
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


def _nrf_unregistered(facts: _Facts) -> Words:
    return Words(
        f"The {facts.function} is not registered at the NRF {facts.nrf}. Functions that ask the NRF do not find it.",
        f"{UNREGISTERED_AFTER} or more tries in a row failed. The last one: {facts.reason}",
        f"From this server try `curl --http2-prior-knowledge -m 5 {facts.nrf}`. Who knows the {facts.function} by its "
        "address is served all the same. It is tried again every 10 seconds.",
    )


_WORDS = {
    AlarmKind.ENFORCEMENT_FAILED: _enforcement_failed,
    AlarmKind.GATEWAY_SILENT: _gateway_silent,
    AlarmKind.GATEWAY_UNREACHABLE: _gateway_unreachable,
    AlarmKind.REPORTS_DOUBTED: _reports_doubted,
    AlarmKind.REPORTS_UNPARSED: _reports_unparsed,
    AlarmKind.SIM_IDENTITY: _sim_identity,
    AlarmKind.DELIVERIES_DEAD: _deliveries_dead,
    AlarmKind.WORK_BACKLOG: _work_backlog,
    AlarmKind.DATABASE_SLOW: _database_slow,
    AlarmKind.NRF_UNREGISTERED: _nrf_unregistered,
}
