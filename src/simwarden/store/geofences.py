"""The circles of subscriptions to geofences, and on which side of each its SIM was last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.area import Circle
from simwarden.domain.geofence import Geofence
from simwarden.domain.identifiers import bucket_of
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

Q = load("geofences")


async def add(connection: asyncpg.Connection, bucket: int, imsi: str, subscription_id: str, fence: Geofence) -> None:
    """Write the fence of a new subscription."""
    area = fence.area
    await connection.execute(
        Q["add"],
        *(bucket, subscription_id, imsi, area.latitude, area.longitude, area.radius, fence.enters, fence.inside),
    )


async def of_sims(connection: asyncpg.Connection, imsis: Sequence[str]) -> dict[str, dict[str, Geofence]]:
    """The fences of live subscriptions, by IMSI and the subscription's id. SIMs without one are missing.

    Who is to change them holds the rows of the SIMs.
    """
    buckets = [bucket_of(imsi) for imsi in imsis]
    found: dict[str, dict[str, Geofence]] = {}
    for row in await connection.fetch(Q["of_sims"], sorted(set(buckets)), buckets, imsis):
        area = Circle(row["latitude"], row["longitude"], row["radius"])
        fence = Geofence(area, row["enters"], row["inside"])
        found.setdefault(row["imsi"], {})[row["subscription_id"]] = fence
    return found


async def save(connection: asyncpg.Connection, fences: Mapping[tuple[str, str], Geofence]) -> None:
    """Write on which side of fences, by IMSI and the subscription's id, SIMs are that this transaction has locked."""
    keys = sorted(fences)
    buckets = [bucket_of(imsi) for imsi, _ in keys]
    await connection.execute(
        Q["save"], sorted(set(buckets)), buckets, [id_ for _, id_ in keys], [fences[key].inside for key in keys]
    )
