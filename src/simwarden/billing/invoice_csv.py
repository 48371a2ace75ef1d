"""An invoice as CSV: a row for each line, each tax, and the total."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simwarden.domain.invoice import Invoice

COLUMNS = (
    *("number", "kind", "issued", "account", "month", "row", "name", "detail", "quantity", "unit", "price", "per"),
    *("amount", "currency"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(invoice: Invoice) -> bytes:
    """UTF-8, lines ended by CR LF (RFC 4180). Texts that a spreadsheet would take for a formula begin with '."""
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(COLUMNS)
    common = (invoice.number, invoice.kind, invoice.issued_at.date(), invoice.account, invoice.month)
    for line in invoice.lines:
        quantity = (line.quantity, line.unit, f"{line.price:f}", line.per)
        out.writerow(
            (*common, "line", _plain(line.name), _plain(line.detail), *quantity, line.amount, invoice.currency)
        )
    for tax in invoice.taxes:
        of = (tax.base, invoice.currency, f"{tax.percent:f}", 100)
        out.writerow((*common, "tax", _plain(tax.name), _plain(tax.reason or ""), *of, tax.amount, invoice.currency))
    out.writerow((*common, "total", "Total", "", 1, "", "", "", invoice.total, invoice.currency))
    return text.getvalue().encode()


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
