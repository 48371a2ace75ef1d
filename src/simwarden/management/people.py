"""Operators as people: who there is, in which role; for administrators."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.roles import Role
from simwarden.domain.errors import IncompatibleState
from simwarden.management import operator_forms as schemas
from simwarden.management.accounts import NOT_KEPT
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.management.session import view
from simwarden.northbound.kernel.api import Answer, Request


class PeopleRoutes:
    """The operations under `/users`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._logins = house.logins
        self._create = Decoder(schemas.CreateUser)
        self._change = Decoder(schemas.ChangeUser)
        self._renew = Decoder(schemas.RenewSetupCode)

    async def page(self, request: Request) -> Answer:
        """listUsers, by e-mail address."""
        query = Query(request.query, (), "users")
        found = await self._logins.people.page(query.cursor(tuple[Text, Text]) or ("", ""), query.limit + 1)
        shown = found[: query.limit]
        answer: dict[str, Any] = {"users": [view(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next((shown[-1].email, shown[-1].id))
        return Answer(200, answer)

    async def create(self, request: Request) -> Answer:
        """createUser: the code with which he sets his password is shown this once."""
        wanted: schemas.CreateUser = read(self._create, request)
        manages = await self._house.account_id(wanted.manages)
        user, code = await self._logins.invite(wanted.email, wanted.name, wanted.role, manages)
        location = (b"location", f"/manage/v1/users/{user.id}".encode())
        return Answer(201, view(user) | {"setupCode": code}, [location, NOT_KEPT])

    async def show(self, request: Request) -> Answer:
        """getUser."""
        return Answer(200, view(await self._logins.people.get(request.parameter.replace("\x00", ""))))

    async def change(self, request: Request) -> Answer:
        """changeUser: another role, or a lock, ends his sessions. Nobody changes his own."""
        wanted: schemas.ChangeUser = read(self._change, request)
        found = await self._logins.people.get(request.parameter.replace("\x00", ""))
        now = self._house.clock()
        role = found.role if wanted.role is UNSET else wanted.role
        manages = found.manages if wanted.manages is UNSET else await self._house.account_id(wanted.manages)
        disabled = found.disabled_at
        if wanted.disabled is not UNSET:
            disabled = (found.disabled_at or now) if wanted.disabled else None
        end = (role, manages, disabled) != (found.role, found.manages, found.disabled_at)
        if end and found.id == request.caller.app_key:
            raise IncompatibleState("Nobody changes his own role, or locks himself out")
        name = found.name if wanted.name is UNSET else wanted.name
        changed = await self._logins.people.change(found.id, name, Role(role), manages, disabled, end=end)
        return Answer(200, view(changed))

    async def renew(self, request: Request) -> Answer:
        """renewSetupCode: for who lost the password, or with `dropSecondFactor` the second factor too."""
        wanted: schemas.RenewSetupCode = read(self._renew, request)
        found = await self._logins.people.get(request.parameter.replace("\x00", ""))
        if found.id == request.caller.app_key:
            raise IncompatibleState("Nobody drops his own second factor: another administrator does, or a key")
        code = await self._logins.renew_setup(found, drop_factor=wanted.drop_second_factor, end_sessions=True)
        return Answer(200, {"setupCode": code}, [NOT_KEPT])
