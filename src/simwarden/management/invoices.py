"""Invoices: close months, list, show in all forms, credit; who is named on them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta
from msgspec.json import Decoder

from simwarden.billing import forms
from simwarden.domain import invoice as rules
from simwarden.domain.errors import ResourceNotFound
from simwarden.domain.invoice import InvoiceKind, Party
from simwarden.domain.price import Amount, Month, MonthText
from simwarden.management.house import House, read
from simwarden.management.plans import month_of
from simwarden.management.query import Query, Text, Time
from simwarden.management.reach import seller
from simwarden.management.schemas import Name
from simwarden.northbound.billing.routes import as_file
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.store import invoices
from simwarden.store.invoices import ListedInvoice

if TYPE_CHECKING:
    from simwarden.domain.invoice import Invoice

Serial = Annotated[int, Meta(ge=0, le=999_999_999)]
Place = tuple[Time, Text]
"""When the last one of a page was issued, and its number."""


class NobodyNamed(ResourceNotFound):
    """Nobody is named here."""


class CloseMonth(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """CloseMonth."""

    month: MonthText
    account: Name | None = None
    after: Name | None = None


class CreditInvoice(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """CreditInvoice."""

    reason: rules.Text
    net: Amount | None = None


class ConfirmNumbers(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """ConfirmNumbers."""

    last_invoice: Serial
    last_credit_note: Serial


class InvoiceRoutes:
    """The operations under `/invoices`, `/seller` and of buyers under `/accounts`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._close = Decoder(CloseMonth)
        self._credit = Decoder(CreditInvoice)
        self._confirm = Decoder(ConfirmNumbers)
        self._party = Decoder(Party)

    async def page(self, request: Request) -> Answer:
        """listInvoices."""
        query = Query(request.query, ("account", "month", "kind"), "invoices")
        kind = query.choice("kind", tuple(InvoiceKind))
        place: tuple[datetime, str] | None = query.cursor(Place)
        found = await invoices.page(
            self._house.db,
            seller=seller(),
            account_id=await self._account_id(query.text("account")),
            month=month_of(query, "month"),
            kind=None if kind is None else InvoiceKind(kind),
            after=place,
            limit=query.limit + 1,
        )
        these = found[: query.limit]
        answer: dict[str, object] = {"invoices": these}
        if len(found) > len(these):
            answer["nextCursor"] = query.next((these[-1].issued_at, these[-1].number))
        return Answer(200, answer)

    async def close(self, request: Request) -> Answer:
        """closeMonth."""
        wanted: CloseMonth = read(self._close, request)
        account_id, month = await self._account_id(wanted.account), Month.parse(wanted.month)
        done = await self._house.invoicing.close(
            month, account_id=account_id, after=wanted.after or "", seller=seller()
        )
        answer: dict[str, object] = {
            "invoices": [_listed(each) for each in done.invoices],
            "nothing": done.nothing,
            "before": done.before,
            "withoutPrices": [{"account": account, "plan": plan} for account, plan in done.without_prices],
        }
        return Answer(200, answer if done.after is None else answer | {"after": done.after})

    async def show(self, request: Request) -> Answer:
        """getInvoice."""
        return Answer(200, forms.shown(await self._house.invoicing.sold(request.parameter, seller())))

    async def pdf(self, request: Request) -> Answer:
        """getInvoicePdf."""
        return await self._form(request, forms.PDF)

    async def csv(self, request: Request) -> Answer:
        """getInvoiceCsv."""
        return await self._form(request, forms.CSV)

    async def xml(self, request: Request) -> Answer:
        """getInvoiceXml."""
        return await self._form(request, forms.XML)

    async def credit(self, request: Request) -> Answer:
        """creditInvoice."""
        wanted: CreditInvoice = read(self._credit, request)
        made = await self._house.invoicing.credit(request.parameter, wanted.reason, wanted.net, seller=seller())
        location = f"/manage/v1/invoices/{made.number}".encode()
        return Answer(201, forms.shown(made), [(b"location", location)])

    async def confirm(self, request: Request) -> Answer:
        """confirmNumbers."""
        wanted: ConfirmNumbers = read(self._confirm, request)
        await self._house.invoicing.confirm_numbers(wanted.last_invoice, wanted.last_credit_note, seller=seller())
        return Answer(204)

    async def seller(self, _request: Request) -> Answer:
        """getSeller."""
        return await self._named(seller())

    async def set_seller(self, request: Request) -> Answer:
        """setSeller."""
        return await self._name(seller(), request)

    async def buyer(self, request: Request) -> Answer:
        """getBuyer."""
        return await self._named((await self._house.customer(request.parameter)).id)

    async def set_buyer(self, request: Request) -> Answer:
        """setBuyer."""
        return await self._name((await self._house.customer(request.parameter)).id, request)

    async def _account_id(self, name: str | None) -> str | None:
        return None if name is None else (await self._house.account(name)).id

    async def _named(self, id_: str) -> Answer:
        found = await invoices.parties(self._house.db, seller(), [id_])
        if id_ not in found:
            raise NobodyNamed
        return Answer(200, found[id_])

    async def _name(self, id_: str, request: Request) -> Answer:
        party: Party = read(self._party, request)
        await invoices.set_party(self._house.db, seller(), id_, party)
        return Answer(200, party)

    async def _form(self, request: Request, form: forms.Form) -> Answer:
        return await as_file(await self._house.invoicing.sold(request.parameter, seller()), form)


def _listed(found: Invoice) -> ListedInvoice:
    return msgspec.convert(found, ListedInvoice, from_attributes=True)
