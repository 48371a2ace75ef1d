"""Usage and the bill: the month so far to the call, tiers with today's position, another plan tried, and invoices."""

from __future__ import annotations

import asyncio
import re
from calendar import isleap, monthrange
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from simwarden.console.calls import CallRefused
from simwarden.console.names import account_names
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.pages.bill.staircase import staircase
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

ROWS = 50
USAGE_ROWS, USAGE_PAGES = 1000, 10
"""Of the ledger, for the chart of a month."""
CHARTS = 6
"""APIs of which a month is drawn."""
MONTHS = 12
PLANS = 100
ROUNDS = 20
"""Calls in which a month is closed at most, each of 100 accounts."""
KINDS = ("INVOICE", "CREDIT_NOTE")
FORMS = ("pdf", "csv", "xml")
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_PATH = f"{ROOT}/bill"


async def accounts(visit: Visit) -> ASGIApp:
    """Whose bill; with one account only, straight to it."""
    found = await visit.api.get("/accounts", limit=ROWS, cursor=visit.query.get("cursor"))
    rows = found["accounts"]
    if len(rows) == 1 and "cursor" not in visit.query and "nextCursor" not in found:
        return visit.go(f"{_PATH}/{rows[0]['id']}")
    return visit.show(
        "bill/accounts.html",
        title=visit.t("bill.title"),
        accounts=rows,
        **visit.steps(_PATH, found),
    )


async def show(visit: Visit) -> ASGIApp:
    """One account's month."""
    name = visit.named("account")
    month = visit.query.get("month", "")
    month = month if _MONTH.fullmatch(month) else f"{datetime.now(UTC):%Y-%m}"
    account = await visit.api.get("/accounts/{}", name)
    sold = account["id"] != visit.account  # a reseller's own account is charged by plans that it does not see
    tried = visit.query.get("plan") if sold else None
    invoices, plans, (counts, by_api) = await asyncio.gather(
        visit.api.get("/invoices", account=name, limit=MONTHS),
        visit.api.get("/plans", limit=PLANS) if sold and visit.may("listPlans") else _nothing("plans"),
        _days(visit, name, month),
    )
    bill, why = await _bill(visit, name, month, None)
    other, why_not = await _bill(visit, name, month, tried) if tried else (None, None)
    shown = other or bill
    return visit.show(
        "bill/show.html",
        title=account["name"],
        account=account,
        month=month,
        months=_months(),
        bill=shown,
        before=bill if other else None,
        why=why_not or (why if not shown else None),
        plan=tried or "",
        plans=sorted({each["name"] for each in plans["plans"]}),
        counts=counts,
        by_api=by_api,
        stairs_by_name=await _stairs(visit, shown, month) if shown and sold else {},
        invoices=invoices["invoices"],
        money=money,
    )


async def invoices(visit: Visit) -> ASGIApp:
    """All invoices and credit notes."""
    wanted = {name: visit.query.get(name, "") for name in ("account", "month", "kind")}
    found, status, error = await visit.listed("invoices", "/invoices", limit=ROWS, **wanted)
    rows = found["invoices"]
    path = f"{ROOT}/invoices"
    return visit.show(
        "bill/invoices.html",
        status,
        title=visit.t("bill.invoices"),
        invoices=rows,
        accounts=await account_names(visit, (each["account"] for each in rows)),
        wanted=wanted,
        narrowed=any(wanted.values()),
        months=_months(),
        kinds=KINDS,
        kind_word=lambda kind: visit.word(kind, "bill.kind"),
        same=str,
        money=money,
        error=error,
        **visit.steps(path, found, wanted),
    )


async def invoice(visit: Visit) -> ASGIApp:
    """One of them."""
    found = await visit.api.get("/invoices/{}", visit.named("invoice"))
    return visit.show("bill/invoice.html", title=found["number"], invoice=found, money=money)


async def document(visit: Visit) -> ASGIApp:
    """It as a file."""
    name, form = visit.named("invoice"), visit.named("form")
    if form not in FORMS:
        raise CallRefused(404, "NOT_FOUND", "")
    await visit.api.get("/invoices/{}", name)  # a page says when there is none
    return visit.api.through(f"/invoices/{{}}/{form}", name)


async def credit(visit: Visit) -> ASGIApp:
    """The form of a credit note."""
    found = await visit.api.get("/invoices/{}", visit.named("invoice"))
    return _credit(visit, found)


async def credited(visit: Visit) -> ASGIApp:
    """Issue it."""
    name = visit.named("invoice")
    body = {"reason": visit.field("reason")} | ({"net": visit.field("net")} if visit.field("net") else {})
    try:
        note = await visit.api.post("/invoices/{}/credit-notes", name, body=body)
    except CallRefused as refused:
        if refused.status in (401, 403, 404):
            raise
        return _credit(visit, await visit.api.get("/invoices/{}", name), refused.status, refused.message)
    return visit.go(f"{ROOT}/invoices/{note['number']}", done="saved")


async def close(visit: Visit) -> ASGIApp:
    """What closing a month means."""
    return _close(visit)


async def closed(visit: Visit) -> ASGIApp:
    """Close it for all accounts, and say what came of it."""
    body: dict[str, Any] = {"month": visit.field("month")}
    issued, nothing, before, without = [], 0, 0, []
    try:
        for _ in range(ROUNDS):
            found = await visit.api.post("/invoices", body=body)
            issued += found["invoices"]
            without += found["withoutPrices"]
            nothing, before = nothing + found["nothing"], before + found["before"]
            if "after" not in found:
                break
            body["after"] = found["after"]
    except CallRefused as refused:
        if refused.status in (401, 403):
            raise
        return _close(visit, refused.status, refused.message)
    return visit.show(
        "bill/closed.html",
        title=visit.t("bill.closed", month=body["month"]),
        invoices=issued,
        nothing=nothing,
        before=before,
        without=without,
        more="after" in found,
        accounts=await account_names(visit, (each["account"] for each in issued)),
        money=money,
    )


def money(amount: str, currency: str) -> str:
    """A decimal of the API with its thousands parted: `-12,345.60 EUR`."""
    sign = "-" if amount.startswith("-") else ""
    whole, _, part = amount.removeprefix("-").partition(".")
    return f"{sign}{int(whole or 0):,}{'.' if part else ''}{part} {currency}"


async def _bill(visit: Visit, name: str, month: str, plan: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """The preview; or why there is none."""
    try:
        return await visit.api.get("/accounts/{}/bill", name, month=month, plan=plan), None
    except CallRefused as refused:
        if refused.status in (400, 404, 409, 422):
            return None, refused.message
        raise


async def _days(visit: Visit, name: str, month: str) -> tuple[list[int], dict[str, list[int]]]:
    """Calls of each day of the month that has begun; and those of each API, the most called ones first."""
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=32)).replace(day=1)
    last = min(following - timedelta(days=1), datetime.now(UTC).date())
    counts = {first + timedelta(days=n): 0 for n in range((last - first).days + 1)}
    by_api: dict[str, list[int]] = {}
    cursor = None
    for _ in range(USAGE_PAGES if counts else 0):
        found = await visit.api.get(
            "/usage", account=name, since=first.isoformat(), until=last.isoformat(), limit=USAGE_ROWS, cursor=cursor
        )
        for row in found["usage"]:
            day = date.fromisoformat(row["day"])
            counts[day] += row["count"]
            by_api.setdefault(row["api"], [0] * len(counts))[(day - first).days] += row["count"]
        cursor = found.get("nextCursor")
        if cursor is None:
            break
    most = sorted(by_api, key=lambda api: (-sum(by_api[api]), api))[:CHARTS]
    return list(counts.values()), {api: by_api[api] for api in most}


async def _stairs(visit: Visit, bill: Mapping[str, Any], month: str) -> dict[str, Any]:
    """By the name of the price."""
    if not visit.may("getPlan"):
        return {}
    versions = (await visit.api.get("/plans/{}", bill["plan"]))["versions"]
    valid = [each for each in versions if each["validFrom"] <= month]
    if not valid:
        return {}
    plan = max(valid, key=lambda each: str(each["validFrom"]))["plan"]
    prices = {each["name"]: each for each in (*plan.get("calls", ()), *plan.get("sims", ()))}
    charged = {each["name"]: each for each in bill["charges"]}
    return {name: staircase(price, _used(price, charged.get(name), month)) for name, price in prices.items()}


def _used(price: Mapping[str, Any], charge: Mapping[str, Any] | None, month: str) -> float:
    """In units of the price's tiers: those of a month or a year count SIMs, where the charge counts their days."""
    if charge is None:
        return 0
    quantity: int = charge["quantity"]
    if charge["unit"] != "SIM-day" or price.get("per") == "simDay":
        return quantity
    year, number = map(int, month.split("-"))
    is_year = price.get("per") == "year"
    return quantity / ((366 if isleap(year) else 365) if is_year else monthrange(year, number)[1])


async def _nothing(name: str) -> dict[str, list[Any]]:
    return {name: []}


def _months() -> list[str]:
    """This month and those before it."""
    at, found = datetime.now(UTC).date().replace(day=1), []
    for _ in range(MONTHS):
        found.append(f"{at:%Y-%m}")
        at = (at - timedelta(days=1)).replace(day=1)
    return found


def _credit(visit: Visit, found: Mapping[str, Any], status: int = 200, error: str | None = None) -> ASGIApp:
    title = visit.t("bill.credit", number=found["number"])
    return visit.show("bill/credit.html", status, title=title, invoice=found, money=money, error=error)


def _close(visit: Visit, status: int = 200, error: str | None = None) -> ASGIApp:
    title = visit.t("bill.close")
    return visit.show("bill/close.html", status, title=title, months=_months()[1:], error=error)


PAGES = (
    ConsolePage(name="bill", path="/bill", show=accounts, needs=("listAccounts",), nav=Nav("customers", 20, "bill")),
    ConsolePage(
        name="bill", path="/bill/{account}", show=show, needs=("getAccount", "previewBill", "listInvoices", "listUsage")
    ),
    ConsolePage(name="bill", path="/invoices", suggests_accounts=True, show=invoices, needs=("listInvoices",)),
    ConsolePage(
        name="bill", path="/invoices/close", show=close, act=closed, needs=("closeMonth",), acts=("closeMonth",)
    ),
    ConsolePage(name="bill", path="/invoices/{invoice}", show=invoice, needs=("getInvoice",)),
    ConsolePage(
        name="bill",
        path="/invoices/{invoice}/credit",
        show=credit,
        act=credited,
        needs=("getInvoice", "creditInvoice"),
        acts=("creditInvoice",),
    ),
    ConsolePage(
        name="bill",
        path="/invoices/{invoice}/file/{form}",
        show=document,
        needs=("getInvoice", "getInvoicePdf", "getInvoiceCsv", "getInvoiceXml"),
    ),
)
