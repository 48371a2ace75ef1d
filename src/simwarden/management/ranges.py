"""Number ranges of accounts: list, add, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.domain.numbering import NumberRange, parse_range
from simwarden.management import schemas, views
from simwarden.management.house import House, read
from simwarden.management.query import Query
from simwarden.management.reach import reach
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument, PermissionDenied
from simwarden.store import ranges

if TYPE_CHECKING:
    from simwarden.store.accounts import Account


class RangeRoutes:
    """The operations under `/accounts/{accountId}/ranges`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._add = Decoder(schemas.AddRange)

    async def page(self, request: Request) -> Answer:
        """listRanges."""
        account = await self._account(request)
        found = await ranges.of_account(self._house.db, account.id)
        return Answer(200, {"account": account.id, "ranges": [views.number_range(each) for each in found]})

    async def add(self, request: Request) -> Answer:
        """addRange: from a range of an account above it is cut out; refused when it overlaps another account's."""
        wanted: schemas.AddRange = read(self._add, request)
        account = await self._account(request)
        own = reach()
        if own is not None and own.own == account.id:
            raise PermissionDenied("The ranges of a reseller's own account are given by the operator")
        within = None if own is None else own.accounts
        added = await ranges.add(self._house.db, account.id, parse_range(wanted.kind, wanted.range), within=within)
        return Answer(201, views.number_range(added))

    async def remove(self, request: Request) -> Answer:
        """removeRange: the SIMs that are registered in it stay."""
        account = await self._account(request)
        await ranges.remove(self._house.db, account.id, _named(request.query))
        return Answer(204)

    async def _account(self, request: Request) -> Account:
        return await self._house.account(request.parameter)


def _named(query: str) -> NumberRange:
    """The range that a query names by kind and range. Raises InvalidArgument, InvalidRange."""
    given = Query(query, ("kind", "range"), "ranges")
    kind, text = given.text("kind"), given.text("range")
    if kind is None or text is None:
        raise InvalidArgument("kind and range must be specified")
    return parse_range(kind, text)
