"""Messages and calls as they are listed, in plain words."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Any

import msgspec


class CallState(enum.StrEnum):
    """How far a call came."""

    DIALLING = "DIALLING"
    RINGING = "RINGING"
    CONNECTED = "CONNECTED"
    ENDED = "ENDED"
    """It was answered, and is over."""
    UNANSWERED = "UNANSWERED"
    """It is over without an answer."""


class StoredRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What messages and calls have in common."""

    bucket: int
    gateway_id: int
    key: bytes
    """What it is stored under at its gateway."""
    direction: str | None
    """inbound, outbound; of messages also report and task."""
    received_at: datetime
    """When the newest report of it came."""
    imsi: str | None
    """None: the SIM is not known."""
    iccid: str | None
    account_id: str | None
    """Whose the SIM was; None: nobody's, or it is not recorded."""
    port: int | None
    slot: int | None
    detail: Any = None
    """All that was reported, in the words of its source."""


class StoredMessage(StoredRecord, frozen=True, kw_only=True):
    """A short message, a delivery report, or the outcome of an order to send."""

    at: datetime
    pool: str | None
    """Of a remote card: its SIM pool."""
    pool_slot: int | None
    status: int | None
    status_text: str | None
    sent_at: datetime | None
    smsc: str | None
    task: int | None
    took_ms: int | None
    encoding: str | None
    sender: str | None = None
    receiver: str | None = None
    content: str | None = None

    @property
    def when(self) -> datetime:
        """By what it is listed."""
        return self.at


class StoredCallRecord(StoredRecord, frozen=True, kw_only=True):
    """A call, as far as it has come."""

    at: datetime | None
    begin_at: datetime | None
    alert_at: datetime | None
    answer_at: datetime | None
    update_at: datetime | None
    end_at: datetime | None
    reason_code: int | None
    reason: str | None
    cause_code: int | None
    cause: str | None
    caller: str | None = None
    callee: str | None = None

    @property
    def when(self) -> datetime:
        """By what it is listed."""
        return self.at or self.begin_at or self.received_at

    @property
    def state(self) -> CallState:
        """How far it came, as far as it is reported."""
        if self.end_at is not None:
            return CallState.UNANSWERED if self.answer_at is None else CallState.ENDED
        if self.answer_at is not None:
            return CallState.CONNECTED
        return CallState.DIALLING if self.alert_at is None else CallState.RINGING

    @property
    def seconds(self) -> int | None:
        """How long it has been connected, as far as that is reported; None: it was not answered."""
        until = self.end_at or self.update_at
        if self.answer_at is None:
            return None
        return 0 if until is None else int(max(until - self.answer_at, timedelta(0)).total_seconds())

    @property
    def ringing_seconds(self) -> int | None:
        """How long it rang before it was answered or ended."""
        until = self.answer_at or self.end_at
        if self.alert_at is None or until is None:
            return None
        return int(max(until - self.alert_at, timedelta(0)).total_seconds())


class Behind(msgspec.Struct, frozen=True, array_like=True):
    """The last record of the page before."""

    when: datetime
    bucket: int
    gateway_id: int
    key: str
    """In hexadecimal digits."""


class OfSim(msgspec.Struct, frozen=True):
    """Records of an IMSI, also of one that is not registered."""

    imsi: str
    account_id: str | None = None
    """Only those of when the SIM was this account's."""


class OfAccount(msgspec.Struct, frozen=True):
    """Records of an account's SIMs."""

    account_id: str
    gateway_id: int | None = None


class OfGateway(msgspec.Struct, frozen=True):
    """Whatever a gateway reported."""

    gateway_id: int
    unknown: bool = False
    """Only of cards that were nobody's."""


class RecordQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are wanted."""

    of: OfSim | OfAccount | OfGateway
    since: datetime
    until: datetime
    direction: str | None = None
    other_party: str | None = None
    """As it is written; only with OfSim."""
    behind: Behind | None = None
    limit: int


def behind(record: StoredMessage | StoredCallRecord) -> Behind:
    """Where the page that ends with this record goes on."""
    return Behind(record.when, record.bucket, record.gateway_id, record.key.hex())
