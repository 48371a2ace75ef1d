"""Gateways: list, create, show, give a new report URL, delete."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from msgspec.json import Decoder

from simwarden.domain.errors import GatewayNotFound
from simwarden.engine.operations import NotReady
from simwarden.management import schemas, views
from simwarden.management.house import House, answered, read
from simwarden.management.query import Query, Text
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import listing


class GatewayRoutes:
    """The operations under `/gateways`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._create = Decoder(schemas.CreateGateway)

    @answered
    async def page(self, request: Request) -> Answer:
        """listGateways."""
        query = Query(request.query, (), "gateways")
        found = await listing.gateways(self._house.db, after=query.cursor(Text) or "", limit=query.limit + 1)
        shown = found[: query.limit]
        now = self._house.clock()
        answer: dict[str, object] = {"gateways": [views.gateway(row, now) for row in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1]["name"])
        return Answer(200, answer)

    @answered
    async def create(self, request: Request) -> Answer:
        """createGateway: the report URL is shown this once."""
        wanted: schemas.CreateGateway = read(self._create, request)
        if wanted.command_url is not None and not _is_url(wanted.command_url):
            raise InvalidArgument("commandUrl must be http://HOST[:PORT] or https://HOST[:PORT]")
        _, token = await self._house.gateways.add(
            wanted.name,
            command_url=wanted.command_url,
            username=wanted.username,
            password=wanted.password,
            report_interval=wanted.report_interval,
        )
        location = [(b"location", f"/manage/v1/gateways/{wanted.name}".encode()), _NOT_KEPT]
        return Answer(201, self._url(wanted.name, token), location)

    @answered
    async def show(self, request: Request) -> Answer:
        """getGateway, with its slots as last reported."""
        row = await self._row(request.parameter)
        ports = [views.port(port) for port in await self._house.gateways.ports(row["id"])]
        return Answer(200, {**views.gateway(row, self._house.clock()), "ports": ports})

    @answered
    async def renew(self, request: Request) -> Answer:
        """renewGatewayToken: the old report URL stops working, the new one is shown this once."""
        token = await self._house.gateways.renew_token(_name(request))
        return Answer(200, self._url(request.parameter, token), [_NOT_KEPT])

    @answered
    async def delete(self, request: Request) -> Answer:
        """deleteGateway: refused while a lock of ours stands or is on its way there."""
        row = await self._row(request.parameter)
        if not await listing.delete_gateway(self._house.db, row["id"]):
            raise NotReady("A slot of this gateway is locked by Simwarden, or about to be locked or opened")
        return Answer(204)

    async def _row(self, name: str) -> dict[str, Any]:
        row = await listing.gateway(self._house.db, name) if "\x00" not in name else None
        if row is None:
            raise GatewayNotFound(f"No gateway is named {name[:64]!r}")
        return row

    def _url(self, name: str, token: str) -> dict[str, str]:
        return {"name": name, "reportUrl": f"{self._house.base_url}/southbound/ejoin/{token}"}


def _is_url(text: str) -> bool:
    """Whether it names a host, and a port if any. What stands behind them is the gateway's business."""
    try:
        url = urlsplit(text)
        return bool(url.hostname) and url.port != 0
    except ValueError:
        return False


_NOT_KEPT = (b"cache-control", b"no-store")


def _name(request: Request) -> str:
    if "\x00" in request.parameter:
        raise GatewayNotFound
    return request.parameter
