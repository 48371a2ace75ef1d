"""The names by which SIMs are found: the IMSI in the SIM's own row, the others in `sim_identifier` (decision 0038)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.errors import SimExists
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.store import numbers as assignments
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.numbers import Assignment
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("sim_names")


def names_of(sim: Sim) -> list[tuple[IdentifierKind, str]]:
    """All names by which a SIM can be found."""
    pairs = (
        (IdentifierKind.IMSI, sim.imsi),
        (IdentifierKind.ICCID, sim.iccid),
        (IdentifierKind.MSISDN, sim.msisdn),
        (IdentifierKind.NAI, sim.nai),
    )
    return [(kind, value) for kind, value in pairs if value]


def columns_of(names: Sequence[tuple[str, str]]) -> tuple[list[str], list[str], list[int | None]]:
    """Names (kind, value) as columns of a statement: kinds, values, and of IMSIs the bucket.

    A SIM is found by its IMSI in its own row. Its other names have rows in `sim_identifier`.
    """
    buckets = [bucket_of(value) if kind == IdentifierKind.IMSI else None for kind, value in names]
    return [kind for kind, _ in names], [value for _, value in names], buckets


async def imsis_of(
    connection: asyncpg.Connection, wanted: Sequence[tuple[str, SimRef]]
) -> dict[tuple[str, SimRef], str]:
    """The IMSIs behind these names (account, name). Names of other accounts' SIMs are missing, as unknown ones are."""
    kinds, values, buckets = columns_of([(ref.kind, ref.value) for _, ref in wanted])
    rows = await connection.fetch(Q["imsis_of"], kinds, values, [account_id for account_id, _ in wanted], buckets)
    return {wanted[row["ord"] - 1]: row["imsi"] for row in rows}


async def imsi_of_iccid(connection: asyncpg.Connection, iccids: Sequence[str]) -> dict[str, str]:
    """Which IMSI belongs to each known ICCID."""
    rows = await connection.fetch(Q["imsi_of_iccid"], iccids)
    return {row["value"]: row["imsi"] for row in rows}


async def taken(connection: asyncpg.Connection, names: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these names belong to a SIM already."""
    rows = await connection.fetch(Q["taken"], *columns_of(names))
    return {(row["kind"], row["value"]) for row in rows}


async def insert(
    connection: asyncpg.Connection, buckets: str, imsis: str, account_id: str, iccids: str, msisdns: str, nais: str
) -> None:
    """Write the names of an account's new SIMs, in columns (`store.columns.lines`).

    Raises asyncpg.UniqueViolationError when one is not free.
    """
    await connection.execute(Q["insert_names"], buckets, imsis, account_id, iccids, msisdns, nais)


async def add_addresses(
    connection: asyncpg.Connection, account_id: str, addresses: Sequence[tuple[Sim, SimRef]]
) -> None:
    """Let SIMs be found by static addresses, which the caller has found free. Raises SimExists when one is not."""
    named = await connection.fetch(
        Q["insert_identifiers"],
        [ref.kind for _, ref in addresses],
        [ref.value for _, ref in addresses],
        [sim.bucket for sim, _ in addresses],
        [sim.imsi for sim, _ in addresses],
        account_id,
    )
    if len(named) != len(addresses):
        raise SimExists("Another SIM takes one of these addresses at the same time")


async def rename(connection: asyncpg.Connection, before: Sim, after: Sim, now: datetime) -> list[Assignment]:
    """Give a locked SIM the names of `after`, which the caller has found free. Raises SimExists when one is not.

    Returns the phone number, if it came from another SIM.
    """
    kept, wanted = set(names_of(before)), set(names_of(after))
    old, new = sorted(kept - wanted), sorted(wanted - kept)
    keys = [before.bucket] * len(old), [before.imsi] * len(old)
    await connection.execute(Q["delete_identifiers"], [kind for kind, _ in old], [value for _, value in old], *keys)
    named = await connection.fetch(
        Q["insert_identifiers"],
        [kind for kind, _ in new],
        [value for _, value in new],
        [before.bucket] * len(new),
        [before.imsi] * len(new),
        before.account_id,
    )
    if len(named) != len(new):
        raise SimExists("Another SIM takes this name at the same time")
    mark = True if after.number_since is not None else None
    await connection.execute(Q["rename"], before.bucket, before.imsi, after.msisdn, after.nai, after.event_count, mark)
    if before.msisdn == after.msisdn:
        return []
    await assignments.release(connection, [before], now)
    return await assignments.assign(connection, before.account_id, [after], now)


async def addresses_of(connection: asyncpg.Connection, sims: Sequence[Sim]) -> dict[str, list[SimRef]]:
    """The static addresses by which SIMs are found, by IMSI."""
    found: dict[str, list[SimRef]] = {}
    for row in await connection.fetch(Q["addresses_of"], [sim.bucket for sim in sims], [sim.imsi for sim in sims]):
        found.setdefault(row["imsi"], []).append(SimRef(IdentifierKind(row["kind"]), row["value"]))
    return found


async def hold_accounts(connection: asyncpg.Connection, account_ids: Sequence[str]) -> frozenset[str]:
    """Those of these accounts that there are, none of which is deleted before the transaction ends."""
    return frozenset(row["id"] for row in await connection.fetch(Q["hold_accounts"], account_ids))


async def delete(connection: asyncpg.Connection, sims: Sequence[Sim]) -> None:
    """Make the names and addresses of SIMs free again."""
    names = [(kind, value, sim) for sim in sims for kind, value in names_of(sim) if kind is not IdentifierKind.IMSI]
    await connection.execute(Q["delete_addresses"], [sim.bucket for sim in sims], [sim.imsi for sim in sims])
    await connection.execute(
        Q["delete_identifiers"],
        [kind for kind, _, _ in names],
        [value for _, value, _ in names],
        [sim.bucket for _, _, sim in names],
        [sim.imsi for _, _, sim in names],
    )


async def forget_imsi_names(db: Database, limit: int) -> int:
    """Delete IMSIs from `sim_identifier`, as servers of earlier versions wrote them; returns how many were."""
    return await db.execute(Q["forget_imsi_names"], limit)
