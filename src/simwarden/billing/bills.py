"""Bills of months: what has come together so far, or would by another plan."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import IncompatibleState, ResourceNotFound
from simwarden.domain.price import Month, PricePlan, check
from simwarden.domain.price_bill import Bill, make_bill, sum_of_calls, sum_of_services
from simwarden.kit.clock import now_utc
from simwarden.store import ledger, plans
from simwarden.store.accounts import OPERATOR
from simwarden.store.plans import PlanAssignment, PlanVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from simwarden.store.database import Database


_NO_PLAN = "The account is charged by no plan in {}: simwarden plan assign --help"


class PlanNotFound(ResourceNotFound):
    """No plan has this name, or no version of it is valid in this month."""


class NoPlan(ResourceNotFound):
    """The account is charged by no plan in this month."""


class PlanInUse(IncompatibleState):
    """The plan is an account's."""


class MonthToCome(IncompatibleState):
    """The month has not begun yet: nothing is counted for it."""


class AccountBill(msgspec.Struct, frozen=True):
    """The bill of an account, and by what it is made."""

    account_id: str
    plan: PlanVersion
    bill: Bill
    at: datetime
    """What was counted until then is in it."""

    @property
    def is_final(self) -> bool:
        """Whether the month is over."""
        return Month.parse(self.bill.month).last < self.at.date()


class Billing:
    """Plans, and the bills that they make of the ledger.

    `seller`: whose plans, the operator's or a reseller's (the id of its account, which sells to those below it).
    """

    def __init__(self, db: Database, *, clock: Callable[[], datetime] = now_utc) -> None:
        self.db = db
        self._clock = clock

    def now(self) -> datetime:
        """The time in UTC, in which days and months are counted."""
        return self._clock().astimezone(UTC)

    async def put_plan(self, name: str, valid_from: Month, plan: PricePlan, *, seller: str = OPERATOR) -> PlanVersion:
        """Store a version of a plan. Raises InvalidPlan."""
        version = PlanVersion(name, valid_from, check(plan), self.now())
        await plans.put(self.db, seller, version)
        return version

    async def versions(self, name: str, *, seller: str = OPERATOR) -> list[PlanVersion]:
        """Of a plan, the newest first. Raises PlanNotFound."""
        found = await plans.versions(self.db, seller, name)
        if not found:
            raise PlanNotFound(f"There is no plan {name!r}")
        return found

    async def remove_plan(self, name: str, valid_from: Month, *, seller: str = OPERATOR) -> None:
        """Delete a version of a plan. Raises PlanNotFound, PlanInUse."""
        if await plans.in_use(self.db, seller, name):
            raise PlanInUse(f"The plan {name} is an account's: what was charged by it must stay readable")
        if not await plans.remove(self.db, seller, name, valid_from):
            raise PlanNotFound(f"The plan {name!r} has no version that begins with {valid_from}")

    async def assign(self, account_id: str, plan: str | None, valid_from: Month, *, seller: str = OPERATOR) -> None:
        """Charge an account by a plan of the seller, or by none, from a month on. Raises PlanNotFound."""
        if plan is not None and await plans.valid(self.db, seller, plan, valid_from) is None:
            raise PlanNotFound(f"No version of a plan {plan!r} is valid in {valid_from}")
        await plans.assign(self.db, seller, account_id, PlanAssignment(valid_from, plan))

    async def seller_of(self, account_id: str, month: Month | None = None) -> str:
        """Who charges an account in a month, else the present one: of several the nearest above it. Raises NoPlan."""
        month = month or Month.of(self.now().date())
        found = await plans.seller_of(self.db, account_id, month)
        if found is None:
            raise NoPlan(_NO_PLAN.format(month))
        return found

    async def preview(
        self, account_id: str, month: Month | None = None, *, plan: str | None = None, seller: str = OPERATOR
    ) -> AccountBill:
        """What a month, else the present one, comes to with all calls that are counted by now.

        `plan`: as if the account were charged by this one of the seller's. Raises MonthToCome, NoPlan, PlanNotFound.
        """
        month = month or Month.of(self.now().date())
        if plan is not None:
            version = await plans.valid(self.db, seller, plan, month)
            if version is None:
                raise PlanNotFound(f"No version of a plan {plan!r} is valid in {month}")
        else:
            version = (await self._plans(seller, month, [account_id])).get(account_id)
            if version is None:
                raise NoPlan(_NO_PLAN.format(month))
        return (await self.bills(month, {account_id: version}, seller=seller))[0]

    async def bills(
        self, month: Month, versions: Mapping[str, PlanVersion], *, seller: str = OPERATOR
    ) -> list[AccountBill]:
        """The bills of a seller's accounts, each by its plan, in one reading of the ledger. Raises MonthToCome."""
        now = self.now()
        if month.first > now.date():
            raise MonthToCome(f"{month} has not begun yet")
        users = await self._users(seller, month, versions)
        every = [each for ids in users.values() for each in ids]
        calls = await ledger.calls_of(self.db, every, month.first, month.last)
        services = await ledger.services_of(self.db, every, month, now.date())
        bills = []
        for account_id, version in versions.items():
            used = sum_of_calls(calls.get(each, ()) for each in users[account_id])
            served = sum_of_services(services.get(each, {}) for each in users[account_id])
            bills.append(AccountBill(account_id, version, make_bill(version.plan, month, used, served), now))
        return bills

    async def _users(self, seller: str, month: Month, account_ids: Collection[str]) -> dict[str, list[str]]:
        """The accounts whose calls and SIMs are on the bill of each: itself, and those below it that no other plan of
        the seller charges in the month, nor an account between."""
        below = await plans.below(self.db, account_ids)
        charged = await plans.assigned(self.db, seller, month, [id_ for id_, _ in below]) if below else {}
        return users_of(account_ids, below, charged)

    async def _plans(self, seller: str, month: Month, account_ids: Collection[str]) -> dict[str, PlanVersion]:
        """The plans of a seller's accounts in a month. Raises PlanNotFound where one has no version then."""
        found: dict[str, PlanVersion] = {}
        for account_id, (name, version) in (await plans.assigned(self.db, seller, month, account_ids)).items():
            if version is None:
                raise PlanNotFound(f"The plan {name} has no version that is valid in {month}")
            found[account_id] = version
        return found


def users_of(
    account_ids: Collection[str], below: Iterable[tuple[str, str]], charged: Collection[str]
) -> dict[str, list[str]]:
    """The accounts on the bill of each of these. `below`: those below them, each with the one right above it, those
    further up first. `charged`: of them, those that a plan of their own charges."""
    users = {each: [each] for each in account_ids}
    payer = {each: each for each in account_ids}
    for id_, parent in below:
        if id_ in payer or id_ in charged:
            continue
        if parent in payer:
            payer[id_] = payer[parent]
            users[payer[parent]].append(id_)
    return users
