"""What devices used of their data allowances in a month, as network elements count it; in the sandbox virtual ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from simwarden.domain.allowance import MIB, month_of
from simwarden.store import volumes

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Making
    from simwarden.store.database import Database

_VIRTUAL = {"1": 6 * 1024, "2": 9 * 1024 + 512, "3": 10 * 1024 - 100, "8": 11 * 1024}
"""Mebibytes that virtual SIMs used, by the last digit of their number; the others 2 GiB, 7 nothing that was counted."""


class Volumes(Protocol):
    """Knows how much data devices used."""

    async def used(self, sim: Sim, now: datetime) -> int | None:
        """Octets up and down in the calendar month (UTC) of `now`. None: no data of this SIM was ever counted."""


class CountedVolumes:
    """By the volumes of the store."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def used(self, sim: Sim, now: datetime) -> int | None:
        """Raises StoreUnavailable."""
        found = (await volumes.used_since(self._db, [sim], month_of(now))).get(sim.imsi)
        if found is None and await volumes.has_any(self._db, sim):
            return 0
        return found


class VirtualVolumes:
    """In the sandbox the last digit says it."""

    async def used(self, sim: Sim, now: datetime) -> int | None:
        """At any time of the month the same."""
        del now
        digit = sim.imsi[-1]
        return None if digit == "7" else _VIRTUAL.get(digit, 2 * 1024) * MIB


def make(of: Making) -> Volumes:
    """Of the live world, or of the sandbox."""
    return VirtualVolumes() if of.virtual else CountedVolumes(of.database)


async def prune(_db: Database, _now: datetime) -> None:
    """Volumes are the engine's to forget."""
