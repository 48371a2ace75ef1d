"""Closing months: bills become invoices, and what was wrong is given back by credit notes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import IncompatibleState, ResourceNotFound
from simwarden.domain.invoice import (
    Credited,
    Invoice,
    InvoiceKind,
    Party,
    make_credit_note,
    make_invoice,
    number_of,
)
from simwarden.store import invoices, plans
from simwarden.store.accounts import OPERATOR
from simwarden.store.invoices import NewInvoice

if TYPE_CHECKING:
    from simwarden.billing.bills import Billing
    from simwarden.domain.price import Amount, Month
    from simwarden.store.plans import PlanVersion

SETTLED = timedelta(hours=1)
"""A month is closed so long after its end at the soonest: calls of its last seconds are counted then."""
AT_ONCE = 100
"""Accounts of which the bills are made and stored together."""


class InvoiceNotFound(ResourceNotFound):
    """There is no invoice of this number."""


class MonthNotOver(IncompatibleState):
    """The month is not over yet."""


class NoSeller(IncompatibleState):
    """Nobody is named who sells: simwarden invoice seller --help"""


class AlreadyInvoiced(IncompatibleState):
    """The account has an invoice of this month: issue a credit note on it first."""


class NothingInDoubt(IncompatibleState):
    """This database is the one in which numbers were given last: there is nothing to confirm."""


class NotAnInvoice(IncompatibleState):
    """This is a credit note itself."""


class ClosedMonth(msgspec.Struct, frozen=True):
    """What closing a month for some accounts came to."""

    invoices: list[Invoice]
    nothing: int = 0
    """Accounts to which nothing is charged."""
    before: int = 0
    """Accounts that had their invoice already."""
    without_prices: tuple[tuple[str, str], ...] = ()
    """Accounts, with the name of their plan, which has no version that is valid then."""
    after: str | None = None
    """The account behind which to go on; None: that was all."""


class Invoicing:
    """Issues invoices and credit notes."""

    def __init__(self, billing: Billing) -> None:
        self._billing = billing
        self._db = billing.db

    async def close(
        self,
        month: Month,
        *,
        account_id: str | None = None,
        after: str = "",
        limit: int = AT_ONCE,
        seller: str = OPERATOR,
    ) -> ClosedMonth:
        """Issue a seller's invoices of a month to the next `limit` accounts behind `after`, or to one account.

        Whoever has its invoice gets no other one, however often a month is closed. Raises MonthNotOver, NoSeller,
        NumbersInDoubt, NumberTaken; for one account also AlreadyInvoiced.
        """
        now = self._billing.now()
        if now < datetime.combine(month.next.first, time(tzinfo=UTC)) + SETTLED:
            raise MonthNotOver(f"{month} can be closed from {month.next.first} {SETTLED} UTC on")
        named = (await invoices.parties(self._db, seller, [seller])).get(seller)
        if named is None:
            raise NoSeller
        assigned = await plans.assigned(self._db, seller, month, None if account_id is None else [account_id])
        these = sorted(each for each in assigned if each > after)
        more = len(these) > limit
        these = these[:limit]
        done = await invoices.with_invoice(self._db, seller, month, these)
        if account_id in done:
            raise AlreadyInvoiced
        wanted: dict[str, PlanVersion] = {}
        lacking = []
        for each in these:
            name, version = assigned[each]
            if version is None:
                lacking.append((each, name))
            elif each not in done:
                wanted[each] = version
        made, nothing = await self._issue(month, wanted, seller, named, now) if wanted else ([], 0)
        before = len(done) + len(wanted) - len(made) - nothing
        return ClosedMonth(made, nothing, before, tuple(lacking), these[-1] if more else None)

    async def confirm_numbers(self, invoice: int, credit_note: int, *, seller: str = OPERATOR) -> None:
        """Go on behind these numbers, the highest that left the house, after the database was restored or moved.

        Raises NothingInDoubt.
        """
        handed_out = {InvoiceKind.INVOICE: invoice, InvoiceKind.CREDIT_NOTE: credit_note}
        if not await invoices.confirm_numbers(self._db, seller, handed_out):
            raise NothingInDoubt

    async def credit(self, number: str, reason: str, net: Amount | None = None, *, seller: str = OPERATOR) -> Invoice:
        """Give back what is left of a seller's invoice, or a part of it. Raises InvoiceNotFound, NotAnInvoice,
        BadCredit, TooMuchCredited, NumbersInDoubt, NumberTaken."""
        invoice = await self.sold(number, seller)
        present = (await invoices.parties(self._db, seller, [seller])).get(seller, invoice.seller)
        if invoice.is_credit:
            raise NotAnInvoice
        now = self._billing.now()
        async with self._db.transaction() as connection:
            serial = await invoices.take_numbers(connection, seller, InvoiceKind.CREDIT_NOTE, 1)
            notes = await invoices.credit_notes(connection, seller, number)
            taxes = tuple(map(sum, zip(*([tax.amount for tax in note.taxes] for note in notes), strict=True)))
            before = Credited(sum((note.net for note in notes), Credited().net), taxes, len(notes))  # type: ignore[arg-type]
            named = number_of(present, InvoiceKind.CREDIT_NOTE, serial)
            note = make_credit_note(invoice, before, number=named, reason=reason, at=now, net=net)
            await invoices.insert(connection, seller, [NewInvoice(serial, note)], now)
        return note

    async def sold(self, number: str, seller: str = OPERATOR) -> Invoice:
        """The document of this number that a seller issued. Raises InvoiceNotFound."""
        return _there(await invoices.sold(self._db, seller, number.replace("\x00", "")))

    async def bought(self, number: str, account_id: str) -> Invoice:
        """The document of this number that an account got. Raises InvoiceNotFound."""
        return _there(await invoices.bought(self._db, account_id, number.replace("\x00", "")))

    async def _issue(
        self, month: Month, wanted: dict[str, PlanVersion], seller: str, named: Party, now: datetime
    ) -> tuple[list[Invoice], int]:
        """Issue what a seller, who is named so, charges to these accounts; returns that, and how many are charged
        nothing."""
        bills = {each.account_id: each for each in await self._billing.bills(month, wanted, seller=seller)}
        charged = sorted(account_id for account_id, found in bills.items() if found.bill.lines)
        nothing = len(bills) - len(charged)
        if not charged:
            return [], nothing
        buyers = await invoices.parties(self._db, seller, charged)
        names = await invoices.names(self._db, charged)
        async with self._db.transaction() as connection:
            await invoices.lock_series(connection, seller, InvoiceKind.INVOICE)
            others = await invoices.with_invoice(connection, seller, month, charged)  # closed by another meanwhile
            charged = [account_id for account_id in charged if account_id not in others]
            if not charged:
                return [], nothing
            serial = await invoices.take_numbers(connection, seller, InvoiceKind.INVOICE, len(charged))
            tried = await invoices.attempts(connection, seller, month, charged)
            made = [
                NewInvoice(
                    serial + n,
                    make_invoice(
                        bills[account_id].bill,
                        bills[account_id].plan.plan,
                        number=number_of(named, InvoiceKind.INVOICE, serial + n),
                        account=account_id,
                        named=bills[account_id].plan.name,
                        seller=named,
                        buyer=buyers.get(account_id) or Party(name=names.get(account_id, account_id)),
                        at=now,
                    ),
                    tried.get(account_id, 0),
                )
                for n, account_id in enumerate(charged)
            ]
            await invoices.insert(connection, seller, made, now)
        return [each.invoice for each in made], nothing


def _there(found: Invoice | None) -> Invoice:
    if found is None:
        raise InvoiceNotFound
    return found
