"""Invoices and credit notes as PDF, CSV and UBL; UBL is held against the schemas of OASIS."""

from __future__ import annotations

import csv
import io
import re
import zlib
from base64 import a85decode
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import resources
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from simwarden.billing import invoice_pdf
from simwarden.billing.forms import CSV, PDF, XML, shown
from simwarden.billing.invoice_xml import CBC
from simwarden.domain.invoice import (
    BadCredit,
    Credited,
    Invoice,
    InvoiceKind,
    Party,
    TooMuchCredited,
    make_credit_note,
    make_invoice,
    number_of,
)
from simwarden.domain.price import Month, PricePlan, SimService, check
from simwarden.domain.price_bill import BillTax, CountedCalls, ServiceUse, make_bill

AT = datetime(2026, 11, 1, 2, tzinfo=UTC)
SELLER = Party(
    name="中国电信股份有限公司",
    street="31 Jinrong Street",
    city="Beijing",
    postal_code="100033",
    country="CN",
    tax_id="91110000710925090N",
    registration="REG 1",
    email="billing@example.com",
    payment="Within 30 days.",
    iban="DE02120300000000202051",
)
BUYER = Party(name="=ACME Łódź & <Söhne> 東京 서울 \ufffe", extra="2nd floor", reference="PO-7")


def invoice(*, lines: int = 2, currency: str = "EUR", **other: Any) -> Invoice:
    prices: dict[str, Any] = {
        "currency": currency,
        "fixed": [{"name": f"Fee {n}", "price": "10"} for n in range(lines)],
        "calls": [{"name": "Calls", "tiers": [{"upTo": 1000, "price": "0.01"}, {"price": "0.0025"}]}],
        "sims": [{"name": "Bound SIMs", "service": "BINDING", "tiers": [{"price": "0.50"}]}],
        "discounts": [{"name": "Partner", "percent": "10"}],
        "taxes": [
            {"name": "VAT", "percent": "19"},
            {"name": "Levy", "percent": "0", "category": "E", "reason": "Exempt under section 4"},
        ],
        **other,
    }
    plan = check(msgspec.convert(prices, PricePlan))
    bill = make_bill(
        plan, Month(2026, 10), [CountedCalls("a", "b", 1234)], {SimService.BINDING: ServiceUse(310, 10, 10)}
    )
    return make_invoice(
        bill, plan, number="INV-000042", account="acc_1", named="standard", seller=SELLER, buyer=BUYER, at=AT
    )


def credit(of: Invoice, net: str | None = None, before: Credited | None = None) -> Invoice:
    return make_credit_note(of, before or Credited(), number="CN-000001", reason="Outage", at=AT, net=net)


@pytest.fixture(scope="module")
def schemas() -> dict[str, etree.XMLSchema]:
    folder = resources.files("peppol") / "schema" / "maindoc"
    return {
        kind: etree.XMLSchema(etree.parse(str(folder / f"UBL-{kind}-2.1.xsd"))) for kind in ("Invoice", "CreditNote")
    }


def test_ubl_keeps_to_its_schemas(schemas: dict[str, etree.XMLSchema]) -> None:
    whole = invoice()
    bare = msgspec.structs.replace(whole, seller=Party(name="A"), buyer=Party(name="B"), taxes=(), tax=Decimal("0.00"))
    for each in (whole, bare, invoice(currency="JPY"), credit(whole), credit(whole, "1.00")):
        document = etree.fromstring(XML.make(each))
        kind = "CreditNote" if each.is_credit else "Invoice"
        assert schemas[kind].validate(document), schemas[kind].error_log
    document.remove(document[1])
    assert not schemas["CreditNote"].validate(document)


def test_ubl_says_what_the_invoice_says() -> None:
    made = invoice()
    root = ET.fromstring(XML.make(made))

    def amounts(name: str) -> list[Decimal]:
        return [Decimal(str(each.text)) for each in root.iter(f"{{{CBC}}}{name}")]

    assert amounts("PayableAmount") == amounts("TaxInclusiveAmount") == [made.total]
    assert amounts("TaxExclusiveAmount") == [made.net]
    lines, total = amounts("LineExtensionAmount")[1:], amounts("LineExtensionAmount")[0]
    assert sum(lines) == total == made.charged
    assert amounts("AllowanceTotalAmount") == amounts("Amount") == [made.discount]
    assert amounts("TaxAmount") == [made.tax, *(tax.amount for tax in made.taxes)]
    for quantity, price, per, amount in zip(
        amounts("InvoicedQuantity"), amounts("PriceAmount"), amounts("BaseQuantity"), lines, strict=True
    ):
        assert abs(quantity * price / per - amount) <= Decimal("0.005")
    names = [each.text for each in root.iter(f"{{{CBC}}}RegistrationName")]
    assert names == [SELLER.name, "=ACME Łódź & <Söhne> 東京 서울 "]


def texts(pdf: bytes) -> int:
    """Bytes of what is drawn."""
    found = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    decoded = [zlib.decompress(a85decode(each.strip().removesuffix(b"~>"))) for each in found if b"~>" in each]
    return sum(map(len, decoded))


@pytest.mark.parametrize(("lines", "pages"), [(1, 1), (80, 3)])
def test_pdf_has_as_many_pages_as_it_needs_and_the_same_bytes_each_time(lines: int, pages: int) -> None:
    made = invoice(lines=lines)
    pdf = PDF.make(made)
    assert pdf.startswith(b"%PDF-1.")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == pages
    assert PDF.make(made) == pdf
    assert len(re.findall(rb"/Type /Page\b", PDF.make(credit(made)))) == pages


def test_pdf_takes_any_text() -> None:
    odd = Party(name="x" * 200, street="<b>& 株式会社" * 20, city="\U0001f600 ẞ ﷽", payment="Ж" * 200)
    made = msgspec.structs.replace(invoice(), seller=odd, buyer=odd, reason="%" * 200)
    assert texts(PDF.make(made)) > 2000


@pytest.mark.parametrize(
    ("letter", "font"),
    [
        ("ä", None),
        ("€", None),
        ("ź", "NotoSans"),
        ("Ж", "NotoSans"),
        ("中", "STSong-Light"),
        ("メ", "STSong-Light"),
        ("서", "HYSMyeongJo-Medium"),
        ("\U0001f600", ""),
    ],
)
def test_each_letter_has_a_font(letter: str, font: str | None) -> None:
    assert invoice_pdf._font_of(letter) == font


def test_csv_has_the_lines_the_taxes_and_the_total() -> None:
    made = msgspec.structs.replace(
        invoice(), lines=tuple(msgspec.structs.replace(line, name=f"={line.name}") for line in invoice().lines)
    )
    rows = list(csv.DictReader(io.StringIO(CSV.make(made).decode())))
    assert sum(Decimal(row["amount"]) for row in rows if row["row"] == "line") == made.net
    assert (
        sum(Decimal(row["amount"]) for row in rows if row["row"] != "total")
        == made.total
        == Decimal(rows[-1]["amount"])
    )
    assert all(row["name"].startswith("'=") for row in rows if row["row"] == "line")
    assert {row["currency"] for row in rows} == {"EUR"}


def test_json_is_what_was_issued() -> None:
    made = invoice()
    assert msgspec.convert(shown(made), Invoice) == made
    assert msgspec.json.decode(msgspec.json.encode(made), type=Invoice) == made
    assert (made.due_on, made.period_from, made.period_until) == (
        date(2026, 12, 1),
        date(2026, 10, 1),
        date(2026, 10, 31),
    )


def test_numbers_have_the_sellers_prefix() -> None:
    prefixed = msgspec.structs.replace(SELLER, invoice_prefix="CT-2026/", credit_prefix="G-")
    assert number_of(SELLER, InvoiceKind.INVOICE, 7) == "INV-000007"
    assert number_of(SELLER, InvoiceKind.CREDIT_NOTE, 7) == "CN-000007"
    assert number_of(prefixed, InvoiceKind.INVOICE, 1_234_567) == "CT-2026/1234567"
    assert number_of(prefixed, InvoiceKind.CREDIT_NOTE, 1) == "G-000001"


def test_a_whole_credit_note_gives_back_everything() -> None:
    made = invoice()
    note = credit(made)
    assert (note.net, note.tax, note.total, note.lines) == (made.net, made.tax, made.total, made.lines)
    assert (note.corrects, note.kind) == (made.number, InvoiceKind.CREDIT_NOTE)


@pytest.mark.parametrize(
    ("net", "error"), [("0", BadCredit), ("0.001", BadCredit), ("1000", TooMuchCredited), ("32.04", TooMuchCredited)]
)
def test_no_other_amount_is_credited(net: str, error: type[Exception]) -> None:
    assert invoice().net == Decimal("32.03")
    with pytest.raises(error):
        credit(invoice(), net)


def test_an_invoice_of_nothing_is_credited_once_so_that_its_month_can_be_closed_again() -> None:
    zero = Decimal("0.00")
    made = msgspec.structs.replace(
        invoice(), net=zero, tax=zero, total=zero, taxes=tuple(replace_amount(tax) for tax in invoice().taxes)
    )
    note = credit(made)
    assert (note.net, note.tax, note.total) == (zero, zero, zero)
    with pytest.raises(TooMuchCredited):
        credit(made, None, Credited(zero, (zero,) * len(made.taxes), 1))
    with pytest.raises(BadCredit):
        credit(made, "0")


def replace_amount(tax: BillTax) -> BillTax:
    return msgspec.structs.replace(tax, base=Decimal("0.00"), amount=Decimal("0.00"))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 1500), max_size=6))
def test_credit_notes_give_back_the_invoice_and_no_more(parts: list[int]) -> None:
    made = invoice()
    before = Credited()
    notes = []
    for part in [*(f"{Decimal(part) / 100}" for part in parts), None]:
        try:
            note = credit(made, part, before)
        except TooMuchCredited:
            assert before.net + Decimal(part or "0.01") > made.net
            continue
        notes.append(note)
        assert note.net + note.tax == note.total == note.net + sum(tax.amount for tax in note.taxes)
        taxes = before.taxes or (Decimal(0),) * len(made.taxes)
        before = Credited(before.net + note.net, tuple(a + b.amount for a, b in zip(taxes, note.taxes, strict=True)))
    assert sum(note.total for note in notes) == made.total
    assert sum(note.tax for note in notes) == made.tax


@pytest.mark.parametrize("prefixes", [{"invoicePrefix": "CN-"}, {"invoicePrefix": "A-", "creditPrefix": "A-"}])
def test_invoices_and_credit_notes_do_not_share_their_numbers(prefixes: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError, match="not those of credit notes"):
        msgspec.convert({"name": "Seller", **prefixes}, Party)
    assert msgspec.convert({"name": "Seller", "invoicePrefix": "A-", "creditPrefix": "B-"}, Party)
