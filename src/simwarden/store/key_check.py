"""Whether this program's master key is the one that the database's secrets were encrypted with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.domain.errors import SimwardenError
from simwarden.store.database import available, connect
from simwarden.store.queries import load
from simwarden.store.vault import WrongKey, gateway_purpose, inbox_purpose, signing_key_purpose, signing_purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import asyncpg

    from simwarden.store.vault import Vault

Q = load("key_check")
PURPOSE = "key-check"
_KNOWN = b"simwarden"


class WrongMasterKey(SimwardenError):
    """This database belongs to another master key."""

    def __init__(self) -> None:
        super().__init__(
            "The secrets in this database were encrypted with another master key than this server's. Give it the key "
            "of the server that made them: SIMWARDEN_SECRET_KEY, or the file master.key of its data directory."
        )


async def check(url: str, vault: Vault, *, claim: bool = True) -> None:
    """Make sure that the database at `url`, which has all migrations, belongs to this master key.

    A database that does not say to which key it belongs (a new one, or one from before there was this check) is
    tried by the secrets that it holds, and from then on belongs to this key (unless `claim` is false: then nothing is
    written). Raises WrongMasterKey, DatabaseRefuses, StoreUnavailable.
    """
    connection = await connect(url)
    with available():
        try:
            await _check(connection, vault, claim=claim)
        finally:
            await connection.close()


async def _check(connection: asyncpg.Connection, vault: Vault, *, claim: bool) -> None:
    sealed = await connection.fetchval(Q["read"])
    if sealed is None:
        if not await _opens_what_is_there(connection, vault):
            raise WrongMasterKey
        if not claim:
            return
        await connection.execute(Q["write"], vault.seal(_KNOWN, PURPOSE))
        sealed = await connection.fetchval(Q["read"])  # another server's, if it was first
    if not _opens(vault, sealed, PURPOSE):
        raise WrongMasterKey


async def _opens_what_is_there(connection: asyncpg.Connection, vault: Vault) -> bool:
    """Whether the newest signing key can be opened; where there is none, any other secret; or nothing is encrypted."""
    newest = await connection.fetchrow(Q["newest_signing_key"])
    if newest is not None:
        return _opens(vault, newest["private_key"], signing_key_purpose(newest["kid"]))
    found = [
        *_with_purpose(await connection.fetch(Q["passwords"]), gateway_purpose),
        *_with_purpose(await connection.fetch(Q["inboxes"]), inbox_purpose),
        *_with_purpose(await connection.fetch(Q["subscriptions"]), signing_purpose),
    ]
    return not found or any(_opens(vault, sealed, purpose) for sealed, purpose in found)


def _with_purpose(rows: list[asyncpg.Record], purpose: Callable[[Any], str]) -> Iterator[tuple[bytes, str]]:
    return ((row[1], purpose(row[0])) for row in rows)


def _opens(vault: Vault, sealed: bytes, purpose: str) -> bool:
    try:
        vault.open(sealed, purpose)
    except WrongKey:
        return False
    return True
