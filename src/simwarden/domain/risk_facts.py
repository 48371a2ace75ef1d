"""What a batch of stored records means to the rules, by SIM. Pure."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from simwarden.domain.counters import Meter
from simwarden.domain.daily import Direction, StoredCall, connected_seconds
from simwarden.domain.risk import UNITS, Signal
from simwarden.domain.risk_windows import Fact
from simwarden.domain.visited import countries_of
from simwarden.domain.zones import NOWHERE, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from simwarden.domain.counters import CounterUse
    from simwarden.domain.reports import SmsRecord
    from simwarden.domain.zones import Zone

_COUNTED: dict[str, tuple[Signal, Signal]] = {
    Direction.OUTBOUND: (Signal.SMS_SENT, Signal.CALLS_MADE),
    Direction.INBOUND: (Signal.SMS_RECEIVED, Signal.CALLS_RECEIVED),
}


class Facts:
    """Collects. A record of a time to come counts as of its receipt."""

    def __init__(self, back: timedelta) -> None:
        """`back`: how old a record may be when it is received. See `domain.daily.DayCounts`."""
        self._back = back
        self.by_sim: dict[str, list[Fact]] = {}
        """By IMSI. The `what` of receivers is their number in clear: seal it before anything is kept."""
        self.elements: dict[str, int] = {}
        """Which network element told of each of these SIMs last."""

    def add_messages(self, items: Iterable[tuple[int, SmsRecord, datetime]]) -> None:
        """Messages (gateway id, message, time of receipt) were stored that were not before."""
        for element_id, message, received_at in items:
            if message.imsi is None or message.direction not in _COUNTED:
                continue
            sent = message.direction == Direction.OUTBOUND
            zone = zone_of(message.receiver, message.imsi) if sent else None
            self.add_message(element_id, message.imsi, message.direction, message.at, received_at, zone)

    def add_message(
        self, element_id: int, imsi: str, direction: str, at: datetime, received_at: datetime, zone: Zone | None
    ) -> None:
        """One that was sent or received. `zone`: of the receiver."""
        if at < received_at - self._back:
            return
        second = _second(at, received_at)
        facts = self._of(imsi, element_id)
        facts.append(Fact(_COUNTED[direction][0], second))
        if zone is not None:
            facts += _reached(imsi, second, zone)

    def replace_call(
        self, element_id: int, before: StoredCall | None, after: StoredCall, zone: Zone | None = None
    ) -> None:
        """What is stored of a call has changed; `before`: None where nothing was. `zone`: of the other side, where
        this report tells."""
        for call, sign in ((before, -1), (after, 1)):
            if call is None or call.imsi is None or call.begin_at is None or call.direction not in _COUNTED:
                continue
            if call.begin_at < call.received_at - self._back:
                continue
            second = _second(call.begin_at, call.received_at)
            facts = self._of(call.imsi, element_id)
            facts.append(Fact(_COUNTED[call.direction][1], second, sign))
            if call.direction == Direction.OUTBOUND:
                seconds = connected_seconds(call)
                if seconds:
                    facts.append(Fact(Signal.CALL_MINUTES, second, sign * seconds))
                if zone is not None and call is after:
                    facts += _reached(call.imsi, second, zone)

    def add_uses(self, uses: Iterable[CounterUse]) -> None:
        """Counters moved."""
        for use in uses:
            self.add_megabytes(use.element_id, use.imsi, use.at, use.used.get(Meter.MEGABYTES, Decimal(0)))

    def add_megabytes(self, element_id: int, imsi: str, at: datetime, megabytes: Decimal) -> None:
        """Data that was used by then."""
        amount = int(megabytes * UNITS[Signal.MEGABYTES])
        if amount:
            self._of(imsi, element_id).append(Fact(Signal.MEGABYTES, int(at.timestamp()), amount))

    def add(self, imsi: str, fact: Fact) -> None:
        """Something else."""
        self._of(imsi, 0).append(fact)

    def _of(self, imsi: str, element_id: int) -> list[Fact]:
        self.elements[imsi] = element_id
        return self.by_sim.setdefault(imsi, [])


def _reached(imsi: str, second: int, zone: Zone) -> list[Fact]:
    found = [Fact(Signal.RECEIVERS, second, what=zone.number.encode())] if zone.number else []
    if zone.country != NOWHERE:
        country = zone.country.encode()
        found.append(Fact(Signal.COUNTRIES, second, what=country))
        if zone.country not in countries_of(imsi[:3]):
            found.append(Fact(Signal.NEW_COUNTRIES, second, what=country))
    return found


def _second(at: datetime, received_at: datetime) -> int:
    return int(min(at, received_at).timestamp())
