"""What APIs about a SIM's calls and messages have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from simwarden.northbound.kernel.ports import NetworkView

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from simwarden.domain.daily import Direction, TrafficKind
    from simwarden.domain.hot_traffic import HotZones, SimTraffic
    from simwarden.domain.sim import Sim
    from simwarden.store.sims import DeviceDates


@runtime_checkable
class TrafficHistory(NetworkView, Protocol):
    """Knows how many calls and messages SIMs had, and since when they are in use. Days are those of UTC."""

    async def traffic(self, sim: Sim, zones: HotZones, first: date, last: date) -> SimTraffic:
        """What is counted of a SIM."""

    async def traffic_of_its_like(
        self,
        sim: Sim,
        zones: HotZones,
        which: tuple[Collection[TrafficKind], Collection[Direction]],
        first: date,
        last: date,
    ) -> list[int]:
        """Counts of days with the zones, of SIMs of the same account and model of device."""

    async def hotzones(self, account_id: str, names: Collection[str]) -> Mapping[str, Sequence[str]]:
        """What is in the account's lists of these names; those that there are not are missing."""

    async def device_dates(self, sim: Sim) -> DeviceDates:
        """When a SIM came into devices."""


async def is_reported(history: TrafficHistory, sim: Sim, traffic: SimTraffic) -> bool:
    """Whether anything reports calls or messages of a SIM: there were some, or a gateway shows its card."""
    return traffic.first_day is not None or (await history.shown(sim)).slot is not None
