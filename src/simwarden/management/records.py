"""Messages, calls and counters of SIMs, of accounts and of gateways."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from simwarden.domain.errors import InvalidIdentifier, SimNotFound
from simwarden.domain.identifiers import parse_imsi
from simwarden.domain.records import Behind, OfAccount, OfGateway, OfSim, RecordQuery, behind
from simwarden.management import record_views
from simwarden.management.query import Bucket, Number, Query, Text, Time
from simwarden.management.roles import may_reveal
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument, PermissionDenied
from simwarden.store import counters
from simwarden.store.record_lists import RecordLists

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.domain.counters import CounterDay
    from simwarden.domain.records import StoredRecord
    from simwarden.domain.sim import Sim
    from simwarden.management.house import House

_FILTERS = ("sim", "account", "gateway", "direction", "from", "to", "otherParty", "unknown", "reveal")
_SCOPES = ("sim", "account", "gateway")
_DIRECTIONS = ("inbound", "outbound")
_KINDS = (*_DIRECTIONS, "report", "task")
_EVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_EVER_DAYS = date(1970, 1, 1), date(9999, 1, 1)
_NO_STORE = [(b"cache-control", b"no-store")]
SimPlace = tuple[date, Number]
AccountPlace = tuple[date, Bucket, Text, Number]
"""Where a page of counters ended."""
Place = tuple[Time, Bucket, Number, Text]


class RecordRoutes:
    """The operations `/sms`, `/calls` and `/counters`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lists = RecordLists(house.db, house.vault)

    async def messages(self, request: Request) -> Answer:
        """listMessages: the newest first."""
        query = Query(request.query, _FILTERS, "sms")
        reveal = reveals(request, query)
        wanted = await self._wanted(query, _KINDS)
        found = await self._lists.messages(wanted)
        names = await self._house.gateways.names(_gateways(found[: query.limit]))
        rows = [record_views.message(row, names, reveal=reveal) for row in found[: query.limit]]
        return _page("messages", rows, query, found)

    async def calls(self, request: Request) -> Answer:
        """listCalls: the newest first."""
        query = Query(request.query, _FILTERS, "calls")
        reveal = reveals(request, query)
        wanted = await self._wanted(query, _DIRECTIONS)
        found = await self._lists.calls(wanted)
        names = await self._house.gateways.names(_gateways(found[: query.limit]))
        rows = [record_views.call(row, names, reveal=reveal) for row in found[: query.limit]]
        return _page("calls", rows, query, found)

    async def counted(self, request: Request) -> Answer:
        """listCounters: the newest day first; of a SIM also what gateways showed last."""
        query = Query(request.query, ("sim", "account", "from", "to"), "counters")
        name, account = query.text("sim", 320), query.text("account")
        if (name is None) == (account is None):
            raise InvalidArgument("Give one of sim and account")
        first, last = query.day("from") or _EVER_DAYS[0], query.day("to") or _EVER_DAYS[1]
        if name is not None:
            return await self._counters_of_sim(await self._house.sim(name), query, first, last)
        account_id = (await self._house.account(str(account))).id
        after = query.cursor(AccountPlace)
        rows = await counters.of_account(self._house.db, account_id, first, last, before=after, limit=query.limit + 1)
        answer = await self._days(rows[: query.limit])
        if len(rows) > query.limit:
            end = rows[query.limit - 1]
            answer["nextCursor"] = query.next((end.day, end.bucket, end.imsi, end.element_id))
        return Answer(200, answer)

    async def _counters_of_sim(self, sim: Sim, query: Query, first: date, last: date) -> Answer:
        rows = await counters.of_sim(
            self._house.db, sim.imsi, sim.account_id, first, last, before=query.cursor(SimPlace), limit=query.limit + 1
        )
        answer = await self._days(rows[: query.limit])
        shown = await counters.shown_last(self._house.db, sim)
        names = await self._house.gateways.names(each.element_id for each in shown)
        answer["current"] = [record_views.last_reading(each, names) for each in shown]
        if len(rows) > query.limit:
            end = rows[query.limit - 1]
            answer["nextCursor"] = query.next((end.day, end.element_id))
        return Answer(200, answer)

    async def _days(self, rows: list[CounterDay]) -> dict[str, Any]:
        names = await self._house.gateways.names(row.element_id for row in rows)
        return {"counters": [record_views.counter_day(row, names) for row in rows]}

    async def _wanted(self, query: Query, directions: tuple[str, ...]) -> RecordQuery:
        """Raises InvalidArgument, AccountNotFound, GatewayNotFound, SimNotFound."""
        of = await self._of(query)
        other = query.text("otherParty")
        if other is not None and not isinstance(of, OfSim):
            raise InvalidArgument("otherParty needs sim: whom two SIMs write to is not compared")
        place = query.cursor(Place)
        return RecordQuery(
            of=of,
            since=query.time("from") or _EVER[0],
            until=query.time("to") or _EVER[1],
            direction=query.choice("direction", directions),
            other_party=other,
            behind=None if place is None else _behind(place),
            limit=query.limit + 1,
        )

    async def _of(self, query: Query) -> OfSim | OfAccount | OfGateway:
        name, account, gateway = (query.text(scope, 320) for scope in _SCOPES)
        unknown = query.choice("unknown", ("true", "false")) == "true"
        if name is None and account is None and gateway is None:
            raise InvalidArgument("Give sim, account or gateway")
        if name is not None and (account is not None or gateway is not None):
            raise InvalidArgument("Give sim alone")
        if unknown and (gateway is None or account is not None):
            raise InvalidArgument("unknown needs gateway, without account")
        if name is not None:
            return OfSim(await self._imsi(name))
        number = await self._house.gateway_id(gateway)
        if account is not None:
            return OfAccount((await self._house.account(account)).id, number)
        assert number is not None
        return OfGateway(number, unknown)

    async def _imsi(self, name: str) -> str:
        """Of a SIM; an IMSI that is nobody's is taken as it is. Raises SimNotFound."""
        try:
            return (await self._house.sim(name)).imsi
        except SimNotFound as error:
            try:
                return parse_imsi(name)
            except InvalidIdentifier:
                raise error from None


def reveals(request: Request, query: Query) -> bool:
    """Texts and numbers in clear are for who may write, on demand. Raises PermissionDenied."""
    reveal = query.choice("reveal", ("true", "false")) == "true"
    if reveal and not may_reveal(request.caller):
        raise PermissionDenied
    return reveal


def _gateways(rows: Iterable[StoredRecord]) -> set[int]:
    return {row.gateway_id for row in rows}


def _behind(place: tuple[datetime, int, int, str]) -> Behind:
    try:
        bytes.fromhex(place[3])
    except ValueError as error:
        raise InvalidArgument("cursor is none that this server made") from error
    return Behind(*place)


def _page(name: str, rows: list[dict[str, Any]], query: Query, found: list[Any]) -> Answer:
    answer: dict[str, Any] = {name: rows}
    if len(found) > query.limit:
        answer["nextCursor"] = query.next(behind(found[query.limit - 1]))
    return Answer(200, answer, _NO_STORE)
