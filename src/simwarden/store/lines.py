"""Fixed lines, by number and by address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.fixed_line import FixedLine, LineNotFound
from simwarden.domain.locating import Site
from simwarden.domain.sim import IdentifierKind
from simwarden.store.coalesce import Coalescer
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from simwarden.domain.sim import SimRef
    from simwarden.store.database import Database

Q = load("lines")
_Wanted = tuple[str, str]
"""Account, and number or address."""


class Lines:
    """Finds lines, one request at a time but gathered into few statements."""

    def __init__(self, db: Database) -> None:
        self._numbers: Coalescer[_Wanted, FixedLine] = Coalescer(self._by_number)
        self._addresses: Coalescer[_Wanted, FixedLine] = Coalescer(self._by_address)
        self._db = db

    async def find(self, account_id: str, ref: SimRef) -> FixedLine | None:
        """The account's line of this name: a phone number, or an address that lies in one of its networks.

        Of networks within each other the narrowest one that any account has counts. A foreign line and an unknown one
        both give None.
        """
        if ref.kind is IdentifierKind.MSISDN:
            return await self._numbers.get((account_id, ref.value))
        if ref.kind is IdentifierKind.IPV6:
            return await self._addresses.get((account_id, ref.value))
        if ref.kind is IdentifierKind.IPV4:
            public = ref.value.partition("/")[0].partition(":")[0]
            return await self._addresses.get((account_id, public))
        return None

    async def _by_number(self, wanted: Sequence[_Wanted]) -> Mapping[_Wanted, FixedLine]:
        return await self._found("by_number", wanted)

    async def _by_address(self, wanted: Sequence[_Wanted]) -> Mapping[_Wanted, FixedLine]:
        return await self._found("by_address", wanted)

    async def _found(self, query: str, wanted: Sequence[_Wanted]) -> Mapping[_Wanted, FixedLine]:
        rows = await self._db.fetch(Q[query], [value for _, value in wanted], [account for account, _ in wanted])
        return {wanted[row["ord"] - 1]: _line(row) for row in rows}


async def known(connection: asyncpg.Connection, account_id: str, refs: Sequence[SimRef]) -> set[SimRef]:
    """Which of these phone numbers are an account's lines."""
    numbers = [ref.value for ref in refs if ref.kind is IdentifierKind.MSISDN]
    if not numbers:
        return set()
    rows = await connection.fetch(Q["by_number"], numbers, [account_id] * len(numbers))
    found = {row["number"] for row in rows}
    return {ref for ref in refs if ref.kind is IdentifierKind.MSISDN and ref.value in found}


async def add(connection: asyncpg.Connection, lines: Sequence[FixedLine]) -> dict[str, str]:
    """Add lines; returns, by number, why some could not be. One program at a time does this.

    Numbers and networks that stand twice in `lines` are the caller's to find.
    """
    await connection.execute(Q["lock"])
    numbers = [line.number for line in lines]
    networks = {network: line.number for line in lines for network in line.networks}
    refused = {row["number"]: "A line has this number already" for row in await connection.fetch(Q["lines"], numbers)}
    refused |= {row["value"]: "A SIM has this number" for row in await connection.fetch(Q["sims"], numbers)}
    for row in await connection.fetch(Q["networks"], list(networks)):
        refused.setdefault(networks[row["network"]], f"The line {row['number']} has {row['network']} already")
    free = [line for line in lines if line.number not in refused]
    if free:
        await connection.execute(
            Q["add"],
            [line.number for line in free],
            [line.account_id for line in free],
            [line.site.latitude for line in free],
            [line.site.longitude for line in free],
            [line.site.radius for line in free],
            [line.installed_at for line in free],
        )
        own = [(network, line.number) for line in free for network in line.networks]
        await connection.execute(Q["add_networks"], [network for network, _ in own], [number for _, number in own])
    return refused


async def page(db: Database, *, account_id: str | None, after: str, limit: int) -> list[FixedLine]:
    """Lines in the order of their numbers, from behind `after`."""
    return [_line(row) for row in await db.fetch(Q["page"], account_id, after, limit)]


async def get(db: Database, number: str) -> FixedLine:
    """The line with this number, whosever it is. Raises LineNotFound."""
    row = await db.fetchrow(Q["get"], number)
    if row is None:
        raise LineNotFound
    return _line(row)


async def remove(db: Database, number: str) -> None:
    """Forget a line. Raises LineNotFound."""
    if not await db.execute(Q["remove"], number):
        raise LineNotFound


def _line(row: asyncpg.Record) -> FixedLine:
    return FixedLine(
        number=row["number"],
        account_id=row["account_id"],
        site=Site(row["latitude"], row["longitude"], row["radius"]),
        networks=tuple(row["networks"]),
        installed_at=row["installed_at"],
    )
