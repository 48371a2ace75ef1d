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
from simwarden.domain.intake import Intake
from simwarden.engine.provision import BadRow, NewSim, insert, insert_free, new_sim
from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from simwarden.domain.events import Cause
    from simwarden.store.database import Database

COLUMNS = ("iccid", "imsi", "msisdn", "imei", "activated")
BATCH = 5000
"""Rows that one transaction takes in."""
AT_ONCE = 3
"""Batches under way together: PostgreSQL works on them while the next one is read."""
_SLICE = 200
"""Rows read before the batches under way are looked after."""
_TRIES = 5
_AS_WRITTEN = Intake()
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class BadFile(SimwardenError):
    """The file cannot be read as a list of SIMs."""


def read_rows(text: Iterable[str], account_id: str, intake: Intake = _AS_WRITTEN) -> Iterator[NewSim | BadRow]:
    """Rows of a CSV file with the header iccid,imsi,msisdn[,imei][,activated], in any order. Raises BadFile.

    `activated`: since when the SIM has had its phone number, by RFC 3339 a date (UTC) or a time with a time zone.

    A row is a line: no value here holds a line break, and a quote that is never closed costs its own line only.
    """
    now = now_utc()
    lines = iter(text)
    try:
        header = [name.lower().lstrip("\ufeff").strip() for name in _values(next(lines, ""))]
    except csv.Error as error:
        raise BadFile(f"Line 1: {error}") from None
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or "imsi" not in header or len(set(header)) != len(header):
        raise BadFile(
            "The first line must name the columns iccid,imsi,msisdn[,imei][,activated] (imsi at least); it is "
            f"{','.join(header)!r}"
        )
    places = [header.index(name) if name in header else None for name in COLUMNS]
    for number, line in enumerate(lines, start=2):
        try:
            values = _values(line)
        except csv.Error as error:
            yield BadRow(number, f"not valid CSV: {error}")
            continue
        if len(values) != len(header):
            if any(value.strip() for value in values):
                reason = f"{len(values)} values, but the first line names {len(header)} columns"
                yield BadRow(number, reason)
            continue
        iccid, imsi, msisdn, imei, activated = (None if place is None else values[place].strip() for place in places)
        if not (imsi or iccid or msisdn or imei):
            continue
        try:
            sim = new_sim(account_id, imsi=imsi or "", iccid=iccid, msisdn=msisdn, home=intake.home)
            cautions = intake.cautions(imei=imei, iccid=iccid, msisdn=msisdn)
            since = _time(activated, now) if activated else None
        except InvalidIdentifier as error:
            yield BadRow(number, error.message)
        else:
            yield NewSim(number, sim, imei or None, cautions=cautions, activated=since)


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


def _values(line: str) -> list[str]:
    if '"' not in line:
        return line.rstrip("\r\n").split(",")
    return next(csv.reader([line], strict=True), [])


class _Batch(msgspec.Struct):
    """Rows on their way into the register."""

    rows: list[NewSim | BadRow]
    names: set[str]
    task: asyncio.Task[list[BadRow]]


async def import_rows(
    db: Database,
    rows: Iterable[NewSim | BadRow],
    account_id: str,
    cause: Cause,
    progress: Callable[[int, Sequence[BadRow]], None] = lambda _added, _bad: None,
) -> tuple[int, int]:
    """Register rows in batches, each one transaction; returns how many were added and refused.

    `progress(added, bad rows)` is called after each batch, in the order of the rows. A row whose SIM stands already is
    refused, as is a second row of the same name; the others go on.
    """
    added = refused = 0
    under_way: deque[_Batch] = deque()

    async def finish() -> None:
        nonlocal added, refused
        batch = under_way[0]
        bad = [row for row in batch.rows if isinstance(row, BadRow)] + await batch.task
        under_way.popleft()
        bad.sort(key=lambda row: row.line)
        added += len(batch.rows) - len(bad)
        refused += len(bad)
        progress(len(batch.rows) - len(bad), bad)

    source = iter(rows)
    try:
        while batch := await _read(source):
            good = [row for row in batch if isinstance(row, NewSim)]
            names = {value for row in good for _, value in row.names}
            # Of two rows with one name the first is taken, also when they are in two batches.
            while len(under_way) == AT_ONCE or any(not names.isdisjoint(other.names) for other in under_way):
                await finish()
            task = asyncio.create_task(_import(db, account_id, good, cause))
            under_way.append(_Batch(batch, names, task))
        while under_way:
            await finish()
    finally:
        for left in under_way:
            left.task.cancel()
        await asyncio.gather(*(left.task for left in under_way), return_exceptions=True)
    return added, refused


async def _read(source: Iterator[NewSim | BadRow]) -> list[NewSim | BadRow]:
    """The next batch; what is under way goes on meanwhile."""
    batch: list[NewSim | BadRow] = []
    while len(batch) < BATCH and (some := list(islice(source, min(_SLICE, BATCH - len(batch))))):
        batch += some
        await asyncio.sleep(0)
    return batch


async def _import(db: Database, account_id: str, rows: Sequence[NewSim], cause: Cause) -> list[BadRow]:
    """Insert what is free; returns what was not.

    First as if all were, which is the usual case and needs no look at what is there; then with a look; then again when
    another import was quicker with some of these.
    """
    if not rows:
        return []
    with contextlib.suppress(SimExists):
        async with db.transaction() as connection:
            await insert_free(connection, account_id, rows, cause)
        return []
    for attempt in range(_TRIES):
        try:
            async with db.transaction() as connection:
                return await insert(connection, account_id, rows, cause)
        except SimExists:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError


def lines_of(data: bytes) -> Iterable[str]:
    """The text lines of a CSV file. Raises BadFile when it is not UTF-8."""
    try:
        return io.StringIO(data.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise BadFile(f"The file is not UTF-8 text (byte {error.start})") from None
