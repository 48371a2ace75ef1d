"""Putting SIMs into the register: one by one, or a file of them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, TypeVar

import msgspec

from simwarden.domain import identifiers
from simwarden.domain.decide import Target, bind
from simwarden.domain.errors import InvalidIdentifier, SimExists, SimwardenError
from simwarden.domain.events import Cause, Event, EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Lifecycle, Policy, Sim, SimRef
from simwarden.engine.ports import now_utc
from simwarden.store import sims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from simwarden.store.database import Database

T = TypeVar("T")
COLUMNS = ("iccid", "imsi", "msisdn", "imei")
BATCH = 2000
_TRIES = 5


class BadFile(SimwardenError):
    """The file cannot be read as a list of SIMs."""


class BadRow(msgspec.Struct, frozen=True):
    """A row that was not taken, and why."""

    line: int
    reason: str


class Row(msgspec.Struct, frozen=True):
    """A SIM to be registered, and the device it is to be bound to."""

    line: int
    sim: Sim
    imei: str | None = None
    addresses: tuple[SimRef, ...] = ()
    """Static addresses by which it can be named too."""

    @property
    def names(self) -> list[tuple[str, str]]:
        """Kind and value of all names by which it can be found."""
        refs = [(ref.kind, ref.value) for ref in self.addresses]
        return [(str(kind), value) for kind, value in (*sims.names_of(self.sim), *refs)]


def new_sim(
    account_id: str,
    *,
    imsi: str,
    iccid: str | None = None,
    msisdn: str | None = None,
    nai: str | None = None,
    lifecycle: Lifecycle = Lifecycle.ACTIVE,
) -> Sim:
    """A SIM as it is to be registered, ACTIVE or PRE_ACTIVE. Raises InvalidIdentifier."""
    number = identifiers.parse_imsi(imsi)
    return Sim(
        bucket=bucket_of(number),
        imsi=number,
        account_id=account_id,
        iccid=identifiers.parse_iccid(iccid) if iccid else None,
        msisdn=identifiers.parse_msisdn(msisdn) if msisdn else None,
        nai=identifiers.parse_nai(nai) if nai else None,
        lifecycle=lifecycle,
    )


async def add(
    db: Database, sim: Sim, cause: Cause, *, imei: str | None = None, addresses: Sequence[SimRef] = ()
) -> Sim:
    """Register one SIM, bound to `imei` when given, found by its static `addresses` (`domain.addresses`) too.

    Raises SimExists, InvalidIdentifier.
    """
    bad = await _insert(db, sim.account_id, [Row(0, sim, imei, tuple(dict.fromkeys(addresses)))], cause)
    if bad:
        raise SimExists(bad[0].reason)
    return sim


def read_rows(text: Iterable[str], account_id: str) -> Iterator[Row | BadRow]:
    """Rows of a CSV file with the header iccid,imsi,msisdn[,imei], in any order. Raises BadFile.

    A row is a line: no value here holds a line break, and a quote that is never closed costs its own line only.
    """
    lines = iter(text)
    try:
        header = [name.lower().lstrip("\ufeff").strip() for name in _values(next(lines, ""))]
    except csv.Error as error:
        raise BadFile(f"Line 1: {error}") from None
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or "imsi" not in header or len(set(header)) != len(header):
        raise BadFile(
            f"The first line must name the columns iccid,imsi,msisdn[,imei] (imsi at least); it is {','.join(header)!r}"
        )
    for number, line in enumerate(lines, start=2):
        try:
            values = _values(line)
        except csv.Error as error:
            yield BadRow(number, f"not valid CSV: {error}")
            continue
        if any(value.strip() for value in values):
            yield _row(number, header, values, account_id)


def _values(line: str) -> list[str]:
    return next(csv.reader([line], strict=True), [])


def _row(line: int, header: Sequence[str], values: Sequence[str], account_id: str) -> Row | BadRow:
    if len(values) != len(header):
        return BadRow(line, f"{len(values)} values, but the first line names {len(header)} columns")
    fields = dict(zip(header, (value.strip() for value in values), strict=True))
    try:
        sim = new_sim(account_id, imsi=fields["imsi"], iccid=fields.get("iccid"), msisdn=fields.get("msisdn"))
        imei = fields.get("imei") or None
        if imei:
            identifiers.parse_imei(imei)
    except InvalidIdentifier as error:
        return BadRow(line, error.message)
    return Row(line, sim, imei)


async def import_rows(
    db: Database,
    rows: Iterable[Row | BadRow],
    account_id: str,
    cause: Cause,
    progress: Callable[[int, Sequence[BadRow]], None] = lambda _added, _bad: None,
) -> tuple[int, int]:
    """Register rows in batches, each one transaction; returns how many were added and refused.

    `progress(added, bad rows)` is called after each batch. A row that stands already is refused; the others go on.
    """
    added = refused = 0
    for batch in _batches(rows, BATCH):
        good = [row for row in batch if isinstance(row, Row)]
        bad = [row for row in batch if isinstance(row, BadRow)]
        bad += await _import(db, account_id, good, cause)
        bad.sort(key=lambda row: row.line)
        added += len(batch) - len(bad)
        refused += len(bad)
        progress(len(batch) - len(bad), bad)
    return added, refused


async def _import(db: Database, account_id: str, rows: Sequence[Row], cause: Cause) -> list[BadRow]:
    """As `_insert`, again when another import was quicker with some of these: then they are told as taken."""
    for _ in range(_TRIES - 1):
        try:
            return await _insert(db, account_id, rows, cause)
        except SimExists:
            continue
    return await _insert(db, account_id, rows, cause)


async def _insert(db: Database, account_id: str, rows: Sequence[Row], cause: Cause) -> list[BadRow]:
    async with db.transaction() as connection:
        return await insert(connection, account_id, rows, cause)


async def insert(connection: sims.Connection, account_id: str, rows: Sequence[Row], cause: Cause) -> list[BadRow]:
    """Insert what is free, in the caller's transaction; returns what was not.

    Raises SimExists when somebody else takes a name meanwhile: nothing of this transaction may stay then.
    """
    bad: list[BadRow] = []
    free: list[Row] = []
    used: set[tuple[str, str]] = set()
    names = [name for row in rows for name in row.names]
    taken = await sims.taken(connection, names) if names else set()
    for row in rows:
        mine = row.names
        clash = next((name for name in mine if name in taken or name in used), None)
        if clash:
            # Whose it is is not said: tenants never meet.
            bad.append(BadRow(row.line, f"a SIM with the {clash[0]} {clash[1]} exists already"))
        else:
            used.update(mine)
            free.append(row)
    if free:
        free.sort(key=lambda row: row.sim.imsi)  # imports that run together wait for each other in one order
        added = await sims.insert(connection, account_id, [row.sim for row in free])
        addresses = [(row.sim, ref) for row in free for ref in row.addresses]
        if addresses:
            await sims.add_addresses(connection, account_id, addresses)
        await _record(connection, list(zip(added, free, strict=True)), cause)
    return bad


async def _record(connection: sims.Connection, rows: Sequence[tuple[Sim, Row]], cause: Cause) -> None:
    now = now_utc()
    events: list[tuple[Sim, Event]] = []
    bound: list[Sim] = []
    for sim, row in rows:
        events.append((sim, Event(sim.first_event, EventType.SIM_ADDED, now, cause, {"lifecycle": str(sim.lifecycle)})))
        if row.imei:
            decision = bind(sim, Target(imei=row.imei), Policy(), now, cause)
            events += [(decision.sim, event) for event in decision.events]
            bound.append(decision.sim)
    await sims.add_events(connection, events)
    if bound:
        await sims.save(connection, bound)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def lines_of(data: bytes) -> Iterable[str]:
    """The text lines of a CSV file. Raises BadFile when it is not UTF-8."""
    try:
        return io.StringIO(data.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise BadFile(f"The file is not UTF-8 text (byte {error.start})") from None
