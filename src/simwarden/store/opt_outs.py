"""Receivers who want no messages, sealed, and the words by which they say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.opt_outs import ANY_NUMBER, OptOutEntry, OptOutSource, TooManyOptOuts
from simwarden.kit.clock import now_utc
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    import asyncpg

    from simwarden.domain.messages import Recipient
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("opt_outs")
MOST = 100_000
"""As many as a customer or operator may make an account have; what receivers ask for is recorded beyond that too."""
Place = tuple["datetime", str, str]
"""Where a page ended."""


def peer_key(vault: Vault, account_id: str, peer: str) -> bytes:
    """What the other side of an account's messages is compared by."""
    return vault.fingerprint(f"{account_id} {peer}".encode(), "sms-peer")[:16]


async def opt_out(connection: asyncpg.Connection, vault: Vault, sim: Recipient, peer: str, since: datetime) -> None:
    """The other side wants no more messages from the number, by its own word."""
    row = _row(vault, sim.account_id, sim.number, peer, since, OptOutSource.MESSAGE)
    await connection.execute(Q["set"], *row)


async def opt_in(connection: asyncpg.Connection, vault: Vault, sim: Recipient, peer: str) -> None:
    """The other side wants them again."""
    key = peer_key(vault, sim.account_id, peer)
    await connection.execute(Q["lift"], bucket_of(sim.number), sim.account_id, sim.number, key)


async def opted_out(connection: asyncpg.Connection, vault: Vault, sim: Recipient, peers: Collection[str]) -> set[str]:
    """Those of these numbers that want no messages from the SIM's."""
    keys = {peer_key(vault, sim.account_id, peer): peer for peer in peers}
    numbers = [sim.number, ANY_NUMBER]
    buckets = [_bucket(sim.account_id, number) for number in numbers]
    rows = await connection.fetch(Q["among"], buckets, sim.account_id, numbers, list(keys))
    return {keys[row["peer"]] for row in rows}


async def words_of(connection: asyncpg.Connection, accounts: Collection[str]) -> dict[str, frozenset[str]]:
    """The words of those of these accounts that have their own."""
    rows = await connection.fetch(Q["words_of"], sorted(accounts))
    return {row["account_id"]: frozenset(row["words"]) for row in rows}


class OptOutList:
    """An account's list, as its customer and the operator keep it."""

    def __init__(self, db: Database, vault: Vault, clock: Callable[[], datetime] = now_utc) -> None:
        self._db = db
        self._vault = vault
        self._clock = clock

    async def page(self, account_id: str, number: str | None, *, behind: Place | None, limit: int) -> list[OptOutEntry]:
        """Who wants none from this number (with those who want none from any), or from whichever; the newest first.

        Raises WrongKey.
        """
        numbers = None if number is None else [number, ANY_NUMBER]
        buckets = list(ALL_BUCKETS) if numbers is None else [_bucket(account_id, each) for each in numbers]
        place = (None, None, None) if behind is None else (behind[0], behind[1], bytes.fromhex(behind[2]))
        rows = await self._db.fetch(Q["page"], buckets, account_id, numbers, *place, limit)
        return [
            OptOutEntry(
                number=row["number"],
                receiver=None
                if row["sealed"] is None
                else self._vault.open(row["sealed"], _purpose(account_id, row["number"], row["peer"])).decode(),
                since=row["since"],
                source=OptOutSource(row["source"]),
                peer=row["peer"],
            )
            for row in rows
        ]

    async def add(self, account_id: str, number: str, receiver: str, source: OptOutSource) -> None:
        """Send no more messages from a number to this receiver; nothing changes where that is so already.

        Raises TooManyOptOuts.
        """
        row = _row(self._vault, account_id, number, receiver, self._clock(), source)
        async with self._db.transaction() as connection:
            await connection.execute(Q["hold"], account_id)
            if await connection.fetchval(Q["count"], ALL_BUCKETS, account_id, MOST) >= MOST:
                raise TooManyOptOuts(f"At most {MOST} receivers of an account may be added to those who opted out")
            await connection.execute(Q["set"], *row)

    async def remove(self, account_id: str, number: str, receiver: str) -> None:
        """Allow it again, if it was not."""
        key = peer_key(self._vault, account_id, receiver)
        await self._db.execute(Q["lift"], _bucket(account_id, number), account_id, number, key)

    async def words(self, account_id: str) -> list[str] | None:
        """The account's own words; None: it has the usual ones."""
        found: list[str] | None = await self._db.fetchval(Q["words"], account_id)
        return found

    async def set_words(self, account_id: str, words: list[str] | None) -> None:
        """Let these words opt out; None: the usual ones."""
        if words is None:
            await self._db.execute(Q["forget_words"], account_id)
        else:
            await self._db.execute(Q["set_words"], account_id, words)


def _row(
    vault: Vault, account_id: str, number: str, peer: str, since: datetime, source: OptOutSource
) -> tuple[object, ...]:
    key = peer_key(vault, account_id, peer)
    sealed = vault.seal(peer.encode(), _purpose(account_id, number, key))
    return _bucket(account_id, number), account_id, number, key, since, sealed, str(source)


def _bucket(account_id: str, number: str) -> int:
    return bucket_of(f"account:{account_id}" if number == ANY_NUMBER else number)


def _purpose(account_id: str, number: str, key: bytes) -> str:
    return f"opt-out:{account_id}:{number}:{key.hex()}"
