"""Who may use the data of which SIM for what: what accounts, and users of SIMs, have decided."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("consents")


class Consent(msgspec.Struct, frozen=True):
    """A decision."""

    app_key: str
    purpose: str
    """Without `dpv:`."""
    msisdn: str
    """Empty: all SIMs of the account."""
    granted: bool
    scopes: tuple[str, ...]
    """Empty: all that the application has."""
    decided_at: datetime
    decided_by: str


class Consents:
    """Every method may raise StoreUnavailable."""

    def __init__(self, db: Database | asyncpg.Connection) -> None:
        """Over a pool, or within a transaction."""
        self._db = db

    async def of_sim(self, app_key: str, purpose: str, msisdn: str) -> Sequence[Consent]:
        """What was decided of this SIM, and of all SIMs."""
        return [_consent(row) for row in await self._db.fetch(Q["of_sim"], app_key, purpose, msisdn)]

    async def page(
        self,
        *,
        account_id: str | None,
        app_key: str | None,
        msisdn: str | None,
        after: tuple[str, str, str],
        limit: int,
    ) -> Sequence[Consent]:
        """Decisions by application, purpose and SIM, from behind the one at `after`."""
        rows = await self._db.fetch(Q["page"], account_id, app_key, msisdn, *after, limit)
        return [_consent(row) for row in rows]

    async def set(self, consent: Consent) -> None:
        """Write a decision down; the one before is gone."""
        args = (consent.app_key, consent.purpose, consent.msisdn, consent.granted, list(consent.scopes))
        await self._db.execute(Q["set"], *args, consent.decided_at, consent.decided_by)

    async def delete(self, app_key: str, purpose: str, msisdn: str) -> bool:
        """Forget a decision; returns whether there was one."""
        return await self._db.fetchval(Q["delete"], app_key, purpose, msisdn) is not None


def _consent(row: object) -> Consent:
    return msgspec.convert(dict(row), Consent)  # type: ignore[call-overload]
