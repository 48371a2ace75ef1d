"""What has to be known of a SIM before a scope is of any use with it.

A document names it with the scope (`needs` in `x-simwarden-scopes`). Without it the API itself would answer that it
does not know (422), now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

from simwarden.accounts.scopes import said
from simwarden.domain.hotzone import HotZones
from simwarden.northbound.kernel.ports import NetworkView
from simwarden.northbound.kernel.traffic import TrafficView, is_reported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.domain.numbers import Assignment
    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Services


Source = Callable[["Sim", "Assignment | None"], Awaitable[bool]]
"""Whether what has to be known of a SIM is. Where `NUMBER_HISTORY` is needed, the assignment was found with the SIM."""
NUMBER_HISTORY = "number-history"
"""What a document calls it."""


async def _nothing(_sim: Sim, _assignment: Assignment | None) -> bool:
    return False


def _place(services: Services) -> Source:
    places = services.places

    async def known(sim: Sim, _assignment: Assignment | None) -> bool:
        return places is not None and await places.place(sim) is not None

    return known


def _network(services: Services) -> Source:
    sims = services.sims
    if not isinstance(sims, NetworkView):
        return _nothing

    async def known(sim: Sim, _assignment: Assignment | None) -> bool:
        shown = await sims.shown(sim)
        return shown.slot is not None or shown.session is not None

    return known


def _device(_services: Services) -> Source:
    async def known(sim: Sim, _assignment: Assignment | None) -> bool:
        return sim.seen is not None and sim.seen.imei is not None

    return known


def _number_history(_services: Services) -> Source:
    async def known(_sim: Sim, assignment: Assignment | None) -> bool:
        return assignment is not None

    return known


def _traffic(services: Services) -> Source:
    sims, clock = services.sims, services.edge.clock
    if not isinstance(sims, TrafficView):
        return _nothing

    async def known(sim: Sim, _assignment: Assignment | None) -> bool:
        today = clock().date()
        return await is_reported(sims, sim, await sims.traffic(sim, HotZones(), today, today))

    return known


NEEDS = said("needs")
"""Scope to what has to be known of a SIM, as the documents say."""
SOURCES: Mapping[str, Callable[[Services], Source]] = MappingProxyType(
    {
        "place": _place,
        "network": _network,
        "device": _device,
        NUMBER_HISTORY: _number_history,
        "traffic": _traffic,
    }
)
"""By what a document calls it."""
MISSING: Mapping[str, str] = MappingProxyType(
    {
        "place": "It is not known where this subscription is",
        "network": "No network element shows this subscription",
        "device": "It is not known in which device this subscription is",
        NUMBER_HISTORY: "It is not recorded since when this subscription has its phone number",
        "traffic": "No source reports calls or messages of this subscription",
    }
)
"""What is told where it is not known."""
