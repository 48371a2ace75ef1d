"""Registering a file of SIMs: read, checked line by line, inserted in batches that overlap."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from collections import deque
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import msgspec

from simwarden.domain.errors import InvalidIdentifier, SimExists, SimwardenError
from simwarden.domain.identifiers import parse_imei
from simwarden.domain.intake import Intake
from simwarden.domain.locating import InvalidSite, checked_site
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine import identity
from simwarden.engine.provision import BadRow, NewSim, insert, insert_free, new_sim, refused
from simwarden.kit.clock import now_utc
from simwarden.store import sims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from simwarden.domain.events import Cause
    from simwarden.domain.locating import Site
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

COLUMNS = ("iccid", "imsi", "msisdn", "imei", "activated", "latitude", "longitude", "radius")
REASON = "reason"
"""A column that is read over: rejected rows are written with it."""
BATCH = 5000
"""Rows that one transaction takes in."""
AT_ONCE = 3
"""Batches under way together: PostgreSQL works on them while the next one is read."""
_SLICE = 200
"""Rows read before the batches under way are looked after."""
_TRIES = 5
_AS_WRITTEN = Intake()
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_DELIMITERS = ";\t"
"""What may stand between values in place of a comma: spreadsheets in many countries write these."""


class BadFile(SimwardenError):
    """The file cannot be read as a list of SIMs."""


def read_rows(text: Iterable[str], account_id: str, intake: Intake = _AS_WRITTEN) -> Iterator[NewSim | BadRow]:
    """Rows of a CSV file with the header iccid,imsi,msisdn[,imei][,activated], in any order. Raises BadFile.

    `activated`: since when the SIM has had its phone number, by RFC 3339 a date (UTC) or a time with a time zone.
    `latitude`, `longitude`, `radius`: its installation address, in degrees and metres; all of them or none.

    Values are separated by what separates the names of the header: a comma, a semicolon or a tab. A row is a line:
    no value here holds a line break, and a quote that is never closed costs its own line only.
    """
    now = now_utc()
    lines = iter(text)
    try:
        first = next(lines, "")
        delimiter = delimiter_of(first)
        header = [name.lower().lstrip("\ufeff").strip() for name in _values(first, delimiter)]
    except csv.Error as error:
        raise BadFile(f"Line 1: {error}") from None
    unknown = [name for name in header if name not in (*COLUMNS, REASON)]
    if unknown or "imsi" not in header or len(set(header)) != len(header):
        raise BadFile(
            "The first line must name the columns iccid,imsi,msisdn[,imei][,activated][,latitude,longitude,radius] "
            f"(imsi at least); it is {','.join(header)!r}"
        )
    places = [header.index(name) if name in header else None for name in COLUMNS]
    for number, line in enumerate(lines, start=2):
        try:
            values = _values(line, delimiter)
        except csv.Error as error:
            yield BadRow(number, f"not valid CSV: {error}")
            continue
        if len(values) != len(header):
            if any(value.strip() for value in values):
                reason = f"{len(values)} values, but the first line names {len(header)} columns"
                yield BadRow(number, reason)
            continue
        found = [None if place is None else values[place].strip() for place in places]
        iccid, imsi, msisdn, imei, activated, *circle = found
        if not (imsi or iccid or msisdn or imei):
            continue
        try:
            sim = new_sim(account_id, imsi=imsi or "", iccid=iccid, msisdn=msisdn, home=intake.home)
            cautions = intake.cautions(imei=imei, iccid=iccid, msisdn=msisdn)
            since = _time(activated, now) if activated else None
            address = _address(circle) if any(circle) else None
        except (InvalidIdentifier, InvalidSite) as error:
            yield BadRow(number, error.message)
        else:
            yield NewSim(number, sim, imei or None, cautions=cautions, activated=since, address=address)


def _address(circle: Sequence[str | None]) -> Site:
    """An installation address. Raises InvalidSite."""
    values = []
    for name, text in zip(COLUMNS[-3:], circle, strict=True):
        try:
            values.append(float(text or ""))
        except ValueError:
            raise InvalidSite(f"{name}: a number is needed beside the others, not {text or ''!r:.60}") from None
    return checked_site(*values)


def _time(text: str, now: datetime) -> datetime:
    """A date, at its beginning in UTC, or a time with a time zone, by RFC 3339. Raises InvalidIdentifier."""
    with_time = f"{text}T00:00:00Z" if len(text) == len("2026-01-31") else text
    try:
        at = msgspec.convert(with_time, Moment).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise InvalidIdentifier(f"activated is no date or time with a time zone by RFC 3339: {text!r:.60}") from None
    if at > now:
        raise InvalidIdentifier(f"activated lies in the future: {text}")
    return at


def delimiter_of(header: str) -> str:
    """What separates values in a file with this first line."""
    return next((each for each in _DELIMITERS if each in header), ",")


def _values(line: str, delimiter: str) -> list[str]:
    if '"' not in line:
        return line.rstrip("\r\n").split(delimiter)
    return next(csv.reader([line], strict=True, delimiter=delimiter), [])


class Imported(msgspec.Struct):
    """What became of rows."""

    added: int = 0
    unchanged: int = 0
    """Their SIMs stand already, as the rows say."""
    changed: int = 0
    """Their SIMs were given the rows' phone numbers."""
    bad: list[BadRow] = []
    """Refused ones, in the order of the rows."""

    @property
    def rows(self) -> int:
        """All of them."""
        return self.added + self.unchanged + self.changed + len(self.bad)

    def add(self, more: Imported) -> None:
        """Count what became of more rows."""
        self.added += more.added
        self.unchanged += more.unchanged
        self.changed += more.changed
        self.bad += more.bad


class Way(msgspec.Struct, frozen=True):
    """How rows are taken in."""

    cause: Cause
    update: bool = False
    """A SIM that stands already is given the phone number of its row."""
    dry_run: bool = False
    """Nothing is written."""


class _Batch(msgspec.Struct):
    """Rows on their way into the register."""

    names: set[str]
    task: asyncio.Task[Imported]


async def import_rows(
    db: Database,
    rows: Iterable[NewSim | BadRow],
    account_id: str,
    way: Way,
    progress: Callable[[Imported], None] = lambda _batch: None,
) -> Imported:
    """Register rows in batches, each one transaction; returns what became of them.

    `progress` is called after each batch, in the order of the rows. A row whose SIM stands already as the row says
    changes nothing; one that says something else of it is refused, as is a second row of the same name. The others go
    on.
    """
    done = Imported()
    under_way: deque[_Batch] = deque()

    async def finish() -> None:
        batch = await under_way[0].task
        under_way.popleft()
        done.add(batch)
        progress(batch)

    source = iter(rows)
    try:
        while batch := await _read(source):
            good = [row for row in batch if isinstance(row, NewSim)]
            bad = [row for row in batch if isinstance(row, BadRow)]
            names = {value for row in good for _, value in row.names}
            # Of two rows with one name the first is taken, also when they are in two batches.
            while len(under_way) == AT_ONCE or any(not names.isdisjoint(other.names) for other in under_way):
                await finish()
            under_way.append(_Batch(names, asyncio.create_task(_import(db, account_id, good, bad, way))))
        while under_way:
            await finish()
    finally:
        for left in under_way:
            left.task.cancel()
        await asyncio.gather(*(left.task for left in under_way), return_exceptions=True)
    return done


async def _read(source: Iterator[NewSim | BadRow]) -> list[NewSim | BadRow]:
    """The next batch; what is under way goes on meanwhile."""
    batch: list[NewSim | BadRow] = []
    while len(batch) < BATCH and (some := list(islice(source, min(_SLICE, BATCH - len(batch))))):
        batch += some
        await asyncio.sleep(0)
    return batch


async def _import(db: Database, account_id: str, rows: Sequence[NewSim], bad: Sequence[BadRow], way: Way) -> Imported:
    """Insert what is free, and compare the others with what stands. `bad`: rows of this batch that cannot be read."""
    taken = await _insert(db, account_id, rows, way)
    done = Imported(added=len(rows) - len(taken))
    if taken:
        by_line = {row.line: row for row in rows}
        stand = await _standing(db, account_id, [by_line[row.line] for row in taken])
        for row in taken:
            await _compare(db, by_line[row.line], row, stand.get(by_line[row.line].sim.imsi), way, done)
    done.bad = sorted([*done.bad, *bad], key=lambda row: row.line)
    return done


async def _standing(db: Database, account_id: str, rows: Sequence[NewSim]) -> dict[str, Sim]:
    """The account's SIMs that have the IMSIs of these rows."""
    refs = [(account_id, SimRef(IdentifierKind.IMSI, row.sim.imsi)) for row in rows]
    return {sim.imsi: sim for sim in (await sims.find_all(db, refs)).values()}


async def _compare(db: Database, row: NewSim, taken: BadRow, sim: Sim | None, way: Way, done: Imported) -> None:
    """Count a row of which a name is a SIM's already; `sim` is the account's of the same IMSI."""
    if sim is None:
        done.bad.append(taken)
    elif (difference := _difference(row, sim)) is None:
        done.unchanged += 1
    elif difference != "msisdn" or not way.update:
        done.bad.append(BadRow(row.line, f"the SIM with the imsi {sim.imsi} has another {difference} already"))
    else:
        try:
            if not way.dry_run:
                await identity.rename(db, sim.imsi, {"msisdn": row.sim.msisdn}, way.cause)
            done.changed += 1
        except SimwardenError as error:
            done.bad.append(BadRow(row.line, error.message))


def _difference(row: NewSim, sim: Sim) -> str | None:
    """What a row says of a SIM otherwise than it is: the column's name. An empty value says nothing."""
    if row.sim.iccid not in (None, sim.iccid):
        return "iccid"
    if row.imei and (sim.binding is None or parse_imei(row.imei).key not in sim.binding.values):
        return "imei"
    return None if row.sim.msisdn in (None, sim.msisdn) else "msisdn"


async def _insert(db: Database, account_id: str, rows: Sequence[NewSim], way: Way) -> list[BadRow]:
    """Insert what is free; returns what was not.

    First as if all were, which is the usual case and needs no look at what is there; then with a look; then again when
    another import was quicker with some of these.
    """
    if not rows:
        return []
    if way.dry_run:
        async with db.connection() as connection:
            return (await refused(connection, rows))[0]
    with contextlib.suppress(SimExists):
        async with db.transaction() as connection:
            await insert_free(connection, account_id, rows, way.cause)
        return []
    for attempt in range(_TRIES):
        try:
            async with db.transaction() as connection:
                return await insert(connection, account_id, rows, way.cause)
        except SimExists:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError


def lines_of(data: bytes, encoding: str = "utf-8-sig") -> Iterable[str]:
    """The text lines of a CSV file. Raises BadFile when it is not in that encoding."""
    try:
        return io.StringIO(data.decode(encoding), newline="")
    except UnicodeDecodeError as error:
        name = "UTF-8" if encoding == "utf-8-sig" else encoding
        raise BadFile(f"The file is not {name} text (byte {error.start}); name its encoding") from None
