"""Invoices and credit notes: what is on them. Once issued they are never changed."""

from __future__ import annotations

import enum
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

import msgspec
from msgspec import Meta

from simwarden.domain.errors import IncompatibleState, InvalidValue
from simwarden.domain.price import Amount, Month, PricePlan, rounded
from simwarden.domain.price_bill import Bill, BillLine, BillTax, Charged, CountedCalls

Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
Prefix = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9.-]{0,15}\Z")]
INVOICE_PREFIX, CREDIT_PREFIX = "INV-", "CN-"
DIGITS = 6
"""Of the number behind its prefix, at least."""


class InvoiceKind(enum.StrEnum):
    """What a document is."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


class TooMuchCredited(IncompatibleState):
    """No more can be credited than is left of the invoice."""


class BadCredit(InvalidValue):
    """This amount cannot be credited."""


class Party(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Who sells, or buys."""

    name: Text
    """Of the company, as it is registered."""
    street: Text | None = None
    extra: Text | None = None
    """A second line of the address."""
    city: Text | None = None
    postal_code: Text | None = None
    country: Country | None = None
    """ISO 3166-1, two letters."""
    tax_id: Text | None = None
    """Number for value added tax."""
    registration: Text | None = None
    """Number in a register of companies."""
    email: Text | None = None
    reference: Text | None = None
    """Of the buyer, for its orders."""
    payment: Text | None = None
    """Of the seller: how to pay."""
    iban: Text | None = None
    """Of the seller: where to pay to."""
    invoice_prefix: Prefix | None = None
    """Of the seller: in front of the numbers of invoices; INV- where there is none."""
    credit_prefix: Prefix | None = None
    """In front of those of credit notes; CN- where there is none."""

    def __post_init__(self) -> None:
        """Raises ValueError: each kind is numbered by itself, so one prefix for both would give a number twice."""
        if (self.invoice_prefix or INVOICE_PREFIX) == (self.credit_prefix or CREDIT_PREFIX):
            raise ValueError("Numbers of invoices have a prefix of their own, not those of credit notes")

    @property
    def address(self) -> list[str]:
        """Its lines."""
        city = " ".join(part for part in (self.postal_code, self.city) if part)
        return [line for line in (self.street, self.extra, city, self.country) if line]


class Invoice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An invoice, or a credit note, whose amounts are what is given back."""

    number: str
    kind: InvoiceKind
    issued_at: datetime
    due_on: date
    month: str
    period_from: date
    period_until: date
    """Included."""
    time_zone: str = "UTC"
    corrects: str | None = None
    """Of a credit note: the number of the invoice."""
    reason: str | None = None
    account: str
    seller: Party
    buyer: Party
    plan: str
    currency: str
    lines: tuple[BillLine, ...]
    charges: tuple[Charged, ...] = ()
    unpriced: tuple[CountedCalls, ...] = ()
    charged: Decimal
    discount: Decimal
    net: Decimal
    taxes: tuple[BillTax, ...]
    tax: Decimal
    total: Decimal
    prices: PricePlan | None = None
    """The plan, as it was."""

    @property
    def is_credit(self) -> bool:
        """Whether it gives back."""
        return self.kind is InvoiceKind.CREDIT_NOTE


def number_of(seller: Party, kind: InvoiceKind, serial: int) -> str:
    """How a number is printed."""
    own = seller.invoice_prefix or INVOICE_PREFIX
    prefix = own if kind is InvoiceKind.INVOICE else (seller.credit_prefix or CREDIT_PREFIX)
    return f"{prefix}{serial:0{DIGITS}}"


def make_invoice(
    bill: Bill, plan: PricePlan, *, number: str, account: str, named: str, seller: Party, buyer: Party, at: datetime
) -> Invoice:
    """The invoice of a bill. `named`: what the plan is called."""
    month = Month.parse(bill.month)
    return Invoice(
        number=number,
        kind=InvoiceKind.INVOICE,
        issued_at=at,
        due_on=at.date() + timedelta(days=plan.due_days),
        month=bill.month,
        period_from=month.first,
        period_until=month.last,
        account=account,
        seller=seller,
        buyer=buyer,
        plan=named,
        prices=plan,
        **{name: getattr(bill, name) for name in Bill.__struct_fields__ if name != "month"},
    )


class Credited(msgspec.Struct, frozen=True):
    """What credit notes have given back of an invoice."""

    net: Decimal = Decimal(0)
    taxes: tuple[Decimal, ...] = ()
    """Of each tax of the invoice, in its order; none: nothing."""
    notes: int = 0
    """How many there are."""


def make_credit_note(
    invoice: Invoice, before: Credited, *, number: str, reason: str, at: datetime, net: Amount | None = None
) -> Invoice:
    """A note that gives back all that is left of an invoice, or `net` of it with the taxes on that.

    The last one gives back what is left of the taxes, so that rounding leaves nothing behind. Raises BadCredit,
    TooMuchCredited.
    """
    decimals = -int(invoice.total.as_tuple().exponent)
    left = invoice.net - before.net
    given = left if net is None else Decimal(net)
    if net is not None and (given <= 0 or rounded(Fraction(given), decimals) != given):
        raise BadCredit(f"An amount above zero, with at most {decimals} decimals, can be credited")
    is_first_of_nothing = net is None and left == 0 and not before.notes  # an invoice of 0 is credited once, as a whole
    if given > left or (left <= 0 and not is_first_of_nothing):
        raise TooMuchCredited(f"Of {invoice.number} {left} {invoice.currency} are left before taxes")
    given = rounded(Fraction(given), decimals)
    taxes = []
    for index, tax in enumerate(invoice.taxes):
        rest = tax.amount - (before.taxes[index] if before.taxes else 0)
        part = min(rounded(Fraction(tax.percent) * Fraction(given) / 100, decimals), rest)
        taxes.append(msgspec.structs.replace(tax, base=given, amount=rest if given == left else part))
    whole = net is None and not before.net
    line = BillLine(
        name=f"Credit on {invoice.number}", detail=reason[:120], quantity=1, unit="credit", price=given, amount=given
    )
    tax_ = sum((each.amount for each in taxes), rounded(Fraction(0), decimals))
    return msgspec.structs.replace(
        invoice,
        number=number,
        kind=InvoiceKind.CREDIT_NOTE,
        issued_at=at,
        due_on=at.date(),
        corrects=invoice.number,
        reason=reason,
        lines=invoice.lines if whole else (line,),
        charges=(),
        unpriced=(),
        charged=invoice.charged if whole else given,
        discount=invoice.discount if whole else rounded(Fraction(0), decimals),
        net=given,
        taxes=tuple(taxes),
        tax=tax_,
        total=given + tax_,
        prices=None,
    )
