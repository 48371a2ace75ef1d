"""What the counters of a batch's reports say: which of them moved, and what was used by that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.counters import CounterDay, CounterUse, LastReading, completed, day_of, used_between
from simwarden.store import counters

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime
    from decimal import Decimal

    import asyncpg

    from simwarden.domain.counters import Meter, Reading
    from simwarden.domain.reports import PortObservation, Report
    from simwarden.domain.sim import CardSlot
    from simwarden.store.counters import KnownCounters
    from simwarden.store.gateways import LockedGateway

CounterMarks = dict["CardSlot", object]
"""What each slot showed last to this process. A report that shows the same costs a comparison, and no statement."""


class CounterBook:
    """Of one transaction."""

    def __init__(
        self, connection: asyncpg.Connection, elements: Mapping[int, LockedGateway], known: CounterMarks
    ) -> None:
        """`elements`: those that report, locked. `known`: what was shown before."""
        self._connection = connection
        self._elements = elements
        self._known = known
        self.marks: CounterMarks = {}
        """What is shown now, for the next batch."""
        self.uses: list[CounterUse] = []
        """What was used, in the order in which it was reported."""
        self._days: dict[tuple[str, date, int], CounterDay] = {}

    @property
    def days(self) -> list[CounterDay]:
        """What was used, by SIM, day and element; also of SIMs of which nothing was."""
        return list(self._days.values())

    async def follow(
        self, ports: Sequence[tuple[CardSlot, PortObservation, Report, int]], written: Collection[CardSlot]
    ) -> None:
        """Compare what believed reports show, in the order in which they came, with what is stored.

        Slots that are `written` are compared with what is stored in any case: another process may have had them.
        """
        known, marks = self._known, self.marks
        moved: list[tuple[str, CardSlot, PortObservation, datetime]] = []
        for slot, port, report, _ in ports:
            source = port.counters
            if source is None or port.imsi is None:
                continue
            mark = source.counter_mark
            before = marks[slot] if marks and slot in marks else known.get(slot)
            if before != mark or (written and slot in written):
                marks[slot] = mark
                moved.append((port.imsi, slot, port, report.received_at))
        if moved:
            await self._compare(moved)

    async def _compare(self, moved: Sequence[tuple[str, CardSlot, PortObservation, datetime]]) -> None:
        wanted = sorted({(imsi, slot.gateway_id) for imsi, slot, _, _ in moved})
        stored = await counters.last(self._connection, wanted)
        shown: dict[tuple[str, int], LastReading] = {}
        for imsi, slot, port, at in moved:
            pair = imsi, slot.gateway_id
            known = stored.get(pair)
            if known is None or port.counters is None or not self._may_tell(pair, known):
                continue
            before: LastReading | KnownCounters = shown.get(pair, known)
            if before.at is not None and at < before.at:
                continue
            now = completed(before.reading, port.counters.read_counters())
            if now == before.reading:
                continue
            shown[pair] = LastReading(slot.gateway_id, at, now)
            if before.reading is not None:
                self._use(pair, known.account_id, at, now, *used_between(before.reading, now))
        if shown:
            await counters.save(self._connection, shown, list(self._days.values()))

    def _may_tell(self, pair: tuple[str, int], known: KnownCounters) -> bool:
        """An element that is pinned to an account says nothing of other accounts' SIMs."""
        element = self._elements.get(pair[1])
        return element is not None and element.account_id in (None, known.account_id)

    def _use(
        self,
        pair: tuple[str, int],
        account_id: str,
        at: datetime,
        now: Reading,
        used: dict[Meter, Decimal],
        resets: int,
    ) -> None:
        imsi, element_id = pair
        if used or resets:
            self.uses.append(CounterUse(imsi, element_id, at, used, resets))
        key = imsi, day_of(at), element_id
        made = CounterDay(
            imsi=imsi, day=key[1], element_id=element_id, account_id=account_id, at=at, used=used, resets=resets,
            reading=now,
        )  # fmt: skip
        before = self._days.get(key)
        if before is not None:
            total = {meter: before.used.get(meter, 0) + used.get(meter, 0) for meter in before.used.keys() | used}
            made = msgspec.structs.replace(made, used=total, resets=before.resets + resets)
        self._days[key] = made
