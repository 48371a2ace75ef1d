"""Accounts (tenants), their applications, and the keys that sign access tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from simwarden.domain.errors import AccountNotFound, AlreadyExists, ApplicationNotFound, IncompatibleState
from simwarden.domain.payments import PaymentRules
from simwarden.domain.sim import Policy
from simwarden.store import revocations
from simwarden.store.coalesce import Coalescer
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simwarden.store.database import Database

Q = load("accounts")
OPERATOR = "operator"
"""The account of the operator's own keys. It is no tenant: it has no SIMs and is in no list."""
MOST_LEVELS = 3
"""A reseller, its reseller, and that one's customer."""
_SIGNING_KEY_LOCK = 0x53494D57_4B455953
"""Advisory lock "SIMWKEYS": one process at a time makes signing keys."""


class TooDeep(IncompatibleState):
    """Accounts stand on three levels at most: a reseller, its reseller, and that one's customer."""


class AccountSettings(msgspec.Struct, frozen=True):
    """What an account wants where a call leaves it open."""

    policy: Policy = Policy()
    """What a binding does when it is not met, unless the call says otherwise."""
    strict: bool = False
    """Refuse to bind a SIM that has never been seen, instead of binding it to the first device or place seen."""
    home_networks: tuple[str, ...] = ()
    """Networks (MCC and MNC) in which its SIMs are at home, beside the one that their IMSI names: others of the same
    operator, and partners in the home country that do not count as roaming."""
    area: str | None = None
    """Name of the account's area that a call takes which limits a SIM and names none;"""
    area_radius: int = 5000
    """where there is none, metres of the circle around the SIM's place."""
    payments: PaymentRules | None = None
    """What its SIMs have to meet to pay by the phone bill; None: they may not."""


class Account(msgspec.Struct, frozen=True):
    """A tenant."""

    id: str
    name: str
    settings: AccountSettings
    created_at: datetime
    parent: str | None = None
    """Id of the reseller's account that it is below; None: a customer of the operator itself."""


class Application(msgspec.Struct, frozen=True):
    """A client of an account, with credentials and scopes of its own."""

    app_key: str
    account_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None
    sandbox: bool = False
    """It sees virtual SIMs, and nothing else."""
    daily_quota: int | None = None
    """Counted calls that it may make in a day (UTC); None: as many as it likes."""
    previous_until: datetime | None = None
    """Until then the secret before the present one is good too."""
    tokens_from: datetime | None = None
    """Access tokens issued before this are refused; None: none are."""


class Credentials(msgspec.Struct, frozen=True):
    """An application and what proves that a caller is it."""

    application: Application
    secret_hash: bytes
    previous_hash: bytes | None = None
    """Of the secret before, which is still good until then."""
    previous_until: datetime | None = None


class StoredKey(msgspec.Struct, frozen=True):
    """A signing key as it lies in the database."""

    kid: str
    algorithm: str
    private_key: bytes
    """Encrypted."""
    public_jwk: dict[str, Any]
    created_at: datetime | None = None
    retired_at: datetime | None = None


class Accounts:
    """Accounts, applications and signing keys in PostgreSQL. Every method may raise StoreUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._settings: Coalescer[str, AccountSettings] = Coalescer(self._settings_of)

    async def add(
        self,
        id: str,  # noqa: A002 - the column's name
        name: str,
        settings: AccountSettings,
        parent: str | None = None,
    ) -> Account:
        """Store a new account, below another one where that is named.

        Raises AlreadyExists when the name is taken, TooDeep, AccountNotFound when there is no such parent (any more).
        """
        async with self._db.transaction() as connection:
            if parent is not None:
                if await connection.fetchval(Q["hold_parent"], parent) is None:
                    raise AccountNotFound(f"No account has the id {parent!r}")
                if await connection.fetchval(Q["depth"], parent) >= MOST_LEVELS:
                    raise TooDeep
            row = await connection.fetchrow(Q["insert_account"], id, name, settings, parent)
        if row is None:
            raise AlreadyExists(f"An account named {name!r} exists already")
        return _account(row)

    async def subtree(self, account_id: str) -> frozenset[str]:
        """Ids of an account and of those below it; empty when it is gone."""
        return frozenset(row["id"] for row in await self._db.fetch(Q["subtree"], account_id))

    async def list(self) -> Sequence[Account]:
        """All accounts, by name."""
        return [_account(row) for row in await self._db.fetch(Q["accounts"])]

    async def get(self, name_or_id: str) -> Account:
        """The account with this id or name. Raises AccountNotFound."""
        row = await self._db.fetchrow(Q["account"], name_or_id)
        if row is None:
            raise AccountNotFound(f"No account has the name or id {name_or_id!r}")
        return _account(row)

    async def ensure_operator(self) -> None:
        """Make the operator's account, which is there at the latest when its first key is."""
        await self._db.execute(Q["ensure_operator"])

    async def change(self, account_id: str, name: str, settings: AccountSettings) -> Account:
        """Replace an account's name and settings. Raises AccountNotFound, AlreadyExists."""
        try:
            row = await self._db.fetchrow(Q["change_account"], account_id, name, settings)
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists(f"An account named {name!r} exists already") from error
        if row is None:
            raise AccountNotFound(f"No account has the id {account_id!r}")
        return _account(row)

    async def settings(self, account_id: str) -> AccountSettings:
        """What an account wants, read with what concurrent calls ask for. Raises AccountNotFound."""
        found = await self._settings.get(account_id)
        if found is None:
            raise AccountNotFound(f"No account has the id {account_id!r}")
        return found

    async def _settings_of(self, account_ids: Sequence[str]) -> Mapping[str, AccountSettings]:
        rows = await self._db.fetch(Q["account_settings"], account_ids)
        return {row["id"]: msgspec.convert(row["settings"], AccountSettings) for row in rows}

    async def add_application(
        self,
        app_key: str,
        account_id: str,
        name: str,
        secret_hash: bytes,
        scopes: Sequence[str],
        *,
        sandbox: bool = False,
        daily_quota: int | None = None,
    ) -> Application:
        """Store a new application. Raises AlreadyExists when a live one of the account has this name."""
        args = (app_key, account_id, name, secret_hash, list(scopes), sandbox, daily_quota)
        row = await self._db.fetchrow(Q["insert_application"], *args)
        if row is None:
            raise AlreadyExists(f"The account has an application named {name!r} already")
        return _application(row)

    async def add_operator_key(
        self, app_key: str, name: str, secret_hash: bytes, scopes: Sequence[str], *, role: str, manages: str | None
    ) -> Application:
        """Store a new key of an operator. Raises AlreadyExists when a live one has this name."""
        row = await self._db.fetchrow(Q["insert_operator_key"], app_key, name, secret_hash, list(scopes), role, manages)
        if row is None:
            raise AlreadyExists(f"There is an operator's key named {name!r} already")
        return _application(row)

    async def applications(self, account_id: str) -> Sequence[Application]:
        """The applications of an account, revoked ones included, by name."""
        return [_application(row) for row in await self._db.fetch(Q["applications"], account_id)]

    async def page(
        self,
        *,
        account_id: str | None,
        app_key: str | None,
        is_revoked: bool | None,
        after: tuple[str, str],
        limit: int,
        operators: bool = False,
    ) -> Sequence[Application]:
        """Applications of tenants (or the operators' keys) by name and APPKEY, from behind the one at `after`."""
        args = (account_id, app_key, is_revoked, *after, limit, operators)
        return [_application(row) for row in await self._db.fetch(Q["page_of_applications"], *args)]

    async def application(self, app_key: str) -> Application:
        """One application, also a revoked one. Raises ApplicationNotFound."""
        row = await self._db.fetchrow(Q["application"], app_key)
        if row is None:
            raise ApplicationNotFound
        return _application(row)

    async def named(self, name: str) -> Application:
        """A tenant's live application by `ACCOUNT/APP` or APPKEY. Raises ApplicationNotFound."""
        rows = await self._db.fetch(Q["applications_named"], name)
        if not rows:
            raise ApplicationNotFound(f"No application is {name!r}: name it ACCOUNT/APP, or by its APPKEY")
        if len(rows) > 1:
            raise ApplicationNotFound(f"Several applications are {name!r}: name the one by its APPKEY")
        return _application(rows[0])

    async def set_daily_quota(self, app_key: str, daily_quota: int | None) -> Application:
        """Change what an application may use in a day, notify `simwarden_application`. Raises ApplicationNotFound."""
        row = await self._db.fetchrow(Q["set_daily_quota"], app_key, daily_quota)
        if row is None:
            raise ApplicationNotFound
        return _application(row)

    async def rotate_secret(
        self, app_key: str, secret_hash: bytes, now: datetime, previous_until: datetime | None
    ) -> Application:
        """Replace the secret of a live application, notify `simwarden_application`. Raises ApplicationNotFound.

        The secret before is good until `previous_until`; with None it is no good any more, and neither is any access
        token that was issued before `now`.
        """
        row = await self._db.fetchrow(Q["rotate_secret"], app_key, secret_hash, now, previous_until)
        if row is None:
            raise ApplicationNotFound
        return _application(row)

    async def credentials(self, app_key: str) -> Credentials | None:
        """An application, also a revoked one, with its secret's hash."""
        row = await self._db.fetchrow(Q["credentials"], app_key)
        if row is None:
            return None
        previous = row["previous_secret_hash"], row["previous_secret_until"]
        return Credentials(_application(row), row["secret_hash"], *previous)

    async def revoke(self, app_key: str, successor: str | None = None) -> Application:
        """Revoke an application (once is enough) and notify `simwarden_application`. Raises ApplicationNotFound.

        Its inboxes become the successor's at once; its live subscriptions behind this, a few at a time (`care`): they
        become the successor's, or end when there is none.
        """
        async with self._db.transaction() as connection:
            row = await connection.fetchrow(Q["revoke_application"], app_key, successor)
            if row is None:
                raise ApplicationNotFound
            if successor is not None:
                await connection.execute(Q["hand_over_inboxes"], app_key, successor)
        return _application(row)

    async def revocations(self, app_key: str, now: datetime) -> Mapping[str, int]:
        """Names of an application's tokens that are revoked, and until which second (since 1970) they were issued."""
        return await revocations.of_application(self._db, app_key, now)

    async def signing_keys(self, make: Callable[[], StoredKey], accept_retired_for: timedelta) -> Sequence[StoredKey]:
        """The keys that tokens may be signed with, the one to sign with first.

        The first call ever stores what `make` returns; of several processes only one does. Keys retired for no longer
        than `accept_retired_for` follow behind.
        """
        keys = await self._db.fetch(Q["signing_keys"], accept_retired_for)
        if not keys or keys[0]["retired_at"] is not None:
            async with self._db.transaction() as connection:
                await connection.execute(Q["lock_signing_keys"], _SIGNING_KEY_LOCK)
                keys = await connection.fetch(Q["signing_keys"], accept_retired_for)
                if not keys or keys[0]["retired_at"] is not None:
                    await _insert(connection, make())
                    keys = await connection.fetch(Q["signing_keys"], accept_retired_for)
        return [msgspec.convert(dict(row), StoredKey) for row in keys]

    async def rotate_signing_key(self, key: StoredKey) -> None:
        """Sign with `key` from now on; the others are retired."""
        async with self._db.transaction() as connection:
            await connection.execute(Q["lock_signing_keys"], _SIGNING_KEY_LOCK)
            await _insert(connection, key)
            await connection.execute(Q["retire_signing_keys"], key.kid)


async def _insert(connection: asyncpg.Connection, key: StoredKey) -> None:
    await connection.execute(Q["insert_signing_key"], key.kid, key.algorithm, key.private_key, key.public_jwk)


def _account(row: asyncpg.Record) -> Account:
    settings = msgspec.convert(row["settings"], AccountSettings)
    return Account(row["id"], row["name"], settings, row["created_at"], row["parent_id"])


def _application(row: asyncpg.Record) -> Application:
    return Application(
        row["app_key"],
        row["account_id"],
        row["name"],
        tuple(row["scopes"]),
        row["created_at"],
        row["revoked_at"],
        row["sandbox"],
        row["daily_quota"],
        row["previous_secret_until"],
        row["tokens_from"],
    )
