"""Named hotzones of accounts: list, set, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.json import Decoder

from simwarden.domain.hotzone import parse_zones
from simwarden.management.house import House, read
from simwarden.management.query import Query
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import hotzones

if TYPE_CHECKING:
    from simwarden.store.hotzones import HotzoneList


class SetHotzone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SetHotzone."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]
    zones: Annotated[list[Annotated[str, Meta(min_length=2, max_length=6)]], Meta(min_length=1, max_length=300)]


class HotzoneRoutes:
    """The operations under `/accounts/{accountId}/hotzones`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._set = Decoder(SetHotzone)

    async def page(self, request: Request) -> Answer:
        """listHotzones; with a name, the versions of that list."""
        account = await self._house.account(request.parameter)
        name = Query(request.query, ("name",), "hotzones").text("name")
        if name is None:
            found = await hotzones.of_account(self._house.db, account.id)
        else:
            found = await hotzones.history(self._house.db, account.id, name)
        return Answer(200, {"account": account.id, "hotzones": [_shown(each) for each in found]})

    async def set(self, request: Request) -> Answer:
        """setHotzone: replaces the list of this name."""
        wanted: SetHotzone = read(self._set, request)
        parse_zones(wanted.zones)
        account = await self._house.account(request.parameter)
        made = await hotzones.change(self._house.db, account.id, wanted.name, wanted.zones, self._house.clock())
        return Answer(200, _shown(made))

    async def remove(self, request: Request) -> Answer:
        """removeHotzone: its history stays."""
        account = await self._house.account(request.parameter)
        name = Query(request.query, ("name",), "hotzones").text("name")
        if name is None:
            raise InvalidArgument("name must be specified")
        await hotzones.change(self._house.db, account.id, name, (), self._house.clock())
        return Answer(204)


def _shown(found: HotzoneList) -> dict[str, Any]:
    return {"name": found.name, "zones": list(found.zones), "version": found.version, "setAt": found.set_at}
