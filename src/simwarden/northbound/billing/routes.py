"""retrieveBill, retrieveInvoices, retrieveInvoice, and invoices as files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.billing import forms, views
from simwarden.domain.price import Month, MonthText
from simwarden.northbound.kernel import paging
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import Wording, decode
from simwarden.northbound.kernel.errors import InvalidArgument, PermissionDenied

if TYPE_CHECKING:
    from simwarden.domain.invoice import Invoice
    from simwarden.northbound.kernel.ports import BillReader
    from simwarden.northbound.kernel.services import Services

NAME = "billing"
MOST = 100
"""Invoices of a page."""
_NO_STORE = [(b"cache-control", b"no-store")]
Moment = Annotated[datetime, Meta(tz=True)]
Number = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00]*\Z")]
_WORDING = Wording(invalid={"month": (InvalidArgument, "month must be a calendar month, as 2026-11")})


class RetrieveBill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RetrieveBill."""

    month: MonthText | UnsetType = UNSET


class CustomerBills:
    """The operations."""

    def __init__(self, bills: BillReader) -> None:
        self._bills = bills
        self._wanted = Decoder(RetrieveBill)

    async def bill(self, request: Request) -> Answer:
        """What a month comes to so far (retrieveBill)."""
        account_id = _account(request)
        wanted: RetrieveBill = decode(self._wanted, request.body, _WORDING)
        month = None if wanted.month is UNSET else Month.parse(wanted.month)
        found = views.bill(await self._bills.bill(account_id, month))
        del found["account"]  # the customer knows it by another name
        return Answer(200, found, _NO_STORE)

    async def invoices(self, request: Request) -> Answer:
        """Invoices and credit notes, the newest first (retrieveInvoices)."""
        account_id = _account(request)
        page = paging.read(request.query, MOST, tuple[Moment, Number])
        found = await self._bills.invoices(account_id, after=page.after, limit=page.rows + 1)
        shown = found[: page.rows]
        listed = [
            {
                name: value
                for name, value in msgspec.to_builtins(each).items()
                if name != "account" and value is not None
            }
            for each in shown
        ]
        more = page.next((shown[-1].issued_at, shown[-1].number)) if len(found) > len(shown) else []
        return Answer(200, listed, [*_NO_STORE, *more])

    async def invoice(self, request: Request) -> Answer:
        """One as it was issued (retrieveInvoice)."""
        found = forms.shown(await self._bills.invoice(_account(request), request.parameter))
        del found["account"]
        return Answer(200, found, _NO_STORE)

    async def pdf(self, request: Request) -> Answer:
        """One to be printed (retrieveInvoicePdf)."""
        return await as_file(await self._bills.invoice(_account(request), request.parameter), forms.PDF)

    async def xml(self, request: Request) -> Answer:
        """One as UBL (retrieveInvoiceXml)."""
        return await as_file(await self._bills.invoice(_account(request), request.parameter), forms.XML)


async def as_file(invoice: Invoice, form: forms.Form) -> Answer:
    """The document, made beside the loop: a PDF of many pages takes a while."""
    content = await asyncio.to_thread(form.make, invoice)
    name = f'attachment; filename="{invoice.number.replace("/", "-")}.{form.suffix}"'
    headers = [(b"content-type", form.media_type.encode()), (b"content-disposition", name.encode()), *_NO_STORE]
    return Answer(200, None, headers, _once(content))


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _account(request: Request) -> str:
    """Whose bills are asked for. A token of one device is its user's, who does not pay: PermissionDenied."""
    if request.caller.device is not None or request.caller.only is not None:
        raise PermissionDenied
    return request.caller.account_id


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/billing`; None where nothing is charged."""
    if services.billing is None:
        return None
    served = CustomerBills(services.billing)
    endpoints = {
        "/v1/retrieve-bill": {"POST": Endpoint("retrieveBill", served.bill, has_body=True, about_sim=False)},
        **{
            f"/v1/invoices{path}": {"GET": Endpoint(name, handle, has_body=False, produces=produced, about_sim=False)}
            for path, name, handle, produced in (
                ("", "retrieveInvoices", served.invoices, "application/json"),
                ("/{}", "retrieveInvoice", served.invoice, "application/json"),
                ("/{}/pdf", "retrieveInvoicePdf", served.pdf, "application/pdf"),
                ("/{}/xml", "retrieveInvoiceXml", served.xml, "application/xml"),
            )
        },
    }
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
