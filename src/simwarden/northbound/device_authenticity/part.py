"""The operator's lists of devices; in the sandbox, virtual ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from simwarden.domain.equipment import DeviceList, ListedDevice
from simwarden.store.listed_devices import ListedDevices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.northbound.kernel.services import Making
    from simwarden.store.database import Database

_VIRTUAL = {"1": DeviceList.STOLEN, "2": DeviceList.BLOCKED, "3": DeviceList.ALLOWED, "4": DeviceList.TRACKED}


class DeviceLists(Protocol):
    """Knows what is said of devices."""

    async def entries_of(self, imei: str) -> Sequence[tuple[ListedDevice, datetime]]:
        """Of a device, by 14 digits: the entries that name it or its model, and when they were made."""


class VirtualLists:
    """In the sandbox the last digit before the check digit says it."""

    async def entries_of(self, imei: str) -> Sequence[tuple[ListedDevice, datetime]]:
        """One entry or none."""
        name = _VIRTUAL.get(imei[-1])
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return [] if name is None else [(ListedDevice(list=name, imei=imei, since=at), at)]


def make(of: Making) -> DeviceLists:
    """Of the live world, or of the sandbox."""
    return VirtualLists() if of.virtual else ListedDevices(of.database)


async def prune(_db: Database, _now: datetime) -> None:
    """Nothing of it expires."""
