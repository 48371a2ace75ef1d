"""The operator's table of device models by type allocation code."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simwarden.domain.device_model import DeviceModel
from simwarden.store.coalesce import Coalescer
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from simwarden.store.database import Database

Q = load("tacs")
REMEMBERED_FOR = 10.0
"""Seconds after which customers' calls look a TAC up again: so late they may see an import."""
REMEMBERED = 20_000
"""TACs that are remembered at most. A fleet has some hundreds."""


class Tacs:
    """Every method may raise StoreUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lookups: Coalescer[str, DeviceModel] = Coalescer(self._load)

    async def find(self, tac: str) -> DeviceModel | None:
        """What the table says of a TAC, if anything."""
        return await self._lookups.get(tac)

    async def put(self, models: Sequence[DeviceModel], now: datetime) -> None:
        """Add rows, or replace those of the same TAC. Of several of one TAC the last one counts."""
        last = {each.tac: each for each in models}
        rows = [last[tac] for tac in sorted(last)]
        columns = [each.tac for each in rows], [each.manufacturer for each in rows], [each.model for each in rows]
        await self._db.execute(Q["put"], *columns, now)

    async def count(self) -> int:
        """How many rows the table has."""
        found: int = await self._db.fetchval(Q["count"])
        return found

    async def _load(self, tacs: Sequence[str]) -> Mapping[str, DeviceModel]:
        rows = await self._db.fetch(Q["find"], tacs)
        return {row["tac"]: DeviceModel(row["tac"], row["manufacturer"], row["model"]) for row in rows}


class RememberedTacs:
    """The table as customers' calls see it: what was found is remembered for REMEMBERED_FOR."""

    def __init__(self, tacs: Tacs, *, now: Callable[[], float] = time.monotonic) -> None:
        self._tacs = tacs
        self._now = now
        self._found: dict[str, tuple[float, DeviceModel | None]] = {}

    async def find(self, tac: str) -> DeviceModel | None:
        """What the table says of a TAC, if anything. Raises StoreUnavailable."""
        found = self._found.get(tac)
        if found is not None and self._now() - found[0] < REMEMBERED_FOR:
            return found[1]
        at, model = self._now(), await self._tacs.find(tac)
        self._found.pop(tac, None)
        while len(self._found) >= REMEMBERED:
            del self._found[next(iter(self._found))]
        self._found[tac] = at, model
        return model
