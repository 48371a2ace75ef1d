"""Removing an account with everything that belongs to it. For sample data: nothing in the network is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.kit.clock import now_utc
from simwarden.store import call_limits, sims
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection

    from simwarden.store.database import Database

Q = load("removal")
_OWN = {
    "live_applications": "applications that are not revoked",
    "own_gateways": "gateways",
    "sub_accounts": "sub-accounts",
    "fixed_lines": "fixed lines",
}
"""Beside SIMs, what an account may not have when it is deleted as an empty one."""
_OF_ACCOUNT = (
    "delivery_attempts",
    "deliveries",
    "subscriptions",
    "fan_out",
    "tallies",
    "ranges",
    "areas",
    "hotzones",
    "hotzone_watches",
    "opt_out_words",
    "short_message_turn",
    "risk_stamp",
    "risk_versions",
    "risk_rules",
    "lines",
    "alarms",
    "operation_items",
    "operation_parts",
    "operations",
    "idempotency",
    "usage",
    "usage_days",
    "service_days",
    "plans",
    "own_plans",
    "buyer",
    "requests",
    "inboxes",
    "call_holds",
    "call_allowances",
    "call_limits",
    "clients",
    "consents",
    "backchannel_requests",
    "authorization_codes",
    "token_revocations",
    "applications",
    "account",
)
"""In the order that the references between the tables ask for."""
_OF_BUCKETS = tuple(name for name in Q if name.startswith("of_buckets_"))
"""Tables that are spread over the buckets and that nothing refers to: `$1` is the account, `$2` the buckets."""
_CHARGED = frozenset({"usage", "usage_days", "service_days", "plans", "buyer"})
"""What an account that is gone may still be charged for."""


async def sims_of(db: Database, account_id: str) -> list[str]:
    """The IMSIs of an account's SIMs."""
    return [row["imsi"] for row in await db.fetch(Q["sims"], account_id)]


async def remove_empty_account(db: Database, account_id: str) -> str | None:
    """Delete an account that has no SIM, no live application and no gateway of its own; its usage stays, and
    when which phone numbers were its own.

    Returns what it still has, when nothing was deleted for that.
    """
    async with db.transaction() as connection:
        await connection.execute(Q["lock_account"], account_id)
        if count := await connection.fetchval(Q["sims_of_account"], account_id, ALL_BUCKETS):
            return f"{count} SIMs"
        for query, what in _OWN.items():
            if count := await connection.fetchval(Q[query], account_id):
                return f"{count} {what}"
        for query in _OF_ACCOUNT:
            if query not in _CHARGED:
                await connection.execute(Q[query], account_id)
    return None


async def remove_account(db: Database, account_id: str, gateways: Collection[str]) -> int:
    """Delete an account, all its SIMs and these gateways in one transaction; returns how many SIMs there were.

    Locks that stand in a gateway stay there.
    """
    async with db.transaction() as connection:
        await connection.execute(Q["lock_account"], account_id)
        found = [row["imsi"] for row in await connection.fetch(Q["sims"], account_id)]
        locked = list((await sims.lock(connection, found)).values())
        await connection.execute(Q["attachments"], [bucket_of(imsi) for imsi in found], found)
        await sims.delete(connection, locked, now_utc())
        await connection.execute(Q["assignments"], account_id, ALL_BUCKETS)
        for query in _OF_ACCOUNT:
            await connection.execute(Q[query], account_id)
        for query in _OF_BUCKETS:
            await connection.execute(Q[query], account_id, ALL_BUCKETS)
        for row in await connection.fetch(Q["gateway_ids"], list(gateways)):
            await call_limits.forget(connection, call_limits.keys_of_element(row["id"]))
        await connection.execute(Q["gateway_alarms"], list(gateways))
        await connection.execute(Q["gateways"], list(gateways))
    return len(found)
