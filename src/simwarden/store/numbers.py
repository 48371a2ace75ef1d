"""Which SIMs have had which phone numbers (`number_assignment`), by the bucket of the number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import numbers
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.numbers import Assignment
from simwarden.store.coalesce import Coalescer
from simwarden.store.columns import lines
from simwarden.store.outbox import Outbox
from simwarden.store.queries import load

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("numbers")


def _assignment(row: asyncpg.Record) -> Assignment:
    number, imsi, account_id, since, until, sim_since, owner_since, begin_known = row
    return Assignment(
        number=number,
        imsi=imsi,
        account_id=account_id,
        since=since,
        until=until,
        sim_since=sim_since,
        owner_since=owner_since,
        begin_known=begin_known,
    )


class Numbers:
    """Reading what the record says of numbers, one request at a time but gathered into few statements."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._current: Coalescer[tuple[str, str], Assignment] = Coalescer(self._all_current)

    def current(self, account_id: str, number: str) -> Future[Assignment | None]:
        """Which SIM has an account's number; None: the account has no SIM of that number, or that is not recorded."""
        return self._current.get((account_id, number))

    async def _all_current(self, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Assignment]:
        accounts, numbers = zip(*wanted, strict=True)
        buckets = [bucket_of(number) for number in numbers]
        rows = await self._db.fetch(Q["current"], sorted(set(buckets)), lines(buckets), lines(numbers), lines(accounts))
        return {(row["account_id"], row["number"]): _assignment(row) for row in rows}


async def assign(
    connection: asyncpg.Connection,
    account_id: str,
    sims: Iterable[Sim],
    now: datetime,
    activated: Mapping[str, datetime] | None = None,
) -> list[Assignment]:
    """Record that an account's SIMs have their numbers from now on; returns the numbers that came from another SIM.

    Call it in the transaction that gave the SIMs their names. `activated`: by IMSI, since when a SIM has had its number
    outside this record.
    """
    imsis = {sim.msisdn: sim.imsi for sim in sims if sim.msisdn is not None}
    if not imsis:
        return []
    buckets = [bucket_of(number) for number in imsis]
    rows = await connection.fetch(Q["of_numbers"], sorted(set(buckets)), lines(buckets), lines(imsis))
    newest: dict[str, Assignment] = {}
    for found in sorted(map(_assignment, rows), key=lambda one: one.since):
        newest[found.number] = found
    begun = activated or {}
    known = {number: imsi for number, imsi in imsis.items() if number in newest or imsi in begun}
    if known:
        buckets = [bucket_of(number) for number in imsis if number not in known]
    new = [number for number in imsis if number not in known] if known else imsis
    if new:
        columns = lines(buckets), lines(new), lines(imsis[number] for number in new)
        await connection.execute(Q["insert_new"], *columns, account_id, now)
    made = [
        numbers.assign(
            newest.get(number), number=number, imsi=imsi, account_id=account_id, now=now, activated=begun.get(imsi)
        )
        for number, imsi in known.items()
    ]
    if made:
        names = ("number", "since", "imsi", "account_id", "sim_since", "owner_since", "begin_known")
        columns_of_known = [lines(getattr(one, name) for one in made) for name in names]
        await connection.execute(Q["insert"], lines(map(bucket_of, known)), *columns_of_known)
    return [one for one in made if numbers.is_swap(newest.get(one.number), one)]


async def release(connection: asyncpg.Connection, sims: Iterable[Sim], now: datetime) -> None:
    """Record that SIMs have their numbers no longer."""
    named = sorted((bucket_of(sim.msisdn), sim.msisdn, sim.imsi) for sim in sims if sim.msisdn is not None)
    if named:
        await connection.execute(Q["release"], *map(list, zip(*named, strict=True)), now)


async def lock_followers(
    connection: asyncpg.Connection, moved: Sequence[Assignment]
) -> list[tuple[Assignment, Outbox]]:
    """Lock the live subscriptions to these numbers that are the accounts' to which the numbers belong now."""
    by_number = {one.number: one for one in moved}
    if not by_number:
        return []
    rows = await connection.fetch(
        Q["followed"],
        [bucket_of(number) for number in by_number],
        list(by_number),
        [one.account_id for one in by_number.values()],
    )
    found = []
    for row in rows:
        one = by_number[row["number"]]
        locked = await connection.fetch(Q["lock_followers"], row["bucket"], one.number, one.account_id)
        found += [(one, Outbox.of_row(each)) for each in locked]
    return found
