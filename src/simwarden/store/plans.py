"""Price plans, and which account is charged by which one.

Plans are a seller's: the operator's, or a reseller's, which is the id of its account.
"""

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


async def put(db: Database, seller: str, version: PlanVersion) -> None:
    """Store a version, in the place of the one of the same month."""
    await db.execute(Q["put"], seller, version.name, version.valid_from.first, version.plan, version.created_at)


async def versions(db: Database, seller: str, name: str) -> list[PlanVersion]:
    """All versions of a plan, the newest first."""
    return [_version(row) for row in await db.fetch(Q["versions"], seller, name)]


async def page(db: Database, seller: str, *, after: tuple[str, date], limit: int) -> list[PlanVersion]:
    """Versions by name and month, from behind the one at `after`."""
    return [_version(row) for row in await db.fetch(Q["page"], seller, *after, limit)]


async def remove(db: Database, seller: str, name: str, valid_from: Month) -> bool:
    """Delete a version; returns whether there was one."""
    return await db.execute(Q["remove"], seller, name, valid_from.first) > 0


async def in_use(db: Database, seller: str, name: str) -> bool:
    """Whether the plan is, was or will be an account's."""
    return await db.fetchrow(Q["in_use"], seller, name) is not None


async def assign(db: Database, seller: str, account_id: str, assignment: PlanAssignment) -> None:
    """From this month on the account is charged by this plan of the seller."""
    await db.execute(Q["assign"], seller, account_id, assignment.valid_from.first, assignment.plan)


async def assignments(db: Database, seller: str, account_id: str) -> list[PlanAssignment]:
    """Those of an account by this seller, the oldest first."""
    rows = await db.fetch(Q["of_account"], seller, account_id)
    return [PlanAssignment(Month.of(row["valid_from"]), row["plan"]) for row in rows]


async def assigned(
    db: Database, seller: str, month: Month, account_ids: Collection[str] | None = None
) -> Mapping[str, tuple[str, PlanVersion | None]]:
    """By which plan of a seller accounts are charged in a month: its name, and its version then, or None.

    `account_ids`: None for all accounts. Those that it charges by no plan are missing.
    """
    wanted = None if account_ids is None else list(account_ids)
    found: dict[str, tuple[str, PlanVersion | None]] = {}
    read: dict[tuple[str, date], PlanVersion] = {}
    for row in await db.fetch(Q["assigned"], seller, wanted, month.first):
        name, valid_from = row["plan"], row["valid_from"]
        if valid_from is None:
            found[row["account_id"]] = name, None
            continue
        key = name, valid_from
        if key not in read:
            read[key] = PlanVersion(name, Month.of(valid_from), msgspec.convert(row["document"], PricePlan))
        found[row["account_id"]] = name, read[key]
    return found


async def seller_of(db: Database, account_id: str, month: Month) -> str | None:
    """Who charges an account in a month: of several sellers the nearest above it; None: nobody."""
    found: str | None = await db.fetchval(Q["seller"], account_id, month.first)
    return found


async def below(db: Database, account_ids: Collection[str]) -> list[tuple[str, str]]:
    """The accounts below these, each with the one right above it; those further up come first."""
    return [(row["id"], row["parent_id"]) for row in await db.fetch(Q["below"], list(account_ids))]


async def valid(db: Database, seller: str, name: str, month: Month) -> PlanVersion | None:
    """The version of a plan in a month."""
    row = await db.fetchrow(Q["valid"], seller, name, month.first)
    return (
        None
        if row is None
        else PlanVersion(name, Month.of(row["valid_from"]), msgspec.convert(row["document"], PricePlan))
    )
