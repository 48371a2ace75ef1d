"""Requests and answers of `openapi.yaml`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.record_views import ListedCall, ListedMessage, MessageKind, RecordDirection
from simwarden.northbound.kernel.bodies import Problem, Wording, device_wording
from simwarden.northbound.kernel.devices import StrictDevice
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.sinks import DateTime

MOST = 100
"""Records of one answer."""
Party = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00]*\Z")]
Cursor = Annotated[str, Meta(max_length=256)]
Limit = Annotated[int, Meta(ge=1, le=MOST)]


class RecordsQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """What the requests have in common."""

    device: StrictDevice | UnsetType = UNSET
    limit: Limit = MOST
    cursor: Cursor | UnsetType = UNSET


class TimedQuery(RecordsQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What requests for messages and calls have in common."""

    from_: DateTime | UnsetType = msgspec.field(name="from", default=UNSET)
    to: DateTime | UnsetType = UNSET
    other_party: Party | UnsetType = UNSET


class MessagesQuery(TimedQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """RetrieveMessages."""

    kind: MessageKind | UnsetType = UNSET


class CallsQuery(TimedQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """RetrieveCalls."""

    direction: RecordDirection | UnsetType = UNSET


class CountersQuery(RecordsQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """RetrieveCounters."""

    from_: date | UnsetType = msgspec.field(name="from", default=UNSET)
    to: date | UnsetType = UNSET


class UsedDay(msgspec.Struct, frozen=True, kw_only=True):
    """CounterDay."""

    device: dict[str, str] | UnsetType = UNSET
    day: date
    used: dict[str, int | float]
    resets: int
    readings: dict[str, Any]


class ShownReading(msgspec.Struct, frozen=True):
    """CounterReading."""

    at: datetime
    readings: dict[str, Any]


class MessagesPage(msgspec.Struct, frozen=True):
    """RetrieveMessagesResponse."""

    messages: list[ListedMessage]
    cursor: str | UnsetType = UNSET


class CallsPage(msgspec.Struct, frozen=True):
    """RetrieveCallsResponse."""

    calls: list[ListedCall]
    cursor: str | UnsetType = UNSET


class CountersPage(msgspec.Struct, frozen=True):
    """RetrieveCountersResponse."""

    counters: list[UsedDay]
    current: list[ShownReading] | UnsetType = UNSET
    cursor: str | UnsetType = UNSET


_INVALID: dict[str, Problem] = {
    **device_wording(),
    "limit": (InvalidArgument, f"limit must be a whole number from 1 to {MOST}"),
    "cursor": (InvalidArgument, "cursor is none that this server made"),
    "otherParty": (InvalidArgument, "otherParty must be a number or a name of up to 64 characters"),
}
_TIME = "must be a date-time by RFC 3339 with a time zone"
_DAY = "must be a day, as 2026-11-21"
WORDING = Wording(
    invalid={
        **_INVALID,
        "from": (InvalidArgument, f"Invalid format: from {_TIME}"),
        "to": (InvalidArgument, f"Invalid format: to {_TIME}"),
    }
)
DAYS_WORDING = Wording(
    invalid={
        **_INVALID,
        "from": (InvalidArgument, f"Invalid format: from {_DAY}"),
        "to": (InvalidArgument, f"Invalid format: to {_DAY}"),
    }
)
