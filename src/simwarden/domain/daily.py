"""What a SIM's stored records add to the counts of a day: each counts once, on the day (UTC) of its beginning."""

from __future__ import annotations

import enum
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import msgspec

from simwarden.domain.zones import NOWHERE

EARLY = timedelta(days=1)
"""A record of a time further ahead of its receipt is not counted: the clock of its gateway is wrong."""
LONGEST = timedelta(days=7)
"""More than this is counted of no call."""


class TrafficKind(enum.StrEnum):
    """What is counted."""

    CALL = "CALL"
    SMS = "SMS"


class Direction(enum.StrEnum):
    """Seen from the SIM."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    CALLED_BACK = "called-back"
    """An outbound call to a number that had called before."""


_WAYS: dict[str, Direction] = {each: each for each in (Direction.INBOUND, Direction.OUTBOUND)}
"""Of messages; anything else is a delivery report, or the outcome of a task."""


class DayKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """One count."""

    imsi: str
    day: date
    kind: TrafficKind
    direction: Direction
    zone: str
    prefix: str


class StoredCall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is stored of a call, as far as it is counted."""

    imsi: str | None
    direction: str | None
    begin_at: datetime | None
    answer_at: datetime | None
    update_at: datetime | None
    end_at: datetime | None
    received_at: datetime
    zone: str | None
    prefix: str | None
    called_back: bool = False


class DayCounts:
    """What a batch of records adds to counts."""

    def __init__(self, back: timedelta) -> None:
        """`back`: how old a record may be when it is received. It must be forgotten later than this: one that is
        reported again after it was forgotten would count twice."""
        self._back = back
        self._records: Counter[DayKey] = Counter()
        self._seconds: Counter[DayKey] = Counter()

    def add_sms(
        self, *, imsi: str, direction: str, at: datetime, received_at: datetime, zone: str, prefix: str
    ) -> None:
        """A message was stored that was not before. Delivery reports and outcomes of tasks are no messages."""
        way = _WAYS.get(direction)
        if way is not None and self._counts(at, received_at):
            self._records[DayKey(imsi, _day(at), TrafficKind.SMS, way, zone, prefix)] += 1

    def replace_call(self, before: StoredCall | None, after: StoredCall) -> None:
        """What is stored of a call has changed; `before`: None where nothing was."""
        for call, sign in ((before, -1), (after, 1)):
            key = None if call is None else self._key(call)
            if call is not None and key is not None:
                self._records[key] += sign
                self._seconds[key] += sign * connected_seconds(call)

    def changes(self) -> list[tuple[DayKey, int, int]]:
        """What is to be added, in one order for everybody: records and seconds of calls by count."""
        keys = sorted(key for key in self._records if self._records[key] or self._seconds[key])
        return [(key, self._records[key], self._seconds[key]) for key in keys]

    def _key(self, call: StoredCall) -> DayKey | None:
        """Where a call counts; None: nowhere yet, or nowhere."""
        if call.imsi is None or call.begin_at is None or call.direction not in (Direction.INBOUND, Direction.OUTBOUND):
            return None
        if not self._counts(call.begin_at, call.received_at):
            return None
        direction = Direction.CALLED_BACK if call.called_back else Direction(call.direction)
        return DayKey(
            call.imsi, _day(call.begin_at), TrafficKind.CALL, direction, call.zone or NOWHERE, call.prefix or ""
        )

    def _counts(self, at: datetime, received_at: datetime) -> bool:
        return received_at - self._back <= at <= received_at + EARLY


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def connected_seconds(call: StoredCall) -> int:
    """How long a call has been connected, as far as that is reported."""
    until = call.end_at or call.update_at
    if call.answer_at is None or until is None:
        return 0
    return int(min(max(until - call.answer_at, timedelta(0)), LONGEST).total_seconds())
