"""Applications as clients of the authorization server: what was agreed with each, and what may be used once."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from simwarden.domain.errors import AlreadyExists
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.store.queries import load
from simwarden.store.vault import request_signing_purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("clients")


class ClientProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed with an application's owner beside its secret."""

    keys: tuple[dict[str, Any], ...] = ()
    """Its public keys (JWK)."""
    keys_url: str | None = None
    """Where its public keys are, in place of `keys`."""
    keys_only: bool = False
    """Its secret opens nothing: it signs its requests for tokens."""
    grants: tuple[str, ...] = ()
    """Ways to a token beside client credentials."""
    purposes: tuple[str, ...] = ()
    """What it may declare to do with what it learns: values of the Data Privacy Vocabulary, without `dpv:`."""
    redirect_uris: tuple[str, ...] = ()
    """Where authorization codes may be sent, each to the letter."""
    asks_user: bool = False
    """Whoever uses a SIM may be asked for consent, where its account has not decided."""
    outside_id: str | None = None
    """What the outside issuer calls it."""


class StoredClient(msgspec.Struct, frozen=True):
    """A profile, and what is known of the secret that signs requests."""

    profile: ClientProfile = ClientProfile()
    signs: bool = False
    """It has a secret that signs requests."""
    previous_signing_until: datetime | None = None


class SigningSecrets(msgspec.Struct, frozen=True):
    """The secrets with which an application may sign requests now."""

    current: bytes
    previous: bytes | None = None
    previous_until: datetime | None = None


class Clients:
    """Every method may raise StoreUnavailable."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    async def get(self, app_key: str) -> StoredClient:
        """What was agreed with this application; of one with which nothing was, the defaults."""
        row = await self._db.fetchrow(Q["client"], app_key)
        return StoredClient() if row is None else _client(row)

    async def change(self, app_key: str, change: Callable[[ClientProfile], ClientProfile]) -> StoredClient:
        """Replace a profile by what `change` makes of it, while nobody else does.

        Raises AlreadyExists when another application has its `outside_id`, and what `change` raises.
        """
        try:
            async with self._db.transaction() as connection:
                await connection.execute(Q["ensure"], app_key)
                await connection.execute(Q["lock"], app_key)
                row = await connection.fetchrow(Q["client"], app_key)
                new = change(_client(row).profile)
                keys = {"keys": list(new.keys)} if new.keys else None
                args = (app_key, keys, new.keys_url, new.keys_only, list(new.grants), list(new.purposes))
                await connection.execute(Q["save"], *args, list(new.redirect_uris), new.asks_user, new.outside_id)
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists("Another application has this id at the outside issuer") from error
        return await self.get(app_key)

    async def by_outside_id(self, outside_id: str) -> str | None:
        """APPKEY of the application that the outside issuer calls this."""
        found: str | None = await self._db.fetchval(Q["by_outside_id"], outside_id)
        return found

    async def signing_secrets(self, app_key: str) -> SigningSecrets | None:
        """The secrets that sign an application's requests; None: it signs none. Raises WrongKey."""
        row = await self._db.fetchrow(Q["signing_secrets"], app_key)
        if row is None or row["signing_secret"] is None:
            return None
        purpose, before = request_signing_purpose(app_key), row["previous_signing_secret"]
        opened = None if before is None else self._vault.open(before, purpose)
        return SigningSecrets(
            self._vault.open(row["signing_secret"], purpose), opened, row["previous_signing_until"] if opened else None
        )

    async def set_signing_secret(self, app_key: str, secret: bytes | None, previous_until: datetime | None) -> None:
        """Give an application another secret to sign requests with (None: it signs none any more).

        The one before is good until `previous_until`, or no more.
        """
        sealed = None if secret is None else self._vault.seal(secret, request_signing_purpose(app_key))
        async with self._db.transaction() as connection:
            await connection.execute(Q["ensure"], app_key)
            await connection.execute(Q["set_signing_secret"], app_key, sealed, previous_until)


class UsedOnce:
    """What may be used once, over all processes and servers."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def claim(self, *parts: str, until: datetime) -> bool:
        """Whether this is the first use; it is remembered until then. Raises StoreUnavailable."""
        digest = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).digest()
        return await self._db.fetchval(Q["claim"], digest[0], digest, until) is not None

    async def forget(self, now: datetime) -> None:
        """Delete what may be used again."""
        await self._db.execute(Q["forget_used"], list(ALL_BUCKETS), now)


def _client(row: asyncpg.Record) -> StoredClient:
    keys: Sequence[dict[str, Any]] = (row["keys"] or {}).get("keys", ())
    profile = ClientProfile(
        keys=tuple(keys),
        keys_url=row["keys_url"],
        keys_only=row["keys_only"],
        grants=tuple(row["grants"]),
        purposes=tuple(row["purposes"]),
        redirect_uris=tuple(row["redirect_uris"]),
        asks_user=row["asks_user"],
        outside_id=row["outside_id"],
    )
    return StoredClient(profile, row["signs"], row["previous_signing_until"])
