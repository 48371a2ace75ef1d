"""The installation at a glance: what is wrong, what is open, how much goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simwarden.engine import pulse
from simwarden.management.query import Query
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.store import fleet

if TYPE_CHECKING:
    from simwarden.management.house import House
    from simwarden.store.fleet import FleetCounts


class OverviewRoutes:
    """The operation `/overview`."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def show(self, request: Request) -> Answer:
        """getOverview: as it was counted last; costs the same with a million SIMs."""
        Query(request.query, (), "overview")
        now = self._house.clock()
        counts, (rates, blocking) = await asyncio.gather(fleet.read(self._house.db), pulse.read(self._house.db, now))
        answer: dict[str, Any] = {"at": now, "rates": rates, "blocking": blocking}
        if counts.fleet is not None:
            answer |= _fleet(counts.fleet) | {"countedAt": counts.fleet_at}
        if counts.sims_at is not None:
            answer["sims"] = [
                {"bindingState": each.state, "lifecycle": each.lifecycle, "count": each.count, "off": each.off}
                for each in counts.sims
            ]
            answer["simsCountedAt"] = counts.sims_at
        return Answer(200, answer)


def _fleet(counts: FleetCounts) -> dict[str, Any]:
    return {
        "alarms": [
            {
                "kind": each.kind,
                "severity": each.severity,
                "count": each.count,
                "unacknowledged": each.unacknowledged,
            }
            for each in counts.alarms
        ],
        "gateways": [{"state": state, "count": count} for state, count in counts.gateways.items()],
        "unreachable": counts.unreachable,
        "enforcements": [
            {"status": status, "count": work.count, "oldestSeconds": round(work.oldest)}
            for status, work in counts.enforcements.items()
        ],
        "deliveries": {"waiting": counts.lanes.count, "oldestSeconds": round(counts.lanes.oldest)},
    }
