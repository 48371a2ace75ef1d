"""Operators log in and out, and look after their own password, second factor and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.json import Decoder

from simwarden.accounts import totp
from simwarden.accounts.logins import CodeNeeded, WrongCredentials
from simwarden.accounts.openid import NoProvider
from simwarden.management import operator_forms as schemas
from simwarden.management.accounts import NOT_KEPT
from simwarden.management.arrival import cookie, csrf_token
from simwarden.management.callers import OperatorCaller
from simwarden.management.house import House, read
from simwarden.management.query import Query
from simwarden.management.roles import is_admin, opened_to
from simwarden.management.simulator import OPERATIONS
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import PermissionDenied, Unauthenticated

if TYPE_CHECKING:
    from simwarden.accounts.logins import Opened
    from simwarden.accounts.openid import OpenIdLogin
    from simwarden.store.people import OperatorSession, User

ISSUER = "Simwarden"
"""As authenticators call it."""


class SessionRoutes:
    """The operations under `/session` and `/sessions`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._logins = house.logins
        self._log_in = Decoder(schemas.LogIn)
        self._set_up = Decoder(schemas.SetUp)
        self._first = Decoder(schemas.SetUpFirst)
        self._begin = Decoder(schemas.BeginOpenId)
        self._finish = Decoder(schemas.FinishOpenId)
        self._password = Decoder(schemas.ChangePassword)
        self._offer = Decoder(schemas.OfferSecondFactor)
        self._confirm = Decoder(schemas.ConfirmSecondFactor)

    async def log_in(self, request: Request) -> Answer:
        """logIn: 202 when a code is needed too."""
        wanted: schemas.LogIn = read(self._log_in, request)
        factor = wanted.code, wanted.recovery_code
        try:
            opened = await self._logins.log_in(wanted.email, wanted.password, *factor, request.address)
        except CodeNeeded:
            return _needed()
        except WrongCredentials as error:
            failed(request, error.user)
            raise
        return self.answer(request, opened, in_cookie=wanted.cookie)

    async def set_up(self, request: Request) -> Answer:
        """setUp: with the code that an administrator handed out."""
        wanted: schemas.SetUp = read(self._set_up, request)
        factor = wanted.code, wanted.recovery_code
        try:
            opened = await self._logins.set_up(wanted.setup_code, wanted.password, *factor, request.address)
        except CodeNeeded:
            return _needed()
        except WrongCredentials as error:
            failed(request, error.user)
            raise
        return self.answer(request, opened, in_cookie=wanted.cookie)

    async def ways(self, request: Request) -> Answer:
        """getLogInWays: what a page that logs people in shows."""
        Query(request.query, (), "ways")
        needed = not await self._logins.people.any()
        return Answer(200, {"needsFirstPerson": needed, "openId": self._house.openid is not None}, [NOT_KEPT])

    async def first(self, request: Request) -> Answer:
        """setUpFirst: the first person, an administrator, with the code that the server shows where it was started."""
        wanted: schemas.SetUpFirst = read(self._first, request)
        given = wanted.code, wanted.email, wanted.name, wanted.password
        return self.answer(request, await self._logins.first(*given, request.address), in_cookie=wanted.cookie)

    async def begin(self, request: Request) -> Answer:
        """beginOpenIdLogin: where the browser is to go."""
        wanted: schemas.BeginOpenId = read(self._begin, request)
        async with self._logins.tried_from(request.address):
            url, login_id = await self._provider().begin(wanted.redirect_uri)
        return Answer(200, {"authorizationUrl": url, "loginId": login_id}, [NOT_KEPT])

    async def finish(self, request: Request) -> Answer:
        """finishOpenIdLogin: with what the provider sent the browser back with."""
        wanted: schemas.FinishOpenId = read(self._finish, request)
        async with self._logins.tried_from(request.address):
            identity = await self._provider().finish(wanted.login_id, wanted.code, wanted.state, wanted.issuer)
        try:
            opened = await self._logins.known(identity, request.address)
        except WrongCredentials as error:
            failed(request, error.user)
            raise
        return self.answer(request, opened, in_cookie=wanted.cookie)

    def _provider(self) -> OpenIdLogin:
        if self._house.openid is None:
            raise NoProvider
        return self._house.openid

    async def show(self, request: Request) -> Answer:
        """getSession: who is logged in."""
        user, session, token = person(request)
        named = Query(request.query, ("operations",), "session").choice("operations", ("true", "false")) == "true"
        left = await self._logins.people.recovery_left(user.id) if user.totp is not None else None
        shown = self._view(user, session) | {"csrfToken": csrf_token(token)}
        if named:
            there = self._house.simulator
            absent = OPERATIONS if there is None or not there.is_there() else ()
            shown["operations"] = [name for name in opened_to(request.caller) if name not in absent]
        return Answer(200, shown | ({} if left is None else {"recoveryCodesLeft": left}), [NOT_KEPT])

    async def log_out(self, request: Request) -> Answer:
        """logOut."""
        user, session, _ = person(request)
        await self._logins.people.end_session(session.id, user.id)
        return Answer(204, None, [cookie("", 0)])

    async def change_password(self, request: Request) -> Answer:
        """changePassword: all other sessions end."""
        wanted: schemas.ChangePassword = read(self._password, request)
        user, session, _ = person(request)
        await self._logins.change_password(
            user, session.id, wanted.current_password, wanted.new_password, request.address
        )
        return Answer(204)

    async def offer(self, request: Request) -> Answer:
        """beginSecondFactor: its secret is shown this once."""
        wanted: schemas.OfferSecondFactor = read(self._offer, request)
        user, _, _ = person(request)
        secret = await self._logins.offer_totp(user, wanted.current_password, request.address)
        return Answer(200, {"secret": totp.as_text(secret), "uri": totp.uri(secret, user.email, ISSUER)}, [NOT_KEPT])

    async def confirm(self, request: Request) -> Answer:
        """confirmSecondFactor: the recovery codes are shown this once."""
        wanted: schemas.ConfirmSecondFactor = read(self._confirm, request)
        user, _, _ = person(request)
        return Answer(200, {"recoveryCodes": await self._logins.confirm_totp(user, wanted.code)}, [NOT_KEPT])

    async def sessions(self, request: Request) -> Answer:
        """listSessions: one's own; with `user` another's, for administrators."""
        query = Query(request.query, ("user",), "sessions")
        user_id = query.text("user")
        if user_id is None:
            user_id = person(request)[0].id
        elif not _is_admin(request):
            raise PermissionDenied
        now = self._house.clock()
        found = await self._logins.people.sessions(user_id, now, now - self._logins.idle)
        return Answer(200, {"sessions": [_session(each) for each in found]})

    async def end(self, request: Request) -> Answer:
        """endSession: one's own; anybody's for administrators."""
        owner = None if _is_admin(request) else person(request)[0].id
        await self._logins.people.end_session(request.parameter.replace("\x00", ""), owner)
        return Answer(204)

    def answer(self, request: Request, opened: Opened, *, in_cookie: bool) -> Answer:
        """A new session, for a browser or for a program."""
        become(request, opened.user, opened.session)
        seconds = round((opened.session.ends_at - opened.session.created_at).total_seconds())
        shown = self._view(opened.user, opened.session)
        if in_cookie:
            shown["csrfToken"] = csrf_token(opened.token)
            return Answer(201, shown, [cookie(opened.token, seconds), NOT_KEPT])
        return Answer(201, shown | {"token": opened.token}, [NOT_KEPT])

    def _view(self, user: User, session: OperatorSession) -> dict[str, Any]:
        needs = self._logins.second_factor and user.totp is None and user.issuer is None
        return {
            "user": view(user),
            "session": _session(session),
            "idleSeconds": round(self._logins.idle.total_seconds()),
            "needsSecondFactor": needs,
        }


def view(user: User) -> dict[str, Any]:
    """User."""
    shown = {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "manages": user.manages,
        "issuer": user.issuer,
        "hasPassword": user.password is not None,
        "hasSecondFactor": user.totp is not None,
        "createdAt": user.created_at,
        "loggedInAt": user.logged_in_at,
        "disabledAt": user.disabled_at,
    }
    return {name: value for name, value in shown.items() if value is not None}


def person(request: Request) -> tuple[User, OperatorSession, str]:
    """Who is logged in. Raises Unauthenticated for keys, and for nobody."""
    caller = request.caller
    if not isinstance(caller, OperatorCaller) or caller.person is None:
        raise Unauthenticated("Only a person who is logged in can do this")
    return caller.person


def become(request: Request, user: User, session: OperatorSession | None) -> None:
    """From here on the request is somebody's, for the audit list."""
    caller = request.caller
    assert isinstance(caller, OperatorCaller)
    caller.app_key, caller.name = user.id, user.email
    if session is not None:
        caller.session, caller.role = session.id, caller.role


def failed(request: Request, user: User | None) -> None:
    """Whose log-in failed, where that is somebody."""
    if user is not None:
        become(request, user, None)


def _needed() -> Answer:
    return Answer(202, {"needs": ["code", "recoveryCode"]}, [NOT_KEPT])


def _is_admin(request: Request) -> bool:
    """Of the operator itself: people are of no account."""
    caller = request.caller
    return is_admin(caller) and isinstance(caller, OperatorCaller) and caller.manages is None


def _session(found: OperatorSession) -> dict[str, Any]:
    return {
        "id": found.id,
        "user": found.user_id,
        "createdAt": found.created_at,
        "usedAt": found.used_at,
        "endsAt": found.ends_at,
        "address": found.address,
        "method": found.method,
    }
