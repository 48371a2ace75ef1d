"""Data sessions of SIMs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.session import Restriction, Session
from simwarden.store.columns import keys_of, lines, numbers, sparse_lines, sparse_texts, texts
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    import asyncpg

    from simwarden.domain.session import SessionNote
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("sessions")
Key = tuple[str, int, str]
"""IMSI, id of the network element, name of the session there."""


class Course(NamedTuple):
    """What is stored of a session that only goes on, and of its SIM."""

    place: int
    """Of its report among those that were given."""
    sim_due: bool
    """The time of its SIM is to be renewed,"""
    cell_due: bool | None
    """and that of its cell."""
    sim_seen_at: datetime
    """When its SIM was last seen; and how many events that has."""
    sim_events: int
    began_at: datetime


def _from_row(row: asyncpg.Record) -> Session:
    return Session(
        imsi=row["imsi"],
        element_id=row["gateway_id"],
        key=row["key"],
        began_at=row["began_at"],
        seen_at=row["seen_at"],
        ended_at=row["ended_at"],
        presumed=row["presumed"],
        imei=row["imei"],
        svn=row["svn"],
        plmn=row["plmn"],
        apn=row["apn"],
        rat=row["rat"],
        ipv4=row["ipv4"],
        ipv6=row["ipv6"],
        up=row["up"],
        down=row["down"],
        parts=row["parts"],
        decision=row["decision"],
        restriction=Restriction(row["restriction"] or Restriction.NONE),
    )


async def find(connection: asyncpg.Connection, keys: Sequence[Key]) -> dict[Key, Session]:
    """Those of these sessions that are known, live or ended."""
    rows = await connection.fetch(
        Q["find"],
        [bucket_of(imsi) for imsi, _, _ in keys],
        [imsi for imsi, _, _ in keys],
        [element_id for _, element_id, _ in keys],
        [key for _, _, key in keys],
    )
    return {(row["imsi"], row["gateway_id"], row["key"]): _from_row(row) for row in rows}


async def go_on(
    connection: asyncpg.Connection, told: Sequence[tuple[int, SessionNote]], refresh: timedelta
) -> list[Course]:
    """Count what sessions used that only go on; returns those.

    `told`: reports, each of an element, by id, that this transaction has locked, and each of another SIM, by IMSI.
    `refresh`: how old a stored time may become. Raises ValueError for a name of a session that holds a line break.
    """
    notes = [note for _, note in told]
    shards, buckets, imsis = keys_of([note.imsi or "" for note in notes])
    totals = [(None, None) if note.octets is None else (note.octets.up, note.octets.down) for note in notes]
    rows = await connection.fetch(
        Q["go_on"],
        shards,
        buckets,
        imsis,
        numbers([element_id for element_id, _ in told]),
        texts([note.key for note in notes]),
        numbers([note.at.timestamp() for note in notes]),
        numbers([note.began_at.timestamp() for note in notes]),
        lines([up for up, _ in totals]),
        lines([down for _, down in totals]),
        texts([note.imei for note in notes]),
        sparse_texts([note.svn for note in notes]),
        sparse_texts([note.plmn for note in notes]),
        sparse_texts([note.apn for note in notes]),
        sparse_texts([note.rat for note in notes]),
        sparse_texts([note.ipv4 for note in notes]),
        sparse_texts([note.ipv6 for note in notes]),
        sparse_texts([note.decision for note in notes]),
        sparse_texts([note.cells[0] if note.cells else None for note in notes]),
        sparse_texts([note.cells[1] if len(note.cells) > 1 else None for note in notes]),
        sparse_lines([note.cells_at and note.cells_at.timestamp() for note in notes]),
        refresh,
    )
    return [Course(ord_ - 1, *more) for ord_, *more in rows]


async def live(connection: asyncpg.Connection, element_id: int, imsis: Sequence[str]) -> list[Session]:
    """The sessions that these SIMs have at an element now, those that its restart ended left out."""
    restarted_at = await restarts(connection, [element_id])
    return await live_at(connection, [(imsi, element_id) for imsi in imsis], restarted_at)


async def live_at(
    connection: asyncpg.Connection, carried: Sequence[tuple[str, int]], restarted_at: Mapping[int, datetime]
) -> list[Session]:
    """The same of SIMs, by IMSI, each at one element, by id, whose restarts are known."""
    rows = await connection.fetch(
        Q["live"],
        [bucket_of(imsi) for imsi, _ in carried],
        [imsi for imsi, _ in carried],
        [element_id for _, element_id in carried],
    )
    found = [_from_row(row) for row in rows]
    return [one for one in found if one.began_at >= restarted_at.get(one.element_id, one.began_at)]


async def count(connection: asyncpg.Connection, sessions: Iterable[Session]) -> None:
    """Write what is counted of known sessions, and when they were last reported; nothing else of them changed. Their
    network elements are locked by this transaction."""
    ordered = sorted(sessions, key=_order)
    tag: str = await connection.execute(
        Q["count"],
        [bucket_of(item.imsi) for item in ordered],
        lines(item.imsi for item in ordered),
        numbers(item.element_id for item in ordered),
        [item.key for item in ordered],
        [item.seen_at for item in ordered],
        numbers(item.up for item in ordered),
        numbers(item.down for item in ordered),
        numbers(item.parts for item in ordered),
    )
    if tag != f"UPDATE {len(ordered)}":  # one was pruned meanwhile, and would count from its beginning again
        await save(connection, ordered)


def _order(session: Session) -> tuple[int, str, int, str]:
    """Rows are locked in one order by everybody."""
    return bucket_of(session.imsi), session.imsi, session.element_id, session.key


async def save(connection: asyncpg.Connection, sessions: Iterable[Session]) -> None:
    """Write sessions; their network elements are locked by this transaction."""
    ordered = sorted(sessions, key=_order)
    await connection.execute(
        Q["save"],
        numbers(bucket_of(item.imsi) for item in ordered),
        lines(item.imsi for item in ordered),
        numbers(item.element_id for item in ordered),
        [item.key for item in ordered],
        [item.began_at for item in ordered],
        [item.seen_at for item in ordered],
        [item.ended_at for item in ordered],
        lines(item.imei for item in ordered),
        lines("t" if item.presumed else "f" for item in ordered),
        lines(item.svn for item in ordered),
        lines(item.plmn for item in ordered),
        [item.apn for item in ordered],
        lines(item.rat for item in ordered),
        lines(item.ipv4 for item in ordered),
        lines(item.ipv6 for item in ordered),
        numbers(item.up for item in ordered),
        numbers(item.down for item in ordered),
        numbers(item.parts for item in ordered),
        lines(item.decision for item in ordered),
        lines(None if item.restriction is Restriction.NONE else item.restriction for item in ordered),
    )


async def live_of_sim(db: Database, sim: Sim) -> list[Session]:
    """The sessions that a SIM has now at all elements, the one that was reported last first."""
    rows = await db.fetch(Q["live_of_sim"], sim.bucket, sim.imsi)
    return [_from_row(row) for row in rows]


async def latest_of_sim(db: Database, sim: Sim, limit: int) -> list[Session]:
    """The sessions of a SIM that are kept, live and ended, those that were reported last first."""
    rows = await db.fetch(Q["latest_of_sim"], sim.bucket, sim.imsi, limit)
    async with db.connection() as connection:
        restarted_at = await restarts(connection, sorted({row["gateway_id"] for row in rows}))
    found = [_from_row(row) for row in rows]
    return [
        msgspec.structs.replace(one, ended_at=ended)
        if one.is_live and (ended := restarted_at.get(one.element_id)) is not None and one.began_at < ended
        else one
        for one in found
    ]


async def newest_of_sim(db: Database, sim: Sim) -> Session | None:
    """The session of a SIM that was reported last, live or ended."""
    rows = await db.fetch(Q["newest_of_sim"], sim.bucket, sim.imsi)
    return _from_row(rows[0]) if rows else None


async def forget_oldest(connection: asyncpg.Connection, carried: Sequence[tuple[str, int]], most: int) -> None:
    """Keep `most` sessions of each SIM at an element, live ones first, then those that were reported last."""
    await connection.execute(
        Q["forget_oldest"],
        [bucket_of(imsi) for imsi, _ in carried],
        [imsi for imsi, _ in carried],
        [element_id for _, element_id in carried],
        most,
    )


async def restarts(connection: asyncpg.Connection, element_ids: Sequence[int]) -> dict[int, datetime]:
    """When each of these elements last ended all its sessions, as far as it ever did."""
    rows = await connection.fetch(Q["restarts"], element_ids)
    return {row["gateway_id"]: row["restarted_at"] for row in rows}


async def restarted(connection: asyncpg.Connection, element_id: int, at: datetime) -> None:
    """All sessions of an element that began before `at` are over."""
    await connection.execute(Q["restarted"], element_id, at)


async def imsi_of_msisdn(connection: asyncpg.Connection, numbers: Sequence[str]) -> dict[str, str]:
    """Which IMSI belongs to each known phone number."""
    rows = await connection.fetch(Q["imsi_of_msisdn"], numbers)
    return {row["value"]: row["imsi"] for row in rows}


async def forget(connection: asyncpg.Connection, element_id: int) -> None:
    """Delete the sessions of an element that is deleted."""
    await connection.execute(Q["forget"], ALL_BUCKETS, element_id)


async def prune(db: Database, before: datetime) -> int:
    """Delete sessions that were last reported before this, a bucket at a time; returns how many."""
    return sum([await db.execute(Q["prune"], bucket, before) for bucket in ALL_BUCKETS])
