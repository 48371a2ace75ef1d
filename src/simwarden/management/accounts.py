"""Accounts, applications, the operators' own keys and the keys that sign tokens."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts import applications
from simwarden.accounts.keys import ACCEPT_RETIRED_FOR
from simwarden.accounts.roles import Role
from simwarden.accounts.scopes import of_sets
from simwarden.domain.errors import ApplicationNotFound, IncompatibleState
from simwarden.management import limits, operator_forms, schemas, views
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.management.reach import reach, reaches
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument, PermissionDenied
from simwarden.store import operators, removal, usage
from simwarden.store.accounts import OPERATOR, AccountSettings

if TYPE_CHECKING:
    from simwarden.accounts.applications import Issued
    from simwarden.store.accounts import Account, Application

NOT_KEPT = (b"cache-control", b"no-store")


class AccountRoutes:
    """The operations under `/accounts` that are not about its number ranges."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._create = Decoder(schemas.CreateAccount)
        self._change = Decoder(schemas.ChangeAccount)

    async def page(self, request: Request) -> Answer:
        """listAccounts, by name."""
        query = Query(request.query, (), "accounts")
        after = query.cursor(Text) or ""
        found = [
            each for each in await self._house.accounts.list() if (each.name > after or not after) and reaches(each.id)
        ]
        shown = sorted(found, key=lambda each: each.name)[: query.limit]
        answer: dict[str, object] = {"accounts": [views.account(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1].name)
        return Answer(200, answer)

    async def create(self, request: Request) -> Answer:
        """createAccount."""
        wanted: schemas.CreateAccount = read(self._create, request)
        parent = await self._parent(wanted)
        base = AccountSettings() if parent is None else parent.settings
        policy = base.policy if wanted.policy is None else wanted.policy.over(base.policy)
        settings = AccountSettings(
            policy=policy,
            strict=base.strict if wanted.strict is UNSET else wanted.strict,
            home_networks=base.home_networks if wanted.home_networks is UNSET else wanted.home_networks,
        )
        made = await applications.open_account(
            self._house.accounts, wanted.name, settings, None if parent is None else parent.id
        )
        return Answer(201, views.account(made), [(b"location", f"/manage/v1/accounts/{made.id}".encode())])

    async def _parent(self, wanted: schemas.CreateAccount) -> Account | None:
        """Below which account the new one is: a reseller's are below its own, or one of its reach."""
        within = reach()
        if wanted.parent is None and within is None:
            return None
        parent = await self._house.account(wanted.parent or (within.own if within else ""))
        _check_name(wanted.name, parent.name)
        return parent

    async def show(self, request: Request) -> Answer:
        """getAccount."""
        return Answer(200, views.account(await self._house.account(request.parameter)))

    async def change(self, request: Request) -> Answer:
        """changeAccount: bindings that are there keep their policy."""
        wanted: schemas.ChangeAccount = read(self._change, request)
        found = await self._house.account(request.parameter)
        within = reach()
        if within is not None:
            if found.id == within.own:
                raise PermissionDenied("A reseller changes the accounts below its own, not its own")
            if wanted.name is not UNSET and found.parent is not None:
                _check_name(wanted.name, (await self._house.account(found.parent)).name)
        before = found.settings
        settings = AccountSettings(
            policy=before.policy if wanted.policy is UNSET else wanted.policy.over(before.policy),
            strict=before.strict if wanted.strict is UNSET else wanted.strict,
            home_networks=before.home_networks if wanted.home_networks is UNSET else wanted.home_networks,
            area=before.area if wanted.area is UNSET else wanted.area,
            payments=before.payments,
            area_radius=before.area_radius if wanted.area_radius is UNSET else wanted.area_radius,
        )
        if wanted.area is not UNSET and wanted.area is not None:
            await self._house.areas.named(found.id, wanted.area)
        name = None if wanted.name is UNSET else wanted.name
        changed = await applications.change_account(self._house.accounts, found.id, new_name=name, settings=settings)
        return Answer(200, views.account(changed))

    async def delete(self, request: Request) -> Answer:
        """deleteAccount: refused while it has SIMs, applications that are not revoked, or gateways of its own."""
        found = await self._house.account(request.parameter)
        held = await removal.remove_empty_account(self._house.db, found.id)
        if held is not None:
            raise IncompatibleState(f"The account {found.name} still has {held}")
        return Answer(204)


def _check_name(name: str, parent: str) -> None:
    """Names are of all accounts: those of sub-accounts begin with their reseller's, so that nobody learns by trying
    which others there are."""
    if not name.startswith(f"{parent}."):
        raise InvalidArgument(f"The name of a sub-account begins with its reseller's and a full stop: {parent}.")


class ApplicationRoutes:
    """The operations under `/applications`, `/operators` and `/signing-keys`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._create = Decoder(schemas.CreateApplication)
        self._change = Decoder(schemas.ChangeApplication)
        self._rotate = Decoder(schemas.Rotate)
        self._revoke = Decoder(schemas.Revoke)
        self._create_operator = Decoder(operator_forms.CreateOperator)
        self._change_operator = Decoder(operator_forms.ChangeOperator)

    async def page(self, request: Request) -> Answer:
        """listApplications, by name."""
        query = Query(request.query, ("account", "application", "revoked"), "applications")
        revoked = query.choice("revoked", ("true", "false"))
        return await self._page(
            query,
            account_id=await self._house.account_id(query.text("account")),
            app_key=await self._house.app_key(query.text("application")),
            is_revoked=None if revoked is None else revoked == "true",
        )

    async def operators(self, request: Request) -> Answer:
        """listOperators, by name."""
        found = await self._page(
            Query(request.query, (), "operators"), account_id=None, app_key=None, is_revoked=None, operators=True
        )
        rows = found.body["operators"]
        grants = await operators.grants(self._house.db, [row.app_key for row in rows])
        found.body["operators"] = [
            msgspec.structs.replace(row, role=grants[row.app_key].role, manages=grants[row.app_key].manages)
            for row in rows
        ]
        return found

    async def _page(
        self,
        query: Query,
        *,
        account_id: str | None,
        app_key: str | None,
        is_revoked: bool | None,
        operators: bool = False,
    ) -> Answer:
        found = await self._house.accounts.page(
            account_id=account_id,
            app_key=app_key,
            is_revoked=is_revoked,
            after=query.cursor(tuple[Text, Text]) or ("", ""),
            limit=query.limit + 1,
            operators=operators,
        )
        shown = found[: query.limit]
        now = self._house.clock()
        name = "operators" if operators else "applications"
        answer: dict[str, object] = {name: [views.application(each, now) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next((shown[-1].name, shown[-1].app_key))
        return Answer(200, answer)

    async def create(self, request: Request) -> Answer:
        """createApplication: the secret is shown this once."""
        wanted: schemas.CreateApplication = read(self._create, request)
        scopes = [*of_sets(wanted.scope_sets), *wanted.scopes]
        made = await applications.issue(
            self._house.accounts,
            (await self._house.account(wanted.account)).id,
            wanted.name,
            scopes or None,
            sandbox=wanted.sandbox,
            daily_quota=wanted.daily_quota,
        )
        return self._issued(made, 201)

    async def create_operator(self, request: Request) -> Answer:
        """createOperator: the secret is shown this once."""
        wanted: operator_forms.CreateOperator = read(self._create_operator, request)
        scopes = ["manage:read"] if wanted.read_only else None
        role = wanted.role or (Role.VIEWER if wanted.read_only else Role.ADMIN)
        manages = await self._house.account_id(wanted.manages)
        return self._issued(
            await applications.issue_operator(self._house.accounts, wanted.name, scopes, role=role, manages=manages),
            201,
            role,
            manages,
        )

    async def show_operator(self, request: Request) -> Answer:
        """An operator's key, for the audit list. Raises ApplicationNotFound."""
        return Answer(200, await self._operator(request))

    async def change_operator(self, request: Request) -> Answer:
        """changeOperator: its role, from the next call on. A key cannot change its own."""
        wanted: operator_forms.ChangeOperator = read(self._change_operator, request)
        found = await self._operator(request)
        if found.app_key == request.caller.app_key:
            raise IncompatibleState("A key cannot change its own role")
        await operators.change_key(self._house.db, found.app_key, wanted.role)
        self._house.grants.invalidate(found.app_key)
        return Answer(200, msgspec.structs.replace(found, role=wanted.role))

    async def _operator(self, request: Request) -> views.ApplicationView:
        name = request.parameter.replace("\x00", "")
        grant = (await operators.grants(self._house.db, [name])).get(name)
        if grant is None:
            raise ApplicationNotFound("No operator's key has this APPKEY")
        found = views.application(await self._house.accounts.application(name), self._house.clock())
        return msgspec.structs.replace(found, role=grant.role, manages=grant.manages)

    async def show(self, request: Request) -> Answer:
        """getApplication, with its limits and how much of its quotas is used."""
        found, now = await self._tenants(request), self._house.clock()
        today = now.astimezone(UTC).date()
        used = await usage.totals(
            self._house.db, account_id=found.account_id, app_key=found.app_key, since=today.replace(day=1)
        )
        of_today = await usage.totals(self._house.db, account_id=found.account_id, app_key=found.app_key, since=today)
        more = {
            "limits": await limits.shown(self._house, found.account_id, found.app_key),
            "usedToday": sum(each.count for each in of_today),
            "usedThisMonth": sum(each.count for each in used),
        }
        return Answer(200, {**msgspec.to_builtins(views.application(found, now)), **more})

    async def change(self, request: Request) -> Answer:
        """changeApplication: its daily quota."""
        wanted: schemas.ChangeApplication = read(self._change, request)
        found = await self._tenants(request)
        if wanted.daily_quota is not UNSET:
            own = reach()
            if own is not None and own.own == found.account_id and _is_more(wanted.daily_quota, found.daily_quota):
                raise PermissionDenied("The quotas of a reseller's own applications are raised by the operator")
            found = await applications.set_quota(self._house.accounts, found.app_key, wanted.daily_quota)
        return Answer(200, views.application(found, self._house.clock()))

    async def rotate(self, request: Request) -> Answer:
        """rotateApplicationSecret: the new secret is shown this once."""
        wanted: schemas.Rotate = read(self._rotate, request)
        found = await self._tenants(request)
        overlap = timedelta(seconds=wanted.overlap_seconds)
        made = await applications.rotate_secret(self._house.accounts, found.app_key, self._house.clock(), overlap)
        return self._issued(made, 200)

    async def revoke(self, request: Request) -> Answer:
        """revokeApplication: its subscriptions end, or are handed over."""
        wanted: schemas.Revoke = read(self._revoke, request)
        if reach() is not None:
            await self._tenants(request)
        found = await applications.revoke(self._house.accounts, request.parameter, wanted.hand_over_to)
        return Answer(200, views.application(found, self._house.clock()))

    async def revoke_operator(self, request: Request) -> Answer:
        """revokeOperator: its tokens stop working within seconds."""
        found = await self._house.accounts.credentials(request.parameter.replace("\x00", ""))
        if found is None or found.application.account_id != OPERATOR:
            raise ApplicationNotFound("No operator's key has this APPKEY")
        revoked = await self._house.accounts.revoke(found.application.app_key)
        return Answer(200, views.application(revoked, self._house.clock()))

    async def rotate_signing_key(self, _request: Request) -> Answer:
        """rotateSigningKey: tokens that the key before signed are good until they expire."""
        kid = await self._house.keys.rotate()
        return Answer(200, {"kid": kid, "previousUntil": self._house.clock() + ACCEPT_RETIRED_FOR})

    async def _tenants(self, request: Request) -> Application:
        found = await self._house.accounts.application(request.parameter.replace("\x00", ""))
        if found.account_id == OPERATOR or not reaches(found.account_id):
            raise ApplicationNotFound
        return found

    def _issued(self, made: Issued, status: int, role: Role | None = None, manages: str | None = None) -> Answer:
        view = views.application(made.application, self._house.clock())
        view = msgspec.structs.replace(view, role=role, manages=manages)
        shown = msgspec.to_builtins(view)
        location = [(b"location", f"/manage/v1/applications/{made.application.app_key}".encode())]
        return Answer(status, {**shown, "appSecret": made.app_secret}, [*(location if status == 201 else []), NOT_KEPT])


def _is_more(wanted: int | None, before: int | None) -> bool:
    """Whether a quota allows more than the one before; None is as much as one likes."""
    return before is not None and (wanted is None or wanted > before)
