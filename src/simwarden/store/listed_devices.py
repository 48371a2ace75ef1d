"""The operator's lists of devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.equipment import DeviceList, ListedDevice
from simwarden.store.coalesce import Coalescer
from simwarden.store.queries import load

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.store.database import Database

Q = load("listed_devices")
_SINGLE = 14
"""Digits of what names one device."""
_MANY, _FEW = 100, 10_000
"""So many entries at once change how lists that are thought to be so short are best read."""


class ListedDevices:
    """Every method may raise StoreUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lookups: Coalescer[str, Collection[DeviceList]] = Coalescer(self._load)

    def lists_of(self, imei: str) -> asyncio.Future[Collection[DeviceList] | None]:
        """The lists that a device, by 14 digits, is on: by itself, or by its model. None: on none."""
        return self._lookups.get(imei)

    async def entries_of(self, imei: str) -> list[tuple[ListedDevice, datetime]]:
        """What is said of it there, and when it was entered."""
        return [_entry(row) for row in await self._db.fetch(Q["entries"], imei)]

    async def put(self, devices: Sequence[ListedDevice], now: datetime) -> int:
        """Add entries, or replace those of the same device and list; returns how many there were. Of several of one
        device and list the last one counts."""
        last = {(each.value, each.list): each for each in devices}
        rows = [last[key] for key in sorted(last)]
        await self._db.execute(
            Q["put"],
            [each.value for each in rows],
            [str(each.list) for each in rows],
            [None if each.tac is None else int(each.tac) for each in rows],
            [None if each.tac is None else int(each.tac_last or each.tac) for each in rows],
            [each.reason for each in rows],
            [each.since for each in rows],
            [each.source for each in rows],
            now,
        )
        if len(rows) >= _MANY and await self._db.fetchval(Q["size"]) < _FEW:
            await self._db.execute(Q["analyze"])
        return len(rows)

    async def remove(self, list_: DeviceList, value: str) -> bool:
        """Take an entry off a list; returns whether it was there."""
        return await self._db.fetchval(Q["remove"], str(list_), value) is not None

    async def counts(self) -> dict[DeviceList, int]:
        """How many entries each list has; empty ones are missing."""
        return {DeviceList(row["list"]): row["n"] for row in await self._db.fetch(Q["count"])}

    async def page(
        self, list_: DeviceList | None, *, behind: tuple[str, str] | None, limit: int
    ) -> list[tuple[ListedDevice, datetime]]:
        """Entries of one list or all, and when they were entered, in the order of what names them, from behind a name
        and list."""
        rows = await self._db.fetch(Q["page"], list_ and str(list_), *(behind or (None, None)), limit)
        return [_entry(row) for row in rows]

    async def _load(self, imeis: Sequence[str]) -> Mapping[str, Collection[DeviceList]]:
        found: dict[str, tuple[DeviceList, ...]] = {}
        for row in await self._db.fetch(Q["of_devices"], imeis):
            found[row["imei"]] = (*found.get(row["imei"], ()), DeviceList(row["list"]))
        return found


def _entry(row: asyncpg.Record) -> tuple[ListedDevice, datetime]:
    value: str = row["value"]
    first, _, last = value.partition("-")
    single = len(value) == _SINGLE
    device = ListedDevice(
        list=DeviceList(row["list"]),
        imei=value if single else None,
        tac=None if single else first,
        tac_last=None if single or first == last else last,
        reason=row["reason"],
        since=row["since"],
        source=row["source"],
    )
    return device, row["added_at"]
