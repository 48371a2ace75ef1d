"""Resellers see and manage the accounts below their own, and learn nothing of any other."""

from __future__ import annotations

import asyncio
import re
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.house import CAUSE, MANAGE, House, imsi, phone
from tests.integration.management.test_invoices import MONTH, PLAN, close, furnished
from tests.integration.management.test_sessions import ann

from simwarden.accounts import applications
from simwarden.accounts.roles import Role
from simwarden.engine import imports, provision
from simwarden.management import roles, routes

if TYPE_CHECKING:
    from tests.unit.northbound.asgi import Reply

MARKED = roles.for_resellers(routes.PACKAGE)


class Reseller:
    """ACME with one customer and a SIM of each, and a key for its administrator."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def prepare(self) -> None:
        house = self.house
        await house.manage("POST", "/accounts", {"name": "ACME", "strict": True, "homeNetworks": ["46000"]})
        made = await house.manage("POST", "/accounts", {"name": "ACME.meters", "parent": "ACME"})
        self.own = (await house.manage("GET", "/accounts/ACME")).json["id"]
        self.below = made.json["id"]
        assert (made.json["parent"], made.json["strict"], made.json["homeNetworks"]) == (self.own, True, ["46000"])
        for number, account in ((500, self.own), (501, self.below)):
            sim = provision.new_sim(account, imsi=imsi(number), msisdn=phone(number))
            await imports.import_rows(house.db, [provision.NewSim(0, sim)], account, imports.Way(CAUSE))
        issued = await house.manage("POST", "/operators", {"name": "acme", "role": "admin", "manages": "ACME"})
        assert issued.json["manages"] == self.own
        application = await house.accounts.application(issued.json["appKey"])
        self.token = await house.token_of(applications.Issued(application, issued.json["appSecret"]))

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Reply:
        return await self.house.manage(method, path, body, token=token or self.token)


@pytest.fixture
async def acme(house: House) -> Reseller:
    made = Reseller(house)
    await made.prepare()
    return made


async def test_it_sees_its_accounts_and_their_sims(acme: Reseller) -> None:
    rows = (await acme.call("GET", "/accounts")).json["accounts"]
    assert [(row["name"], row["parent"]) for row in rows] == [("ACME", None), ("ACME.meters", acme.own)]
    sims = (await acme.call("GET", "/sims?account=ACME.meters")).json["sims"]
    assert [sim["imsi"] for sim in sims] == [imsi(501)]
    for path in ("/sims", "/applications", "/usage"):
        answer = await acme.call("GET", path)
        assert (answer.status, "which account" in answer.json["message"]) == (400, True)
    for number in (500, 501):
        for path in ("", "/explain", "/events", "/lifecycle"):
            assert (await acme.call("GET", f"/sims/{imsi(number)}{path}")).status == 200
    done = await acme.call("POST", f"/sims/{imsi(501)}/actions", {"action": "suspend"})
    assert (done.status, done.json["changed"]) == (200, True)


async def test_it_makes_sub_accounts_and_their_applications(acme: Reseller) -> None:
    for name in ("meters", "stranger", "ACMEx", "ACME"):
        refused = await acme.call("POST", "/accounts", {"name": name})
        assert refused.status == 400, "whether the name is taken does not show"
    made = await acme.call("POST", "/accounts", {"name": "ACME.cars"})
    assert made.json["parent"] == acme.own
    deeper = await acme.call("POST", "/accounts", {"name": "ACME.cars.red", "parent": "ACME.cars"})
    assert deeper.status == 201
    deepest = await acme.call("POST", "/accounts", {"name": "ACME.cars.red.x", "parent": "ACME.cars.red"})
    assert (deepest.status, "three levels" in deepest.json["message"]) == (409, True)
    assert (await acme.call("POST", "/accounts", {"name": "meters.x", "parent": "meters"})).status == 404
    assert (await acme.call("PATCH", "/accounts/ACME", {"strict": False})).status == 403, "not its own"
    assert (await acme.call("PATCH", "/accounts/ACME.cars", {"name": "meters"})).status == 400
    assert (await acme.call("PATCH", "/accounts/ACME.cars", {"strict": False})).json["strict"] is False
    application = await acme.call("POST", "/applications", {"account": "ACME.cars", "name": "app"})
    key = application.json["appKey"]
    assert (await acme.call("GET", "/applications?account=ACME.cars")).json["applications"][0]["appKey"] == key
    assert (await acme.call("PATCH", f"/applications/{key}", {"dailyQuota": 5})).json["dailyQuota"] == 5
    assert (await acme.call("POST", f"/applications/{key}/rotate", {})).status == 200
    assert (await acme.call("POST", f"/applications/{key}/revoke", {})).status == 200
    assert (await acme.house.manage("DELETE", "/accounts/ACME")).status == 409


async def test_what_is_not_for_resellers_is_closed_in_every_role(acme: Reseller) -> None:
    for role in Role:
        made = await applications.issue_operator(acme.house.accounts, f"walk-{role}", role=role, manages=acme.own)
        token = await acme.house.token_of(made)
        opened = set()
        for path, item in MANAGE.paths.items():
            for method, operation in item.items():
                if not operation.get("x-role"):
                    continue
                body: dict[str, Any] | None = {} if method in ("post", "patch") else None
                at = re.sub(r"\{[^}]+\}", "nothing-here", path)
                if (await acme.call(method.upper(), at, body, token)).status != 403:
                    opened.add(operation["operationId"])
        assert opened <= MARKED
        assert role is not Role.ADMIN or opened == MARKED


async def an_invoice(house: House) -> str:
    """The number of one that the operator issued."""
    await furnished(house)
    await house.manage("POST", "/plans", {"name": "wholesale", "validFrom": "2026-01", "plan": PLAN})
    number: str = (await close(house)).json["invoices"][0]["number"]
    return number


async def test_another_tenants_and_unknown_names_are_answered_alike(acme: Reseller) -> None:
    """Every operation for resellers, with what exists elsewhere in the path, the query and the body."""
    house = acme.house
    foreign = await applications.issue(house.accounts, "meters", "theirs")
    key, nobody = foreign.application.app_key, "swk_" + "x" * 24
    bodies: dict[str, Any] = {
        "actOnSim": {"action": "suspend"},
        "previewAction": {"action": "suspend"},
        "changeAccount": {"strict": True},
        "changeApplication": {"dailyQuota": 5},
        "rotateApplicationSecret": {},
        "revokeApplication": {},
        "addRange": {"kind": "imsi", "range": "46099"},
        "assignPlan": {"plan": None, "validFrom": "2026-01"},
        "setBuyer": {"name": "x"},
        "creditInvoice": {"reason": "x"},
    }
    names = {
        "simId": (imsi(0), imsi(900)),
        "accountId": ("meters", "nobody"),
        "applicationId": (key, nobody),
        "planId": ("wholesale", "none"),
        "invoiceId": (await an_invoice(house), "INV-900000"),
    }
    looked = 0
    for path, item in MANAGE.paths.items():
        for method, operation in item.items():
            parameter = re.search(r"\{(\w+)\}", path)
            if operation.get("operationId") not in MARKED or parameter is None:
                continue
            answers = []
            for name in names[parameter[1]]:
                at = path.replace(parameter[0], name)
                at += "?validFrom=2026-01" if operation["operationId"] == "removePlan" else ""
                reply = await acme.call(method.upper(), at, bodies.get(operation["operationId"]))
                answers.append((reply.status, reply.json["code"], reply.json["message"].replace(name, "NAME")))
            assert answers[0] == answers[1], operation["operationId"]
            assert answers[0][0] == 404
            looked += 1
    assert looked >= 24
    for path in (
        "/sims?account=",
        "/sim-export?account=",
        "/applications?account=",
        "/usage?account=",
        "/invoices?account=",
    ):
        found = [await acme.call("GET", path + name) for name in ("meters", "nobody")]
        assert [each.status for each in found] == [404, 404]
        assert found[0].json["message"].replace("meters", "nobody") == found[1].json["message"]
    closed = [
        (await acme.call("POST", "/invoices", {"month": MONTH, "account": name})) for name in ("meters", "nobody")
    ]
    assert [(each.status, each.json["message"].replace("meters", "nobody")) for each in closed] == [
        (404, closed[1].json["message"])
    ] * 2
    shown = await acme.call("GET", f"/applications?account=ACME&application={key}")
    assert shown.json["applications"] == []
    for name in ("meters/theirs", "meters/none"):
        assert (await acme.call("GET", f"/applications?account=ACME&application={name}")).status == 404
    assert (await acme.call("POST", "/applications", {"account": "meters", "name": "x"})).status == 404
    assert not (await house.accounts.application(key)).revoked_at


async def test_it_hands_over_between_its_own_accounts_only(acme: Reseller) -> None:
    async def hand_over(number: int, to: str, token: str | None = None) -> Reply:
        body = {"action": "hand-over", "to": to}
        return await acme.call("POST", f"/sims/{imsi(number)}/actions", body, token)

    assert (await hand_over(500, "ACME.meters")).json["sim"]["account"] == acme.below
    theirs = await hand_over(500, "meters")
    unknown = await hand_over(500, "nobody")
    assert (theirs.status, unknown.status) == (404, 404)
    assert theirs.json["message"].replace("meters", "nobody") == unknown.json["message"]
    assert (await hand_over(0, "ACME")).status == 404
    made = await applications.issue_operator(acme.house.accounts, "low", role=Role.OPERATOR, manages=acme.own)
    assert (await hand_over(500, "ACME", await acme.house.token_of(made))).status == 403


async def test_a_person_of_a_reseller_is_bound_alike(acme: Reseller) -> None:
    made = await ann(acme.house, "admin")
    path = f"/users/{made['user']['id']}"
    token = made["token"]
    assert (await acme.call("GET", "/gateways", None, token)).status == 200
    assert (await acme.house.manage("PATCH", path, {"manages": "ACME"})).json["manages"] == acme.own
    assert (await acme.call("GET", "/session", None, token)).status == 401, "his session ended"
    body = {"email": "ann@operator.example", "password": "correct horse battery"}
    token = (await acme.call("POST", "/session", body)).json["token"]
    assert (await acme.call("GET", "/gateways", None, token)).status == 403
    assert (await acme.call("GET", "/users", None, token)).status == 403
    assert (await acme.call("GET", "/sessions?user=usr_x", None, token)).status == 403
    assert (await acme.call("GET", f"/sims/{imsi(501)}", None, token)).status == 200
    assert (await acme.call("GET", f"/sims/{imsi(0)}", None, token)).status == 404


async def test_it_does_not_raise_the_quotas_of_its_own_applications(acme: Reseller) -> None:
    own = await applications.issue(acme.house.accounts, "ACME", "own")
    key = own.application.app_key
    assert (await acme.call("PATCH", f"/applications/{key}", {"dailyQuota": 50})).json["dailyQuota"] == 50
    assert (await acme.call("PATCH", f"/applications/{key}", {"dailyQuota": 40})).json["dailyQuota"] == 40
    for more in (41, None):
        assert (await acme.call("PATCH", f"/applications/{key}", {"dailyQuota": more})).status == 403
    assert (await acme.house.manage("PATCH", f"/applications/{key}", {"dailyQuota": 60})).json["dailyQuota"] == 60


async def test_a_sim_that_leaves_its_reach_while_it_calls_stays_as_it_is(
    acme: Reseller, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = acme.house
    submit = house.parts.commands.submit
    moved: list[int] = []

    async def late(command: Any) -> Any:
        if not moved:
            moved.append(1)
            body = {"action": "hand-over", "to": "meters"}
            by_operator = house.manage("POST", f"/sims/{imsi(501)}/actions", body)
            assert (await asyncio.create_task(by_operator, context=Context())).json["changed"]
        return await submit(command)

    monkeypatch.setattr(house.parts.commands, "submit", late)
    refused = await acme.call("POST", f"/sims/{imsi(501)}/actions", {"action": "suspend"})
    assert refused.status == 404
    assert (await house.manage("GET", f"/sims/{imsi(501)}")).json["lifecycle"] == "ACTIVE"


async def test_it_sees_what_it_is_charged_by_its_plan_and_tries_no_other(acme: Reseller) -> None:
    house = acme.house
    plan = {"currency": "EUR", "calls": [{"name": "Calls", "tiers": [{"price": "0.01"}]}]}
    await house.manage("POST", "/plans", {"name": "wholesale", "validFrom": "2026-01", "plan": plan})
    await house.manage("POST", "/accounts/ACME/plan", {"plan": "wholesale", "validFrom": "2026-01"})
    shown = await acme.call("GET", "/accounts/ACME/bill")
    assert (shown.status, shown.json["plan"]) == (200, "wholesale")
    assert (await acme.call("GET", "/accounts/ACME/bill?plan=wholesale")).status == 403


async def test_it_cuts_ranges_of_its_customers_out_of_its_own(acme: Reseller) -> None:
    async def ranges(account: str) -> list[str]:
        found = (await acme.call("GET", f"/accounts/{account}/ranges")).json["ranges"]
        return [f"{each['kind']} {each['range']}" for each in found]

    async def give(account: str, text: str, kind: str = "imsi") -> Reply:
        return await acme.call("POST", f"/accounts/{account}/ranges", {"kind": kind, "range": text})

    house = acme.house
    await house.manage("POST", "/accounts/ACME/ranges", {"kind": "imsi", "range": "46011"})
    await house.manage("POST", "/accounts/meters/ranges", {"kind": "imsi", "range": "46012"})
    assert (await give("ACME.meters", "460113-460114")).status == 201
    assert await ranges("ACME") == ["imsi 460110-460112", "imsi 460115-460119"]
    assert await ranges("ACME.meters") == ["imsi 460113-460114"]
    refused = [await give("ACME.meters", text) for text in ("46012", "46013", "4601", "460112-460113")]
    assert [each.status for each in refused] == [409] * 4
    assert len({each.json["message"] for each in refused}) == 1, "whose it is does not show"
    assert (await give("ACME.meters", "4601131")).status == 409, "it is there already"
    assert (await give("ACME", "460113")).status == 403
    assert (await give("meters", "460110")).status == 404
    await acme.call("POST", "/accounts", {"name": "ACME.meters.x", "parent": "ACME.meters"})
    assert (await give("ACME.meters.x", "460113")).status == 201
    assert await ranges("ACME.meters") == ["imsi 460114"]
