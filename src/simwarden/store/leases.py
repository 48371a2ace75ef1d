"""Which worker works on which buckets.

The 256 buckets are dealt out in shares. A worker holds a share by a lease that it renews; when it dies the lease runs
out and another takes over. Workers that come and go change how many shares each should hold: who has too many stops
renewing some, who has too few takes what is free. Order per SIM rests on this, so a lease is only believed until a
deadline on this machine's own monotonic clock, read before the statement that renewed it: no clock has to be right.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simwarden.store.database import Database

Q = load("leases")
TERM = timedelta(seconds=20)
"""So long after its last sign of life a worker's shares may be taken."""
RENEW = 0.25
"""Leases are renewed after this part of their term,"""
UNDER_QUOTA = 0.05
"""and looked for after this part by a worker with less than its share: what another gives away must not lie idle."""


class Leases:
    """The shares of one worker in one role.

    `owner`: a name that no other process has or had. `heir_of`: owners that are known to be dead; their shares are
    taken up at once, those of others after the term.
    """

    def __init__(
        self,
        db: Database,
        role: str,
        owner: str,
        shares: int = 16,
        *,
        heir_of: Sequence[str] = (),
        term: timedelta = TERM,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._role = role
        self._owner = owner
        self._heir_of = tuple(heir_of)
        self._shares = shares
        self._term = term
        self._clock = clock
        self._deadlines: dict[int, float] = {}
        self._leaving: set[int] = set()
        self._renewed = float("-inf")
        self._under_quota = False

    @property
    def interval(self) -> float:
        """Seconds after which `refresh` asks the database again."""
        return self._term.total_seconds() * (UNDER_QUOTA if self._under_quota else RENEW)

    @property
    def leaving(self) -> frozenset[int]:
        """Shares that are being given away: still ours until their deadline, or until `release`."""
        return frozenset(self._leaving)

    def owned(self) -> frozenset[int]:
        """Buckets on which work may begin now."""
        now = self._clock()
        mine = {share for share, until in self._deadlines.items() if share not in self._leaving and now < until}
        return frozenset(bucket for bucket in ALL_BUCKETS if bucket % self._shares in mine)

    def share_of(self, bucket: int) -> int:
        """The share that a bucket belongs to."""
        return bucket % self._shares

    def deadline(self, bucket: int) -> float:
        """Until when, on the monotonic clock, work on this bucket may last; minus infinity when it is not ours."""
        return self._deadlines.get(self.share_of(bucket), float("-inf"))

    async def refresh(self) -> frozenset[int]:
        """Renew, take and give away as is due; returns the buckets on which work may begin now.

        May be called as often as one likes: the database is asked once in `interval` seconds. Raises StoreUnavailable;
        what was held then stays held until its deadline.
        """
        before = self._clock()
        if before - self._renewed >= self.interval:
            async with self._db.transaction() as connection:
                keep, leaving = await self._rebalance(connection)
            self._renewed = before
            self._heir_of = ()
            until = before + self._term.total_seconds()
            kept = {share: self._deadlines[share] for share in leaving if share in self._deadlines}
            self._deadlines = kept | dict.fromkeys(keep, until)
            self._leaving = set(kept)
        return self.owned()

    async def _rebalance(self, connection: asyncpg.Connection) -> tuple[set[int], set[int]]:
        # From before the database's clock was set back: who lives renews in time, who died is not waited for by hours.
        await connection.execute(Q["shorten"], self._role, self._term)
        if self._heir_of:
            await connection.fetch(Q["lock"], self._role, self._shares)  # in the order in which everybody locks them
            await connection.execute(Q["inherit"], self._role, self._owner, self._heir_of)
        await connection.execute(Q["heartbeat"], self._role, self._owner, self._term)
        rows = await connection.fetch(Q["lock"], self._role, self._shares)
        if len(rows) < self._shares:
            await connection.execute(Q["prepare"], self._role, self._shares)
            await connection.execute(Q["forget"], self._role)
            rows = await connection.fetch(Q["lock"], self._role, self._shares)
        workers = [row["owner"] for row in await connection.fetch(Q["workers"], self._role)]
        quota = fair_share(self._shares, len(workers), workers.index(self._owner))
        mine = [row["share"] for row in rows if row["owner"] == self._owner and row["held"]]
        free = [row["share"] for row in rows if not row["held"]]
        staying = sorted(mine, key=lambda share: share in self._leaving)
        keep = set(staying[:quota])
        keep.update(free[: quota - len(keep)])
        self._under_quota = len(keep) < quota
        await connection.execute(Q["take"], self._role, self._owner, self._term, sorted(keep))
        return keep, set(mine) - keep

    async def release(self, shares: Iterable[int]) -> None:
        """Give shares away now; the caller has no work on them any more. Raises StoreUnavailable."""
        given = sorted(set(shares) & self._deadlines.keys())
        for share in given:
            del self._deadlines[share]
            self._leaving.discard(share)
        if given:
            await self._db.execute(Q["release"], self._role, self._owner, given)

    async def leave(self) -> None:
        """Give everything away and leave, if the database allows it within two seconds; else the term ends it."""
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError, TimeoutError):
            async with asyncio.timeout(2):
                await self.close()

    async def close(self) -> None:
        """Give everything away and leave. Raises StoreUnavailable."""
        self._renewed = float("-inf")
        await self.release(list(self._deadlines))
        await self._db.execute(Q["leave"], self._role, self._owner)


def fair_share(shares: int, workers: int, rank: int) -> int:
    """How many shares the worker of this rank (from 0) holds, so that all are dealt out and none has two more."""
    return shares // workers + (1 if rank < shares % workers else 0)
