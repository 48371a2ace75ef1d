"""Bills of the sandbox: the same for everybody, of a plan that nobody is charged by. Nothing is counted there."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.billing.bills import AccountBill, MonthToCome
from simwarden.billing.invoices import InvoiceNotFound
from simwarden.domain.invoice import Invoice, Party, make_invoice
from simwarden.domain.price import Month, PricePlan, SimService
from simwarden.domain.price_bill import CountedCalls, ServiceUse, make_bill
from simwarden.kit.clock import now_utc
from simwarden.store.invoices import ListedInvoice
from simwarden.store.plans import PlanVersion

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBER = "SANDBOX-000001"
_PLAN: dict[str, Any] = {
    "currency": "EUR",
    "calls": [
        {"name": "Calls", "free": 1000, "tiers": [{"upTo": 100_000, "price": "0.010"}, {"price": "0.005"}]},
    ],
    "sims": [{"name": "Bound SIMs", "service": "BINDING", "tiers": [{"price": "0.50"}]}],
    "taxes": [{"name": "VAT", "percent": "19"}],
}


class VirtualBilling:
    """BillReader of the sandbox: 250,000 calls and 40 bound SIMs in each month, and one invoice, of the last one."""

    def __init__(self, clock: Callable[[], datetime] = now_utc) -> None:
        self._clock = clock

    async def bill(self, account_id: str, month: Month | None, /) -> AccountBill:
        """Raises MonthToCome."""
        now = self._clock().astimezone(UTC)
        wanted = month or Month.of(now.date())
        if wanted.first > now.date():
            raise MonthToCome
        plan = msgspec.convert(_PLAN, PricePlan)
        calls = [CountedCalls("iot-sim-fraud-prevention", "query", 250_000)]
        bill = make_bill(plan, wanted, calls, {SimService.BINDING: ServiceUse(40 * wanted.days, 40, 0)})
        return AccountBill(account_id, PlanVersion("sandbox", Month(2026, 1), plan), bill, now)

    async def invoices(
        self, account_id: str, /, *, after: tuple[datetime, str] | None, limit: int
    ) -> list[ListedInvoice]:
        """The one."""
        found = await self.invoice(account_id, NUMBER)
        listed = msgspec.convert(found, ListedInvoice, from_attributes=True)
        return [] if after is not None else [listed][:limit]

    async def invoice(self, account_id: str, number: str, /) -> Invoice:
        """Raises InvoiceNotFound."""
        if number != NUMBER:
            raise InvoiceNotFound
        first = self._clock().astimezone(UTC).date().replace(day=1)
        found = await self.bill(account_id, Month.of(first - timedelta(days=1)))
        return make_invoice(
            found.bill,
            found.plan.plan,
            number=NUMBER,
            account=account_id,
            named=found.plan.name,
            seller=Party(name="Sandbox Mobile"),
            buyer=Party(name="Sandbox customer"),
            at=datetime.combine(first, time(2), UTC),
        )
