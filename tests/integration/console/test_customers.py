"""Applications, bills and the audit list in the console: what their forms do, and whom they refuse."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.integration.console.conftest import FORM
from tests.integration.management.house import imsi
from tests.integration.management.test_invoices import MONTH, furnished
from tests.unit.northbound.asgi import call

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site, Visitor

HARM = "<script>alert(1)</script>"


async def made(site: Site, name: str) -> str:
    """The APPKEY of a new application of `meters`."""
    reply = await site.house.manage("POST", "/applications", {"account": "meters", "name": name})
    found: str = reply.json["appKey"]
    return found


def credentials(visitor: Visitor) -> tuple[str, str]:
    """Key and secret, which the page shows this once."""
    page = unescape(visitor.page)
    found = [re.search(rf"^{name}='?([^'\n]+)'?$", page, re.MULTILINE) for name in ("APPKEY", "APPSECRET")]
    assert found[0] is not None
    assert found[1] is not None
    return found[0][1], found[1][1]


async def is_good(site: Site, key: str, secret: str) -> bool:
    """Whether there is a token for them."""
    form = f"grant_type=client_credentials&client_id={key}&client_secret={secret}".encode()
    reply = await call(site.house.app, "POST", "/oauth2/token", form, headers=[FORM])
    assert reply.status in (200, 401)
    return bool(reply.status == 200)


@pytest_asyncio.fixture(scope="module")
async def billed(site: Site) -> Site:
    """Both accounts have a plan, and made 100 calls last month."""
    await furnished(site.house)
    return site


async def test_an_application_is_made_and_its_secret_shown_once(site: Site) -> None:
    admin = await site.person("admin")
    await admin.get("/applications/new")
    reply = await admin.post("/applications/new", account="meters", name="reader", scopeSets="read")
    assert reply.status == 201
    assert reply.headers["cache-control"] == "no-store"
    key, secret = credentials(admin)
    assert await is_good(site, key, secret)
    app = (await site.house.manage("GET", f"/applications/{key}")).json
    assert (app["name"], app["account"]) == ("reader", site.house.account.id)
    assert not any("bind" in scope for scope in app["scopes"])
    await admin.get(f"/applications/{key}")
    assert secret not in admin.page
    await admin.get("/applications?account=meters")
    assert key in admin.page
    virtual = await admin.post("/applications/new", account="meters", name="virtual", scopeSets="all", sandbox="1")
    assert virtual.status == 201
    assert (await site.house.manage("GET", f"/applications/{credentials(admin)[0]}")).json["sandbox"] is True


async def test_what_is_wrong_with_a_new_application_is_said_at_the_form(site: Site) -> None:
    admin = await site.person("admin")
    await admin.get("/applications/new")
    for wrong, status in (({"account": "nobody"}, 404), ({"account": HARM}, 404), ({"name": ""}, 400)):
        fields = {"account": "meters", "name": "kept name", "scopeSets": "control", **wrong}
        assert (await admin.post("/applications/new", **fields)).status == status, wrong
        assert 'role="alert"' in admin.page
        assert HARM not in admin.page
        assert re.search(r'value="control" checked', admin.page), "what was entered is kept"


async def test_a_secret_is_rotated_and_the_old_one_goes_on_for_as_long_as_was_said(site: Site) -> None:
    admin = await site.person("admin")
    await admin.get("/applications/new")
    await admin.post("/applications/new", account="meters", name="rotating", scopeSets="default")
    key, first = credentials(admin)
    await admin.get(f"/applications/{key}/rotate")
    assert (await admin.post(f"/applications/{key}/rotate", overlap="3600")).status == 200
    again, second = credentials(admin)
    assert again == key
    assert second != first
    assert [await is_good(site, key, each) for each in (first, second)] == [True, True]
    until = datetime.fromisoformat((await site.house.manage("GET", f"/applications/{key}")).json["previousSecretUntil"])
    assert timedelta(minutes=50) < until - datetime.now(UTC) <= timedelta(hours=1)
    await admin.get(f"/applications/{key}/rotate")
    await admin.post(f"/applications/{key}/rotate", overlap="0")
    third = credentials(admin)[1]
    assert [await is_good(site, key, each) for each in (first, second, third)] == [False, False, True]
    await admin.get(f"/applications/{key}/rotate")
    await admin.post(f"/applications/{key}/rotate", overlap="<b>")
    assert not await is_good(site, key, third), "what is no time is no overlap"


async def test_an_application_is_revoked_and_its_subscriptions_may_go_to_another(site: Site) -> None:
    admin = await site.person("admin")
    key = await made(site, "old")
    await admin.get(f"/applications/{key}/revoke")
    refused = await admin.post(f"/applications/{key}/revoke", heir="meters/unknown")
    assert refused.status == 404
    assert 'role="alert"' in admin.page
    assert 'value="meters/unknown"' in admin.page
    assert "revokedAt" not in (await site.house.manage("GET", f"/applications/{key}")).json
    done = await admin.post(f"/applications/{key}/revoke", heir="meters/app")
    assert done.headers["location"] == f"/console/applications/{key}?done=saved"
    await admin.get(f"/applications/{key}")
    assert f"/applications/{key}/rotate" not in admin.page
    assert f"/applications/{key}/limits" not in admin.page
    await admin.get("/applications?account=meters&revoked=true")
    assert key in admin.page
    await admin.get("/applications?account=meters&revoked=false")
    assert key not in admin.page


async def test_limits_are_set_shown_and_taken_away(site: Site) -> None:
    admin = await site.person("admin")
    key = await made(site, "limited")
    path = f"/applications/{key}/limits"
    await admin.get(path)
    done = await admin.post(path, callsPerSecond="2.5", burst="", dailyQuota="70", monthlyQuota="900")
    assert done.headers["location"] == f"/console/applications/{key}?done=saved"
    limit = {"application": key, "callsPerSecond": 2.5, "burst": 5, "dailyQuota": 70, "monthlyQuota": 900}
    assert (await site.house.manage("GET", f"/applications/{key}")).json["limits"] == [limit]
    await admin.get(path)
    assert 'name="callsPerSecond" value="2.5"' in admin.page
    for wrong in ({"callsPerSecond": "many"}, {"callsPerSecond": "nan"}, {"dailyQuota": "-1"}, {"dailyQuota": "1.5"}):
        given = {"callsPerSecond": "2.5", "burst": "", "dailyQuota": "70", "monthlyQuota": "901", **wrong}
        assert (await admin.post(path, **given)).status == 400, wrong
        assert 'role="alert"' in admin.page
        assert 'value="901"' in admin.page
    assert (await site.house.manage("GET", f"/applications/{key}")).json["limits"] == [limit]
    await admin.post(path, callsPerSecond="", burst="", dailyQuota="", monthlyQuota="")
    assert not (await site.house.manage("GET", f"/applications/{key}")).json.get("limits")


@pytest.mark.parametrize("role", ["viewer", "operator", "billing"])
async def test_who_is_no_administrator_does_nothing_with_applications(site: Site, role: str) -> None:
    visitor = await site.person(role)
    key = (await site.house.accounts.named("meters/app")).app_key
    before = (await site.house.manage("GET", f"/applications/{key}")).json
    assert (await visitor.get(f"/applications/{key}")).status == 200
    for step in ("rotate", "revoke", "limits"):
        assert f"/applications/{key}/{step}" not in visitor.page
        assert (await visitor.get(f"/applications/{key}/{step}")).status == 403
        assert (await visitor.post(f"/applications/{key}/{step}", dailyQuota="1")).status == 403
    assert (await visitor.post("/applications/new", account="meters", name="x", scopeSets="all")).status == 403
    assert (await site.house.manage("GET", f"/applications/{key}")).json == before


async def test_a_form_without_the_sessions_token_does_nothing(billed: Site) -> None:
    admin = await billed.person("admin")
    key = await made(billed, "untouched")
    before = (await billed.house.manage("GET", f"/applications/{key}")).json
    for path in (f"/applications/{key}/rotate", f"/applications/{key}/revoke", f"/applications/{key}/limits"):
        for csrf in ("", "forged"):
            assert (await admin.post(path, csrf=csrf, dailyQuota="1")).status == 403
        assert (await admin.post(path, ("sec-fetch-site", "cross-site"), dailyQuota="1")).status == 403
    assert (await admin.post("/applications/new", csrf="", account="meters", name="forged")).status == 403
    assert (await admin.post("/invoices/close", csrf="", month=MONTH)).status == 403
    assert (await billed.house.manage("GET", f"/applications/{key}")).json == before
    assert "forged" not in (await billed.house.manage("GET", "/applications?account=meters")).body.decode()
    assert (await billed.house.manage("GET", "/invoices")).json["invoices"] == []


async def test_a_month_is_previewed_closed_downloaded_and_credited(billed: Site) -> None:
    clerk = await billed.person("billing")
    await clerk.get("/bill")
    assert 'href="/console/bill/' in clerk.page
    account = billed.house.account.id
    await clerk.get(f"/bill/{account}?month={MONTH}")
    assert "1.23 EUR" in clerk.page
    assert "1.00 EUR" in clerk.page
    await clerk.get("/invoices/close")
    assert f"<option>{MONTH}</option>" in clerk.page
    assert (await clerk.post("/invoices/close", month=MONTH)).status == 200
    assert clerk.page.count("1.23 EUR") == 2
    assert (await clerk.get("/invoices/close")).status == 200
    await clerk.post("/invoices/close", month=MONTH)
    assert 'class="empty"' in clerk.page, "who has one gets no second one"
    [invoice] = (await billed.house.manage("GET", f"/invoices?account={account}")).json["invoices"]
    path = f"/invoices/{invoice['number']}"
    await clerk.get("/invoices")
    assert f'href="/console{path}"' in clerk.page
    await clerk.get(path)
    for form, begins in (("pdf", b"%PDF-"), ("csv", b""), ("xml", b"<?xml")):
        assert f"{path}/file/{form}" in clerk.page
        reply = await clerk.get(f"{path}/file/{form}")
        assert reply.status == 200
        assert reply.body.startswith(begins)
        assert invoice["number"].encode() in reply.body or form == "pdf"
        assert reply.headers["content-disposition"].startswith("attachment; filename=")
    await clerk.get(f"{path}/credit")
    assert (await clerk.post(f"{path}/credit", reason="Outage", net="9.99")).status == 409
    assert 'role="alert"' in clerk.page
    assert 'value="Outage"' in clerk.page
    note = await clerk.post(f"{path}/credit", reason="Outage", net="0.40")
    assert note.headers["location"] == "/console/invoices/CN-000001?done=saved"
    await clerk.get("/invoices?kind=CREDIT_NOTE")
    assert "CN-000001" in clerk.page
    await clerk.get("/invoices/CN-000001")
    assert "Outage" in clerk.page
    assert "/credit" not in clerk.page


async def test_wrong_months_and_unknown_invoices_are_said(billed: Site) -> None:
    clerk = await billed.person("billing")
    await clerk.get("/invoices/close")
    for month in (f"{datetime.now(UTC) + timedelta(days=40):%Y-%m}", "2026-13", HARM, ""):
        assert (await clerk.post("/invoices/close", month=month)).status in (400, 409), month
        assert 'role="alert"' in clerk.page
        assert HARM not in clerk.page
    for path in ("/invoices/INV-9", "/invoices/INV-9/file/pdf", "/invoices/INV-9/credit", "/bill/nobody"):
        assert (await clerk.get(path)).status == 404, path
        assert clerk.page.startswith("<!doctype html>")
    assert (await clerk.get("/invoices?account=nobody")).status == 404
    assert 'role="alert"' in clerk.page
    assert 'name="account" value="nobody"' in clerk.page, "the filter can be corrected"


async def test_a_viewer_reads_bills_and_touches_none(billed: Site) -> None:
    viewer = await billed.person("viewer")
    account = billed.house.account.id
    assert (await viewer.get(f"/bill/{account}?month={MONTH}")).status == 200
    assert (await viewer.get("/invoices")).status == 200
    assert "/invoices/close" not in viewer.page
    for path in ("/invoices/close", "/invoices/INV-000001/credit"):
        assert (await viewer.get(path)).status == 403
        assert (await viewer.post(path, month=MONTH, reason="x")).status == 403


async def test_the_audit_list_is_filtered_and_verified(site: Site) -> None:
    admin, operator = await site.person("admin"), await site.person("operator")
    target = imsi(7)
    await operator.get(f"/sims/{target}/act/suspend")
    await operator.post(f"/sims/{target}/act/suspend")
    await admin.get(f"/audit?target={target}")
    assert admin.page.count('<th scope="row"') == 1
    assert "actOnSim" in admin.page
    assert operator.email in (await site.house.manage("GET", f"/audit?target={target}")).body.decode()
    today, tomorrow = (f"{datetime.now(UTC) + timedelta(days=n):%Y-%m-%d}" for n in (0, 1))
    await admin.get(f"/audit?target={target}&since={tomorrow}")
    assert 'class="empty"' in admin.page
    await admin.get(f"/audit?target={target}&until={tomorrow}")
    assert admin.page.count('<th scope="row"') == 1
    for query in (f"since={HARM}", "cursor=forged"):
        reply = await admin.get(f"/audit?{query}")
        assert reply.status == 400, query
        assert 'role="alert"' in admin.page
        assert HARM not in admin.page
    assert (await admin.get(f"/audit?since={today}")).status == 200
    assert (await admin.get("/audit/verification")).status == 200
    assert 'class="note ok"' in admin.page
    billing = await site.person("billing")
    for path in ("/audit", "/audit/verification"):
        assert (await billing.get(path)).status == 403


async def test_accounts_are_suggested_to_who_sees_several(site: Site) -> None:
    admin, seller = await site.person("admin"), await site.person("viewer", manages="meters")
    for path in ("/sims", "/applications/new", "/rules"):
        await admin.get(path)
        assert '<option value="meters">' in admin.page, path
        assert 'list="accounts"' in admin.page, path
    await seller.get("/sims")
    assert "<datalist" not in seller.page
