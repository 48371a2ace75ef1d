"""What customers were answered of the eligibility of SIMs, in the SIMs' buckets until it expires (decision 0039)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.eligibility import ENDING
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.store.columns import lines
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from simwarden.store.database import Database

Q = load("eligibility")
_ENDING = sorted(map(str, ENDING))


class StoredEligibility(msgspec.Struct, frozen=True):
    """An answer as it is stored."""

    id: str
    """A UUID."""
    bucket: int
    imsi: str
    account_id: str
    app_key: str
    number: str
    scopes: tuple[str, ...]
    """For which the SIM was eligible."""
    event: int
    """Number of the SIM's newest event then."""
    expires_at: datetime


class FoundResponse(msgspec.Struct, frozen=True):
    """An answer that has not expired."""

    app_key: str
    number: str
    scopes: frozenset[str]
    ended: bool
    """Something has happened to the SIM since, after which it holds no more."""
    names: frozenset[SimRef]
    """By which the SIM is found now; none: it is not registered (any more)."""


def bucket_of(id: UUID) -> int:  # noqa: A002 - the column's name
    """Where the answer of this id would be stored."""
    return id.bytes[0]


async def insert(db: Database, rows: Sequence[StoredEligibility]) -> None:
    """Store answers."""
    await db.execute(
        Q["insert"],
        lines(row.bucket for row in rows),
        lines(row.id for row in rows),
        lines(row.imsi for row in rows),
        lines(row.account_id for row in rows),
        lines(row.app_key for row in rows),
        lines(row.number for row in rows),
        [" ".join(row.scopes) for row in rows],  # none, if it is eligible for none: an empty line would be no row
        lines(row.event for row in rows),
        lines(row.expires_at for row in rows),
    )


async def find(db: Database, ids: Sequence[UUID], now: datetime) -> dict[UUID, FoundResponse]:
    """Those of these answers that have not expired."""
    buckets = [bucket_of(each) for each in ids]
    rows = await db.fetch(Q["find"], sorted(set(buckets)), ids, now, _ENDING, buckets)
    if not rows:
        return {}
    names: dict[tuple[int, str], set[SimRef]] = {(row["bucket"], row["imsi"]): set() for row in rows}
    for row in rows:
        own = (("imsi", row["imsi"]), ("iccid", row["iccid"]), ("msisdn", row["msisdn"]), ("nai", row["nai"]))
        names[row["bucket"], row["imsi"]] |= {SimRef(IdentifierKind(kind), name) for kind, name in own if name}
    keys = list(names)
    for row in await db.fetch(Q["addresses"], [bucket for bucket, _ in keys], [imsi for _, imsi in keys]):
        names[row["bucket"], row["imsi"]].add(SimRef(IdentifierKind(row["kind"]), row["value"]))
    return {
        row["id"]: FoundResponse(
            row["app_key"],
            row["number"],
            frozenset(row["scopes"].split()),
            row["ended"],
            frozenset(names[row["bucket"], row["imsi"]]),
        )
        for row in rows
    }


async def count(db: Database, account_ids: Sequence[str], now: datetime) -> Mapping[str, int]:
    """How many answers that have not expired these accounts have; an account that has none is missing."""
    rows = await db.fetch(Q["count"], ALL_BUCKETS, account_ids, now)
    return {row["account_id"]: row["count"] for row in rows}


async def prune(db: Database, now: datetime) -> int:
    """Delete what has expired, a bucket at a time; returns how many."""
    return sum([await db.execute(Q["prune"], bucket, now) for bucket in ALL_BUCKETS])
