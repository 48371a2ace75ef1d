"""What a question says of its SIM is judged as the reports of ingest are, which two other statements select."""

from __future__ import annotations

import itertools
from datetime import timedelta

from tests.support.fixtures import world, world_database
from tests.support.world import START, World, device, imsi

from simwarden.domain.sim import Sighting
from simwarden.store import admissions, places, sims
from simwarden.store.admissions import ShownSim
from simwarden.store.places import CellReport

__all__ = ["world", "world_database"]
REFRESH = timedelta(minutes=5)
NEVER = timedelta(days=10_000)
HERE, THERE = ("ecgi:46000-1", "tai:46000-1"), ("ecgi:46000-2", "tai:46000-1")
SEEN = [
    (None, None, False),
    *((START, imei, unknown) for imei in (None, device(1)) for unknown in (False, True)),
]
PLACES = [None, (None, None, None), (*HERE, START), (HERE[0], None, START)]
TIMES = [START + minutes * REFRESH for minutes in (-1, 0, 0.5, 1)]
NOWHERE = (None, None)
ASKED = list(itertools.product((None, device(1), device(2)), TIMES[1:], (NOWHERE, HERE, THERE, (HERE[0], None)), TIMES))


async def test_compare_says_what_the_statements_of_ingest_say(world: World) -> None:
    element = (await world.box()).id
    await world.card(*range(len(ASKED)))
    shown = [
        ShownSim(element, imsi(n), imei, at, cell, area, cell_at)
        for n, (imei, at, (cell, area), cell_at) in enumerate(ASKED)
    ]
    met = set()
    for seen, state, upheld, place in itertools.product(SEEN, ("NEUTRAL", "ARMED"), (None, START), PLACES):
        await world.db.execute(
            "update sim set seen_at = $1, seen_imei = $2, seen_unknown = $3, state = $4, upheld_at = $5",
            *(*seen, state, upheld),
        )
        await world.db.execute("delete from sim_place")
        if place is not None:
            await world.db.execute(
                "insert into sim_place (bucket, imsi, cell, cell_area, cell_at)"
                " select bucket, imsi, $1, $2, $3 from sim",
                *place,
            )
        found = await admissions.compare(world.db, REFRESH, shown)
        news, either = await by_ingest(world, shown, NEVER), await by_ingest(world, shown, REFRESH)
        for each in shown:
            one = found[each]
            stored = f"{each} where {seen, state, upheld, place} is stored"
            assert one.news == (each.imsi in news), stored
            assert (one.news or one.aged) == (each.imsi in either), stored
            met.add((one.news, one.aged))
    assert len(met) == 4


async def by_ingest(world: World, shown: list[ShownSim], refresh: timedelta) -> set[str]:
    """IMSIs of SIMs that these say something new of."""
    cells = [
        CellReport(each.imsi, each.cell, each.area, each.cell_at, each.imei, None)
        for each in shown
        if each.cell is not None
    ]
    async with world.db.connection() as connection:
        sightings = [Sighting(imsi=each.imsi, imei=each.imei, at=each.at) for each in shown]
        found, _unknown = await sims.interesting(connection, sightings, refresh)
        return found | {each.imsi for each in await places.new_cells(connection, cells, refresh)}
