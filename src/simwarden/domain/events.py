"""Events: facts that were committed. What changed, why, and caused by which report, call or person."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

import msgspec


class EventType(enum.StrEnum):
    """Everything that can happen to a SIM."""

    SIM_ADDED = "SIM_ADDED"
    SIM_CHANGED = "SIM_CHANGED"
    """It has another phone number or network access identifier: `before` and `after`."""
    SIM_IDENTITY_CONFLICT = "SIM_IDENTITY_CONFLICT"
    """A gateway reports another ICCID for this IMSI than the registered one: a swapped or cloned card, or a wrong
    register. `iccid` and `reported`; once for each other one."""
    SIM_IDENTITY_RESTORED = "SIM_IDENTITY_RESTORED"
    """A gateway reports the registered ICCID again."""
    NUMBER_MOVED = "NUMBER_MOVED"
    """A phone number is in another SIM. In no SIM's history: who follows a number waits for it (`engine.following`)."""
    DEVICE_SEEN = "DEVICE_SEEN"
    """First device of this SIM."""
    DEVICE_CHANGED = "DEVICE_CHANGED"
    """In another device than before (or, on first sight, than bound)."""
    DEVICE_UNKNOWN = "DEVICE_UNKNOWN"
    """The IMEI is missing or unreadable now."""
    BINDING_CREATED = "BINDING_CREATED"
    BINDING_REPLACED = "BINDING_REPLACED"
    BINDING_REMOVED = "BINDING_REMOVED"
    BINDING_ARMED = "BINDING_ARMED"
    BINDING_LEARNT = "BINDING_LEARNT"
    """An armed binding took the first device seen."""
    BINDING_DIFFERED = "BINDING_DIFFERED"
    BINDING_RESTORED = "BINDING_RESTORED"
    AREA_LIMITED = "AREA_LIMITED"
    """The SIM is limited to an area, or to another one than before: `area`, in short."""
    AREA_ARMED = "AREA_ARMED"
    """Its area will be a circle of `radius` metres around the first place at which it is seen."""
    AREA_LEARNT = "AREA_LEARNT"
    """An armed limit took the first place seen."""
    AREA_UNLIMITED = "AREA_UNLIMITED"
    AREA_CHANGED = "AREA_CHANGED"
    """It left its area, came back, or is outside when that is first known: `to` is INSIDE or OUTSIDE, `distance` its
    metres from the border, `source` and `ref` what its place is taken from, `circle` the area as CAMARA writes one."""
    BAR_RAISED = "BAR_RAISED"
    BAR_LIFTED = "BAR_LIFTED"
    FUNCTION_CLOSED = "FUNCTION_CLOSED"
    """The customer closed a communication function: the bar CLOSED_BY_CUSTOMER stands for it."""
    FUNCTION_OPENED = "FUNCTION_OPENED"
    APN_CLOSED = "APN_CLOSED"
    APN_OPENED = "APN_OPENED"
    LIMITS_CHANGED = "LIMITS_CHANGED"
    """What the SIM may do in an hour: `limits`, those that there are."""
    GEOFENCE_ENTERED = "GEOFENCE_ENTERED"
    """It is inside circles that `subscriptions`, by id, wait for it to enter, and was outside before."""
    GEOFENCE_LEFT = "GEOFENCE_LEFT"
    """It is outside circles that `subscriptions`, by id, wait for it to leave, and was inside before."""
    REACHABILITY_CHANGED = "REACHABILITY_CHANGED"
    """By what the SIM can be reached: `reach`, and `reach_before` where it was known. Only while somebody subscribes to
    that."""
    ROAMING_CHANGED = "ROAMING_CHANGED"
    """The SIM began or ended to roam (`switched`), or roams in another country: `roaming`, `network` (MCC and MNC), and
    while it roams `countryCode` and `countryName`. Only while somebody subscribes to that."""
    NETWORK_TYPE_CHANGED = "NETWORK_TYPE_CHANGED"
    """It came to another type of mobile network: `network_type` (2G to 5G, or UNKNOWN), and `network_type_before`. Only
    while somebody subscribes to how it stands."""
    DATA_USED = "DATA_USED"
    """It used so much of its data allowance in a `month`: `percent` (50, 75, 90; 100: more than all of it), and the
    `allowance` in MiB. Only while somebody subscribes to that."""
    SMS_RECEIVED = "SMS_RECEIVED"
    """It received a short message: `short_message` is its id, and `subscriptions`, by id, wait for it. Only while some
    do."""
    SMS_STATUS = "SMS_STATUS"
    """A message that the customer sent from it came to its end, or to the network: `msgId`, `recipient` (from 1),
    `status` (SUCCESS or FAIL) and `detail`. Only while somebody subscribes to that."""
    RULE_FIRED = "RULE_FIRED"
    """A rule of its account was met: `rule`, `version`, what was `counted` in how many `minutes`. What the rule does to
    the SIM follows. With `alert` subscribers are told."""
    HOTZONE_ANOMALY = "HOTZONE_ANOMALY"
    """On a day (UTC), `anomalyDate`, it had more traffic with hotzones than usual, as `subscriptions`, by id, wait for:
    `count` calls and messages (`checkType`) with `zones`. Only while somebody subscribes to that."""
    MESSAGE_RECORDED = "MESSAGE_RECORDED"
    """A message of it was stored, received, sent or reported of: `record` is the message without text and numbers,
    `place` where these are, and `subscriptions`, by id, wait for it, of which those in `content` get all. Only while
    some do."""
    CALL_ENDED = "CALL_ENDED"
    """A call of it is over; as MESSAGE_RECORDED."""
    USAGE_REACHED = "USAGE_REACHED"
    """What it used on a `day` (UTC) by a `meter` came up to what `subscriptions`, by id, wait for: `used`. Only while
    some do."""
    LIFECYCLE_CHANGED = "LIFECYCLE_CHANGED"
    """`from` and `to`; to SUSPENDED it raises the bar SUSPENDED, away from there it lifts it."""
    ENFORCEMENT_COMMANDED = "ENFORCEMENT_COMMANDED"
    ENFORCEMENT_APPLIED = "ENFORCEMENT_APPLIED"
    ENFORCEMENT_FAILED = "ENFORCEMENT_FAILED"
    ENFORCEMENT_ABANDONED = "ENFORCEMENT_ABANDONED"
    """The gateway was removed by force: nobody makes the slot match, watches it, or lifts a lock there any more."""


class CauseKind(enum.StrEnum):
    """Who or what started a chain of events."""

    REPORT = "REPORT"
    CALL = "CALL"
    OPERATOR = "OPERATOR"
    ENFORCEMENT = "ENFORCEMENT"
    TIME = "TIME"
    """Something came to its end by itself."""


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """What started a chain of events."""

    kind: CauseKind
    source: str
    """Name of the gateway, of the application (app key), or of the person or command."""
    at: datetime
    """When it reached Simwarden."""
    message: str | None = None
    """Message type of the report, or operation of the call."""
    reference: str | None = None
    """What finds it again in the caller's own log: x-correlator, gateway port and sequence number, or session."""


class Event(msgspec.Struct, frozen=True):
    """One committed fact about a SIM."""

    n: int
    """Counts from 1 per SIM, without gaps."""
    type: EventType
    at: datetime
    cause: Cause
    data: dict[str, Any] = {}
    parent: int | None = None
    """The event of the same SIM that led to this one."""
