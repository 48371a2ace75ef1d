"""Plans and previews through the management API: counted where it happens, rolled up, priced."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.integration.management.house import CAUSE, imsi, phone

from simwarden.domain.price import Month, SimService
from simwarden.domain.price_bill import CountedCalls, ServiceUse
from simwarden.domain.usage import Usage
from simwarden.engine import provision
from simwarden.store import ledger, removal, usage

if TYPE_CHECKING:
    from tests.integration.management.house import House

TODAY = datetime.now(UTC).date()
MONTH = Month.of(TODAY)
PLAN: dict[str, Any] = {
    "currency": "CNY",
    "calls": [
        {"name": "Suspending", "operations": ["suspendDevices"], "free": 1, "tiers": [{"price": "0.10"}]},
    ],
    "sims": [
        {"name": "Bound SIMs", "service": "BINDING", "per": "simDay", "tiers": [{"price": "0.05"}]},
        {"name": "SIMs under area limits", "service": "AREA", "per": "simDay", "tiers": [{"price": "0.50"}]},
    ],
    "taxes": [{"name": "VAT", "percent": "6"}],
}


async def set_plan(house: House, name: str = "standard", month: Any = MONTH, **other: Any) -> Any:
    return await house.manage("POST", "/plans", {"name": name, "validFrom": str(month), "plan": {**PLAN, **other}})


async def act(house: House, number: int, action: str, **more: Any) -> None:
    reply = await house.manage("POST", f"/sims/{imsi(number)}/actions", {"action": action, **more})
    assert reply.status == 200, reply.body


async def uses(house: House) -> dict[SimService, ServiceUse]:
    found = await ledger.services_of(house.db, [house.account.id], MONTH, TODAY)
    return dict(found.get(house.account.id, {}))


async def count(house: House, day: date, times: int, *, bucket: int = 1) -> None:
    """Calls of an account that has been there for long."""
    async with house.db.transaction() as connection:
        await usage.count(connection, {(day, bucket, Usage(house.account.id, "app", "api", "query")): times})


async def test_a_month_is_shown_to_the_call(house: House) -> None:
    assert (await house.manage("GET", "/accounts/meters/bill")).status == 404
    assert (await set_plan(house)).status == 200
    assigned = await house.manage("POST", "/accounts/meters/plan", {"plan": "standard", "validFrom": str(MONTH)})
    assert assigned.json["assignments"] == [{"validFrom": str(MONTH), "plan": "standard"}]
    for number in (0, 1, 2):
        devices = {"devices": [{"phoneNumber": phone(number)}]}
        assert (await house.life("POST", "/suspend", devices)).status == 202
    await house.work()
    await house.life("POST", "/retrieve-status", {"device": {"phoneNumber": phone(5)}})
    await house.reads.flush()
    for number in (10, 11, 12):
        await act(house, number, "bind", imei="353689530707903")
    await act(house, 12, "unbind")
    circle = {"type": "Circle", "center": {"latitude": 52.5, "longitude": 13.4}, "radius": 500}
    await act(house, 13, "limit-area", area={"shape": circle})
    found = (await house.manage("GET", "/accounts/meters/bill")).json
    assert [(line["name"], line["quantity"], line["amount"]) for line in found["lines"]] == [
        ("Suspending", 2, "0.20"),
        ("Bound SIMs", 3, "0.15"),
        ("SIMs under area limits", 1, "0.50"),
    ]
    assert (found["net"], found["tax"], found["total"], found["final"]) == ("0.85", "0.05", "0.90", False)
    assert found["charges"][0]["free"] == 1
    assert [(each["operation"], each["count"]) for each in found["unpriced"]] == [("retrieveStatus", 1)]
    await set_plan(house, "large", discounts=[{"name": "Half", "percent": "50"}])
    tried = (await house.manage("GET", f"/accounts/meters/bill?plan=large&month={MONTH}")).json
    assert (tried["plan"], tried["net"]) == ("large", "0.42")
    assert (await house.manage("GET", "/accounts/meters/bill")).json["plan"] == "standard"
    assert (await house.manage("GET", "/accounts/stranger/bill?plan=standard")).json["total"] == "0.00"


async def test_sims_are_counted_in_the_commits_that_bind_them(house: House) -> None:
    assert await uses(house) == {}
    await act(house, 0, "bind", imei="353689530707903")
    await act(house, 0, "bind", imei="353689530707911")  # in another device: bound all the same
    await act(house, 1, "bind", firstSeen=True)
    for _ in range(2):  # the same SIM twice on a day is one SIM-day
        await act(house, 0, "unbind")
        await act(house, 0, "bind", imei="353689530707903")
    new = provision.new_sim(house.account.id, imsi=imsi(700))
    await provision.add(house.db, new, CAUSE, imei="353689530707903")
    assert await uses(house) == {SimService.BINDING: ServiceUse(3, 3, 3)}
    await act(house, 700, "deactivate")
    await act(house, 700, "delete")
    rows = await house.db.fetch("select sum(change)::int as n from sim_service_day")
    assert rows[0]["n"] == 2
    assert await uses(house) == {SimService.BINDING: ServiceUse(3, 3, 3)}
    await house.db.execute("update sim_service_day set day = day - 400")
    await house.db.execute("update sim_service_end set day = day - 400")
    assert (await uses(house))[SimService.BINDING].sims == 2  # they stand from long ago
    await ledger.forget_ends(house.db, TODAY.replace(month=1, day=1))
    assert await house.db.fetch("select 1 from sim_service_end") == []


async def test_what_is_rolled_up_is_counted_once(house: House) -> None:
    old = TODAY - timedelta(days=40)
    for day, bucket in ((old, 1), (old, 2), (old, 255), (TODAY, 1)):
        await count(house, day, 10, bucket=bucket)
    await act(house, 0, "bind", imei="353689530707903")
    await house.db.execute("update sim_service_day set day = $1", old)

    async def seen() -> Any:
        listed = (await house.manage("GET", "/usage?account=meters&limit=1")).json["usage"]
        sums = [(each.operation, each.count) for each in await usage.totals(house.db, account_id=house.account.id)]
        calls = await ledger.calls_of(house.db, [house.account.id], old, TODAY)
        return listed, sums, calls, await uses(house)

    before = await seen()
    assert before[1] == [("query", 40)]
    assert before[2] == {house.account.id: [CountedCalls("api", "query", 40)]}
    assert before[3][SimService.BINDING].sims == 1
    assert await ledger.roll_up(house.db, TODAY) == 4
    assert await seen() == before
    assert await ledger.roll_up(house.db, TODAY) == 0
    await count(house, old, 1)  # late
    assert await ledger.roll_up(house.db, TODAY) == 1
    assert (await seen())[1] == [("query", 41)]
    assert len(await house.db.fetch("select 1 from usage_day")) == 1
    await removal.remove_account(house.db, house.account.id, [])
    assert await usage.totals(house.db) == []
    assert await ledger.calls_of(house.db, [house.account.id], old, TODAY) == {}
    assert await uses(house) == {}


async def test_plans_are_valid_from_month_to_month(house: House) -> None:
    december, october = Month(2026, 12), Month(2026, 10)
    for month, price in ((october, "1.00"), (december, "2.00")):
        assert (await set_plan(house, month=month, fixed=[{"name": "Fee", "price": price}])).status == 200
    versions = (await house.manage("GET", "/plans/standard")).json["versions"]
    assert [each["validFrom"] for each in versions] == ["2026-12", "2026-10"]
    assert versions[1]["plan"]["fixed"] == [{"name": "Fee", "price": "1.00"}]
    billing = house.parts.billing
    await billing.assign(house.account.id, "standard", october)
    await billing.assign(house.account.id, None, Month(2027, 2))
    for month, net in ((october, "1.00"), (Month(2026, 11), "1.00")):
        assert (await billing.preview(house.account.id, month)).bill.net == Decimal(net)
    assert (await house.manage("GET", "/accounts/meters/bill?month=2026-09")).status == 404
    assert (await house.manage("GET", "/accounts/meters/bill?month=2090-01&plan=standard")).status == 409
    page = (await house.manage("GET", "/plans?limit=1")).json
    rest = (await house.manage("GET", f"/plans?limit=1&cursor={page['nextCursor']}")).json
    assert [each["plans"][0]["validFrom"] for each in (page, rest)] == ["2026-10", "2026-12"]
    assert "nextCursor" not in rest
    assert (await house.manage("DELETE", "/plans/standard?validFrom=2026-12")).status == 409
    await set_plan(house, "spare")
    assert (await house.manage("DELETE", "/plans/spare?validFrom=2020-01")).status == 404
    assert (await house.manage("DELETE", f"/plans/spare?validFrom={MONTH}")).status == 204


async def test_what_is_no_plan_is_refused(house: House) -> None:
    for wrong, says in (
        ({"currency": "EURO"}, "currency"),
        ({"currency": "XXX"}, "no currency XXX"),
        ({"fixed": [{"name": "A", "price": "-1"}]}, "price"),
        ({"fixed": [{"name": "A", "price": 1}]}, "price"),
        ({"minimum": "0.001"}, "decimals"),
        ({"calls": [{"name": "\x00", "tiers": [{"price": "1"}]}]}, ""),
        ({"surprise": True}, "surprise"),
    ):
        reply = await set_plan(house, **wrong)
        assert (reply.status, says in reply.json["message"]) == (400, True), (wrong, reply.json)
    for name, month in (("UP", "2026-11"), ("a b", "2026-11"), ("a", "2026-13"), ("a", "2026-11-01")):
        assert (await set_plan(house, name, month)).status == 400
    assert (await house.manage("GET", "/plans/none")).status == 404
    assert (await house.manage("GET", "/accounts/meters/bill?month=now")).status == 400
    assert (await house.manage("GET", "/accounts/meters/bill?plan=none")).status == 404
    assert (await house.manage("POST", "/accounts/nobody/plan", {"plan": None, "validFrom": "2026-11"})).status == 404
    unknown = await house.manage("POST", "/accounts/meters/plan", {"plan": "none", "validFrom": "2026-11"})
    assert unknown.status == 404
    for method, path, body in (
        ("POST", "/plans", {"name": "a", "validFrom": "2026-11", "plan": PLAN}),
        ("POST", "/accounts/meters/plan", {"plan": None, "validFrom": "2026-11"}),
    ):
        assert (await house.manage(method, path, body, token=house.reader)).status == 403
    assert (await house.manage("GET", "/accounts/meters/bill", token=house.customer)).status == 403
