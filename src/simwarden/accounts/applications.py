"""Opening accounts and giving applications their credentials."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.accounts import scopes as known_scopes
from simwarden.accounts.roles import Role
from simwarden.domain.errors import ApplicationNotFound, IncompatibleState, InvalidValue
from simwarden.kit.clock import now_utc
from simwarden.kit.ids import random_name
from simwarden.store.accounts import Account, Accounts, AccountSettings, Application

if TYPE_CHECKING:
    from collections.abc import Iterable

APP_KEY_PREFIX = "swk_"
APP_SECRET_PREFIX = "sws_"  # noqa: S105 - what secret scanners are to look for, not a secret
MAX_NAME = 100
MAX_QUOTA = 10**12
MAX_OVERLAP = timedelta(days=30)


class InvalidName(InvalidValue):
    """A name has 1 to 100 printable characters and no blank at either end."""


class InvalidQuota(InvalidValue):
    """A quota is a whole number of calls, from 1 on."""


class InvalidOverlap(InvalidValue):
    """An overlap lasts 0 to 2592000 seconds (30 days)."""


class InvalidSuccessor(IncompatibleState, ValueError):
    """Subscriptions go to another live application of the same account, and of the sandbox only within it."""


class Issued(msgspec.Struct, frozen=True):
    """A new application and its secret, which is shown this once."""

    application: Application
    app_secret: str


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret.

    Plain SHA-256 is right here: the secret is 256 random bits that we chose, so nothing is left to guess that a slow,
    salted password hash would have to protect, and a token request stays cheap.
    """
    return hashlib.sha256(secret.encode()).digest()


_NOBODY = hash_secret(secrets.token_urlsafe(32))


async def open_account(
    accounts: Accounts, name: str, settings: AccountSettings | None = None, parent: str | None = None
) -> Account:
    """Open an account, below the one with this id. Raises InvalidName, AlreadyExists, TooDeep, AccountNotFound."""
    return await accounts.add(f"acc_{random_name(12)}", _checked(name), settings or AccountSettings(), parent)


async def issue(
    accounts: Accounts,
    account: str,
    name: str,
    scopes: Iterable[str] | None = None,
    *,
    sandbox: bool = False,
    daily_quota: int | None = None,
) -> Issued:
    """Create an application of the account with this name or id, with the given scopes (None: the set `default`; for
    the sandbox `all`).

    `sandbox`: it sees virtual SIMs instead of the account's own, for good. `daily_quota`: counted calls that it may
    make in a day (UTC).

    Raises AccountNotFound, InvalidName, UnknownScope, InvalidQuota, AlreadyExists.
    """
    _check_quota(daily_quota, sandbox=sandbox)
    granted = known_scopes.checked(known_scopes.SETS["all" if sandbox else "default"] if scopes is None else scopes)
    owner = await accounts.get(account)
    secret = APP_SECRET_PREFIX + secrets.token_urlsafe(32)
    application = await accounts.add_application(
        APP_KEY_PREFIX + random_name(24),
        owner.id,
        _checked(name),
        hash_secret(secret),
        granted,
        sandbox=sandbox,
        daily_quota=daily_quota,
    )
    return Issued(application, secret)


async def set_quota(accounts: Accounts, name: str, daily_quota: int | None) -> Application:
    """Change the quota of the application that is `ACCOUNT/APP` or has this APPKEY; None takes it away.

    Raises ApplicationNotFound, InvalidQuota.
    """
    found = await accounts.named(name)
    _check_quota(daily_quota, sandbox=found.sandbox)
    return await accounts.set_daily_quota(found.app_key, daily_quota)


async def change_account(
    accounts: Accounts, name: str, *, new_name: str | None, settings: AccountSettings | None
) -> Account:
    """Rename an account, or set what holds for its calls; None leaves it as it is.

    Raises AccountNotFound, InvalidName, AlreadyExists.
    """
    found = await accounts.get(name)
    wanted = found.name if new_name is None else _checked(new_name)
    if (wanted, settings or found.settings) == (found.name, found.settings):
        return found
    return await accounts.change(found.id, wanted, settings or found.settings)


async def rotate_secret(accounts: Accounts, name: str, now: datetime, overlap: timedelta) -> Issued:
    """Give the application that is `ACCOUNT/APP` or has this APPKEY a new secret, shown this once.

    The secret before is good for `overlap` more, so that its user can change over. Without an overlap it is no good
    any more, and neither are the access tokens that were issued until now: for a secret that has leaked.

    Raises ApplicationNotFound, InvalidOverlap.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise InvalidOverlap
    found = await accounts.named(name)
    secret = APP_SECRET_PREFIX + secrets.token_urlsafe(32)
    until = now + overlap if overlap else None
    return Issued(await accounts.rotate_secret(found.app_key, hash_secret(secret), now, until), secret)


async def revoke(accounts: Accounts, name: str, hand_over_to: str | None = None) -> Application:
    """Revoke the application that is `ACCOUNT/APP` or has this APPKEY: its secret and tokens stop working at once.

    Its subscriptions end within seconds and their sinks are told, or become those of the live application
    `hand_over_to` of the same account. Raises ApplicationNotFound, InvalidSuccessor.
    """
    try:
        found = await accounts.named(name)
    except ApplicationNotFound:
        found = await accounts.application(name)  # revoked before, or an operator's key
    if hand_over_to is None:
        return await accounts.revoke(found.app_key)
    to = await accounts.named(hand_over_to)
    if found.revoked_at is not None:
        raise InvalidSuccessor("The application is revoked already: its subscriptions have ended")
    if (to.account_id, to.sandbox) != (found.account_id, found.sandbox) or to.app_key == found.app_key:
        raise InvalidSuccessor
    return await accounts.revoke(found.app_key, to.app_key)


async def issue_operator(
    accounts: Accounts,
    name: str,
    scopes: Iterable[str] | None = None,
    *,
    role: Role = Role.ADMIN,
    manages: str | None = None,
) -> Issued:
    """Create a key for the operator's own use, with the given scopes (None: manage:read and manage:write) and role.

    `manages`: id of the account that it and whose sub-accounts the key is for; None: all.
    Raises InvalidName, UnknownScope, AlreadyExists.
    """
    granted = known_scopes.checked(known_scopes.OPERATOR if scopes is None else scopes, known_scopes.OPERATOR)
    await accounts.ensure_operator()
    secret = APP_SECRET_PREFIX + secrets.token_urlsafe(32)
    app_key = APP_KEY_PREFIX + random_name(24)
    application = await accounts.add_operator_key(
        app_key, _checked(name), hash_secret(secret), granted, role=role, manages=manages
    )
    return Issued(application, secret)


async def authenticate(
    accounts: Accounts, app_key: str, secret: str, now: datetime | None = None
) -> Application | None:
    """The application with this key, if the secret is its own, or was until a rotation whose overlap lasts, and it is
    not revoked.

    An unknown key takes the same path as a wrong secret; comparing takes the same time for every secret.
    """
    plausible = app_key.startswith(APP_KEY_PREFIX) and app_key.isascii() and app_key.isprintable()
    found = await accounts.credentials(app_key) if plausible else None
    given = hash_secret(secret)
    right = hmac.compare_digest(found.secret_hash if found else _NOBODY, given)
    before = (
        found.previous_hash if found and found.previous_until and found.previous_until > (now or now_utc()) else None
    )
    right |= hmac.compare_digest(before or _NOBODY, given)
    if found is None or not right or found.application.revoked_at is not None:
        return None
    return found.application


def _check_quota(daily_quota: int | None, *, sandbox: bool) -> None:
    if daily_quota is None:
        return
    if sandbox:
        raise InvalidQuota("Calls to the sandbox are not counted, so its applications have no quota")
    if not 1 <= daily_quota <= MAX_QUOTA:
        raise InvalidQuota


def _checked(name: str) -> str:
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise InvalidName
    return name
