"""Invoices and credit notes, and who is named on them."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.invoice import Invoice, InvoiceKind, Party
from simwarden.domain.price import Month
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from simwarden.store.database import Database

Q = load("invoices")
_encode = msgspec.json.Encoder().encode
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


async def take_numbers(connection: asyncpg.Connection, kind: InvoiceKind, count: int) -> int:
    """The first of so many numbers, which are this transaction's: nobody else gets one before it is over."""
    last: int = await connection.fetchval(Q["next"], str(kind), count)
    return last + 1


async def lock_series(connection: asyncpg.Connection, kind: InvoiceKind) -> None:
    """Nobody else issues one of this kind until this transaction is over."""
    await connection.fetchval(Q["lock_series"], str(kind))


async def with_invoice(
    connection: asyncpg.Connection | Database, month: Month, account_ids: Collection[str]
) -> set[str]:
    """The accounts that have an invoice of the month which is not credited as a whole."""
    rows = await connection.fetch(Q["open"], month.first, list(account_ids))
    return {row["account_id"] for row in rows}


async def attempts(connection: asyncpg.Connection, month: Month, account_ids: Collection[str]) -> Mapping[str, int]:
    """How many invoices accounts have of a month, credited or not; none: missing."""
    rows = await connection.fetch(Q["attempts"], month.first, list(account_ids))
    return {row["account_id"]: row["n"] for row in rows}


async def insert(connection: asyncpg.Connection, made: Sequence[NewInvoice], at: datetime) -> None:
    """Store what was issued, in the order of the numbers."""
    documents = [_encode(each.invoice) for each in made]
    found = [each.invoice for each in made]
    await connection.execute(
        Q["insert"],
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
        at,
    )


async def get(db: Database, number: str, *, account_id: str | None = None) -> Invoice | None:
    """The one of this number; with `account_id` only that account's."""
    document = await db.fetchval(Q["get"], number, account_id)
    return None if document is None else _decode(document)


async def credit_notes(connection: asyncpg.Connection, number: str) -> list[Invoice]:
    """Those on an invoice, in the order of their numbers."""
    return [_decode(row["document"]) for row in await connection.fetch(Q["credited"], number)]


async def page(
    db: Database,
    *,
    account_id: str | None = None,
    month: Month | None = None,
    kind: InvoiceKind | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> list[ListedInvoice]:
    """The newest first, from behind the one at `after`."""
    first: date | None = None if month is None else month.first
    place = (None, "") if after is None else after
    rows = await db.fetch(Q["page"], account_id, first, kind and str(kind), *place, limit)
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


async def parties(db: Database, ids: Collection[str]) -> Mapping[str, Party]:
    """Those of these accounts, and of `operator`, who sells, that were named."""
    rows = await db.fetch(Q["parties"], list(ids))
    return {row["account_id"]: msgspec.convert(row["document"], Party) for row in rows}


async def set_party(db: Database, id_: str, party: Party) -> None:
    """Name an account, or `operator`, for invoices to come."""
    await db.execute(Q["set_party"], id_, party)
