"""Attachments: where SIMs can be acted upon."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.attachment import BACKOFF_CAP, Attachment, AttachmentStatus, CommandPhase
from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.sim import ALL_FUNCTIONS, Function, NetworkTarget
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import asyncpg

Q = load("attachments")
CHANNEL = "simwarden_enforcement"
"""Heard when something is to be done at a network element."""
LATEST = 2 * BACKOFF_CAP
"""Nothing is put off for longer than this."""
UNDER_WAY = timedelta(seconds=1)
"""How long a command that was just sent is left alone when its element is back."""


class Due(msgspec.Struct, frozen=True):
    """A SIM at a network element for which something is to be done now."""

    imsi: str
    element_id: int


async def wake(connection: asyncpg.Connection) -> None:
    """Wake whoever enforces, in all processes, when the caller's transaction commits."""
    await connection.execute(Q["wake_enforcement"])


def from_row(row: asyncpg.Record) -> Attachment:
    """A row of `attachment` as the domain sees it."""
    return Attachment(
        target=NetworkTarget(row["element_id"], row["target"]),
        groups=_groups(row["groups"]),
        current=row["current"],
        desired=row["desired"],
        applied=row["applied"],
        phase=CommandPhase(row["phase"]),
        status=AttachmentStatus(row["status"]),
        event=row["event"],
        since=row["since"],
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        commanded_at=row["commanded_at"],
        last_error=row["last_error"],
        held=row["held"],
        lingering=row["lingering"],
        device=row["device"],
        device_since=row["device_since"],
    )


async def page_of_element(
    connection: asyncpg.Connection, element_id: int, after: str, limit: int
) -> list[tuple[str, Attachment]]:
    """IMSIs at a network element with their attachments, by the key of the target, behind `after`."""
    rows = await connection.fetch(Q["page_of_element"], ALL_BUCKETS, element_id, after, limit)
    return [(row["imsi"], from_row(row)) for row in rows]


async def of_sims(connection: asyncpg.Connection, imsis: Iterable[str]) -> dict[str, list[Attachment]]:
    """The attachments of some SIMs, by IMSI."""
    wanted = list(imsis)
    rows = await connection.fetch(Q["of_sims"], [bucket_of(imsi) for imsi in wanted], wanted)
    found: dict[str, list[Attachment]] = {imsi: [] for imsi in wanted}
    for row in rows:
        found[row["imsi"]].append(from_row(row))
    return found


async def at_targets(connection: asyncpg.Connection, targets: Sequence[NetworkTarget]) -> set[str]:
    """IMSIs of the SIMs that have an attachment at one of these targets."""
    rows = await connection.fetch(Q["at_targets"], *_columns(targets))
    return {row["imsi"] for row in rows}


async def settled_at(
    connection: asyncpg.Connection, items: Sequence[tuple[str, NetworkTarget]]
) -> dict[NetworkTarget, bool]:
    """Of these SIMs, by IMSI, at targets of theirs: where one is attached, whether nothing is to be off there, is known
    to be off, or is to be done."""
    buckets, imsis = [bucket_of(imsi) for imsi, _ in items], [imsi for imsi, _ in items]
    rows = await connection.fetch(Q["settled_at"], buckets, imsis, *_columns([target for _, target in items]))
    return {NetworkTarget(row["element_id"], row["target"]): row["settled"] for row in rows}


async def of_element(connection: asyncpg.Connection, element_id: int) -> list[tuple[str, Attachment]]:
    """The attachments at an element, by IMSI, where something is to be off or to be done."""
    rows = await connection.fetch(Q["of_element"], ALL_BUCKETS, element_id)
    return [(row["imsi"], from_row(row)) for row in rows]


async def lingering(connection: asyncpg.Connection, element_id: int, limit: int) -> list[str]:
    """IMSIs of SIMs at an element of which something goes on although it is switched off there."""
    return [row["imsi"] for row in await connection.fetch(Q["lingering"], ALL_BUCKETS, element_id, limit)]


async def save(connection: asyncpg.Connection, items: Sequence[tuple[str, Attachment]]) -> None:
    """Write attachments of SIMs (by IMSI) that this transaction has locked."""
    ordered = sorted(
        items, key=lambda item: (bucket_of(item[0]), item[0], *msgspec.structs.astuple(item[1].target))
    )  # rows are locked in one order by everybody
    attachments = [attachment for _, attachment in ordered]
    await connection.execute(
        Q["save"],
        [bucket_of(imsi) for imsi, _ in ordered],
        [imsi for imsi, _ in ordered],
        *_columns([a.target for a in attachments]),
        [_mask(a.groups) for a in attachments],
        [a.current for a in attachments],
        [a.desired for a in attachments],
        [a.applied for a in attachments],
        [a.phase for a in attachments],
        [a.status for a in attachments],
        [a.event for a in attachments],
        [a.since for a in attachments],
        [a.attempts for a in attachments],
        [a.next_attempt_at for a in attachments],
        [a.commanded_at for a in attachments],
        [a.last_error for a in attachments],
        [a.held for a in attachments],
        [a.lingering for a in attachments],
        [a.device for a in attachments],
        [a.device_since for a in attachments],
    )


async def drop(connection: asyncpg.Connection, items: Sequence[tuple[str, NetworkTarget]]) -> None:
    """Forget attachments at which nothing is left to do."""
    await connection.execute(
        Q["drop"],
        [bucket_of(imsi) for imsi, _ in items],
        [imsi for imsi, _ in items],
        *_columns([target for _, target in items]),
    )


async def due(
    connection: asyncpg.Connection, buckets: Sequence[int], now: datetime, limit: int, busy: Sequence[int] = ()
) -> list[Due]:
    """What is to be done now for SIMs of these buckets, longest waiting first, but not at the `busy` elements."""
    rows = await connection.fetch(Q["due"], buckets, now, limit, busy)
    return [Due(row["imsi"], row["element_id"]) for row in rows]


async def next_due(connection: asyncpg.Connection, buckets: Sequence[int], now: datetime) -> datetime | None:
    """When, after `now`, something will next have to be done for SIMs of these buckets.

    What is due later than anything is ever put off was put off before the clock was set back: it becomes due now.
    """
    row = await connection.fetchrow(Q["next_due"], buckets, now)
    assert row is not None
    first: datetime | None = row["first"]
    if first is None or row["last"] <= now + LATEST:
        return first
    await connection.execute(Q["clamp_retries"], buckets, now, now + LATEST)
    return now


async def retry_now(connection: asyncpg.Connection, element_ids: Sequence[int], now: datetime) -> None:
    """These network elements are back: what waits for them is due now, a command under way a second after it."""
    await connection.execute(Q["retry_now"], element_ids, now, now - UNDER_WAY, now + UNDER_WAY)


def _columns(targets: Sequence[NetworkTarget]) -> tuple[list[int], list[str]]:
    return [target.element_id for target in targets], [target.key for target in targets]


def _mask(groups: tuple[Function, ...]) -> int:
    """Sets of functions as one small number: a bit for each set, at the position that the set is as a number."""
    return sum(1 << int(group) for group in groups)


@lru_cache(maxsize=256)
def _groups(mask: int) -> tuple[Function, ...]:
    return tuple(Function(group) for group in range(1, int(ALL_FUNCTIONS) + 1) if mask & 1 << group)
