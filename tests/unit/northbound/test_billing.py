"""Billing by its contract, in the sandbox."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.northbound.asgi import call
from tests.unit.northbound.world import Caller, Client, World

BILL, INVOICES = "/billing/v1/retrieve-bill", "/billing/v1/invoices"
NUMBER = "SANDBOX-000001"


@pytest.fixture
def world() -> World:
    return World()


async def test_the_sandbox_has_a_bill_and_an_invoice(world: World) -> None:
    client = Client(world.app)
    bill = await client("POST", BILL, {})
    assert bill.status == 200
    assert (bill.json["net"], bill.json["tax"], bill.json["total"]) == ("1765.00", "335.35", "2100.35")
    assert [line["amount"] for line in bill.json["lines"]] == ["1000.00", "745.00", "20.00"]
    listed = await client("GET", INVOICES)
    assert [each["number"] for each in listed.json] == [NUMBER]
    assert (await client("GET", f"{INVOICES}/{NUMBER}")).json["total"] == "2100.35"
    for number in ("SANDBOX-000002", "x"):
        assert (await client("GET", f"{INVOICES}/{number}")).status == 404
    pdf = await call(world.app, "GET", f"{INVOICES}/{NUMBER}/pdf", b"", [("authorization", "Bearer good")])
    assert pdf.body.startswith(b"%PDF-")
    assert world.used == world.read_only == []  # bills are not charged


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [("POST", BILL, "billing:bills:read"), ("GET", INVOICES, "billing:invoices:read")],
)
async def test_scopes_and_users_of_devices(world: World, method: str, path: str, scope: str) -> None:
    body: dict[str, str] | None = {} if method == "POST" else None
    both = {"billing:bills:read", "billing:invoices:read"}
    for scopes, device, status in (
        ({scope}, None, 200),
        (both - {scope}, None, 403),
        ({scope}, "+8613800000001", 403),
    ):
        world.callers["t"] = msgspec.structs.replace(
            Caller("swk_t", "acc_meters"), scopes=frozenset(scopes), device=device
        )
        assert (await Client(world.app)(method, path, body, token="t")).status == status
