"""Fixed lines: list, create, show, delete, import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.json import Decoder

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.fixed_line import FixedLine, LineNotFound, LineTaken, parse_line_network
from simwarden.domain.identifiers import parse_msisdn
from simwarden.domain.locating import InvalidSite
from simwarden.engine.provision import BadRow
from simwarden.management import schemas
from simwarden.management.csv_list import CsvList, in_slices
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NEEDED = ("number", "latitude", "longitude", "radius")
COLUMNS = (*NEEDED, "networks", "installedAt")
AT_ONCE = 5000
"""Lines that one transaction takes in."""


class LineRoutes:
    """The operations under `/lines`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._create = Decoder(schemas.CreateLine)
        self._import = Decoder(schemas.ImportLines)

    async def page(self, request: Request) -> Answer:
        """listLines."""
        query = Query(request.query, ("account",), "lines")
        account = await self._house.account_id(query.text("account"))
        after = query.cursor(Text) or ""
        found = await lines.page(self._house.db, account_id=account, after=after, limit=query.limit + 1)
        shown = found[: query.limit]
        answer: dict[str, object] = {"lines": [await self._view(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1].number)
        return Answer(200, answer)

    async def create(self, request: Request) -> Answer:
        """createLine. Raises LineTaken."""
        wanted: schemas.CreateLine = read(self._create, request)
        account = await self._house.account(wanted.account)
        made = self._line(account.id, wanted)
        async with self._house.db.transaction() as connection:
            refused = await lines.add(connection, [made])
        if refused:
            raise LineTaken(refused[made.number])
        return Answer(201, await self._view(made), [(b"location", f"/manage/v1/lines/{made.number}".encode())])

    async def show(self, request: Request) -> Answer:
        """getLine."""
        return Answer(200, await self._view(await lines.get(self._house.db, self._number(request))))

    async def delete(self, request: Request) -> Answer:
        """deleteLine."""
        await lines.remove(self._house.db, self._number(request))
        return Answer(204)

    async def bring(self, request: Request) -> Answer:
        """importLines: those that can be taken are, some thousands in a transaction; the others are answered."""
        wanted: schemas.ImportLines = read(self._import, request)
        account = await self._house.account(wanted.account)
        bad: list[BadRow] = []
        found: dict[str, tuple[int, FixedLine]] = {}
        networks: dict[str, int] = {}
        async for line, row in in_slices(read_lines(wanted.csv)):
            if row is None:
                bad.append(BadRow(line, "It has more or fewer values than there are columns"))
                continue
            try:
                given = msgspec.convert(row | {"account": account.id}, schemas.CreateLine, strict=False)
                made = self._line(account.id, given)
            except (InvalidIdentifier, InvalidSite) as error:
                bad.append(BadRow(line, error.message))
                continue
            except msgspec.ValidationError as error:
                bad.append(BadRow(line, str(error)))
                continue
            again = next((networks[each] for each in made.networks if each in networks), None)
            if made.number in found or again is not None:
                before = found[made.number][0] if made.number in found else again
                bad.append(BadRow(line, f"Its number or a network of it stands in line {before} already"))
                continue
            found[made.number] = line, made
            networks |= dict.fromkeys(made.networks, line)
        added = 0
        taken = [made for _, made in found.values()]
        for start in range(0, len(taken), AT_ONCE):
            chunk = taken[start : start + AT_ONCE]
            async with self._house.db.transaction() as connection:
                refused = await lines.add(connection, chunk)
            added += len(chunk) - len(refused)
            bad += [BadRow(found[number][0], reason) for number, reason in refused.items()]
        bad.sort(key=lambda row: row.line)
        return Answer(200, {"added": added, "badRows": bad})

    def _line(self, account_id: str, wanted: schemas.CreateLine) -> FixedLine:
        return FixedLine(
            number=self._house.intake.number(wanted.number),
            account_id=account_id,
            site=wanted.parsed(),
            networks=tuple(sorted({parse_line_network(each) for each in wanted.networks})),
            installed_at=wanted.installed_at,
        )

    def _number(self, request: Request) -> str:
        try:
            return parse_msisdn(request.parameter[:40], self._house.intake.home)
        except InvalidIdentifier:
            raise LineNotFound from None

    async def _view(self, line: FixedLine) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "number": line.number,
            "account": line.account_id,
            "latitude": line.site.latitude,
            "longitude": line.site.longitude,
            "radius": line.site.radius,
            "networks": line.networks,
        }
        return shown if line.installed_at is None else {**shown, "installedAt": line.installed_at}


def read_lines(text: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The rows of a CSV list with their lines; None for one that does not fit the columns. Raises InvalidArgument.

    `networks` are separated by blanks.
    """
    listed = CsvList(text)
    header = listed.header
    if not set(NEEDED) <= set(header) <= set(COLUMNS) or len(set(header)) != len(header):
        raise InvalidArgument(
            f"The first line of csv must name columns of {','.join(COLUMNS)} (the first four at least); "
            f"it is {','.join(header)[:200]!r}"
        )
    for line, row in listed:
        yield line, _row(header, row) if len(row) == len(header) else None


def _row(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """As `CreateLine` is written; what is empty is left out."""
    values: dict[str, Any] = {name: value for name, value in zip(header, row, strict=True) if value}
    if "networks" in values:
        values["networks"] = values["networks"].split()
    return values
