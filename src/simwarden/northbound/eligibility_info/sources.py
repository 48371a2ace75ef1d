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
from simwarden.domain.numbers import of_sim
from simwarden.northbound.kernel.numbers import NumberHistory
from simwarden.northbound.kernel.ports import NetworkView
from simwarden.northbound.kernel.traffic import TrafficView, is_reported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Services


Known = Callable[["Sim"], Awaitable[bool]]
"""Whether what has to be known of a SIM is."""
Source = Callable[[str, str], Known]
"""Begins to look, by account and phone number, before the SIM is found."""


async def _nothing(_sim: Sim) -> bool:
    return False


def _later(known: Known) -> Source:
    """Looks when the SIM is found."""
    return lambda _account_id, _number: known


def _place(services: Services) -> Source:
    places = services.places

    async def known(sim: Sim) -> bool:
        return places is not None and await places.place(sim) is not None

    return _later(known)


def _network(services: Services) -> Source:
    sims = services.sims
    if not isinstance(sims, NetworkView):
        return _later(_nothing)

    async def known(sim: Sim) -> bool:
        shown = await sims.shown(sim)
        return shown.slot is not None or shown.session is not None

    return _later(known)


def _device(_services: Services) -> Source:
    async def known(sim: Sim) -> bool:
        return sim.seen is not None and sim.seen.imei is not None

    return _later(known)


def _number_history(services: Services) -> Source:
    sims = services.sims
    if not isinstance(sims, NumberHistory):
        return _later(_nothing)

    def look_up(account_id: str, number: str) -> Known:
        assignment = sims.assignment(account_id, number)

        async def known(sim: Sim) -> bool:
            return of_sim(await assignment, sim.imsi) is not None

        return known

    return look_up


def _traffic(services: Services) -> Source:
    sims, clock = services.sims, services.edge.clock
    if not isinstance(sims, TrafficView):
        return _later(_nothing)

    async def known(sim: Sim) -> bool:
        today = clock().date()
        return await is_reported(sims, sim, await sims.traffic(sim, HotZones(), today, today))

    return _later(known)


NEEDS = said("needs")
"""Scope to what has to be known of a SIM, as the documents say."""
SOURCES: Mapping[str, Callable[[Services], Source]] = MappingProxyType(
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
