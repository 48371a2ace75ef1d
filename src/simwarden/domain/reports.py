"""What a source reports, in the house's words: the same for every kind of gateway."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from simwarden.domain.counters import CounterSource
from simwarden.domain.session import SessionNote
from simwarden.domain.sim import Function
from simwarden.domain.texts import Segment


class PortObservation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One slot of one port as its gateway shows it."""

    port: int
    slot: int
    """From 1; 0 when the gateway names none."""
    sequence: int | None = None
    status: int | None = None
    """The vendor's code."""
    status_text: str | None = None
    locked: bool | None = None
    """The gateway keeps the slot from the network; None when the report does not tell."""
    imei: str | None = None
    """14 digits; None when missing or unreadable."""
    imsi: str | None = None
    iccid: str | None = None
    msisdn: str | None = None
    plmn: str | None = None
    operator: str | None = None
    signal: int | None = None
    counters: CounterSource | None = None
    """What it counts of the SIM; None where it counts nothing."""
    detail: Any = None
    """Whatever else the source said; stored as JSON."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record (call, SMS, session) that tells in which device a SIM was at a time."""

    imsi: str | None
    iccid: str | None
    imei: str | None
    """14 digits; None: a device was there, and which one cannot be read."""
    at: datetime
    port: int | None = None
    slot: int = 0
    since: datetime | None = None
    """See Sighting."""
    where: str | None = None
    """What the record is of, for people."""
    cells: tuple[str, ...] = ()
    """Keys of the cell that the device is in and of the area around it, the cell first; none, where it is not said."""
    cells_at: datetime | None = None
    """When it was there, where that is said apart; None: `at`."""


class SmsRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A short message that went through a gateway."""

    key: bytes
    """What identifies the message at its gateway; a repeated report changes nothing."""
    direction: str
    """inbound, outbound or report."""
    at: datetime
    imsi: str | None = None
    iccid: str | None = None
    port: int | None = None
    slot: int | None = None
    pool: str | None = None
    pool_slot: int | None = None
    sender: str | None = None
    receiver: str | None = None
    content: str | None = None
    status: int | None = None
    """The source's code: of a delivery report, of sending."""
    status_text: str | None = None
    """The same in words."""
    sent_at: datetime | None = None
    """As the message centre says."""
    smsc: str | None = None
    """Number of the message centre."""
    task: int | None = None
    """The source's number of the order to send."""
    took_ms: int | None = None
    """How long sending took, in milliseconds."""
    encoding: str | None = None
    """How the source gave the text."""
    detail: Any = None
    """Whatever else the source said; stored as JSON."""
    carried: Segment | None = None
    """What the carrier says of its form, where it does."""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A call that goes through a gateway, as far as it has come: several reports are one call."""

    call_id: str
    imsi: str | None = None
    iccid: str | None = None
    port: int | None = None
    slot: int | None = None
    direction: str | None = None
    """outbound or inbound, seen from the SIM."""
    caller: str | None = None
    callee: str | None = None
    begin_at: datetime | None = None
    alert_at: datetime | None = None
    answer_at: datetime | None = None
    update_at: datetime | None = None
    end_at: datetime | None = None
    reason_code: int | None = None
    reason: str | None = None
    """Why it ended, as the source says."""
    cause_code: int | None = None
    cause: str | None = None
    """Why it ended, as the network or the modem says."""
    detail: Any = None
    """Whatever else the source said; stored as JSON."""


class SubscriberNote(msgspec.Struct, frozen=True, kw_only=True):
    """What an element that keeps subscribers (an HLR) shows of one."""

    imsi: str
    groups: tuple[Function, ...]
    """The sets of functions that can be switched there, each only as a whole."""
    off: Function
    """It refuses new registrations for these."""
    idle: Function = Function(0)
    """Nothing of these goes on: nobody serves the subscriber, or whoever did has given it up."""
    imei: str | None = None
    """The device that it keeps with the subscriber, 14 digits."""
    seen_at: datetime | None = None
    """When the subscriber last registered."""


class GatewayFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole status says about the gateway itself."""

    mac: str | None = None
    address: str | None = None
    version: str | None = None
    max_ports: int | None = None
    max_slots: int | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One message of one gateway."""

    gateway_id: int
    gateway_name: str
    received_at: datetime
    message: str
    """The vendor's message type."""
    digest: bytes = b""
    """Of a whole status: recognises a replayed one."""
    whole: bool = False
    """A status of all ports, not of a single one."""
    polled: bool = False
    """We asked for it, so it is of now."""
    sequence: int | None = None
    facts: GatewayFacts | None = None
    ports: tuple[PortObservation, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    sms: tuple[SmsRecord, ...] = ()
    calls: tuple[CallRecord, ...] = ()
    sessions: tuple[SessionNote, ...] = ()
    subscribers: tuple[SubscriberNote, ...] = ()
    restarted_at: datetime | None = None
    """All sessions at this element that began before are over."""
    authentic: bool = False
    """It carries the element's proof that it made it, so nobody else invented it."""
