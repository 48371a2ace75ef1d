"""What network elements show of SIMs now, for those who ask and for those who are told when it changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from simwarden.domain.allowance import Reached
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.radio import generation_of
from simwarden.domain.standing import Reach, Remembered, Roams, ShownSession, ShownSlot, Standing
from simwarden.store.columns import lines, numbers
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from simwarden.domain.sim import CardSlot, Sim
    from simwarden.store.database import Database

Q = load("standing")


class Whose(NamedTuple):
    """What of a SIM finds what is shown of it."""

    bucket: int
    imsi: str
    iccid: str | None
    slot: CardSlot | None


class Reader(Protocol):
    """A database, or one of its connections."""

    async def fetch(self, query: str, /, *args: Any) -> Sequence[asyncpg.Record]:
        """All rows of one statement."""


def whose(sim: Sim) -> Whose:
    """How `shown` finds it."""
    return Whose(sim.bucket, sim.imsi, sim.iccid, None if sim.seen is None else sim.seen.slot)


async def shown(reader: Reader, sims: Sequence[Whose]) -> dict[Whose, Standing]:
    """What is shown of each of these SIMs, where anything is."""
    slots = [sim.slot for sim in sims]
    buckets = [sim.bucket for sim in sims]
    rows = await reader.fetch(
        Q["shown"],
        sorted(set(buckets)),
        numbers(buckets),
        lines([sim.imsi for sim in sims]),
        lines([slot and slot.gateway_id for slot in slots]),
        lines([slot and slot.port for slot in slots]),
        lines([slot and slot.slot for slot in slots]),
    )
    return {sim: Standing(_slot(row, sim), _session(row)) for row in rows for sim in (sims[row["ord"] - 1],)}


def _slot(row: asyncpg.Record, sim: Whose) -> ShownSlot | None:
    if row["report_interval"] is None:
        return None
    here = row["imsi"] == sim.imsi if row["imsi"] else row["iccid"] is not None and row["iccid"] == sim.iccid
    return ShownSlot(
        status=row["status"] if here else None,
        plmn=row["plmn"] if here else None,
        imei=row["imei"] if here else None,
        at=row["at"],
        heard_at=row["heard_at"],
        period=timedelta(seconds=row["report_interval"]),
    )


def _session(row: asyncpg.Record) -> ShownSession | None:
    if row["session_interval"] is None:
        return None
    return ShownSession(
        live=row["live"],
        at=row["session_at"],
        plmn=row["session_plmn"],
        imei=row["session_imei"],
        svn=row["svn"],
        generation=generation_of(row["rat"]),
        heard_at=row["session_heard_at"],
        period=timedelta(seconds=row["session_interval"]),
    )


TOPICS = [
    str(topic)
    for topic in (
        EventType.REACHABILITY_CHANGED,
        EventType.ROAMING_CHANGED,
        EventType.NETWORK_TYPE_CHANGED,
        EventType.DATA_USED,
    )
]
"""Events of SIMs of which it is remembered how they stand."""


async def watched(connection: asyncpg.Connection, imsis: Sequence[str], topics: Sequence[str] = TOPICS) -> set[str]:
    """Those of these SIMs of which somebody is told how they stand, or of that the `topics`: a probe of an index each,
    of a table that holds nobody else."""
    rows = await connection.fetch(Q["watched"], [bucket_of(imsi) for imsi in imsis], list(imsis), topics)
    return {row["imsi"] for row in rows}


async def remembered(connection: asyncpg.Connection, imsis: Sequence[str]) -> dict[str, Remembered]:
    """How SIMs stood when that was looked at last. Who is to change it holds the SIMs' rows."""
    rows = await connection.fetch(Q["remembered"], [bucket_of(imsi) for imsi in imsis], list(imsis))
    return {row["imsi"]: _remembered(row) for row in rows}


def _remembered(row: asyncpg.Record) -> Remembered:
    return Remembered(
        None if row["reach"] is None else Reach(row["reach"]),
        None if row["plmn"] is None else Roams(row["plmn"], row["roaming"]),
        row["generation"],
        None if row["volume_month"] is None else Reached(row["volume_month"], row["volume_percent"]),
    )


async def remember(connection: asyncpg.Connection, stand: Mapping[str, Remembered]) -> None:
    """Write how SIMs stand, by IMSI, that this transaction holds."""
    imsis = sorted(stand, key=lambda imsi: (bucket_of(imsi), imsi))
    roams = [stand[imsi].roams for imsi in imsis]
    volumes = [stand[imsi].volume for imsi in imsis]
    await connection.execute(
        Q["remember"],
        [bucket_of(imsi) for imsi in imsis],
        imsis,
        [None if (reach := stand[imsi].reach) is None else str(reach) for imsi in imsis],
        [one and one.plmn for one in roams],
        [one and one.roaming for one in roams],
        [stand[imsi].generation for imsi in imsis],
        [volume and volume.month for volume in volumes],
        [volume and volume.percent for volume in volumes],
    )


async def hold_elements(connection: asyncpg.Connection, sim: Sim) -> None:
    """Let no report of the elements that show a SIM come in between, until the transaction ends.

    Call it before the SIM is locked: reports lock their element first. An element that shows the SIM for the first time
    meanwhile is not held; what it says is looked at again when it says so again.
    """
    rows = await connection.fetch(Q["elements_of"], sim.bucket, sim.imsi)
    elements = {row["gateway_id"] for row in rows}
    if sim.seen is not None and sim.seen.slot is not None:
        elements.add(sim.seen.slot.gateway_id)
    if elements:
        await connection.execute(Q["hold_elements"], sorted(elements))


async def homes(connection: asyncpg.Connection, account_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Networks in which the SIMs of these accounts are at home, beside those of their IMSIs."""
    rows = await connection.fetch(Q["homes"], sorted(set(account_ids)))
    return {row["id"]: tuple(row["home"] or ()) for row in rows}


async def outdated(db: Database, buckets: Sequence[int], limit: int) -> list[str]:
    """Watched SIMs, by IMSI, whose element has ended their sessions by a restart since that was looked at."""
    return [row["imsi"] for row in await db.fetch(Q["outdated"], buckets, limit)]


async def prune(db: Database, buckets: Sequence[int]) -> int:
    """Forget how SIMs stand of which nobody is told any more; returns how many."""
    return await db.execute(Q["prune"], buckets, TOPICS)
