"""Where gateways, cells and SIMs are: sites, installation addresses, the history of places."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec.json import Decoder

from simwarden.domain.cell import parse_cell
from simwarden.domain.errors import GatewayNotFound, ResourceNotFound
from simwarden.domain.locating import InvalidSite, checked_site
from simwarden.domain.place import Place, PlaceSource
from simwarden.engine import mentions
from simwarden.engine.provision import BadRow
from simwarden.management import gateway_views, schemas
from simwarden.management.csv_list import CsvList, in_slices
from simwarden.management.house import House, read
from simwarden.management.query import Query, Time
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import listing, places, sites
from simwarden.store.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simwarden.domain.locating import Site
    from simwarden.domain.sim import Sim
    from simwarden.store.places import PastPlace

COLUMNS = ("name", "latitude", "longitude", "radius")
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class CellNotFound(ResourceNotFound):
    """No cell with this key was imported."""


class PlaceRoutes:
    """The operations about places."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._finder = Places(house.db, house.clock)
        self._site = Decoder(schemas.SiteBody)
        self._import = Decoder(schemas.ImportSites)

    async def set_site(self, request: Request) -> Answer:
        """setGatewaySite: the SIMs in it are judged anew behind the commit."""
        wanted: schemas.SiteBody = read(self._site, request)
        name = await self._put(request, wanted.parsed())
        row = await listing.gateway(self._house.db, name)
        if row is None:
            raise GatewayNotFound
        return Answer(200, gateway_views.gateway(row, self._house.clock()))

    async def remove_site(self, request: Request) -> Answer:
        """removeGatewaySite."""
        await self._put(request, None)
        return Answer(204)

    async def import_sites(self, request: Request) -> Answer:
        """importSites: lines that can be taken are, in one transaction; the others are answered."""
        wanted: schemas.ImportSites = read(self._import, request)
        found: dict[str, tuple[int, Site]] = {}
        bad: list[BadRow] = []
        async for row in in_slices(read_sites(wanted.csv)):
            if isinstance(row, BadRow):
                bad.append(row)
            elif row[1] in found:
                bad.append(BadRow(row[0], f"{row[1]} stands in line {found[row[1]][0]} already"))
            else:
                found[row[1]] = row[0], row[2]
        async with self._house.db.transaction() as connection:
            given = {name: site for name, (_, site) in found.items()}
            unknown = await sites.set_sites(connection, given, self._house.clock())
        bad += [BadRow(found[name][0], f"No gateway is named {name[:64]!r}") for name in unknown]
        bad.sort(key=lambda row: row.line)
        return Answer(200, {"set": len(found) - len(unknown), "badRows": bad})

    async def history(self, request: Request) -> Answer:
        """listPlaces."""
        sim = await self._house.sim(request.parameter)
        return await self._history(request, sim)

    async def set_address(self, request: Request) -> Answer:
        """setAddress: the SIM is judged anew behind the commit."""
        wanted: schemas.SiteBody = read(self._site, request)
        sim = await self._house.sim(request.parameter)
        await self._address(sim, wanted.parsed())
        return await self._history(request, sim)

    async def remove_address(self, request: Request) -> Answer:
        """removeAddress."""
        await self._address(await self._house.sim(request.parameter), None)
        return Answer(204)

    async def cell(self, request: Request) -> Answer:
        """getCell."""
        key = parse_cell(request.parameter[:100]).key
        site = await sites.cell(self._house.db, key)
        if site is None:
            raise CellNotFound(f"No cell {key} was imported")
        return Answer(200, {"key": key, "site": site})

    async def _put(self, request: Request, site: Site | None) -> str:
        name = request.parameter.replace("\x00", "")
        async with self._house.db.transaction() as connection:
            if await sites.set_sites(connection, {name: site}, self._house.clock()):
                raise GatewayNotFound(f"No gateway is named {name[:64]!r}")
        return name

    async def _address(self, sim: Sim, site: Site | None) -> None:
        async with self._house.db.transaction() as connection:
            await places.set_address(connection, sim, site)
            await sites.review(connection, sim, self._house.clock())

    async def _history(self, request: Request, sim: Sim) -> Answer:
        query = Query(request.query, (), f"places of {sim.imsi}")
        before = query.cursor(Time) or _NEVER
        found = await places.history(self._house.db, sim, before=before, limit=query.limit + 1)
        shown = found[: query.limit]
        now, address = await self._finder.place(sim), await places.address(self._house.db, sim)
        told: list[Place | PastPlace] = [*shown, *([] if now is None else [now])]
        named = (number for each in told for number in mentions.in_place(str(each.source), each.ref))
        names = await self._house.gateways.names(named)
        answer: dict[str, Any] = {"places": [_view(each, names) for each in shown]}
        if now is not None:
            answer["now"] = _view(now, names)
        if address is not None:
            answer["address"] = address
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1].at)
        return Answer(200, answer)


def _view(place: Place | PastPlace, names: Mapping[int, str]) -> dict[str, Any]:
    shown = {
        "latitude": place.latitude,
        "longitude": place.longitude,
        "radius": place.radius,
        "source": str(place.source),
        "gateway": names.get(int(place.ref)) if place.source is PlaceSource.SITE else None,
        "cell": place.ref if place.source is PlaceSource.CELL else None,
        "at": place.at,
    }
    return {name: value for name, value in shown.items() if value is not None}


def read_sites(text: str) -> Iterator[tuple[int, str, Site] | BadRow]:
    """The sites of a CSV list, each with its line and the name of its gateway. Raises InvalidArgument."""
    listed = CsvList(text)
    header = [name.lower() for name in listed.header]
    if sorted(header) != sorted(COLUMNS):
        raise InvalidArgument(
            f"The first line of csv must name the columns {','.join(COLUMNS)}; it is {','.join(header)[:200]!r}"
        )
    for line, row in listed:
        yield _line(line, header, row)


def _line(line: int, header: list[str], row: list[str]) -> tuple[int, str, Site] | BadRow:
    if len(row) != len(header):
        return BadRow(line, f"{len(row)} values for {len(header)} columns")
    values = dict(zip(header, row, strict=True))
    if not values["name"] or "\x00" in values["name"]:
        return BadRow(line, "name: a gateway must be named")
    try:
        site = checked_site(*(_number(name, values[name]) for name in COLUMNS[1:]))
    except InvalidSite as error:
        return BadRow(line, error.message)
    return line, values["name"], site


def _number(name: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise InvalidSite(f"{name}: a number is needed, not {text[:40]!r}")
    return found
