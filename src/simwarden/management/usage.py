"""How often customers' applications did what."""

from __future__ import annotations

import datetime as dt

from simwarden.management import views
from simwarden.management.house import House
from simwarden.management.query import Query
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import usage


class UsageRoutes:
    """The operation under `/usage`."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def page(self, request: Request) -> Answer:
        """listUsage: day by day, the oldest first."""
        query = Query(request.query, ("account", "application", "since", "until"), "usage")
        since, until = query.day("since"), query.day("until")
        if since and until and since > until:
            raise InvalidArgument("since must not be later than until")
        found = await usage.page(
            self._house.db,
            account_id=await self._house.account_id(query.text("account")),
            app_key=await self._house.app_key(query.text("application")),
            since=since,
            until=until,
            after=query.cursor(tuple[dt.date, str, str, str, str]) or usage.FIRST,
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        answer: dict[str, object] = {"usage": [views.usage(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1].place)
        return Answer(200, answer)
