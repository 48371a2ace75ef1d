"""The newest calls of SIMs, for who asks whether they are in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.live_call import LOOKED_BACK, SeenCall
from simwarden.kit.clock import now_utc
from simwarden.store.coalesce import Coalescer
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

Q = load("live_calls")
_Key = tuple[int, str]
"""Bucket and IMSI."""


class LiveCalls:
    """Reading them, one request at a time but sent together."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lookups: Coalescer[_Key, tuple[SeenCall, ...]] = Coalescer(self._all)

    async def of_sim(self, sim: Sim) -> Sequence[SeenCall]:
        """The newest calls of a SIM, those of the last day; none of another one that had its IMSI before."""
        return await self._lookups.get((sim.bucket, sim.imsi)) or ()

    async def _all(self, wanted: Sequence[_Key]) -> Mapping[_Key, tuple[SeenCall, ...]]:
        # A statement for each SIM, as it reads the few newest rows of an index.
        since = now_utc() - LOOKED_BACK
        found: dict[_Key, list[SeenCall]] = {}
        for row in await self._db.fetchmany(Q["newest"], [(*key, since) for key in wanted]):
            call = SeenCall(row["begin_at"], row["answer_at"], row["end_at"], row["received_at"])
            found.setdefault((row["bucket"], row["imsi"]), []).append(call)
        return {key: tuple(calls) for key, calls in found.items()}
