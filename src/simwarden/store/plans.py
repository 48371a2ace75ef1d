"""Price plans, and which account is charged by which one."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.price import Month, PricePlan
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import asyncpg

    from simwarden.store.database import Database

Q = load("plans")


class PlanVersion(msgspec.Struct, frozen=True):
    """A plan as it is valid from a month on, until its next version is."""

    name: str
    valid_from: Month
    plan: PricePlan
    created_at: datetime | None = None


class PlanAssignment(msgspec.Struct, frozen=True):
    """By which plan an account is charged from a month on."""

    valid_from: Month
    plan: str | None
    """None: by none."""


def _version(row: asyncpg.Record) -> PlanVersion:
    plan = msgspec.convert(row["document"], PricePlan)
    return PlanVersion(row["name"], Month.of(row["valid_from"]), plan, row["created_at"])


async def put(db: Database, version: PlanVersion) -> None:
    """Store a version, in the place of the one of the same month."""
    await db.execute(Q["put"], version.name, version.valid_from.first, version.plan, version.created_at)


async def versions(db: Database, name: str) -> list[PlanVersion]:
    """All versions of a plan, the newest first."""
    return [_version(row) for row in await db.fetch(Q["versions"], name)]


async def page(db: Database, *, after: tuple[str, date], limit: int) -> list[PlanVersion]:
    """Versions by name and month, from behind the one at `after`."""
    return [_version(row) for row in await db.fetch(Q["page"], *after, limit)]


async def remove(db: Database, name: str, valid_from: Month) -> bool:
    """Delete a version; returns whether there was one."""
    return await db.execute(Q["remove"], name, valid_from.first) > 0


async def in_use(db: Database, name: str) -> bool:
    """Whether the plan is, was or will be an account's."""
    return await db.fetchrow(Q["in_use"], name) is not None


async def assign(db: Database, account_id: str, assignment: PlanAssignment) -> None:
    """From this month on the account is charged by this plan."""
    await db.execute(Q["assign"], account_id, assignment.valid_from.first, assignment.plan)


async def assignments(db: Database, account_id: str) -> list[PlanAssignment]:
    """Of an account, the oldest first."""
    rows = await db.fetch(Q["of_account"], account_id)
    return [PlanAssignment(Month.of(row["valid_from"]), row["plan"]) for row in rows]


async def assigned(
    db: Database, month: Month, account_ids: Collection[str] | None = None
) -> Mapping[str, tuple[str, PlanVersion | None]]:
    """By which plan accounts are charged in a month: its name, and its version then, None where it has none yet.

    `account_ids`: None for all accounts. Those that are charged by no plan are missing.
    """
    wanted = None if account_ids is None else list(account_ids)
    found: dict[str, tuple[str, PlanVersion | None]] = {}
    read: dict[tuple[str, date], PlanVersion] = {}
    for row in await db.fetch(Q["assigned"], wanted, month.first):
        name, valid_from = row["plan"], row["valid_from"]
        if valid_from is None:
            found[row["account_id"]] = name, None
            continue
        key = name, valid_from
        if key not in read:
            read[key] = PlanVersion(name, Month.of(valid_from), msgspec.convert(row["document"], PricePlan))
        found[row["account_id"]] = name, read[key]
    return found


async def below(db: Database, account_ids: Collection[str]) -> list[tuple[str, str]]:
    """The accounts below these, each with the one right above it; those further up come first."""
    return [(row["id"], row["parent_id"]) for row in await db.fetch(Q["below"], list(account_ids))]


async def valid(db: Database, name: str, month: Month) -> PlanVersion | None:
    """The version of a plan in a month."""
    row = await db.fetchrow(Q["valid"], name, month.first)
    return (
        None
        if row is None
        else PlanVersion(name, Month.of(row["valid_from"]), msgspec.convert(row["document"], PricePlan))
    )
