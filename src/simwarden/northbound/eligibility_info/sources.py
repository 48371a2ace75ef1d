"""What has to be known of a SIM before a scope is of any use with it.

A document names it with the scope (`needs` in `x-simwarden-scopes`). Without it the API itself would answer that it
does not know (422), now.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from simwarden.domain.hotzone import HotZones
from simwarden.northbound.kernel.numbers import NumberHistory
from simwarden.northbound.kernel.ports import NetworkView
from simwarden.northbound.kernel.traffic import TrafficView, is_reported

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Services


async def _place(services: Services, sim: Sim) -> bool:
    return services.places is not None and await services.places.place(sim) is not None


async def _network(services: Services, sim: Sim) -> bool:
    if not isinstance(services.sims, NetworkView):
        return False
    shown = await services.sims.shown(sim)
    return shown.slot is not None or shown.session is not None


async def _device(_services: Services, sim: Sim) -> bool:
    return sim.seen is not None and sim.seen.imei is not None


async def _number_history(services: Services, sim: Sim) -> bool:
    return isinstance(services.sims, NumberHistory) and await services.sims.assignment(sim) is not None


async def _traffic(services: Services, sim: Sim) -> bool:
    if not isinstance(services.sims, TrafficView):
        return False
    today = services.edge.clock().date()
    return await is_reported(services.sims, sim, await services.sims.traffic(sim, HotZones(), today, today))


SOURCES: Mapping[str, Callable[[Services, Sim], Awaitable[bool]]] = MappingProxyType(
    {
        "place": _place,
        "network": _network,
        "device": _device,
        "number-history": _number_history,
        "traffic": _traffic,
    }
)
"""By what a document calls it."""
MISSING: Mapping[str, str] = MappingProxyType(
    {
        "place": "It is not known where this subscription is",
        "network": "No network element shows this subscription",
        "device": "It is not known in which device this subscription is",
        "number-history": "It is not recorded since when this subscription has its phone number",
        "traffic": "No source reports calls or messages of this subscription",
    }
)
"""What is told where it is not known."""
