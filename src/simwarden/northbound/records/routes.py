"""retrieveMessages, retrieveCalls, retrieveCounters."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.counters import as_numbers
from simwarden.domain.record_views import DIRECTIONS, KINDS, call_view, message_view
from simwarden.domain.records import Behind, OfAccount, OfSim, RecordQuery, behind
from simwarden.northbound.kernel import paging, sinks
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import InvalidArgument, PermissionDenied
from simwarden.northbound.records import schemas

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from msgspec import UnsetType

    from simwarden.domain.counters import CounterDay
    from simwarden.domain.records import StoredRecord
    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.ports import RecordReader
    from simwarden.northbound.kernel.services import Services

NAME = "records"
CONTENT = "records:content:read"
"""Shows texts and the other parties' numbers."""
_EVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_NO_STORE = [(b"cache-control", b"no-store")]
_STORED_KIND = {kind: stored for stored, kind in KINDS.items()}
_STORED_DIRECTION = {direction: stored for stored, direction in DIRECTIONS.items()}
Bucket = Annotated[int, Meta(ge=0, le=255)]
Element = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Imsi = Annotated[str, Meta(max_length=400, pattern=r"^[^\x00]*\Z")]
Key = Annotated[str, Meta(max_length=128, pattern=r"^([0-9a-f]{2})+\Z")]
Moment = Annotated[datetime, Meta(tz=True)]
RecordPlace = tuple[Moment, Bucket, Element, Key]
DayPlace = tuple[date, Bucket, Imsi, Element]
"""Where pages ended."""
Names = dict[str, tuple[str | None, str | None]]


class Records:
    """The operations."""

    def __init__(self, services: Services, records: RecordReader) -> None:
        self._devices = services.devices
        self._records = records
        self._messages = Decoder(schemas.MessagesQuery)
        self._calls = Decoder(schemas.CallsQuery)
        self._counters = Decoder(schemas.CountersQuery)

    async def messages(self, request: Request) -> Answer:
        """Messages, the newest first (retrieveMessages)."""
        wanted = decode(self._messages, request.body, schemas.WORDING)
        kind = None if wanted.kind is UNSET else _STORED_KIND[wanted.kind]
        asked = await self._asked(request, wanted, kind)
        found = await self._records.messages(asked)
        rows, cursor = _cut(found, wanted.limit)
        names = await self._names(request, rows)
        shown = [message_view(row, _device(row.imsi, names), clear=CONTENT in request.caller.scopes) for row in rows]
        return Answer(200, schemas.MessagesPage(shown, cursor), _NO_STORE)

    async def calls(self, request: Request) -> Answer:
        """Calls, the newest first (retrieveCalls)."""
        wanted = decode(self._calls, request.body, schemas.WORDING)
        direction = None if wanted.direction is UNSET else _STORED_DIRECTION[wanted.direction]
        asked = await self._asked(request, wanted, direction)
        found = await self._records.calls(asked)
        rows, cursor = _cut(found, wanted.limit)
        names = await self._names(request, rows)
        shown = [call_view(row, _device(row.imsi, names), clear=CONTENT in request.caller.scopes) for row in rows]
        return Answer(200, schemas.CallsPage(shown, cursor), _NO_STORE)

    async def counters(self, request: Request) -> Answer:
        """What was used each day, the newest first (retrieveCounters)."""
        wanted = decode(self._counters, request.body, schemas.DAYS_WORDING)
        first = _EVER[0].date() if wanted.from_ is UNSET else wanted.from_
        last = _EVER[1].date() if wanted.to is UNSET else wanted.to
        if first > last:
            raise InvalidArgument("from must not lie behind to")
        sim = await self._sim(request, wanted)
        of = _of(request, sim)
        place = None if wanted.cursor is UNSET else paging.place(wanted.cursor, DayPlace)
        found = await self._records.days(of, first, last, behind=place, limit=wanted.limit + 1)
        rows = found[: wanted.limit]
        cursor: str | UnsetType = UNSET
        if len(found) > wanted.limit:
            end = rows[-1]
            cursor = paging.cursor((end.day, end.bucket, end.imsi, end.element_id))
        names = await self._names(request, rows)
        readings = [] if sim is None else await self._records.last_readings(sim)
        current = [schemas.ShownReading(each.at, msgspec.to_builtins(each.reading)) for each in readings]
        page = schemas.CountersPage([_day(row, names) for row in rows], UNSET if sim is None else current, cursor)
        return Answer(200, page, _NO_STORE)

    async def _asked(self, request: Request, wanted: schemas.TimedQuery, direction: str | None) -> RecordQuery:
        """Raises InvalidArgument, PermissionDenied, what `Devices.name` and `find` raise."""
        since, until = (
            known if given is UNSET else sinks.in_utc(given, name)
            for name, given, known in (("from", wanted.from_, _EVER[0]), ("to", wanted.to, _EVER[1]))
        )
        if since >= until:
            raise InvalidArgument("from must lie before to")
        place = None
        if wanted.cursor is not UNSET:
            place = Behind(*paging.place(wanted.cursor, RecordPlace))
        sim = await self._sim(request, wanted)
        other = None if wanted.other_party is UNSET else wanted.other_party
        if other is not None and CONTENT not in request.caller.scopes:
            raise PermissionDenied
        if other is not None and sim is None:
            raise InvalidArgument("otherParty needs a device")
        return RecordQuery(
            of=_of(request, sim),
            since=since,
            until=until,
            direction=direction,
            other_party=other,
            behind=place,
            limit=wanted.limit + 1,
        )

    async def _sim(self, request: Request, wanted: schemas.RecordsQuery) -> Sim | None:
        """None: all SIMs of the account."""
        caller = request.caller
        if wanted.device is UNSET and caller.device is None and caller.only is None:
            return None
        return await self._devices.find(caller, self._devices.name(caller, wanted.device))

    async def _names(self, request: Request, rows: Sequence[StoredRecord] | Sequence[CounterDay]) -> Names:
        imsis: Collection[str] = {row.imsi for row in rows if row.imsi is not None}
        return dict(await self._records.names(request.caller.account_id, imsis)) if imsis else {}


def _of(request: Request, sim: Sim | None) -> OfSim | OfAccount:
    account_id = request.caller.account_id
    return OfAccount(account_id) if sim is None else OfSim(sim.imsi, account_id)


def _cut(found: Sequence[Any], limit: int) -> tuple[Sequence[Any], str | UnsetType]:
    """A page, and where the next one begins."""
    rows = found[:limit]
    return rows, paging.cursor(behind(rows[-1])) if len(found) > limit else UNSET


def _device(imsi: str | None, names: Names) -> dict[str, str] | UnsetType:
    """By what the account calls it; nothing where the SIM has no such name, or is no longer there."""
    number, nai = names.get(imsi or "", (None, None))
    if number is not None:
        return {"phoneNumber": number}
    return UNSET if nai is None else {"networkAccessIdentifier": nai}


def _day(row: CounterDay, names: Names) -> schemas.UsedDay:
    return schemas.UsedDay(
        device=_device(row.imsi, names),
        day=row.day,
        used=as_numbers(row.used),
        resets=row.resets,
        readings=msgspec.to_builtins(row.reading),
    )


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/records`; None where nothing is kept."""
    if services.records is None:
        return None
    served = Records(services, services.records)
    endpoints = {
        f"/v1/retrieve-{what}": {"POST": Endpoint(name, handle, has_body=True, reads=True)}
        for what, name, handle in (
            ("messages", "retrieveMessages", served.messages),
            ("calls", "retrieveCalls", served.calls),
            ("counters", "retrieveCounters", served.counters),
        )
    }
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
