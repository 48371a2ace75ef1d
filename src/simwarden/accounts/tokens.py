"""Access tokens: JWTs of RFC 9068, signed with Ed25519, checked once and then remembered."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from simwarden.accounts.keys import ALGORITHM
from simwarden.accounts.outside import NAME
from simwarden.accounts.purposes import PREFIX
from simwarden.accounts.subjects import Subjects
from simwarden.domain.errors import ApplicationNotFound
from simwarden.store.revocations import consent_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simwarden.accounts.keys import SigningKeys
    from simwarden.accounts.outside import OutsideTokens
    from simwarden.domain.sim import OneSim
    from simwarden.store.accounts import Accounts, Application

LIFETIME = 3600
"""Seconds for which an access token is valid."""
ID_TOKEN_LIFETIME = 300
"""Seconds for which an ID token is valid."""
STATUS_FOR = 5.0
"""Seconds after which an application's status is read again, should a notification have been lost."""
REMEMBERED = 20_000
"""Checked tokens that are remembered at most."""
MAX_LENGTH = 16_384
"""Characters of a token. One with all scopes there are has some 4,500: those of event types have a hundred each."""
_TYPE = "at+jwt"


class Caller(msgspec.Struct, frozen=True):
    """Who calls, as its token says."""

    app_key: str
    account_id: str
    scopes: frozenset[str]
    device: str | None = None
    """Phone number of the device that a 3-legged token identifies; None for a 2-legged one."""
    sandbox: bool = False
    """The application sees virtual SIMs, and nothing else."""
    daily_quota: int | None = None
    """Counted calls that the application may make in a day (UTC); None: as many as it likes."""
    granted: frozenset[str] = frozenset()
    """The scopes that the application has, whatever this token allows."""
    only: OneSim | None = None
    """The SIM that the call may be about; None: any of the account's."""


class _Header(msgspec.Struct, frozen=True):
    typ: str
    kid: str


_header_decoder = msgspec.json.Decoder(_Header)


class _Status(msgspec.Struct, frozen=True):
    account_id: str | None
    """None: revoked, or never there."""
    read_at: float
    sandbox: bool = False
    daily_quota: int | None = None
    tokens_from: int = 0
    """In seconds since 1970: tokens issued before are refused."""
    granted: frozenset[str] = frozenset()
    revoked: Mapping[str, int] | None = None
    """Names of tokens that are no good any more, and until which second they were issued; None: there are none."""


class _Checked(msgspec.Struct, frozen=True):
    caller: Caller
    status: _Status
    """By which the caller was made."""
    expires_at: int
    issued_at: int
    names: tuple[str, ...]
    """Under which the token can be revoked."""


class Minted(msgspec.Struct, frozen=True):
    """A new access token."""

    token: str
    id: str
    """Its jti."""
    expires_in: int
    """Seconds."""


class Tokens:
    """Issues and checks the access tokens of this installation."""

    def __init__(
        self,
        accounts: Accounts,
        keys: SigningKeys,
        *,
        issuer: str,
        audience: str | None = None,
        lifetime: int = LIFETIME,
        remembered: int = REMEMBERED,
        outside: OutsideTokens | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`issuer` is the public address of this server; `audience` is the same unless given. `outside`: checks tokens
        of another issuer, which are taken too."""
        self.issuer = issuer
        self.lifetime = lifetime
        self._audience = audience or issuer
        self._accounts = accounts
        self._keys = keys
        self._subjects = Subjects(keys.vault)
        self._remembered = remembered
        self._outside = outside
        self._now = now
        self._checked: dict[str, _Checked] = {}
        self._status: dict[str, _Status] = {}
        self._reading: dict[str, asyncio.Task[_Status]] = {}

    async def issue(self, application: Application, scopes: Iterable[str], *, device: str | None = None) -> str:
        """A token for `application` with these scopes; a `device` (its phone number) makes it 3-legged."""
        return (await self.mint(application, scopes, device=device)).token

    async def mint(
        self,
        application: Application,
        scopes: Iterable[str],
        *,
        device: str | None = None,
        lifetime: int | None = None,
        id: str | None = None,  # noqa: A002 - what it is
    ) -> Minted:
        """The same with what else there is to know of it (RFC 9068 clause 2). `lifetime`: seconds, if not the usual.

        A 3-legged one names its device by a pseudonym (`sub`), and sealed (`dev`).
        """
        kid, key = await self._keys.signer()
        now, app_key, id_ = int(self._now()), application.app_key, id or secrets.token_urlsafe(12)
        seconds = min(lifetime or self.lifetime, self.lifetime)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self._audience,
            "sub": app_key if device is None else self._subjects.pseudonym(app_key, device),
            "client_id": app_key,
            "iat": now,
            "exp": now + seconds,
            "jti": id_,
            "scope": " ".join(scopes),
        }
        if device is not None:
            claims["dev"] = self._subjects.seal(app_key, device)
        token = jwt.encode({"alg": ALGORITHM, "kid": kid, "typ": _TYPE}, claims, key, algorithms=[ALGORITHM])
        return Minted(token, id_, seconds)

    async def id_token(self, app_key: str, device: str, authenticated_at: int, nonce: str | None) -> str:
        """Tells an application by which pseudonym a device is known to it (OpenID Connect Core clause 2)."""
        kid, key = await self._keys.signer()
        now = int(self._now())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": self._subjects.pseudonym(app_key, device),
            "aud": app_key,
            "iat": now,
            "exp": now + ID_TOKEN_LIFETIME,
            "auth_time": authenticated_at,
        }
        if nonce is not None:
            claims["nonce"] = nonce
        return jwt.encode({"alg": ALGORITHM, "kid": kid, "typ": "JWT"}, claims, key, algorithms=[ALGORITHM])

    async def read(self, token: str) -> Mapping[str, Any] | None:
        """The claims of a token that `check` takes; None for any other. Raises StoreUnavailable."""
        return None if await self.check(token) is None else await self._claims(token)

    async def check(self, token: str) -> Caller | None:
        """Who calls with this token; None when it is not ours, expired, or its application is revoked.

        Raises StoreUnavailable.
        """
        checked, now = self._checked.get(token), self._now()
        if checked is not None:
            status = checked.status
            is_current = status is self._status.get(checked.caller.app_key) and 0 <= now - status.read_at < STATUS_FOR
            if is_current and now < checked.expires_at:
                return checked.caller
        return await self._check(token, checked)

    async def _check(self, token: str, checked: _Checked | None) -> Caller | None:
        """As `check`, where the token or its application's status is not known. Nothing is kept of a refused one."""
        checked = checked or await self._verify(token)
        if checked is None or checked.expires_at <= self._now():
            self._checked.pop(token, None)
            return None
        caller, status = checked.caller, await self._current(checked.caller.app_key)
        if (
            status.account_id != caller.account_id
            or checked.issued_at < status.tokens_from
            or _is_revoked(checked.names, checked.issued_at, status)
        ):
            self._checked.pop(token, None)
            return None
        if status is not checked.status:  # it was read again since
            caller = msgspec.structs.replace(caller, daily_quota=status.daily_quota, granted=status.granted)
            checked = msgspec.structs.replace(checked, caller=caller, status=status)
        elif self._checked.get(token) is checked:
            return caller
        while token not in self._checked and len(self._checked) >= self._remembered:
            del self._checked[next(iter(self._checked))]
        self._checked[token] = checked
        return caller

    async def caller(self, app_key: str) -> Caller | None:
        """A live application as a caller with all scopes that it has; None when it is not. Raises StoreUnavailable."""
        status = await self._current(app_key)
        if status.account_id is None:
            return None
        quota, granted = status.daily_quota, status.granted
        return Caller(app_key, status.account_id, granted, None, status.sandbox, quota, granted)

    def invalidate(self, app_key: str) -> None:
        """Forget what is known of an application ("": of all), so that its status is read anew with the next call."""
        if app_key:
            self._status.pop(app_key, None)
            self._reading.pop(app_key, None)
        else:
            self._status.clear()
            self._reading.clear()

    async def _verify(self, token: str) -> _Checked | None:
        claims = await self._claims(token)
        is_outside = claims is None and self._outside is not None
        if is_outside and self._outside is not None:
            claims = await self._outside.claims(token)
        if claims is None:
            return None
        app_key, subject, expires_at = claims.get("client_id"), claims.get("sub"), claims.get("exp")
        scope, issued_at = claims.get("scope"), claims.get("iat")
        if not is_outside and (claims.get("iss") != self.issuer or claims.get("aud") != self._audience):
            return None
        if not (isinstance(app_key, str) and isinstance(scope, str)):
            return None
        if not (isinstance(expires_at, int) and isinstance(issued_at, int)):
            return None
        device = self._subjects.open(app_key, claims["dev"]) if "dev" in claims else None
        if (subject == app_key) != (device is None):
            return None  # identifies somebody, but nobody that we could find
        if expires_at <= self._now():
            return None
        status = await self._current(app_key)
        if status.account_id is None:
            return None
        names = (str(claims.get("jti")), *((NAME,) if is_outside else _consents(scope, device)))
        caller = Caller(
            app_key,
            status.account_id,
            frozenset(scope.split()) & status.granted if is_outside else frozenset(scope.split()),
            device,
            status.sandbox,
            status.daily_quota,
            status.granted,
        )
        return _Checked(caller, status, expires_at, issued_at, names)

    async def _claims(self, token: str) -> dict[str, Any] | None:
        """What a token says, if one of our keys signed it (RFC 9068 clause 4)."""
        if len(token) > MAX_LENGTH or not token.isascii():
            return None
        try:
            header = _header_decoder.decode(urlsafe_b64decode(token.partition(".")[0].encode()))
        except (ValueError, RecursionError):  # not base64url, not JSON, or not such a header
            return None
        key = await self._keys.verifier(header.kid) if header.typ == _TYPE else None
        if key is None:
            return None
        try:
            return jwt.decode(token, key, algorithms=[ALGORITHM]).claims
        except JoseError:
            return None

    async def _current(self, app_key: str) -> _Status:
        """The status of an application, at most `STATUS_FOR` old; concurrent calls share one look."""
        status = self._status.get(app_key)
        if status is not None and 0 <= self._now() - status.read_at < STATUS_FOR:  # the clock may be set back
            return status
        task = self._reading.get(app_key)
        if task is None:
            task = asyncio.create_task(self._status_of(app_key))
            self._reading[app_key] = task
            task.add_done_callback(lambda done: self._keep(app_key, done))
        return await asyncio.shield(task)

    def _keep(self, app_key: str, done: asyncio.Task[_Status]) -> None:
        if self._reading.get(app_key) is not done:
            return  # invalidated while it was being read: what it found may be old
        del self._reading[app_key]
        if not done.cancelled() and done.exception() is None:
            self._status[app_key] = done.result()

    async def _status_of(self, app_key: str) -> _Status:
        read_at = self._now()
        try:
            application = await self._accounts.application(app_key)
        except ApplicationNotFound:
            return _Status(None, read_at)
        account_id = None if application.revoked_at else application.account_id
        since = int(application.tokens_from.timestamp()) if application.tokens_from else 0
        granted = frozenset(application.scopes)
        revoked = await self._accounts.revocations(app_key, datetime.fromtimestamp(read_at, UTC))
        return _Status(
            account_id, read_at, application.sandbox, application.daily_quota, since, granted, revoked or None
        )


def _is_revoked(names: Iterable[str], issued_at: int, status: _Status) -> bool:
    revoked = status.revoked
    return revoked is not None and any(issued_at <= revoked.get(name, -1) for name in names)


def _consents(scope: str, device: str | None) -> tuple[str, ...]:
    """The names of the consents that a 3-legged token with this scope rests on."""
    if device is None:
        return ()
    purposes = [word.removeprefix(PREFIX) for word in scope.split() if word.startswith(PREFIX)]
    return tuple(consent_name(each, msisdn) for each in purposes for msisdn in (device, ""))
