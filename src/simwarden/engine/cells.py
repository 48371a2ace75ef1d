"""Importing tables of cells: the public CSV formats of OpenCelliD and the Mozilla Location Service, and one by key.

OpenCelliD and Mozilla write `radio,mcc,net,area,cell,unit,lon,lat,range,...`, with or without that first line. A table
by key has the columns key, latitude, longitude and radius, and can hold what the public ones lack: service areas,
routing areas, tracking areas.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.cell import network_code, parse_cell
from simwarden.domain.errors import InvalidValue, SimwardenError
from simwarden.domain.locating import MAX_RADIUS, checked_site
from simwarden.engine.provision import BadRow
from simwarden.store import sites
from simwarden.store.sites import CellRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from simwarden.store.database import Database

BATCH = 20_000
"""Rows of one transaction."""
AT_ONCE = 3
"""Batches under way together: PostgreSQL works on them while the next one is read."""
_SLICE = 1_000
"""Rows read before the batches under way are looked after."""
UNKNOWN_RANGE = 5_000.0
"""Metres, of a cell whose range the table does not know: it says 0."""
KEPT_BAD = 1_000
"""Refused rows that are told one by one; all are counted."""
PUBLIC = ("radio", "mcc", "net", "area", "cell", "unit", "lon", "lat", "range")
"""The columns that a public table begins with."""
BY_KEY = ("key", "latitude", "longitude", "radius")
_OTHER_RADIO = frozenset({"CDMA"})


class BadCellFile(SimwardenError):
    """The file cannot be read as a table of cells."""


class CellTally(msgspec.Struct):
    """What became of the rows of a table."""

    stored: int = 0
    """Rows that are in the database now, as they stand here."""
    moved: int = 0
    """Of these: new cells, and such whose position changed."""
    skipped: int = 0
    """Rows of radio networks whose cells no source reports (CDMA)."""
    refused: int = 0
    bad: list[BadRow] = []
    """The first of the refused rows."""

    def refuse(self, row: BadRow) -> None:
        """Count a row that cannot be taken."""
        self.refused += 1
        if len(self.bad) < KEPT_BAD:
            self.bad.append(row)


def read_cells(lines: Iterable[str], tally: CellTally) -> Iterator[CellRow]:
    """The cells of a table; those that cannot be taken are told to `tally`. Raises BadCellFile."""
    source = iter(lines)
    first = next(source, "").lstrip("\ufeff").rstrip("\r\n")
    head = [name.strip().lower() for name in first.split(",")]
    if tuple(head[: len(PUBLIC)]) == PUBLIC:
        return _rows(enumerate(source, 2), _public, tally)
    if tuple(head) == BY_KEY:
        return _rows(enumerate(source, 2), _by_key, tally)
    if head[0].upper() in _KEY_OF.keys() | _OTHER_RADIO and len(head) >= len(PUBLIC):
        return _rows(_with(first, source), _public, tally)
    raise BadCellFile(
        f"Line 1 must begin with {','.join(PUBLIC)} (OpenCelliD, Mozilla Location Service), or be {','.join(BY_KEY)}; "
        f"it is {first[:100]!r}"
    )


def _with(first: str, source: Iterator[str]) -> Iterator[tuple[int, str]]:
    yield 1, first
    yield from enumerate(source, 2)


def _rows(
    lines: Iterable[tuple[int, str]], read: Callable[[list[str]], CellRow | None], tally: CellTally
) -> Iterator[CellRow]:
    for number, line in lines:
        values = line.split(",")
        try:
            row = read(values)
        except (ValueError, IndexError) as error:
            if line.strip():
                tally.refuse(BadRow(number, _reason(error, values)))
            continue
        if row is None:
            tally.skipped += 1
        else:
            yield row


def _reason(error: Exception, values: list[str]) -> str:
    if isinstance(error, InvalidValue):
        return error.message
    if isinstance(error, IndexError):
        return f"{len(values)} values are too few"
    return f"a number is needed: {error}"


def _gsm(network: str, area_text: str, cell_text: str) -> str:
    area, cell = int(area_text), int(cell_text)
    if not (0 <= area < 1 << 16 and 0 <= cell < 1 << 16):
        raise InvalidValue(f"area {area} and cell {cell} are not both 0 to 65535")
    return f"cgi:{network}-{area:04x}-{cell:04x}"


def _umts(network: str, area_text: str, cell_text: str) -> str:
    """The cell identity is the lower half of what these tables give; the upper one names the controller (RNC)."""
    area, cell = int(area_text), int(cell_text)
    if not (0 <= area < 1 << 16 and 0 <= cell < 1 << 28):
        raise InvalidValue(f"area {area} is not 0 to 65535, or cell {cell} has more than 28 bits")
    return f"cgi:{network}-{area:04x}-{cell & 0xFFFF:04x}"


def _lte(network: str, _area: str, cell_text: str) -> str:
    cell = int(cell_text)
    if not 0 <= cell < 1 << 28:
        raise InvalidValue(f"cell {cell} has more than 28 bits")
    return f"ecgi:{network}-{cell:07x}"


def _nr(network: str, _area: str, cell_text: str) -> str:
    cell = int(cell_text)
    if not 0 <= cell < 1 << 36:
        raise InvalidValue(f"cell {cell} has more than 36 bits")
    return f"ncgi:{network}-{cell:09x}"


@lru_cache(maxsize=4096)
def _network(mcc_text: str, mnc_text: str) -> str:
    mcc, mnc = int(mcc_text), int(mnc_text)
    if not (0 <= mcc <= 999 and 0 <= mnc <= 999):
        raise InvalidValue(f"mcc and net are 0 to 999, not {mcc} and {mnc}")
    return network_code(mcc, mnc)


_KEY_OF: dict[str, Callable[[str, str, str], str]] = {"GSM": _gsm, "UMTS": _umts, "LTE": _lte, "NR": _nr}


def _public(values: list[str]) -> CellRow | None:
    """A row of a public table; None for a radio network that no source reports. Raises ValueError, IndexError."""
    key_of = _KEY_OF.get(values[0])
    if key_of is None:
        if values[0] in _OTHER_RADIO:
            return None
        raise InvalidValue(f"radio is one of {', '.join(_KEY_OF)}, not {values[0][:40]!r}")
    key = key_of(_network(values[1], values[2]), values[3], values[4])
    latitude, longitude, radius = float(values[7]), float(values[6]), float(values[8]) or UNKNOWN_RANGE
    if not (0 < latitude <= 90 and -180 <= longitude <= 180 and 0 < radius <= MAX_RADIUS):
        checked_site(latitude, longitude, radius)  # a function call costs a tenth of a row's time: most do without
    return key, latitude, longitude, radius


def _by_key(values: list[str]) -> CellRow:
    if len(values) != len(BY_KEY):
        raise InvalidValue(f"{len(values)} values for {len(BY_KEY)} columns")
    site = checked_site(*(float(value) for value in values[1:]))
    return parse_cell(values[0]).key, site.latitude, site.longitude, site.radius


class _Batch(msgspec.Struct):
    """Rows on their way into the table."""

    rows: int
    keys: set[str]
    task: asyncio.Task[int]


class CellImport:
    """One import. `progress(tally)` is called behind each commit: what it counts as stored stays."""

    def __init__(
        self,
        db: Database,
        clock: Callable[[], datetime],
        progress: Callable[[CellTally], None] = lambda _tally: None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._progress = progress
        self._under_way: deque[_Batch] = deque()
        self._all_new = True
        """No cell so far was known: rows are copied, and only then looked at when one turns out to be."""
        self.tally = CellTally()

    async def run(self, lines: Iterable[str]) -> CellTally:
        """Import the cells of a table. Of two rows of a cell the later one counts. Raises BadCellFile."""
        rows = read_cells(lines, self.tally)
        try:
            while batch := await self._read(rows):
                keys = set(batch)
                while len(self._under_way) == AT_ONCE or any(not keys.isdisjoint(o.keys) for o in self._under_way):
                    await self._finish()
                self._under_way.append(_Batch(len(batch), keys, asyncio.create_task(self._store(batch))))
            while self._under_way:
                await self._finish()
        finally:
            for left in self._under_way:
                left.task.cancel()
            await asyncio.gather(*(left.task for left in self._under_way), return_exceptions=True)
        self._progress(self.tally)
        return self.tally

    async def _read(self, rows: Iterator[CellRow]) -> dict[str, CellRow]:
        batch: dict[str, CellRow] = {}
        while len(batch) < BATCH and (some := list(islice(rows, _SLICE))):
            batch.update((row[0], row) for row in some)
            await asyncio.sleep(0)
        return batch

    async def _finish(self) -> None:
        batch = self._under_way[0]
        self.tally.moved += await batch.task
        self._under_way.popleft()
        self.tally.stored += batch.rows
        self._progress(self.tally)

    async def _store(self, batch: dict[str, CellRow]) -> int:
        rows = list(batch.values())
        if self._all_new:
            if await sites.copy_cells(self._db, rows, self._clock()):
                return len(rows)
            self._all_new = False
        async with self._db.transaction() as connection:
            return await sites.add_cells(connection, rows, self._clock())
