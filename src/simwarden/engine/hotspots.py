"""Hotzones on the map: sites of gateways, and hexagons with cells of the mobile network, where more SIMs show signs of
fraud than chance explains.

One worker at a time looks. What it reads grows with the signs, gateways and cells that there are, not with the SIMs:
how many are in a hexagon is asked only where enough of them showed a sign.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from simwarden.domain.hotspot import COMPARED, FEWEST, Counted, Window, count, follow, usual_rate
from simwarden.kit.clock import now_utc
from simwarden.kit.worker import SoleWorker
from simwarden.store import fleet
from simwarden.store import hotspots as store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simwarden.store.database import Database
    from simwarden.store.hotspots import HeldSite
    from simwarden.store.leases import Leases

EVERY = 60.0
"""Seconds between two looks."""
_PRUNE_EVERY = timedelta(hours=1)
_PRUNED = 1_000
USUAL_FOR = timedelta(hours=1)
"""So long it is taken for granted what was usual in the days before: to read that is the most of a look."""
Usual = dict[Window | None, tuple[datetime, int]]
"""When it was read, and how many SIMs showed a sign. None: in how many hexagons there are cells."""


class Hotspots(SoleWorker):
    """`leases` has a single share."""

    worker_name = "hotspots"

    def __init__(self, db: Database, leases: Leases, *, clock: Callable[[], datetime] = now_utc) -> None:
        super().__init__(leases)
        self._db = db
        self._clock = clock
        self._pruned: datetime | None = None
        self._usual: Usual = {}

    async def look(self) -> float:
        """One look at all sites; returns the seconds until the next."""
        now = self._clock()
        await look(self._db, now, self._usual)
        if self._pruned is None or now - self._pruned > _PRUNE_EVERY:
            await store.prune(self._db, now, _PRUNED)
            self._pruned = now
        return EVERY


async def look(db: Database, now: datetime, kept: Usual | None = None) -> None:
    """Compare what was seen at each site in the last hour and day with what is usual, and remember what is hot.

    `kept`: what was usual at the last looks; it is read anew after USUAL_FOR.
    """
    usual_of = {} if kept is None else kept
    sites, known = await store.sites(db), await store.open_ones(db)
    hexagons = _fresh(usual_of, None, now)
    if hexagons is None:
        hexagons = await store.hexagons(db)
        usual_of[None] = now, hexagons
    if not sites and not known and not hexagons:
        return
    there = await store.cards(db, [id_ for site in sites.values() for id_ in site.gateways])
    sims = sum(each.count for each in (await fleet.read(db)).sims)
    for window in Window:
        seen = await _counted(db, sites, there, window, now, sims, usual_of)
        occupied = hexagons + sum(seen[place].sims > 0 for place in sites)
        for place in sorted(seen.keys() | {place for place, kept in known if kept is window}):
            before = known.get((place, window))
            after = follow(before, place, window, seen.get(place, Counted(0, 0, 0.0, 1.0)), occupied, now)
            if after is not None and after != before:
                await store.save(db, after)


async def _counted(
    db: Database,
    sites: Mapping[str, HeldSite],
    there: Mapping[int, int],
    window: Window,
    now: datetime,
    sims: int,
    kept: Usual,
) -> dict[str, Counted]:
    """What is seen at each site in the window that ends now."""
    begin = now - window.value
    signs = await store.signs(db, begin, now)
    usual = _fresh(kept, window, now)
    if usual is None:
        usual = await store.sims_with_sign(db, begin - COMPARED, begin, window.hours)
        kept[window] = now, usual
    rate = usual_rate(usual, max(sims, sum(there.values())), window)
    found = {}
    for place, site in sites.items():
        with_sign = len({sign.imsi for sign in signs if sign.gateway_id in site.gateways})
        found[place] = count(sum(there.get(id_, 0) for id_ in site.gateways), with_sign, rate)
    shown: dict[str, set[str]] = {}
    for sign in signs:
        if sign.hexagon is not None:
            shown.setdefault(sign.hexagon, set()).add(sign.imsi)
    many = {hexagon for hexagon, imsis in shown.items() if len(imsis) >= FEWEST}
    for hexagon, n in (await store.seen_in(db, many, begin)).items():
        found[hexagon] = count(n, len(shown[hexagon]), rate)
    return found


def _fresh(kept: Usual, what: Window | None, now: datetime) -> int | None:
    """What was read less than USUAL_FOR ago."""
    read_at, value = kept.get(what, (None, 0))
    return value if read_at is not None and timedelta(0) <= now - read_at < USUAL_FOR else None
