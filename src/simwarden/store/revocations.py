"""Access tokens that are no good any more before they expire: single ones, and all that rest on a consent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.errors import SimwardenError
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import asyncpg

    from simwarden.store.database import Database

Q = load("revocations")
MOST = 10_000
"""Revoked tokens of one application that have not expired: every process that it calls holds them all."""


MOST_CONSENTS = 1_000
"""Consents to one purpose for single SIMs that an application lost lately."""


class TooManyRevocations(SimwardenError):
    """The application has 10000 revoked tokens that have not expired; rotate its secret to revoke all there are."""

    status, code = 429, "TOO_MANY_REQUESTS"


def consent_name(purpose: str, msisdn: str) -> str:
    """The name under which all tokens of a consent are revoked; `msisdn` is empty for all SIMs."""
    return f"consent:{purpose}:{msisdn}"


async def end_token(db: Database, app_key: str, jti: str, now: datetime, expires_at: datetime) -> None:
    """Accept a token no more, also one that is issued in a moment, and tell every process.

    `expires_at`: when it has expired at the latest. Raises TooManyRevocations, StoreUnavailable.
    """
    if await db.fetchval(Q["count"], app_key, now) >= MOST:
        raise TooManyRevocations
    await db.execute(Q["revoke"], app_key, jti, expires_at, expires_at)


async def end_consent(
    db: Database | asyncpg.Connection, app_key: str, purpose: str, msisdn: str, now: datetime, until: datetime
) -> None:
    """Accept no token that rests on this consent and was issued until now, and tell every process.

    `until`: when all of them have expired. When as many are named as may be, all tokens of the purpose are ended in
    place of the single ones: they can be asked for anew. Raises StoreUnavailable.
    """
    name, every = consent_name(purpose, msisdn), consent_name(purpose, "")
    are_many = msisdn and await db.fetchval(Q["count_consents"], app_key, every, now) >= MOST_CONSENTS
    await db.execute(Q["revoke"], app_key, every if are_many else name, now, until)
    if are_many:
        await db.execute(Q["drop_consents"], app_key, every)


async def end_all(db: Database, app_key: str, name: str, now: datetime, until: datetime) -> None:
    """Accept no token of this name that was issued until now, and tell every process.

    `until`: when all of them have expired. Raises StoreUnavailable.
    """
    await db.execute(Q["revoke"], app_key, name, now, until)


async def of_application(db: Database, app_key: str, now: datetime) -> Mapping[str, int]:
    """Names of tokens that are revoked, with the second (since 1970) until which they were issued."""
    row = await db.fetchrow(Q["of_application"], app_key, now)
    if row is None or row["names"] is None:
        return {}
    return dict(zip(row["names"], row["seconds"], strict=True))


async def forget(db: Database, now: datetime) -> None:
    """Delete what has expired."""
    await db.execute(Q["forget"], now)
