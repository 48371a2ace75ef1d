"""Which SIMs have had which phone numbers (`number_assignment`), by the bucket of the number.

A number with which a SIM was registered and that was new in the record has no row there before it is taken away: the
SIM's own row says all of it (`number_new`, decision 0065).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import numbers
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.numbers import Assignment
from simwarden.store.coalesce import Coalescer
from simwarden.store.columns import lines
from simwarden.store.outbox import Outbox
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
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

    async def of_sim(self, sim: Sim) -> Assignment | None:
        """Since when a SIM has had its number, by its row; None: there is none, or the SIM has no number."""
        if sim.msisdn is None:
            return None
        found = await self._current.get((sim.account_id, sim.msisdn))
        return found if found is not None and found.imsi == sim.imsi else None  # they were not read together

    async def _all_current(self, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Assignment]:
        accounts, numbers = zip(*wanted, strict=True)
        buckets = [bucket_of(number) for number in numbers]
        rows = await self._db.fetch(Q["current"], sorted(set(buckets)), lines(buckets), lines(numbers), lines(accounts))
        return {(row["account_id"], row["number"]): _assignment(row) for row in rows}


async def register(
    connection: asyncpg.Connection,
    account_id: str,
    sims: Iterable[Sim],
    now: datetime,
    activated: Mapping[str, datetime] | None = None,
) -> list[Assignment]:
    """Record the numbers of an account's new SIMs, which are stored; returns those that came from another SIM.

    `activated`: by IMSI, since when a SIM has had its number outside this record. Call it in the transaction that
    stored the SIMs and their names, with `number_new` for those that have a number and are not in `activated`.
    """
    numbered = {sim.msisdn: sim for sim in sims if sim.msisdn is not None}
    newest = await _newest(connection, numbered)
    begun = activated or {}
    known = [sim for number, sim in numbered.items() if number in newest]
    marked = sorted((sim.bucket, sim.imsi) for sim in known if sim.imsi not in begun)
    if marked:
        await connection.execute(Q["unmark"], *map(list, zip(*marked, strict=True)))
    told = [sim for number, sim in numbered.items() if number in newest or sim.imsi in begun]
    return await _assign(connection, account_id, told, now, newest, begun)


async def assign(
    connection: asyncpg.Connection, account_id: str, sims: Sequence[Sim], now: datetime
) -> list[Assignment]:
    """Record that SIMs that were registered before have their numbers from now on; returns as `register` does.

    Call it in the transaction that gave the SIMs their names and took `number_new` from them.
    """
    numbered = [sim for sim in sims if sim.msisdn is not None]
    newest = await _newest(connection, [sim.msisdn for sim in numbered if sim.msisdn is not None])
    return await _assign(connection, account_id, numbered, now, newest, {})


async def release(connection: asyncpg.Connection, sims: Iterable[Sim], now: datetime) -> None:
    """Record that SIMs, which are locked, have their numbers no longer."""
    named = sorted((bucket_of(sim.msisdn), sim.msisdn, sim.imsi) for sim in sims if _has_row(sim))
    if named:
        await connection.execute(Q["release"], *map(list, zip(*named, strict=True)), now)
    registered = [one for sim in sims if (one := numbers.of_registration(sim)) is not None]
    await _insert(connection, [msgspec.structs.replace(one, until=now) for one in registered])


def _has_row(sim: Sim) -> bool:
    return sim.msisdn is not None and sim.number_since is None


async def _newest(connection: asyncpg.Connection, wanted: Collection[str]) -> dict[str, Assignment]:
    """The newest rows of numbers; most that are registered have none, which costs a probe."""
    if not wanted:
        return {}
    buckets = [bucket_of(number) for number in wanted]
    rows = await connection.fetch(Q["of_numbers"], sorted(set(buckets)), lines(buckets), lines(wanted))
    return {found.number: found for found in sorted(map(_assignment, rows), key=lambda one: one.since)}


async def _assign(
    connection: asyncpg.Connection,
    account_id: str,
    sims: Iterable[Sim],
    now: datetime,
    newest: Mapping[str, Assignment],
    begun: Mapping[str, datetime],
) -> list[Assignment]:
    """Write rows of numbers that SIMs have from now on; returns those of numbers that came from another SIM."""
    made = [
        numbers.assign(
            newest.get(sim.msisdn),
            number=sim.msisdn,
            imsi=sim.imsi,
            account_id=account_id,
            now=now,
            activated=begun.get(sim.imsi),
        )
        for sim in sims
        if sim.msisdn is not None
    ]
    await _insert(connection, made)
    return [one for one in made if numbers.is_swap(newest.get(one.number), one)]


async def _insert(connection: asyncpg.Connection, made: Sequence[Assignment]) -> None:
    if not made:
        return
    names = ("number", "since", "imsi", "account_id", "sim_since", "owner_since", "begin_known")
    columns = [lines(getattr(one, name) for one in made) for name in names]
    ends = lines(one.until or "infinity" for one in made)
    await connection.execute(Q["insert"], lines(bucket_of(one.number) for one in made), *columns, ends)


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
