"""What accounts and their applications may call: list, set, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.json import Decoder

from simwarden.accounts import applications
from simwarden.domain.errors import ApplicationNotFound, InvalidValue
from simwarden.domain.rates import LEAST_RATE, MOST_BURST, MOST_RATE, rate_limit
from simwarden.management.house import House, read
from simwarden.management.query import Query
from simwarden.management.schemas import Quota
from simwarden.northbound import BUILDERS
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.store import call_limits
from simwarden.store.call_limits import CallLimit

if TYPE_CHECKING:
    from simwarden.store.accounts import Account, Application

_Name = Annotated[str, Meta(min_length=1, max_length=320)]
_Rate = Annotated[float, Meta(ge=LEAST_RATE, le=MOST_RATE)]
_Burst = Annotated[int, Meta(ge=2, le=MOST_BURST)]
_WHICH = ("application", "api", "operation")


class SetLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """SetLimit."""

    application: _Name | None = None
    api: _Name | None = None
    operation: _Name | None = None
    calls_per_second: _Rate | UnsetType | None = UNSET
    burst: _Burst | None = None
    daily_quota: Quota | UnsetType | None = UNSET
    monthly_quota: Quota | UnsetType | None = UNSET


class LimitRoutes:
    """The operations under `/accounts/{accountId}/limits`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._set = Decoder(SetLimit)

    async def page(self, request: Request) -> Answer:
        """listLimits."""
        account = await self._house.account(request.parameter)
        named = Query(request.query, ("application",), "limits").text("application")
        only = None if named is None else (await self._application(account, named)).app_key
        return Answer(200, {"account": account.id, "limits": await shown(self._house, account.id, only)})

    async def set(self, request: Request) -> Answer:
        """setLimit: what it does not name stays."""
        wanted: SetLimit = read(self._set, request)
        account = await self._house.account(request.parameter)
        owner = None if wanted.application is None else await self._application(account, wanted.application)
        which = _which(owner.app_key if owner else "", wanted.api, wanted.operation)
        if which.api and not (wanted.daily_quota is UNSET and wanted.monthly_quota is UNSET):
            raise InvalidValue("Quotas count all calls: give them without an api")
        if wanted.calls_per_second in (UNSET, None) and wanted.burst is not None:
            raise InvalidValue("burst goes with callsPerSecond")
        found = {_place(each): each for each in await call_limits.of_account(self._house.db, account.id)}
        limit = found.get(_place(which), which)
        if wanted.calls_per_second is None:
            limit = msgspec.structs.replace(limit, rate=None, burst=None)
        elif wanted.calls_per_second is not UNSET:
            rate = rate_limit(wanted.calls_per_second, wanted.burst)
            limit = msgspec.structs.replace(limit, rate=rate.rate, burst=rate.burst)
        if wanted.monthly_quota is not UNSET:
            limit = msgspec.structs.replace(limit, monthly=wanted.monthly_quota)
        if wanted.daily_quota is not UNSET and owner is None:
            limit = msgspec.structs.replace(limit, daily=wanted.daily_quota)
        elif wanted.daily_quota is not UNSET and owner is not None:
            owner = await applications.set_quota(self._house.accounts, owner.app_key, wanted.daily_quota)
        if limit == which and _place(which) in found:  # nothing of it is left
            await call_limits.remove(self._house.db, account.id, which)
        elif limit != which:
            await call_limits.change(self._house.db, account.id, limit)
        return Answer(200, _shown(limit, owner.daily_quota if owner and not which.api else limit.daily))

    async def remove(self, request: Request) -> Answer:
        """removeLimit: the quotas with it, but for the daily quota of an application."""
        account = await self._house.account(request.parameter)
        query = Query(request.query, _WHICH, "limits")
        named = query.text("application")
        app_key = "" if named is None else (await self._application(account, named)).app_key
        which = _which(app_key, query.text("api"), query.text("operation"))
        await call_limits.remove(self._house.db, account.id, which)
        return Answer(204)

    async def _application(self, account: Account, name: str) -> Application:
        """Of this account, by its own name, `ACCOUNT/APP` or APPKEY. Raises ApplicationNotFound."""
        found = [each for each in await self._house.accounts.applications(account.id) if each.revoked_at is None]
        named = [each for each in found if name in (each.app_key, each.name, f"{account.name}/{each.name}")]
        if len(named) != 1:
            raise ApplicationNotFound(f"The account {account.name} has no application {name!r}")
        return named[0]


async def shown(house: House, account_id: str, app_key: str | None = None) -> list[dict[str, Any]]:
    """What is set for an account and its applications, or for one of them."""
    limits = {_place(each): each for each in await call_limits.of_account(house.db, account_id, app_key)}
    found = await house.accounts.applications(account_id)
    daily = {
        each.app_key: each.daily_quota
        for each in found
        if each.daily_quota is not None and each.revoked_at is None and app_key in (None, each.app_key)
    }
    for each in daily:
        limits.setdefault((each, "", ""), CallLimit(app_key=each))
    return [
        _shown(each, each.daily if each.api or not each.app_key else daily.get(each.app_key))
        for _, each in sorted(limits.items())
    ]


def _place(limit: CallLimit) -> tuple[str, str, str]:
    return limit.app_key, limit.api, limit.operation


def _which(app_key: str, api: str | None, operation: str | None) -> CallLimit:
    if operation is not None and api is None:
        raise InvalidValue("operation goes with api")
    if api is not None and api not in BUILDERS:
        raise InvalidValue(f"There is no API {api!r}")
    return CallLimit(app_key=app_key, api=api or "", operation=operation or "")


def _shown(limit: CallLimit, daily: int | None) -> dict[str, Any]:
    found = {
        "application": limit.app_key or None,
        "api": limit.api or None,
        "operation": limit.operation or None,
        "callsPerSecond": limit.rate,
        "burst": limit.burst,
        "dailyQuota": daily,
        "monthlyQuota": limit.monthly,
    }
    return {name: value for name, value in found.items() if value is not None}
