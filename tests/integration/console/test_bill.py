"""Bills and invoices of a reseller: of its customers by its plans, and its own by those of who sells to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.management.test_invoices import MONTH
from tests.integration.management.test_retail import Retailer

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site


async def test_a_reseller_sees_what_it_sells_and_what_it_is_charged(site: Site) -> None:
    acme = Retailer(site.house)
    await acme.prepare()
    visitor = await site.person("billing", manages="ACME")
    assert (await visitor.get(f"/bill/{acme.below}?month={MONTH}")).status == 200
    assert "6.00 GBP" in visitor.page
    assert "<h2>Readings" in visitor.page, "its tiers are drawn"
    assert 'aria-label="api by day: ' in visitor.page
    assert (await visitor.get(f"/bill/{acme.below}?month={MONTH}&plan=p")).status == 200
    for own in (acme.own, "ACME"):
        assert (await visitor.get(f"/bill/{own}?month={MONTH}&plan=p")).status == 200
        assert "1.35 EUR" in visitor.page
        assert "<h2>Readings" not in visitor.page, "not those of its own plan of the same name"
        assert 'name="plan"' not in visitor.page
    await visitor.get("/invoices/close")
    assert (await visitor.post("/invoices/close", month=MONTH)).status == 200
    assert "AC-000001" in visitor.page
    assert (await visitor.get("/invoices")).status == 200
    assert "AC-000001" in visitor.page
    assert "INV-" not in visitor.page
    assert (await visitor.get("/invoices/AC-000001")).status == 200
