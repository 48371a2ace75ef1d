"""What of a SIM's new records its customer waits for. Pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.counters import Meter, as_numbers
from simwarden.domain.events import EventType
from simwarden.domain.record_views import MessageKind, RecordDirection

if TYPE_CHECKING:
    from collections.abc import Mapping

TOPICS = (EventType.MESSAGE_RECORDED, EventType.CALL_ENDED, EventType.USAGE_REACHED)
"""Events that are made only while somebody subscribes to them."""


class RecordPlace(msgspec.Struct, frozen=True, order=True):
    """Where a message or a call is stored."""

    bucket: int
    gateway_id: int
    key: bytes

    def of(self, table: str) -> str:
        """As it stands in the data of a delivery."""
        return f"{table}:{self.bucket}:{self.gateway_id}:{self.key.hex()}"


class NewRecord(msgspec.Struct, frozen=True, gc=False):
    """A message that was stored just now for the first time, or a call that was stored as ended for the first time."""

    imsi: str
    account_id: str
    place: RecordPlace


class RecordNews:
    """What a transaction stored of SIMs that are somebody's."""

    def __init__(self) -> None:
        self.messages: list[NewRecord] = []
        self.calls: list[NewRecord] = []

    def __bool__(self) -> bool:
        return bool(self.messages or self.calls)


class DayUse(msgspec.Struct, frozen=True):
    """What a SIM used on a day (UTC), by one of its counters, before a transaction and with it."""

    day: date
    meter: Meter
    before: Decimal
    after: Decimal

    @property
    def told(self) -> dict[str, Any]:
        """Of what is used up to now."""
        return {"day": self.day.isoformat(), "meter": str(self.meter), "used": as_numbers({self.meter: self.after})}


class RecordWish(msgspec.Struct, frozen=True):
    """Which records a subscription is about."""

    kinds: tuple[str, ...] = ()
    """Of messages; none: all."""
    direction: str | None = None
    """Of calls."""
    meter: str | None = None
    amount: Decimal = Decimal(0)
    """Of this so much on a day."""
    content: bool = False
    """Texts and numbers are wanted, and allowed."""

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> RecordWish:
        """As it stands in the configuration of a subscription."""
        detail = config.get("subscriptionDetail", {})
        return cls(
            kinds=tuple(detail.get("kinds", ())),
            direction=detail.get("direction"),
            meter=detail.get("meter"),
            amount=Decimal(repr(detail.get("amount", 0))),
            content=detail.get("content") is True,
        )

    def wants_message(self, kind: MessageKind) -> bool:
        """Whether it is about messages of this kind."""
        return not self.kinds or kind in self.kinds

    def wants_call(self, direction: RecordDirection | None) -> bool:
        """Whether it is about calls of this direction; None: that is not known."""
        return self.direction is None or direction == self.direction

    def wants_use(self, use: DayUse) -> bool:
        """Whether a day's use came up to what it waits for just now."""
        return use.meter == self.meter and use.before < self.amount <= use.after
