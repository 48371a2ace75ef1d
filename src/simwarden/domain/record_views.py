"""Messages and calls as the customer whose SIM they are of gets them: in lists, and in events. Pure."""

from __future__ import annotations

import enum
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.domain.records import CallState

if TYPE_CHECKING:
    from simwarden.domain.records import StoredCallRecord, StoredMessage, StoredRecord

Known = dict[str, str]
"""What a SIM is called: a phone number or a network access identifier, by the name of the property."""


class MessageKind(enum.StrEnum):
    """What a record of a message is."""

    RECEIVED = "RECEIVED"
    SENT = "SENT"
    DELIVERY_REPORT = "DELIVERY_REPORT"
    SENDING_RESULT = "SENDING_RESULT"


class RecordDirection(enum.StrEnum):
    """Seen from the SIM."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


KINDS = {
    "inbound": MessageKind.RECEIVED,
    "outbound": MessageKind.SENT,
    "report": MessageKind.DELIVERY_REPORT,
    "task": MessageKind.SENDING_RESULT,
}
DIRECTIONS = {"inbound": RecordDirection.INBOUND, "outbound": RecordDirection.OUTBOUND}
"""By what is stored."""


class Explained(msgspec.Struct, frozen=True, omit_defaults=True):
    """A code, and what it means. Explained."""

    code: int | None = None
    text: str | None = None


class _View(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    record_id: str
    device: Known | UnsetType = UNSET
    from_: str | UnsetType = msgspec.field(name="from", default=UNSET)
    to: str | UnsetType = UNSET


class ListedMessage(_View, frozen=True, kw_only=True):
    """Message."""

    kind: MessageKind
    time: datetime
    sent_at: datetime | UnsetType = UNSET
    text: str | UnsetType = UNSET
    text_length: int | UnsetType = UNSET
    status: Explained | UnsetType = UNSET


class ListedCall(_View, frozen=True, kw_only=True):
    """Call."""

    state: CallState
    direction: RecordDirection | UnsetType = UNSET
    begin_at: datetime | UnsetType = UNSET
    alert_at: datetime | UnsetType = UNSET
    answer_at: datetime | UnsetType = UNSET
    end_at: datetime | UnsetType = UNSET
    seconds: int | UnsetType = UNSET
    ringing_seconds: int | UnsetType = UNSET
    reason: Explained | UnsetType = UNSET
    network_cause: Explained | UnsetType = UNSET


def message_view(row: StoredMessage, device: Known | UnsetType, *, clear: bool) -> ListedMessage:
    """A message. `clear`: with text and numbers."""
    return ListedMessage(
        record_id=record_id(row),
        device=device,
        **(content_of(row.sender, row.receiver) if clear else {}),
        kind=KINDS[str(row.direction)],
        time=row.at,
        sent_at=_set(row.sent_at),
        text=_set(row.content) if clear else UNSET,
        text_length=UNSET if row.content is None else len(row.content),
        status=_explained(row.status, row.status_text),
    )


def call_view(row: StoredCallRecord, device: Known | UnsetType, *, clear: bool) -> ListedCall:
    """A call, as far as it has come. `clear`: with numbers."""
    return ListedCall(
        record_id=record_id(row),
        device=device,
        **(content_of(row.caller, row.callee) if clear else {}),
        state=row.state,
        direction=_set(DIRECTIONS.get(row.direction or "")),
        begin_at=_set(row.begin_at),
        alert_at=_set(row.alert_at),
        answer_at=_set(row.answer_at),
        end_at=_set(row.end_at),
        seconds=_set(row.seconds),
        ringing_seconds=_set(row.ringing_seconds),
        reason=_explained(row.reason_code, row.reason),
        network_cause=_explained(row.cause_code, row.cause),
    )


def content_of(sender: str | None, receiver: str | None) -> dict[str, Any]:
    """The two parties, as far as they are known, by the names that the views have for them in Python."""
    return {name: party for name, party in (("from_", sender), ("to", receiver)) if party}


def record_id(row: StoredRecord) -> str:
    """The same however often it is asked for. Other gateways may use the same key."""
    return hashlib.sha256(b"%d %s" % (row.gateway_id, row.key)).hexdigest()[:32]


def _explained(code: int | None, text: str | None) -> Explained | UnsetType:
    return UNSET if code is None and text is None else Explained(code, text)


def _set(value: Any) -> Any:
    return UNSET if value is None else value
