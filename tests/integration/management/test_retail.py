"""What resellers charge: their own plans, names and numbers, for the accounts below their own and for no others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.house import imsi
from tests.integration.management.test_invoices import LAST, MONTH, asked, close, count, furnished
from tests.integration.management.test_resellers import Reseller

from simwarden.accounts import applications

if TYPE_CHECKING:
    from tests.integration.management.house import House

RETAIL: dict[str, Any] = {
    "currency": "GBP",
    "calls": [{"name": "Readings", "tiers": [{"price": "0.05"}]}],
    "taxes": [{"name": "VAT", "percent": "20"}],
}
SEEN = ["billing:bills:read", "billing:invoices:read"]
FROM = {"validFrom": "2026-01"}


class Retailer(Reseller):
    """ACME: the operator charges it, and it charges ACME.meters."""

    async def prepare(self) -> None:
        await super().prepare()
        house = self.house
        await furnished(house)
        await house.manage("POST", "/accounts/ACME/plan", {"plan": "p", **FROM})
        seller = {"name": "ACME Connect Ltd", "country": "GB", "taxId": "GB123", "invoicePrefix": "AC-"}
        assert (await self.call("POST", "/seller", seller)).json == seller
        assert (await self.call("POST", "/plans", {"name": "p", **FROM, "plan": RETAIL})).status == 200
        assert (await self.call("POST", "/accounts/ACME.meters/plan", {"plan": "p", **FROM})).status == 200
        await self.call("POST", "/accounts/ACME.meters/buyer", {"name": "Meters of ACME"})
        await count(house, self.own, LAST, 10)
        await count(house, self.below, LAST, 100)

    async def close(self, **more: Any) -> Any:
        return (await self.call("POST", "/invoices", {"month": MONTH, **more})).json


@pytest.fixture
async def retailer(house: House) -> Retailer:
    made = Retailer(house)
    await made.prepare()
    return made


def told(answer: Any) -> list[tuple[str, str, str]]:
    return [(each["number"], each["account"], each["total"]) for each in answer["invoices"]]


async def test_a_reseller_invoices_its_customers_and_is_invoiced_by_the_operator(retailer: Retailer) -> None:
    house, acme = retailer.house, retailer.own
    preview = (await retailer.call("GET", f"/accounts/ACME.meters/bill?month={MONTH}")).json
    assert (preview["total"], preview["currency"]) == ("6.00", "GBP")
    mine = (await retailer.call("GET", f"/accounts/ACME/bill?month={MONTH}")).json
    assert (mine["net"], mine["currency"]) == ("1.10", "EUR"), "its own bill has what its customer used"
    assert told(await retailer.close()) == [("AC-000001", retailer.below, "6.00")]
    wholesale = (await close(house)).json
    assert [each["number"] for each in wholesale["invoices"]] == ["INV-000001", "INV-000002", "INV-000003"]
    assert {each["account"]: each["net"] for each in wholesale["invoices"]}[acme] == "1.10"
    shown = (await retailer.call("GET", "/invoices/AC-000001")).json
    assert (shown["seller"]["name"], shown["seller"]["taxId"]) == ("ACME Connect Ltd", "GB123")
    assert (shown["buyer"], shown["taxes"][0]["amount"]) == ({"name": "Meters of ACME"}, "1.00")
    for suffix, begins in (("pdf", b"%PDF-"), ("csv", b"number,"), ("xml", b"<?xml")):
        assert (await retailer.call("GET", f"/invoices/AC-000001/{suffix}")).body.startswith(begins)
    note = await retailer.call("POST", "/invoices/AC-000001/credit-notes", {"reason": "Outage", "net": "1.00"})
    assert (note.status, note.json["number"], note.json["total"]) == (201, "CN-000001", "1.20")
    listed = [each["number"] for each in (await retailer.call("GET", "/invoices")).json["invoices"]]
    assert listed == ["CN-000001", "AC-000001"]
    assert (await retailer.close())["before"] == 1


async def test_sellers_do_not_see_what_others_sell(retailer: Retailer) -> None:
    house = retailer.house
    await retailer.close()
    numbers = [each["number"] for each in (await close(house)).json["invoices"]]
    assert [each["number"] for each in (await house.manage("GET", "/invoices")).json["invoices"]] == numbers[::-1]
    assert (await house.manage("GET", "/invoices/AC-000001")).status == 404
    assert (await house.manage("POST", "/invoices/AC-000001/credit-notes", {"reason": "x"})).status == 404
    assert (await house.manage("GET", f"/accounts/ACME.meters/bill?month={MONTH}")).status == 404
    assert (await house.manage("GET", "/accounts/ACME.meters/buyer")).status == 404
    assert (await house.manage("GET", "/accounts/ACME.meters/plan")).json["assignments"] == []
    [theirs] = (await house.manage("GET", "/plans")).json["plans"]
    [own] = (await retailer.call("GET", "/plans")).json["plans"]
    assert (theirs["plan"]["currency"], own["plan"]["currency"]) == ("EUR", "GBP")
    for number in numbers:
        for suffix in ("", "/pdf", "/csv", "/xml"):
            assert (await retailer.call("GET", f"/invoices/{number}{suffix}")).status == 404
    other = Reseller(house)
    other.own = (await house.manage("POST", "/accounts", {"name": "BRAVO"})).json["id"]
    key = await applications.issue_operator(house.accounts, "bravo", manages=other.own)
    other.token = await house.token_of(key)
    assert (await other.call("GET", "/invoices")).json["invoices"] == []
    assert (await other.call("GET", "/plans")).json["plans"] == []
    assert (await other.call("GET", "/invoices/AC-000001")).status == 404
    assert (await other.call("GET", "/seller")).status == 404
    refused = await other.call("POST", "/invoices", {"month": MONTH})
    assert (refused.status, refused.json["message"][:22]) == (409, "Nobody is named who se")


async def test_a_reseller_neither_charges_itself_nor_looks_into_what_it_is_charged_by(retailer: Retailer) -> None:
    for method, path, body in (
        ("GET", "plan", None),
        ("POST", "plan", {"plan": "p", **FROM}),
        ("GET", "buyer", None),
        ("POST", "buyer", {"name": "x"}),
        ("GET", f"bill?month={MONTH}&plan=p", None),
    ):
        assert (await retailer.call(method, f"/accounts/ACME/{path}", body)).status == 403, path
    tried = await retailer.call("GET", f"/accounts/ACME.meters/bill?month={MONTH}&plan=p")
    assert tried.json["total"] == "6.00"
    assert (await retailer.call("GET", f"/accounts/ACME.meters/bill?month={MONTH}&plan=q")).status == 404
    assert (await retailer.call("DELETE", "/plans/p?validFrom=2026-01")).status == 409


async def test_a_customer_sees_the_bill_of_who_is_nearest_above_it(retailer: Retailer) -> None:
    house = retailer.house
    issued = await applications.issue(house.accounts, "ACME.meters", "portal", SEEN)
    token = await house.token_of(issued)
    bill = (await asked(house, "POST", "/retrieve-bill", token, {"month": MONTH})).json
    assert (bill["total"], bill["currency"]) == ("6.00", "GBP")
    await retailer.close()
    assert [each["number"] for each in (await asked(house, "GET", "/invoices", token)).json] == ["AC-000001"]
    assert (await asked(house, "GET", "/invoices/AC-000001", token)).json["seller"]["name"] == "ACME Connect Ltd"
    above = await applications.issue(house.accounts, "ACME", "portal", ["billing:invoices:read"])
    assert (await asked(house, "GET", "/invoices/AC-000001", await house.token_of(above))).status == 404
    await retailer.call("POST", "/accounts/ACME.meters/plan", {"plan": None, **FROM})
    assert (await asked(house, "POST", "/retrieve-bill", token, {"month": MONTH})).status == 404
    await house.manage("POST", "/accounts/ACME.meters/plan", {"plan": "p", **FROM})
    assert (await asked(house, "POST", "/retrieve-bill", token, {"month": MONTH})).json["currency"] == "EUR"


async def test_an_account_never_gets_two_documents_of_one_number(retailer: Retailer) -> None:
    """The operator charges ACME.meters too, and both begin their numbers alike."""
    house = retailer.house
    await house.manage("POST", "/accounts/ACME.meters/plan", {"plan": "p", **FROM})
    await house.manage("POST", "/seller", {"name": "Example Mobile Ltd", "invoicePrefix": "AC-"})
    await house.manage("POST", "/invoices", {"month": MONTH, "account": "ACME.meters"})
    refused = await retailer.call("POST", "/invoices", {"month": MONTH})
    assert (refused.status, "another prefix" in refused.json["message"]) == (409, True)
    await retailer.call("POST", "/seller", {"name": "ACME Connect Ltd", "invoicePrefix": "ACME-"})
    assert told(await retailer.close()) == [("ACME-000001", retailer.below, "6.00")]
    reason = {"reason": "Outage"}
    theirs = await house.manage("POST", "/invoices/AC-000001/credit-notes", reason)
    assert (theirs.status, theirs.json["number"]) == (201, "CN-000001")
    refused = await retailer.call("POST", "/invoices/ACME-000001/credit-notes", reason)
    assert (refused.status, "another prefix" in refused.json["message"]) == (409, True)
    await retailer.call("POST", "/seller", {"name": "ACME Connect Ltd", "creditPrefix": "ACN-"})
    note = await retailer.call("POST", "/invoices/ACME-000001/credit-notes", reason)
    assert (note.status, note.json["number"]) == (201, "ACN-000001"), "by the prefix that there is now, without a gap"


async def test_sellers_that_close_at_the_same_time_have_numbers_without_gaps(retailer: Retailer) -> None:
    house = retailer.house
    for n in range(4):
        name = f"ACME.c{n}"
        made = (await retailer.call("POST", "/accounts", {"name": name})).json
        await retailer.call("POST", f"/accounts/{name}/plan", {"plan": "p", **FROM})
        await count(house, made["id"], LAST, n)
    answers = await asyncio.gather(*(retailer.close() for _ in range(3)), *(close(house) for _ in range(3)))
    assert sum(len(each["invoices"]) for each in answers[:3]) == 4, "one of five used nothing"
    rows = await house.db.fetch("select seller, array_agg(serial order by serial) as n from invoice group by seller")
    assert {row["seller"]: row["n"] for row in rows} == {retailer.own: [1, 2, 3, 4], "operator": [1, 2, 3]}
    assert len(await house.db.fetch("select 1 from invoice where seller <> 'operator'")) == 4


async def test_an_account_that_is_gone_is_still_charged_by_its_reseller(retailer: Retailer) -> None:
    house = retailer.house
    given = await house.manage("POST", f"/sims/{imsi(501)}/actions", {"action": "hand-over", "to": "meters"})
    assert given.status == 200
    assert (await house.manage("DELETE", "/accounts/ACME.meters")).status == 204
    assert told(await retailer.close()) == [("AC-000001", retailer.below, "6.00")]
