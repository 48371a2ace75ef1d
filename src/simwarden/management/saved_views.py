"""Views of lists: what a person has chosen and given a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.json import Decoder

from simwarden.management.house import House, read
from simwarden.management.query import Query
from simwarden.management.session import person
from simwarden.northbound.kernel.api import Answer
from simwarden.store import saved_views

if TYPE_CHECKING:
    from simwarden.northbound.kernel.api import Request


class SaveView(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """SaveView."""

    list: Literal["sims"]
    name: Annotated[
        str, Meta(min_length=1, max_length=60, pattern=r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?\Z")
    ]
    query: Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"^[!-~]*\Z")]


class SavedViewRoutes:
    """The operations under `/views`: one's own, whoever it is."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._save = Decoder(SaveView)

    async def page(self, request: Request) -> Answer:
        """listViews."""
        Query(request.query, (), "views")
        return Answer(200, {"views": await saved_views.of(self._house.db, person(request)[0].id)})

    async def save(self, request: Request) -> Answer:
        """saveView."""
        owner = person(request)[0].id
        wanted: SaveView = read(self._save, request)
        return Answer(200, await saved_views.save(self._house.db, owner, wanted.list, wanted.name, wanted.query))

    async def remove(self, request: Request) -> Answer:
        """removeView."""
        await saved_views.remove(self._house.db, person(request)[0].id, request.parameter.replace("\x00", ""))
        return Answer(204)
