"""Named areas: list, add, show, change, delete."""

from __future__ import annotations

from msgspec.json import Decoder

from simwarden.management import area_forms
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument

Place = tuple[Text, Text]
"""Name and id of the last area of a page."""


class AreaRoutes:
    """The operations under `/areas`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._create = Decoder(area_forms.CreateArea)
        self._change = Decoder(area_forms.ChangeArea)

    async def page(self, request: Request) -> Answer:
        """listAreas, by name."""
        query = Query(request.query, ("account",), "areas")
        account_id = await self._house.account_id(query.text("account"))
        found = await self._house.areas.page(account_id, query.cursor(Place) or ("", ""), query.limit + 1)
        shown = found[: query.limit]
        names = await self._house.gateways.names() if shown else {}
        answer: dict[str, object] = {"areas": [area_forms.named_area(each, names) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next((shown[-1].name, shown[-1].id))
        return Answer(200, answer)

    async def create(self, request: Request) -> Answer:
        """createArea."""
        wanted: area_forms.CreateArea = read(self._create, request)
        account = await self._house.account(wanted.account)
        shape = wanted.shape.parsed(await self._house.gateway_ids())
        made = await self._house.areas.add(account.id, wanted.name, shape)
        location = [(b"location", f"/manage/v1/areas/{made.id}".encode())]
        return Answer(201, area_forms.named_area(made, await self._house.gateways.names()), location)

    async def show(self, request: Request) -> Answer:
        """getArea."""
        found = await self._house.areas.get(request.parameter)
        return Answer(200, area_forms.named_area(found, await self._house.gateways.names()))

    async def change(self, request: Request) -> Answer:
        """changeArea: all SIMs that are limited to it follow, in the background."""
        wanted: area_forms.ChangeArea = read(self._change, request)
        if wanted.name is None and wanted.shape is None:
            raise InvalidArgument("name or shape must be specified")
        shape = None if wanted.shape is None else wanted.shape.parsed(await self._house.gateway_ids())
        found = await self._house.areas.get(request.parameter)
        made = await self._house.areas.change(found.id, name=wanted.name, shape=shape)
        return Answer(200, area_forms.named_area(made, await self._house.gateways.names()))

    async def delete(self, request: Request) -> Answer:
        """deleteArea: refused while SIMs are limited to it, or its account's binds fall back on it."""
        found = await self._house.areas.get(request.parameter)
        await self._house.areas.delete(found.id)
        return Answer(204)
