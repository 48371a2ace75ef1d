"""What APIs about a SIM's calls and messages have in common."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from simwarden.domain.hotzone import HotZones, InvalidZone, parse_zones
from simwarden.engine.hotzones import TrafficHistory
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.ports import NetworkView

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from simwarden.domain.hotzone import SimTraffic
    from simwarden.domain.sim import Sim

LIST = "list:"


@runtime_checkable
class TrafficView(NetworkView, TrafficHistory, Protocol):
    """Knows how many calls and messages SIMs had, and accounts' lists of hotzones."""

    async def hotzones(self, account_id: str, names: Collection[str]) -> Mapping[str, Sequence[str]]:
        """What is in the account's lists of these names; those that there are not are missing."""


def lists_in(texts: Collection[str]) -> set[str]:
    """The names of lists among what a request gives as hotzones."""
    return {text.removeprefix(LIST) for text in texts if text.startswith(LIST)}


async def zones_of(view: TrafficView, account_id: str, texts: Collection[str], name: str) -> HotZones:
    """What a request gives as hotzones, by its property `name`. Raises InvalidArgument for what there is not."""
    wanted = lists_in(texts)
    found = await view.hotzones(account_id, wanted) if wanted else {}
    if missing := sorted(wanted - found.keys()):
        raise InvalidArgument(f"{name}: there is no list {missing[0]}")
    own = [text for text in texts if not text.startswith(LIST)]
    try:
        return parse_zones([*own, *chain.from_iterable(found.values())])
    except InvalidZone as error:
        raise InvalidArgument(f"{name}: {error.message}") from error


async def is_reported(view: NetworkView, sim: Sim, traffic: SimTraffic) -> bool:
    """Whether anything reports calls or messages of a SIM: there were some, or a gateway shows its card."""
    return traffic.first_day is not None or (await view.shown(sim)).slot is not None
