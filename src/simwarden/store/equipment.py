"""What an equipment check asks for: the SIM, and the lists that the device is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.equipment import DeviceList
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Sim
from simwarden.store.queries import load
from simwarden.store.sims import from_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.store.database import Database

Q = load("equipment")


class Pair(msgspec.Struct, frozen=True):
    """A SIM and a device that a check asks about."""

    imsi: str | None
    """None: it names no SIM."""
    imei: str | None
    """14 digits; None: it has no IMEI that can be read."""


class PairRecord(msgspec.Struct, frozen=True):
    """What is stored of both."""

    sim: Sim | None
    lists: tuple[DeviceList, ...]


async def known(db: Database, asked: Sequence[Pair]) -> Mapping[Pair, PairRecord]:
    """What is stored of each, whosever the SIM is."""
    buckets = [None if each.imsi is None else bucket_of(each.imsi) for each in asked]
    shards = sorted({bucket for bucket in buckets if bucket is not None})
    columns = [each.imsi for each in asked], [each.imei for each in asked]
    return {
        asked[row["ord"] - 1]: PairRecord(
            None if row["imsi"] is None else from_row(row), tuple(map(DeviceList, row["lists"]))
        )
        for row in await db.fetch(Q["asked"], shards, buckets, *columns)
    }
