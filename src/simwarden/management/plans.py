"""Price plans: list, set, show, remove; which account is charged by which one, and what comes of it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import msgspec
from msgspec.json import Decoder

from simwarden.billing import views
from simwarden.domain.errors import InvalidValue
from simwarden.domain.price import Month, MonthText, PlanName, PricePlan
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.management.reach import seller
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument, PermissionDenied
from simwarden.store import plans

if TYPE_CHECKING:
    from simwarden.store.accounts import Account

Place = tuple[Text, date]
"""Name and first day of the last version of a page."""


class SetPlan(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """SetPlan."""

    name: PlanName
    valid_from: MonthText
    plan: PricePlan


class AssignPlan(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """AssignPlan."""

    plan: PlanName | None
    valid_from: MonthText


class PlanRoutes:
    """The operations under `/plans`, and of plans under `/accounts`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._set = Decoder(SetPlan)
        self._assign = Decoder(AssignPlan)

    async def page(self, request: Request) -> Answer:
        """listPlans."""
        query = Query(request.query, (), "plans")
        after = query.cursor(Place) or ("", date.min)
        found = await plans.page(self._house.db, seller(), after=after, limit=query.limit + 1)
        these = found[: query.limit]
        answer: dict[str, object] = {"plans": [views.version(each) for each in these]}
        if len(found) > len(these):
            answer["nextCursor"] = query.next((these[-1].name, these[-1].valid_from.first))
        return Answer(200, answer)

    async def set(self, request: Request) -> Answer:
        """setPlan. Raises InvalidPlan."""
        wanted: SetPlan = read(self._set, request)
        month = Month.parse(wanted.valid_from)
        made = await self._house.billing.put_plan(wanted.name, month, wanted.plan, seller=seller())
        return Answer(200, views.version(made))

    async def show(self, request: Request) -> Answer:
        """getPlan."""
        found = await self._house.billing.versions(request.parameter.replace("\x00", ""), seller=seller())
        return Answer(200, {"versions": [views.version(each) for each in found]})

    async def remove(self, request: Request) -> Answer:
        """removePlan."""
        query = Query(request.query, ("validFrom",), "plan")
        month = month_of(query, "validFrom")
        if month is None:
            raise InvalidArgument("validFrom must be specified")
        await self._house.billing.remove_plan(request.parameter.replace("\x00", ""), month, seller=seller())
        return Answer(204)

    async def of_account(self, request: Request) -> Answer:
        """getAccountPlan."""
        return await self._assigned(await self._house.customer(request.parameter))

    async def assign(self, request: Request) -> Answer:
        """assignPlan."""
        wanted: AssignPlan = read(self._assign, request)
        account = await self._house.customer(request.parameter)
        month = Month.parse(wanted.valid_from)
        await self._house.billing.assign(account.id, wanted.plan, month, seller=seller())
        return await self._assigned(account)

    async def preview(self, request: Request) -> Answer:
        """previewBill: by the caller's plans; of a reseller's own account by those of who sells to it."""
        query = Query(request.query, ("month", "plan"), "bill")
        account = await self._house.account(request.parameter)
        plan, month, billing, sells = query.text("plan", 64), month_of(query, "month"), self._house.billing, seller()
        if account.id == sells:
            if plan is not None:
                raise PermissionDenied("Other plans are tried by who sells")
            sells = await billing.seller_of(account.id, month)
        return Answer(200, views.bill(await billing.preview(account.id, month, plan=plan, seller=sells)))

    async def _assigned(self, account: Account) -> Answer:
        found = await plans.assignments(self._house.db, seller(), account.id)
        shown = [{"validFrom": str(each.valid_from), "plan": each.plan} for each in found]
        return Answer(200, {"account": account.id, "assignments": shown})


def month_of(query: Query, name: str) -> Month | None:
    """A parameter that is a month, as 2026-11. Raises InvalidArgument."""
    text = query.text(name, 16)
    try:
        return None if text is None else Month.parse(text)
    except InvalidValue as error:
        raise InvalidArgument(f"{name} must be a month, as 2026-11") from error
