"""Hotzones that were found on the map: list."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simwarden.domain.hexagons import centre_of, index_of
from simwarden.domain.hotspot import position_of
from simwarden.management.query import Query
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.store import hotspots

if TYPE_CHECKING:
    from simwarden.domain.hotspot import Hotspot
    from simwarden.management.house import House
    from simwarden.store.hotspots import HeldSite, Sign

MOST = 1000
"""In an answer."""
ENDED_WITHIN = timedelta(days=1)
"""Those that ended so lately are listed too."""


class HotspotRoutes:
    """The operation under `/hotzones`."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def page(self, request: Request) -> Answer:
        """listDiscoveredHotzones: those that are hot, and those that ended a day ago at most, newest first."""
        Query(request.query, (), "discovered hotzones")
        now = self._house.clock()
        found = await hotspots.recent(self._house.db, now - ENDED_WITHIN, MOST)
        sites = await hotspots.sites(self._house.db) if found else {}
        signs = {
            window: await hotspots.signs(self._house.db, now - window.value, now)
            for window in {each.window for each in found}
        }
        return Answer(200, {"hotzones": [_shown(each, sites.get(each.place), signs[each.window]) for each in found]})


def _shown(spot: Hotspot, site: HeldSite | None, signs: list[Sign]) -> dict[str, Any]:
    hexagon = index_of(spot.place)
    latitude, longitude = position_of(spot.place) if hexagon is None else centre_of(spot.place)
    here = set() if site is None else site.gateways.keys()
    kinds: dict[str, set[str]] = {}
    for sign in signs:
        if sign.gateway_id in here or sign.hexagon == spot.place:
            kinds.setdefault(sign.type, set()).add(sign.imsi)
    times = {"coolingSince": spot.calm_since, "endedAt": spot.ended_at}
    return {
        "latitude": latitude,
        "longitude": longitude,
        **({} if hexagon is None else {"hexagon": hexagon}),
        "gateways": [] if site is None else sorted(site.gateways.values()),
        "windowHours": spot.window.hours,
        "since": spot.since,
        "assessedAt": spot.at,
        "sims": spot.counted.sims,
        "simsWithSign": spot.counted.with_sign,
        "expected": spot.counted.expected,
        "probability": spot.counted.chance,
        "signs": [{"type": kind, "sims": len(imsis)} for kind, imsis in sorted(kinds.items())],
        **{name: at for name, at in times.items() if at is not None},
    }
