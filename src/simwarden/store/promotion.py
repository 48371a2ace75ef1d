"""Taking over: a database that was a replica or a backup becomes the one that is worked with."""

from __future__ import annotations

import asyncpg

from simwarden.domain.errors import SimwardenError
from simwarden.store.backup import RENUMBER
from simwarden.store.database import available

_WAIT_SECONDS = 60


class PromotionFailed(SimwardenError):
    """The database is still a replica."""


async def is_replica(url: str) -> bool:
    """Whether the database at `url` follows another one. Raises StoreUnavailable."""
    with available():
        connection = await asyncpg.connect(url)
        try:
            replica: bool = await connection.fetchval("select pg_is_in_recovery()")
            return replica
        finally:
            await connection.close()


async def promote(url: str) -> bool:
    """Make the database at `url` writable if it is a replica, and fit to go on; returns whether it was one.

    Leases of the workers that came to a replica are dropped. Events to come get ids that were never used, whatever
    the replica did not get any more. Raises PromotionFailed, StoreUnavailable.
    """
    with available():
        connection = await asyncpg.connect(url)
        try:
            replica: bool = await connection.fetchval("select pg_is_in_recovery()")
            if replica:
                try:
                    done = await connection.fetchval("select pg_promote(true, $1)", _WAIT_SECONDS)
                except asyncpg.InsufficientPrivilegeError:
                    raise PromotionFailed(
                        "This user may not promote the replica: do it with pg_ctl promote or your cluster's own "
                        "command, then repeat this one."
                    ) from None
                if not done:
                    raise PromotionFailed(f"The replica was not promoted within {_WAIT_SECONDS} seconds.")
            async with connection.transaction():
                if replica:
                    await connection.execute("delete from lease")
                    await connection.execute("delete from lease_worker")
                await connection.execute(RENUMBER)
            return replica
        finally:
            await connection.close()
