"""Named areas: list, add, show, try, change, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.domain import rules
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.rules.area import RedrawArea
from simwarden.engine import mentions
from simwarden.management import area_forms
from simwarden.management.house import House, read
from simwarden.management.query import Bucket, Query, Text
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import areas as store
from simwarden.store.sims_by_imsi import of_imsis

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.domain.area import Area

Place = tuple[Text, Text]
"""Name and id of the last area of a page."""
SimOfArea = tuple[Bucket, Text]
"""Bucket and IMSI of the last SIM of a page."""


class AreaRoutes:
    """The operations under `/areas`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._create = Decoder(area_forms.CreateArea)
        self._change = Decoder(area_forms.ChangeArea)
        self._try = Decoder(area_forms.TryArea)

    async def page(self, request: Request) -> Answer:
        """listAreas, by name."""
        query = Query(request.query, ("account",), "areas")
        account_id = await self._house.account_id(query.text("account"))
        found = await self._house.areas.page(account_id, query.cursor(Place) or ("", ""), query.limit + 1)
        shown = found[: query.limit]
        names = await self._names(each.shape for each in shown)
        answer: dict[str, object] = {"areas": [area_forms.named_area(each, names) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next((shown[-1].name, shown[-1].id))
        return Answer(200, answer)

    async def create(self, request: Request) -> Answer:
        """createArea."""
        wanted: area_forms.CreateArea = read(self._create, request)
        account = await self._house.account(wanted.account)
        shape = wanted.shape.parsed(await self._house.gateways.ids(wanted.shape.names))
        made = await self._house.areas.add(account.id, wanted.name, shape)
        location = [(b"location", f"/manage/v1/areas/{made.id}".encode())]
        return Answer(201, area_forms.named_area(made, await self._names([made.shape])), location)

    async def show(self, request: Request) -> Answer:
        """getArea."""
        found = await self._house.areas.get(request.parameter)
        return Answer(200, area_forms.named_area(found, await self._names([found.shape])))

    async def change(self, request: Request) -> Answer:
        """changeArea: all SIMs that are limited to it follow, in the background."""
        wanted: area_forms.ChangeArea = read(self._change, request)
        if wanted.name is None and wanted.shape is None:
            raise InvalidArgument("name or shape must be specified")
        shape = (
            None if wanted.shape is None else wanted.shape.parsed(await self._house.gateways.ids(wanted.shape.names))
        )
        found = await self._house.areas.get(request.parameter)
        made = await self._house.areas.change(found.id, name=wanted.name, shape=shape)
        return Answer(200, area_forms.named_area(made, await self._names([made.shape])))

    async def delete(self, request: Request) -> Answer:
        """deleteArea: refused while SIMs are limited to it, or its account's binds fall back on it."""
        found = await self._house.areas.get(request.parameter)
        await self._house.areas.delete(found.id)
        return Answer(204)

    async def dry_run(self, request: Request) -> Answer:
        """tryArea: SIMs that are limited to it, and what another shape would do to each. Nothing changes."""
        query = Query(request.query, (), "area-trials")
        wanted: area_forms.TryArea = read(self._try, request)
        shape = (
            None if wanted.shape is None else wanted.shape.parsed(await self._house.gateways.ids(wanted.shape.names))
        )
        area = await self._house.areas.get(request.parameter)
        imsis = await store.sims_page(self._house.db, area, query.cursor(SimOfArea) or (-1, ""), query.limit + 1)
        shown = imsis[: query.limit]
        sims = await of_imsis(self._house.db, shown)
        names = await self._house.gateways.names(mentions.in_sims(sims.values()))
        now = self._house.clock()
        cause = self._house.cause(request, "area-trial")
        rows = []
        for sim in (sims[imsi] for imsi in shown if imsi in sims):
            after = None
            if shape is not None and sim.area is not None:
                redraw = RedrawArea(area.id, area.name, sim.area.version + 1, shape)
                after = rules.decide(sim, redraw, now, cause).sim
            rows.append(area_forms.sim_of_area(sim, after, names))
        answer: dict[str, object] = {"sims": rows}
        if len(imsis) > len(shown):
            answer["nextCursor"] = query.next((bucket_of(shown[-1]), shown[-1]))
        return Answer(200, answer)

    async def _names(self, shapes: Iterable[Area]) -> dict[int, str]:
        return await self._house.gateways.names(mentions.in_areas(shapes))
