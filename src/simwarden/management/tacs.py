"""The table of device models by type allocation code: import, show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.domain.errors import ResourceNotFound
from simwarden.domain.identifiers import parse_tac
from simwarden.management import schemas
from simwarden.management.house import House, read
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.store.tacs import Tacs

if TYPE_CHECKING:
    from simwarden.domain.device_model import DeviceModel


class TacNotFound(ResourceNotFound):
    """The table has no such type allocation code."""


class TacRoutes:
    """The operations under `/tacs`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tacs = Tacs(house.db)
        self._import = Decoder(schemas.ImportTacs)

    async def bring(self, request: Request) -> Answer:
        """importTacs: rows of the same TAC are replaced."""
        wanted: schemas.ImportTacs = read(self._import, request)
        await self._tacs.put(wanted.models, self._house.clock())
        return Answer(200, {"imported": len({each.tac for each in wanted.models}), "tacs": await self._tacs.count()})

    async def show(self, request: Request) -> Answer:
        """getTac. Raises InvalidIdentifier, TacNotFound."""
        tac = parse_tac(request.parameter.replace("\x00", ""))
        found: DeviceModel | None = await self._tacs.find(tac)
        if found is None:
            raise TacNotFound(f"The table has no model of the TAC {tac}")
        names = {"manufacturer": found.manufacturer, "model": found.model}
        return Answer(200, {"tac": tac, **{key: name for key, name in names.items() if name is not None}})
