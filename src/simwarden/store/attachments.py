"""Attachments: where SIMs can be acted upon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.attachment import BACKOFF_CAP, Attachment, AttachmentStatus
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Place
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import asyncpg

Q = load("attachments")
CHANNEL = "simwarden_enforcement"
"""Heard when something is to be done at a gateway."""
LATEST = 2 * BACKOFF_CAP
"""Nothing is put off for longer than this."""


class Due(msgspec.Struct, frozen=True):
    """A SIM at a gateway for which something is to be done now."""

    imsi: str
    gateway_id: int


async def wake(connection: asyncpg.Connection) -> None:
    """Wake whoever enforces, in all processes, when the caller's transaction commits."""
    await connection.execute(Q["wake_enforcement"])


def from_row(row: asyncpg.Record) -> Attachment:
    """A row of `attachment` as the domain sees it."""
    return Attachment(
        place=Place(row["gateway_id"], row["port"], row["slot"]),
        current=row["current"],
        desired=row["desired"],
        applied=row["applied"],
        status=AttachmentStatus(row["status"]),
        event=row["event"],
        since=row["since"],
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        commanded_at=row["commanded_at"],
        last_error=row["last_error"],
    )


async def of_sims(connection: asyncpg.Connection, imsis: Iterable[str]) -> dict[str, list[Attachment]]:
    """The attachments of some SIMs, by IMSI."""
    wanted = list(imsis)
    rows = await connection.fetch(Q["of_sims"], [bucket_of(imsi) for imsi in wanted], wanted)
    found: dict[str, list[Attachment]] = {imsi: [] for imsi in wanted}
    for row in rows:
        found[row["imsi"]].append(from_row(row))
    return found


async def at_slots(connection: asyncpg.Connection, places: Sequence[Place]) -> set[str]:
    """IMSIs of the SIMs that have an attachment at one of these places."""
    rows = await connection.fetch(
        Q["at_slots"],
        [place.gateway_id for place in places],
        [place.port for place in places],
        [place.slot for place in places],
    )
    return {row["imsi"] for row in rows}


async def save(connection: asyncpg.Connection, items: Sequence[tuple[str, Attachment]]) -> None:
    """Write attachments of SIMs (by IMSI) that this transaction has locked."""
    ordered = sorted(
        items, key=lambda item: (bucket_of(item[0]), item[0], *msgspec.structs.astuple(item[1].place))
    )  # rows are locked in one order by everybody
    attachments = [attachment for _, attachment in ordered]
    await connection.execute(
        Q["save"],
        [bucket_of(imsi) for imsi, _ in ordered],
        [imsi for imsi, _ in ordered],
        [a.place.gateway_id for a in attachments],
        [a.place.port for a in attachments],
        [a.place.slot for a in attachments],
        [a.current for a in attachments],
        [a.desired for a in attachments],
        [a.applied for a in attachments],
        [a.status for a in attachments],
        [a.event for a in attachments],
        [a.since for a in attachments],
        [a.attempts for a in attachments],
        [a.next_attempt_at for a in attachments],
        [a.commanded_at for a in attachments],
        [a.last_error for a in attachments],
    )


async def drop(connection: asyncpg.Connection, items: Sequence[tuple[str, Place]]) -> None:
    """Forget attachments at which nothing is left to do."""
    await connection.execute(
        Q["drop"],
        [bucket_of(imsi) for imsi, _ in items],
        [imsi for imsi, _ in items],
        [place.gateway_id for _, place in items],
        [place.port for _, place in items],
        [place.slot for _, place in items],
    )


async def due(
    connection: asyncpg.Connection, buckets: Sequence[int], now: datetime, limit: int, busy: Sequence[int] = ()
) -> list[Due]:
    """What is to be done now for SIMs of these buckets, longest waiting first, but not at the `busy` gateways."""
    rows = await connection.fetch(Q["due"], buckets, now, limit, busy)
    return [Due(row["imsi"], row["gateway_id"]) for row in rows]


async def next_due(connection: asyncpg.Connection, buckets: Sequence[int], now: datetime) -> datetime | None:
    """When, after `now`, something will next have to be done for SIMs of these buckets.

    What is due later than anything is ever put off was put off before the clock was set back: it becomes due now.
    """
    row = await connection.fetchrow(Q["next_due"], buckets, now)
    assert row is not None
    first: datetime | None = row["first"]
    if first is None or row["last"] <= now + LATEST:
        return first
    await connection.execute(Q["recall"], buckets, now, now + LATEST)
    return now


async def hurry(connection: asyncpg.Connection, gateway_ids: Sequence[int], now: datetime) -> None:
    """These gateways are back: what waits for them is due now."""
    await connection.execute(Q["hurry"], gateway_ids, now)
