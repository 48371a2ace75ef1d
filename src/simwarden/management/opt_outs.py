"""Who wants no messages from an account's SIMs, and by which words they say so: list, add, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.json import Decoder

from simwarden.domain.opt_outs import ANY_NUMBER, OptOutSource, checked_words
from simwarden.domain.texts import STOP_WORDS
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text, Time
from simwarden.management.record_views import masked
from simwarden.management.records import reveals
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.devices import PhoneNumber
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store.opt_outs import OptOutList

if TYPE_CHECKING:
    from simwarden.domain.opt_outs import OptOutEntry

Name = Annotated[str, Meta(min_length=1, max_length=320)]
Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Place = tuple[Time, Text, Key]
_NO_STORE = [(b"cache-control", b"no-store")]


class AddOptOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """AddOptOut."""

    receiver: PhoneNumber
    sim: Name | UnsetType = UNSET


class SetOptOutWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SetOptOutWords."""

    words: Annotated[list[Annotated[str, Meta(min_length=1, max_length=30)]], Meta(min_length=1, max_length=50)]


class OptOutRoutes:
    """The operations under `/accounts/{accountId}/opt-outs` and `/opt-out-words`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._list = OptOutList(house.db, house.vault, house.clock)
        self._add = Decoder(AddOptOut)
        self._set = Decoder(SetOptOutWords)

    async def page(self, request: Request) -> Answer:
        """listOptOuts: the newest first."""
        account = await self._house.account(request.parameter)
        query = Query(request.query, ("sim", "reveal"), "opt-outs")
        reveal = reveals(request, query)
        number = await self._number(account.id, query.text("sim", 320))
        place = query.cursor(Place)
        found = await self._list.page(account.id, number, behind=place, limit=query.limit + 1)
        rows = found[: query.limit]
        answer: dict[str, Any] = {"optOuts": [_shown(row, reveal=reveal) for row in rows]}
        if len(found) > len(rows):
            answer["nextCursor"] = query.next(rows[-1].place)
        return Answer(200, answer, _NO_STORE)

    async def add(self, request: Request) -> Answer:
        """addAccountOptOut: from one SIM, or from all."""
        wanted: AddOptOut = read(self._add, request)
        account = await self._house.account(request.parameter)
        number = await self._number(account.id, None if wanted.sim is UNSET else wanted.sim) or ANY_NUMBER
        await self._list.add(account.id, number, wanted.receiver, OptOutSource.OPERATOR)
        return Answer(204)

    async def remove(self, request: Request) -> Answer:
        """removeAccountOptOut: for one SIM, or what was added for all."""
        wanted: AddOptOut = read(self._add, request)
        account = await self._house.account(request.parameter)
        number = await self._number(account.id, None if wanted.sim is UNSET else wanted.sim) or ANY_NUMBER
        await self._list.remove(account.id, number, wanted.receiver)
        return Answer(204)

    async def words(self, request: Request) -> Answer:
        """getOptOutWords."""
        account = await self._house.account(request.parameter)
        return Answer(200, _words(await self._list.words(account.id)))

    async def set_words(self, request: Request) -> Answer:
        """setOptOutWords: in the place of the usual ones."""
        words = checked_words(read(self._set, request).words)
        account = await self._house.account(request.parameter)
        await self._list.set_words(account.id, words)
        return Answer(200, _words(words))

    async def usual_words(self, request: Request) -> Answer:
        """removeOptOutWords: the usual ones again."""
        account = await self._house.account(request.parameter)
        await self._list.set_words(account.id, None)
        return Answer(204)

    async def _number(self, account_id: str, name: str | None) -> str | None:
        """The number of a SIM of the account; None for none. Raises SimNotFound, InvalidArgument."""
        if name is None:
            return None
        sim = await self._house.sim(name)
        if sim.account_id != account_id:
            raise InvalidArgument("This SIM is another account's")
        return sim.msisdn or sim.imsi


def _shown(row: OptOutEntry, *, reveal: bool) -> dict[str, Any]:
    every = {"allSims": True} if row.number == ANY_NUMBER else {"number": row.number}
    receiver = {} if row.receiver is None else {"receiver": masked(row.receiver, reveal=reveal)}
    return {**every, **receiver, "since": row.since, "source": row.source}


def _words(own: list[str] | None) -> dict[str, Any]:
    return {"words": sorted(STOP_WORDS) if own is None else own, "own": own is not None}
