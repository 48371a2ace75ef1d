"""Invoices and credit notes as UBL 2.1 (ISO/IEC 19845): Invoice and CreditNote.

Discounts are allowances of the document, all else is lines. Elements stand in the order of the schemas.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from simwarden.domain.invoice import Invoice, Party
    from simwarden.domain.price_bill import BillLine, BillTax

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
CAC, CBC = f"{_UBL}CommonAggregateComponents-2", f"{_UBL}CommonBasicComponents-2"
_UNITS = {"SIM-day": "DAY", "month": "MON"}
"""UN/ECE recommendation 20; everything else is C62, one."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_ubl(invoice: Invoice) -> bytes:
    """The document, UTF-8."""
    kind = "CreditNote" if invoice.is_credit else "Invoice"
    space = f"{_UBL}{kind}-2"
    root = ET.Element(f"{{{space}}}{kind}")
    put = _Writer(root, invoice.currency)
    put.text("UBLVersionID", "2.1")
    put.text("ID", invoice.number)
    put.text("IssueDate", invoice.issued_at.date().isoformat())
    put.text("IssueTime", invoice.issued_at.strftime("%H:%M:%SZ"))
    if not invoice.is_credit:
        put.text("DueDate", invoice.due_on.isoformat())
    put.text(f"{kind}TypeCode", "381" if invoice.is_credit else "380")
    if invoice.reason:
        put.text("Note", invoice.reason)
    put.text("DocumentCurrencyCode", invoice.currency)
    if invoice.buyer.reference:
        put.text("BuyerReference", invoice.buyer.reference)
    period = put.within("InvoicePeriod")
    period.text("StartDate", invoice.period_from.isoformat())
    period.text("EndDate", invoice.period_until.isoformat())
    if invoice.corrects:
        put.within("BillingReference").within("InvoiceDocumentReference").text("ID", invoice.corrects)
    _party(put.within("AccountingSupplierParty"), invoice.seller)
    _party(put.within("AccountingCustomerParty"), invoice.buyer)
    if invoice.seller.iban and not invoice.is_credit:
        means = put.within("PaymentMeans")
        means.text("PaymentMeansCode", "30")
        means.text("PaymentID", invoice.number)
        means.within("PayeeFinancialAccount").text("ID", invoice.seller.iban)
    if invoice.seller.payment and not invoice.is_credit:
        put.within("PaymentTerms").text("Note", invoice.seller.payment)
    discounts = [line for line in invoice.lines if line.unit == "discount"]
    lines = [line for line in invoice.lines if line.unit != "discount"]
    for line in discounts:
        allowance = put.within("AllowanceCharge")
        allowance.text("ChargeIndicator", "false")
        allowance.text("AllowanceChargeReason", f"{line.name} {line.detail}".strip())
        allowance.amount("Amount", -line.amount)
        _categories(allowance, "TaxCategory", invoice.taxes)
    total = put.within("TaxTotal")
    total.amount("TaxAmount", invoice.tax)
    for tax in invoice.taxes:
        part = total.within("TaxSubtotal")
        part.amount("TaxableAmount", tax.base)
        part.amount("TaxAmount", tax.amount)
        _categories(part, "TaxCategory", [tax])
    sums = put.within("LegalMonetaryTotal")
    sums.amount("LineExtensionAmount", sum((line.amount for line in lines), Decimal(0)))
    sums.amount("TaxExclusiveAmount", invoice.net)
    sums.amount("TaxInclusiveAmount", invoice.total)
    sums.amount("AllowanceTotalAmount", -sum((line.amount for line in discounts), Decimal(0)))
    sums.amount("PayableAmount", invoice.total)
    for number, line in enumerate(lines, 1):
        _line(put.within(f"{kind}Line"), number, line, invoice)
    ET.register_namespace("cac", CAC)
    ET.register_namespace("cbc", CBC)
    found: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True, default_namespace=None)
    return found


class _Writer:
    """Adds children to an element."""

    def __init__(self, element: ET.Element, currency: str) -> None:
        self._element = element
        self._currency = currency

    def text(self, name: str, value: str, **attributes: str) -> None:
        ET.SubElement(self._element, f"{{{CBC}}}{name}", attributes).text = _NO_XML.sub("", value)

    def amount(self, name: str, value: Decimal) -> None:
        self.text(name, f"{value:f}", currencyID=self._currency)

    def within(self, name: str) -> _Writer:
        return _Writer(ET.SubElement(self._element, f"{{{CAC}}}{name}"), self._currency)


def _party(put: _Writer, party: Party) -> None:
    inner = put.within("Party")
    inner.within("PartyName").text("Name", party.name)
    if party.address:
        address = inner.within("PostalAddress")
        for name, value in (
            ("StreetName", party.street),
            ("AdditionalStreetName", party.extra),
            ("CityName", party.city),
            ("PostalZone", party.postal_code),
        ):
            if value:
                address.text(name, value)
        if party.country:
            address.within("Country").text("IdentificationCode", party.country)
    if party.tax_id:
        scheme = inner.within("PartyTaxScheme")
        scheme.text("CompanyID", party.tax_id)
        scheme.within("TaxScheme").text("ID", "VAT")
    legal = inner.within("PartyLegalEntity")
    legal.text("RegistrationName", party.name)
    if party.registration:
        legal.text("CompanyID", party.registration)
    if party.email:
        inner.within("Contact").text("ElectronicMail", party.email)


def _line(put: _Writer, number: int, line: BillLine, invoice: Invoice) -> None:
    unit = _UNITS.get(line.unit, "C62")
    put.text("ID", str(number))
    quantity = "CreditedQuantity" if invoice.is_credit else "InvoicedQuantity"
    put.text(quantity, str(line.quantity), unitCode=unit)
    put.amount("LineExtensionAmount", line.amount)
    item = put.within("Item")
    if line.detail:
        item.text("Description", line.detail)
    item.text("Name", line.name)
    _categories(item, "ClassifiedTaxCategory", invoice.taxes)
    price = put.within("Price")
    price.amount("PriceAmount", line.price)
    price.text("BaseQuantity", str(line.per), unitCode=unit)


def _categories(put: _Writer, name: str, taxes: tuple[BillTax, ...] | list[BillTax]) -> None:
    for tax in taxes:
        category = put.within(name)
        category.text("ID", tax.category)
        category.text("Percent", f"{tax.percent:f}")
        if tax.reason and name == "TaxCategory":
            category.text("TaxExemptionReason", tax.reason)
        scheme = category.within("TaxScheme")
        scheme.text("ID", "VAT")
        scheme.text("Name", tax.name)
