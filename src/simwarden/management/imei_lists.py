"""The operator's lists of devices: import, list, show, remove."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.json import Decoder

from simwarden.domain.equipment import DeviceList, EquipmentStatus, listed
from simwarden.domain.errors import ResourceNotFound
from simwarden.domain.identifiers import full_imei, parse_imei
from simwarden.management import schemas
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store.listed_devices import ListedDevices

if TYPE_CHECKING:
    from simwarden.domain.equipment import ListedDevice


class DeviceNotListed(ResourceNotFound):
    """The list has no such entry."""


class ImeiListRoutes:
    """The operations under `/imei-lists`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lists = ListedDevices(house.db)
        self._import = Decoder(schemas.ImportImeis)

    async def bring(self, request: Request) -> Answer:
        """importImeis: entries of the same device and list are replaced."""
        wanted: schemas.ImportImeis = read(self._import, request)
        imported = await self._lists.put(wanted.devices, self._house.clock())
        return Answer(200, {"imported": imported, "entries": sum((await self._lists.counts()).values())})

    async def page(self, request: Request) -> Answer:
        """listImeis: in the order of their digits."""
        query = Query(request.query, ("list",), "imei-lists")
        which = query.choice("list", [str(each) for each in DeviceList])
        place = query.cursor(tuple[Text, Text])
        found = await self._lists.page(DeviceList(which) if which else None, behind=place, limit=query.limit + 1)
        rows = found[: query.limit]
        answer: dict[str, Any] = {"devices": [_shown(*row) for row in rows]}
        if len(found) > len(rows):
            answer["nextCursor"] = query.next((rows[-1][0].value, str(rows[-1][0].list)))
        return Answer(200, answer)

    async def show(self, request: Request) -> Answer:
        """getImei: what the lists say of a device, also of one that is on none. Raises InvalidIdentifier."""
        imei = parse_imei(request.parameter.replace("\x00", "")).key
        entries = await self._lists.entries_of(imei)
        answer: dict[str, Any] = {"imei": full_imei(imei), "entries": [_shown(*each) for each in entries]}
        if entries:
            answer["status"] = listed({each.list for each, _ in entries}, EquipmentStatus.WHITELISTED)
        return Answer(200, answer)

    async def remove(self, request: Request) -> Answer:
        """removeImei. Raises InvalidArgument, InvalidIdentifier, DeviceNotListed."""
        query = Query(request.query, ("list", "device"), "imei-lists")
        which, device = query.choice("list", [str(each) for each in DeviceList]), query.text("device", 64)
        if which is None or device is None:
            raise InvalidArgument("list and device must be specified")
        if not await self._lists.remove(DeviceList(which), _value(device)):
            raise DeviceNotListed(f"{device} is not on the list {which}")
        return Answer(204)


def _value(device: str) -> str:
    """How an entry is named: an IMEI, a TAC, or TAC-TAC."""
    first, dash, last = device.partition("-")
    if len(first) == 8 and first.isdigit() and (not dash or (len(last) == 8 and last.isdigit())):
        return f"{first}-{last or first}"
    return parse_imei(device).key


def _shown(entry: ListedDevice, added_at: datetime) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(entry, builtin_types=(datetime,))
    if entry.imei is not None:
        shown["imei"] = full_imei(entry.imei)
    return {**shown, "addedAt": added_at}
