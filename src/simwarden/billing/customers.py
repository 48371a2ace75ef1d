"""What customers see of their own bills and invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.billing.bills import Billing
from simwarden.billing.invoices import Invoicing
from simwarden.store import invoices

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from simwarden.billing.bills import AccountBill
    from simwarden.domain.invoice import Invoice
    from simwarden.domain.price import Month
    from simwarden.store.database import Database
    from simwarden.store.invoices import ListedInvoice


class CustomerBilling:
    """BillReader of the ledger."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._billing = Billing(db)
        self._invoicing = Invoicing(self._billing)

    async def bill(self, account_id: str, month: Month | None, /) -> AccountBill:
        """By who charges the account, of several the nearest above it. Raises MonthToCome, NoPlan, PlanNotFound."""
        seller = await self._billing.seller_of(account_id, month)
        return await self._billing.preview(account_id, month, seller=seller)

    async def invoices(
        self, account_id: str, /, *, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[ListedInvoice]:
        """Whoever issued them, the newest first."""
        return await invoices.page(self._db, account_id=account_id, after=after, limit=limit)

    async def invoice(self, account_id: str, number: str, /) -> Invoice:
        """Raises InvoiceNotFound, also for another account's."""
        return await self._invoicing.bought(number, account_id)
