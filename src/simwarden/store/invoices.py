"""Invoices and credit notes, and who is named on them."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from simwarden.domain.errors import IncompatibleState
from simwarden.domain.invoice import Invoice, InvoiceKind, Party
from simwarden.domain.price import Month
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from simwarden.store.database import Database

Q = load("invoices")
_encode = msgspec.json.Encoder().encode
_NUMBERS = frozenset({"invoice_number_key", "invoice_number_of_account"})
_decode = msgspec.json.Decoder(Invoice).decode


class ListedInvoice(msgspec.Struct, frozen=True, rename="camel"):
    """What lists show of one."""

    number: str
    kind: InvoiceKind
    account: str
    month: str
    issued_at: datetime
    currency: str
    net: Decimal
    tax: Decimal
    total: Decimal
    corrects: str | None = None


class NewInvoice(msgspec.Struct, frozen=True):
    """One to be stored."""

    serial: int
    invoice: Invoice
    attempt: int = 0
    """How many invoices of the account and month were credited before."""


class NumbersInDoubt(IncompatibleState):
    """Numbers that were handed out may be missing in this database."""


class NumberTaken(IncompatibleState):
    """The account or the seller has a document of this number: give numbers to come another prefix."""


async def take_numbers(connection: asyncpg.Connection, seller: str, kind: InvoiceKind, count: int) -> int:
    """The first of so many numbers, which are this transaction's: nobody else gets one before it is over.

    Raises NumbersInDoubt when this is not the database in which the seller's numbers were given last.
    """
    last: int | None = await connection.fetchval(Q["next"], seller, str(kind), count)
    if last is None:
        known = {row["kind"]: row["last"] for row in await connection.fetch(Q["lasts"], seller)}
        raise NumbersInDoubt(
            "The database was restored, moved or promoted since numbers were given, and knows "
            f"{known.get(InvoiceKind.INVOICE, 0)} invoices and {known.get(InvoiceKind.CREDIT_NOTE, 0)} credit notes: "
            "say which numbers were handed out last: simwarden invoice confirm-numbers --help"
        )
    return last + 1


async def confirm_numbers(db: Database, seller: str, handed_out: Mapping[InvoiceKind, int]) -> bool:
    """Go on behind what was handed out last, of each kind; returns whether there was a doubt."""
    async with db.transaction() as connection:
        done = [await connection.fetchval(Q["confirm"], seller, str(kind), handed_out[kind]) for kind in InvoiceKind]
    return None not in done


async def lock_series(connection: asyncpg.Connection, seller: str, kind: InvoiceKind) -> None:
    """Nobody else issues one of this seller and kind until this transaction is over."""
    await connection.fetchval(Q["lock_series"], seller, str(kind))


async def with_invoice(
    connection: asyncpg.Connection | Database, seller: str, month: Month, account_ids: Collection[str]
) -> set[str]:
    """The accounts that have an invoice of the month by this seller which is not credited as a whole."""
    rows = await connection.fetch(Q["open"], seller, month.first, list(account_ids))
    return {row["account_id"] for row in rows}


async def attempts(
    connection: asyncpg.Connection, seller: str, month: Month, account_ids: Collection[str]
) -> Mapping[str, int]:
    """How many invoices accounts have of a month by this seller, credited or not; none: missing."""
    rows = await connection.fetch(Q["attempts"], seller, month.first, list(account_ids))
    return {row["account_id"]: row["n"] for row in rows}


async def insert(connection: asyncpg.Connection, seller: str, made: Sequence[NewInvoice], at: datetime) -> None:
    """Store what was issued, in the order of the numbers. Raises NumberTaken."""
    documents = [_encode(each.invoice) for each in made]
    found = [each.invoice for each in made]
    rows = (
        [str(each.kind) for each in found],
        [each.serial for each in made],
        [each.number for each in found],
        [each.account for each in found],
        [Month.parse(each.month).first for each in found],
        [each.attempt for each in made],
        [each.corrects for each in found],
        [each.currency for each in found],
        [each.net for each in found],
        [each.tax for each in found],
        [each.total for each in found],
        [document.decode() for document in documents],
        [hashlib.sha256(document).digest() for document in documents],
    )
    try:
        await connection.execute(Q["insert"], *rows, at, seller)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name not in _NUMBERS:
            raise
        raise NumberTaken from error


async def sold(db: Database, seller: str, number: str) -> Invoice | None:
    """The one of this number that a seller issued."""
    document = await db.fetchval(Q["sold"], seller, number)
    return None if document is None else _decode(document)


async def bought(db: Database, account_id: str, number: str) -> Invoice | None:
    """The one of this number that an account got."""
    document = await db.fetchval(Q["bought"], account_id, number)
    return None if document is None else _decode(document)


async def credit_notes(connection: asyncpg.Connection, seller: str, number: str) -> list[Invoice]:
    """Those on an invoice, in the order of their numbers."""
    return [_decode(row["document"]) for row in await connection.fetch(Q["credited"], seller, number)]


async def page(
    db: Database,
    *,
    seller: str | None = None,
    account_id: str | None = None,
    month: Month | None = None,
    kind: InvoiceKind | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> list[ListedInvoice]:
    """Those of a seller, or that an account got, the newest first, from behind the one at `after`."""
    first: date | None = None if month is None else month.first
    place = (None, "") if after is None else after
    rows = await db.fetch(Q["page"], account_id, first, kind and str(kind), *place, limit, seller)
    return [
        ListedInvoice(
            number=row["number"],
            kind=InvoiceKind(row["kind"]),
            account=row["account_id"],
            month=str(Month.of(row["month"])),
            issued_at=row["issued_at"],
            currency=row["currency"],
            net=row["net"],
            tax=row["tax"],
            total=row["total"],
            corrects=row["corrects"],
        )
        for row in rows
    ]


async def names(db: Database, account_ids: Collection[str]) -> Mapping[str, str]:
    """What accounts are called, as far as they are there."""
    return {row["id"]: row["name"] for row in await db.fetch(Q["names"], list(account_ids))}


async def parties(db: Database, seller: str, ids: Collection[str]) -> Mapping[str, Party]:
    """Those that a seller named: itself by its own id, and the accounts that it sells to."""
    rows = await db.fetch(Q["parties"], seller, list(ids))
    return {row["account_id"]: msgspec.convert(row["document"], Party) for row in rows}


async def set_party(db: Database, seller: str, id_: str, party: Party) -> None:
    """Name an account, or the seller itself, for invoices to come by this seller."""
    async with db.transaction() as connection:
        if id_ == seller:
            await connection.execute(Q["add_series"], seller, [str(kind) for kind in InvoiceKind])
        await connection.execute(Q["set_party"], seller, id_, party)
