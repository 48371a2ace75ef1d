"""What virtual SIMs did: the same every time, by the last digit of their number. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import UNSET

from simwarden.domain.counters import Amounts, CounterDay, LastReading, Meter, Reading
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.record_news import DayUse
from simwarden.domain.record_views import call_view, message_view
from simwarden.domain.records import OfSim, RecordQuery, StoredCallRecord, StoredMessage
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.kit.clock import now_utc
from simwarden.sandbox import messages, rules

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import date

    from simwarden.domain.record_news import RecordWish
    from simwarden.domain.records import OfAccount, OfGateway
    from simwarden.domain.sim import Sim

T = TypeVar("T", StoredMessage, StoredCallRecord)
_SILENT = frozenset({"5", "7", "8"})
"""Of these nothing is recorded, as in `sandbox.traffic`."""
_PEER = "+491700000042"
_TEXTS = (("inbound", "temp?"), ("outbound", "21.5"), ("report", None))
_DAYS = 3
EVER, LATER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class VirtualRecords:
    """RecordReader of the sandbox."""

    def __init__(self, clock: Callable[[], datetime] = now_utc) -> None:
        self._clock = clock

    async def messages(self, wanted: RecordQuery, /) -> list[StoredMessage]:
        """One received an hour ago, one sent back, and its delivery report."""
        imsi, account_id = self._whose(wanted.of)
        now = self._hour()
        found = [
            StoredMessage(
                bucket=bucket_of(imsi),
                gateway_id=0,
                key=b"sandbox-%d" % n,
                direction=direction,
                received_at=now - timedelta(minutes=50 - n),
                imsi=imsi,
                iccid=None,
                account_id=account_id,
                port=None,
                slot=None,
                at=now - timedelta(minutes=50 - n),
                pool=None,
                pool_slot=None,
                status=None if direction == "inbound" else 0,
                status_text=None if direction == "inbound" else "Delivered" if direction == "report" else "OK",
                sent_at=None,
                smsc=None,
                task=None,
                took_ms=None,
                encoding=None,
                sender=_PEER if direction == "inbound" else None,
                receiver=None if direction == "inbound" else _PEER,
                content=text,
            )
            for n, (direction, text) in enumerate(_TEXTS)
            if imsi[-1] not in _SILENT
        ]
        return _wanted(found, wanted)

    async def calls(self, wanted: RecordQuery, /) -> list[StoredCallRecord]:
        """One that was answered an hour ago, and one that was not."""
        imsi, account_id = self._whose(wanted.of)
        now = self._hour()
        found = []
        for n, answered in enumerate((True, False)):
            begun = now - timedelta(minutes=60 - n)
            found.append(
                StoredCallRecord(
                    bucket=bucket_of(imsi),
                    gateway_id=0,
                    key=b"sandbox-%d" % n,
                    direction="inbound",
                    received_at=begun,
                    imsi=imsi,
                    iccid=None,
                    account_id=account_id,
                    port=None,
                    slot=None,
                    at=begun,
                    begin_at=begun,
                    alert_at=begun + timedelta(seconds=2),
                    answer_at=begun + timedelta(seconds=5) if answered else None,
                    update_at=None,
                    end_at=begun + timedelta(seconds=35),
                    reason_code=None,
                    reason=None,
                    cause_code=16 if answered else 19,
                    cause="Normal call clearing" if answered else "User alerting, no answer",
                    caller=_PEER,
                )
            )
        return _wanted([] if imsi[-1] in _SILENT else found, wanted)

    async def days(
        self, of: OfSim | OfAccount, first: date, last: date, *, behind: tuple[date, int, str, int] | None, limit: int
    ) -> list[CounterDay]:
        """Two messages and half a megabyte on each of the last days."""
        imsi, account_id = self._whose(of)
        now = self._hour()
        found = []
        for ago in range(0 if imsi[-1] in _SILENT else _DAYS):
            at = now - timedelta(days=ago)
            found.append(
                CounterDay(
                    imsi=imsi,
                    day=at.date(),
                    element_id=0,
                    account_id=account_id,
                    bucket=bucket_of(imsi),
                    at=at,
                    used={Meter.MESSAGES: Decimal(2), Meter.MEGABYTES: Decimal("0.5")},
                    resets=0,
                    reading=_reading(ago),
                )
            )
        return [each for each in found if first <= each.day <= last and (behind is None or each.day < behind[0])][
            :limit
        ]

    async def last_readings(self, sim: Sim, /) -> list[LastReading]:
        """What was shown an hour ago."""
        return [] if sim.imsi[-1] in _SILENT else [LastReading(0, self._hour(), _reading(0))]

    async def names(self, account_id: str, imsis: Collection[str], /) -> dict[str, tuple[str | None, str | None]]:
        """The number that stands for the SIM."""
        return {imsi: _name(imsi) for imsi in imsis}

    def _whose(self, of: OfSim | OfAccount | OfGateway) -> tuple[str, str]:
        if isinstance(of, OfSim):
            return of.imsi, str(of.account_id)
        account_id = str(getattr(of, "account_id", ""))
        sim = rules.virtual(account_id, SimRef(IdentifierKind.MSISDN, messages.ANY_SIM), self._clock())
        assert sim is not None
        return sim.imsi, account_id

    def _hour(self) -> datetime:
        """The beginning of the running hour, so that pages of a list fit together."""
        return self._clock().astimezone(UTC).replace(minute=0, second=0, microsecond=0)


async def told_of(records: VirtualRecords, of: OfSim | OfAccount, topic: EventType, wish: RecordWish) -> list[Any]:
    """The data of events about what is listed of virtual SIMs, as far as a subscription is about it, oldest first."""
    every = RecordQuery(of=of, since=EVER, until=LATER, limit=100)
    if topic is EventType.MESSAGE_RECORDED:
        views = [message_view(each, UNSET, clear=wish.content) for each in await records.messages(every)]
        told = [view for view in reversed(views) if wish.wants_message(view.kind)]
        return [msgspec.to_builtins(view) for view in told]
    if topic is EventType.CALL_ENDED:
        calls = [call_view(each, UNSET, clear=wish.content) for each in await records.calls(every)]
        return [msgspec.to_builtins(view) for view in reversed(calls) if wish.wants_call(view.direction or None)]
    days = await records.days(of, EVER.date(), LATER.date(), behind=None, limit=1)
    meter = Meter(str(wish.meter))
    return [DayUse(day.day, meter, Decimal(0), wish.amount).told for day in days]


def _name(imsi: str) -> tuple[str | None, str | None]:
    """The IMSI of a virtual SIM holds what it was asked for by (`rules.virtual`)."""
    _, _, kind, value = imsi.split(":", 3)
    return (value, None) if kind == IdentifierKind.MSISDN else (None, value if kind == IdentifierKind.NAI else None)


def _reading(ago: int) -> Reading:
    return Reading(
        messages=Amounts(total=2 * (_DAYS - ago), day=2), megabytes=Amounts(total=0.5 * (_DAYS - ago), day=0.5)
    )


def _wanted(found: list[T], wanted: RecordQuery) -> list[T]:
    """What a query asks for, the newest first."""
    behind = wanted.behind
    return sorted(
        (
            each
            for each in found
            if wanted.since <= each.when < wanted.until
            and wanted.direction in (None, each.direction)
            and wanted.other_party in (None, _PEER)
            and (behind is None or (each.when, each.key.hex()) < (behind.when, behind.key))
        ),
        key=lambda each: (each.when, each.key),
        reverse=True,
    )[: wanted.limit]
