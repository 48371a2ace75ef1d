"""The forms in which invoices are handed out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from simwarden.billing import invoice_csv, invoice_pdf, invoice_xml
from simwarden.domain.invoice import Invoice


class Form(msgspec.Struct, frozen=True):
    """One of them."""

    suffix: str
    media_type: str
    make: Callable[[Invoice], bytes]


PDF = Form("pdf", "application/pdf", invoice_pdf.to_pdf)
CSV = Form("csv", "text/csv; charset=utf-8", invoice_csv.to_csv)
XML = Form("xml", "application/xml", invoice_xml.to_ubl)


def shown(invoice: Invoice) -> dict[str, Any]:
    """As JSON; what it does not have is left out."""
    return {name: value for name, value in msgspec.to_builtins(invoice).items() if value is not None}
