"""Operations on many SIMs: preview, confirm, look, cancel, fetch the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.json import Decoder

from simwarden.domain import identifiers
from simwarden.domain.errors import InvalidIdentifier, InvalidValue
from simwarden.domain.intake import Intake
from simwarden.domain.rules.device import Bind
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine.bulk_jobs import Named
from simwarden.management import bulk_views, schemas
from simwarden.management.csv_list import CsvList, csv_rows
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.management.sim_filters import as_filter
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from simwarden.engine.bulk_jobs import Operation

STATES = ("PREVIEWING", "READY", "RUNNING", "COMPLETED", "CANCELLED", "EXPIRED")
_KINDS = {
    "imsi": (IdentifierKind.IMSI, identifiers.parse_imsi),
    "iccid": (IdentifierKind.ICCID, identifiers.parse_iccid),
    "msisdn": (IdentifierKind.MSISDN, identifiers.parse_msisdn),
    "nai": (IdentifierKind.NAI, identifiers.parse_nai),
}
_AS_WRITTEN = Intake()
RESULT_COLUMNS = ("line", "given", "imsi", "status", "code", "reason", "at")


class BulkRoutes:
    """The operations under `/bulk` and `/operations`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._request = Decoder(schemas.BulkRequest)
        self._confirm = Decoder(schemas.ConfirmRequest)

    async def bulk(self, request: Request) -> Answer:
        """previewBulk."""
        wanted: schemas.BulkRequest = read(self._request, request)
        action = await self._house.command(request, wanted)
        self._house.intake.cautions(imei=wanted.imei)  # strict: refused; else the preview says it
        if (wanted.filter is None) == (wanted.csv is None):
            raise InvalidArgument("Give one of filter and csv")
        if wanted.csv is not None:
            sims: Any = named(wanted.csv, devices=isinstance(action, Bind), intake=self._house.intake)
        else:
            assert wanted.filter is not None
            sims = await as_filter(self._house, wanted.filter)
        begun = await self._house.operations.begin(
            action,
            sims,
            self._house.cause(request, action.summary),
            app_key=request.caller.app_key,
            account_id=None,
            preview=True,
        )
        return Answer(202, bulk_views.operation(begun), [(b"location", f"/manage/v1/operations/{begun.id}".encode())])

    async def page(self, request: Request) -> Answer:
        """listOperations: the newest first."""
        query = Query(request.query, ("state", "account"), "operations")
        found = await self._house.operations.page(
            before=query.cursor(Text),
            state=query.choice("state", STATES),
            account_id=await self._house.account_id(query.text("account")),
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        answer: dict[str, object] = {"operations": [bulk_views.operation(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1].id)
        return Answer(200, answer)

    async def show(self, request: Request) -> Answer:
        """getOperation."""
        return Answer(200, bulk_views.operation(await self._house.operations.get(_id(request))))

    async def confirm(self, request: Request) -> Answer:
        """confirmOperation."""
        wanted: schemas.ConfirmRequest = read(self._confirm, request)
        confirmed = await self._house.operations.confirm(_id(request), wanted.confirm_token)
        return Answer(202, bulk_views.operation(confirmed))

    async def cancel(self, request: Request) -> Answer:
        """cancelOperation."""
        return Answer(200, bulk_views.operation(await self._house.operations.cancel(_id(request))))

    async def result(self, request: Request) -> Answer:
        """getOperationResult: a CSV file, one line for each SIM."""
        found = await self._house.operations.get(_id(request))
        headers = [
            (b"content-type", b"text/csv; charset=utf-8"),
            (b"content-disposition", f'attachment; filename="operation-{found.id}.csv"'.encode()),
        ]
        undone = "CANCELLED" if found.state in ("CANCELLED", "EXPIRED") else "REQUESTED"
        return Answer(200, None, headers, self._lines(found, undone))

    async def _lines(self, operation: Operation, undone: str) -> AsyncIterator[bytes]:
        yield csv_rows([RESULT_COLUMNS])
        listed = operation.filter is None
        async for items in self._house.operations.stream(operation):
            yield csv_rows(
                [
                    (
                        item.n if listed else None,
                        _given(item.given),
                        item.imsi,
                        undone if item.status == "REQUESTED" else item.status,
                        item.code,
                        item.reason,
                        item.at and item.at.isoformat(),
                    )
                    for item in items
                ]
            )


def named(text: str, *, devices: bool, intake: Intake = _AS_WRITTEN) -> Iterator[Named]:
    """The SIMs of a CSV list, one by one. Its first line names the columns: imsi, iccid, msisdn or nai; and, where
    SIMs are bound, imei. A line that names no SIM is an item of its own. Raises InvalidArgument for anything else."""
    listed = CsvList(text)
    header = [name.lower() for name in listed.header]
    kinds = [name for name in header if name in _KINDS]
    others = set(header) - _KINDS.keys() - ({"imei"} if devices else set())
    if len(kinds) != 1 or others or len(set(header)) != len(header):
        allowed = "imsi, iccid, msisdn or nai" + (", and imei" if devices else "")
        raise InvalidArgument(f"The first line of csv must name one column {allowed}; it is {','.join(header)!r}")
    empty = True
    for line, row in listed:
        empty = False
        yield _line(line, header, kinds[0], row, intake)
    if empty:
        raise InvalidArgument("csv names no SIM")


def _line(line: int, header: list[str], kind: str, row: list[str], intake: Intake) -> Named:
    given = ",".join(row)[:200]
    if len(row) != len(header):
        return Named(line, given, None, wrong=InvalidValue(f"{len(row)} values for {len(header)} columns"))
    values = dict(zip(header, row, strict=True))
    identifier, parse = _KINDS[kind]
    try:
        written = values[kind]
        ref = SimRef(identifier, intake.number(written) if kind == "msisdn" else parse(written))
        intake.cautions(imei=values.get("imei"), msisdn=written if kind == "msisdn" else None)
    except InvalidIdentifier as error:
        return Named(line, given, None, wrong=error)
    return Named(line, given, ref, {"imei": values["imei"]} if values.get("imei") else None)


def _id(request: Request) -> str:
    return request.parameter.replace("\x00", "")


def _given(given: Any) -> str:
    return str(next(iter(given.values()), "")) if isinstance(given, dict) else str(given or "")
