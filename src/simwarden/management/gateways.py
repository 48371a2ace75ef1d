"""Gateways: list, create, show, change, give a new report URL, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.domain.addresses import parse_network
from simwarden.domain.errors import GatewayNotFound, InvalidIdentifier
from simwarden.engine import gateways
from simwarden.engine.ports import ElementRules, Registration
from simwarden.management import gateway_views, schemas
from simwarden.management.house import House, read
from simwarden.management.query import Query, RowId, Text
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import doubts, listing, ports
from simwarden.store.gateways import GatewayChange
from simwarden.store.service import set_service

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class GatewayRoutes:
    """The operations under `/gateways`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._create = Decoder(schemas.CreateGateway)
        self._change = Decoder(schemas.ChangeGateway)

    async def page(self, request: Request) -> Answer:
        """listGateways."""
        query = Query(request.query, (), "gateways")
        found = await listing.gateways(self._house.db, after=query.cursor(Text) or "", limit=query.limit + 1)
        shown = found[: query.limit]
        now = self._house.clock()
        answer: dict[str, object] = {"gateways": [gateway_views.gateway(row, now) for row in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1]["name"])
        return Answer(200, answer)

    async def create(self, request: Request) -> Answer:
        """createGateway: the report URL is shown this once."""
        wanted: schemas.CreateGateway = read(self._create, request)
        networks = _networks(wanted.source_addresses)
        rules = self._rules(wanted.kind)
        _check(
            rules,
            Registration(
                command_url=wanted.command_url, has_password=wanted.password is not None, source_addresses=networks
            ),
        )
        _, token = await self._house.gateways.add(
            wanted.name,
            kind=wanted.kind,
            command_url=wanted.command_url,
            username=wanted.username,
            password=wanted.password,
            report_interval=wanted.report_interval,
            account_id=await self._house.account_id(wanted.account),
            source_addresses=networks,
        )
        location = [(b"location", f"/manage/v1/gateways/{wanted.name}".encode()), _NOT_KEPT]
        answer = self._url(wanted.name, token) if rules.reports_to_url else {"name": wanted.name}
        return Answer(201, answer, location)

    async def show(self, request: Request) -> Answer:
        """getGateway, with its slots as last reported."""
        row = await self._row(request.parameter)
        slots = [gateway_views.port(port) for port in await ports.of_gateway(self._house.db, row["id"])]
        return Answer(200, {**gateway_views.gateway(row, self._house.clock()), "ports": slots})

    async def renew(self, request: Request) -> Answer:
        """renewGatewayToken: the old report URL stops working, the new one is shown this once."""
        row = await self._row(request.parameter)
        if not self._rules(row["kind"]).reports_to_url:
            raise InvalidArgument(f"Network elements of kind {row['kind']} do not report to a URL")
        token = await self._house.gateways.renew_token(_name(request))
        return Answer(200, self._url(request.parameter, token), [_NOT_KEPT])

    async def out_of_service(self, request: Request) -> Answer:
        """takeGatewayOut: it is sent no commands; what is due there waits."""
        return await self._set_service(request, self._house.clock())

    async def in_service(self, request: Request) -> Answer:
        """putGatewayIn: what waited is commanded at once."""
        return await self._set_service(request, None)

    async def _set_service(self, request: Request, out_since: datetime | None) -> Answer:
        name = _name(request)
        await set_service(self._house.db, name, out_since, self._house.clock())
        return Answer(200, gateway_views.gateway(await self._row(name), self._house.clock()))

    async def change(self, request: Request) -> Answer:
        """changeGateway: what is given is set, null removes; what waits for the gateway is tried at once."""
        wanted: schemas.ChangeGateway = read(self._change, request)
        row = await self._row(_name(request))
        networks = UNSET if wanted.source_addresses is UNSET else _networks(wanted.source_addresses or ())
        _check(
            self._rules(row["kind"]),
            Registration(
                command_url=row["command_url"] if wanted.command_url is UNSET else wanted.command_url,
                has_password=row["has_password"] if wanted.password is UNSET else wanted.password is not None,
                source_addresses=tuple(row["source_addresses"]) if networks is UNSET else networks,
            ),
        )
        given = {
            name: getattr(wanted, name) for name in ("name", "command_url", "username", "password", "report_interval")
        }
        change = GatewayChange(
            **given,
            account_id=UNSET if wanted.account is UNSET else await self._house.account_id(wanted.account),
            source_addresses=networks,
        )
        await self._house.gateways.update(_name(request), change, self._house.clock())
        name = wanted.name if isinstance(wanted.name, str) else request.parameter
        return Answer(200, gateway_views.gateway(await self._row(name), self._house.clock()))

    async def delete(self, request: Request) -> Answer:
        """deleteGateway: refused while a lock of ours stands or is on its way there, unless forced."""
        force = Query(request.query, ("force",), "gateway").choice("force", ("true", "false")) == "true"
        cause = self._house.cause(request, "delete gateway by force" if force else "delete gateway")
        left, outcome = await gateways.remove(
            self._house.db, _name(request), cause, force=force, clock=self._house.clock
        )
        self._house.committed(outcome)
        return Answer(200, {"locksLeft": [gateway_views.held_lock(lock) for lock in left]}) if force else Answer(204)

    async def doubts(self, request: Request) -> Answer:
        """listGatewayDoubts, newest first."""
        row = await self._row(request.parameter)
        return await self._doubts(Query(request.query, (), f"doubts of {row['id']}"), row["name"])

    async def _doubts(self, query: Query, name: str | None) -> Answer:
        found = await doubts.page(self._house.db, name, before=query.cursor(RowId), limit=query.limit + 1)
        shown = found[: query.limit]
        answer: dict[str, object] = {"doubts": [gateway_views.doubt(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1]["id"])
        return Answer(200, answer)

    def _rules(self, kind: str) -> ElementRules:
        rules = self._house.kinds.get(kind)
        if rules is None:
            raise InvalidArgument(f"kind: this server knows {', '.join(sorted(self._house.kinds))}")
        return rules

    async def rejects(self, request: Request) -> Answer:
        """listRejects: of one gateway or all, newest first."""
        query = Query(request.query, ("gateway",), "rejects")
        name = query.text("gateway")
        await self._house.gateway_id(name)
        found = await self._house.gateways.rejects(name, query.limit + 1, before=query.cursor(RowId))
        shown = found[: query.limit]
        answer: dict[str, object] = {"rejects": [gateway_views.reject(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1]["id"])
        return Answer(200, answer)

    async def all_doubts(self, request: Request) -> Answer:
        """listDoubts: of one gateway or all, newest first."""
        query = Query(request.query, ("gateway",), "doubts")
        name = query.text("gateway")
        await self._house.gateway_id(name)
        return await self._doubts(query, name)

    async def _row(self, name: str) -> dict[str, Any]:
        row = await listing.gateway(self._house.db, name) if "\x00" not in name else None
        if row is None:
            raise GatewayNotFound(f"No gateway is named {name[:64]!r}")
        return row

    def _url(self, name: str, token: str) -> dict[str, str]:
        return {"name": name, "reportUrl": f"{self._house.base_url}/southbound/ejoin/{token}"}


def _networks(texts: Iterable[str]) -> tuple[str, ...]:
    try:
        return tuple(parse_network(text) for text in texts)
    except InvalidIdentifier as error:
        raise InvalidArgument(f"sourceAddresses: {error.message}") from error


def _check(rules: ElementRules, wanted: Registration) -> None:
    try:
        rules.check(wanted)
    except ValueError as error:
        raise InvalidArgument(str(error)) from error


_NOT_KEPT = (b"cache-control", b"no-store")


def _name(request: Request) -> str:
    if "\x00" in request.parameter:
        raise GatewayNotFound
    return request.parameter
