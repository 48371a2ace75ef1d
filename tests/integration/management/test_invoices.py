"""Closing months: numbers without gaps, invoices that nobody can change, credit notes, files."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from tests.conformance import contract
from tests.integration.management.test_commands import Shell
from tests.support.server import serving

from simwarden.accounts import applications
from simwarden.domain.errors import SimwardenError
from simwarden.domain.price import Month
from simwarden.domain.service_days import ServiceDay
from simwarden.domain.usage import Usage
from simwarden.store import invoices, usage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.management.house import House

    from simwarden.store.database import Database

NOW = datetime.now(UTC)
THIS = NOW.date().replace(day=1)
LAST = THIS - timedelta(days=1)
MONTH = f"{LAST:%Y-%m}"
SELLER = {"name": "Example Mobile Ltd", "street": "1 Network Road", "city": "Dublin", "country": "IE"}
PLAN: dict[str, Any] = {
    "currency": "EUR",
    "calls": [{"name": "Calls", "tiers": [{"price": "0.01"}]}],
    "taxes": [{"name": "VAT", "percent": "23"}],
}


_COPY = """insert into invoice select kind, serial + {}, number || 'x', account_id, month, 7, corrects, issued_at,
           currency, net, tax, total, document, digest, seller from invoice where serial = 2"""


async def furnished(house: House, *more: str) -> list[str]:
    """A seller, a plan, and accounts that have it and made 100 calls each; returns their ids in order."""
    # The month is over, also in its first hour; the present one is not, also in its last.
    house.parts.billing._clock = lambda: max(datetime.now(UTC), datetime.combine(THIS, time(2), UTC))
    assert (await house.manage("POST", "/seller", SELLER)).status == 200
    assert (await house.manage("POST", "/plans", {"name": "p", "validFrom": "2026-01", "plan": PLAN})).status == 200
    ids = [house.account.id, house.stranger.id]
    ids += [(await applications.open_account(house.accounts, name)).id for name in more]
    for account_id in ids:
        assert (
            await house.manage("POST", f"/accounts/{account_id}/plan", {"plan": "p", "validFrom": "2026-01"})
        ).status == 200
        await count(house, account_id, LAST, 100)
    return sorted(ids)


async def count(house: House, account_id: str, day: date, times: int) -> None:
    async with house.db.transaction() as connection:
        await usage.count(connection, {(day, 1, Usage(account_id, "app", "api", "query")): times})


async def close(house: House, **more: Any) -> Any:
    return await house.manage("POST", "/invoices", {"month": MONTH, **more})


async def numbers(house: House) -> list[tuple[str, str]]:
    rows = await house.db.fetch("select number, account_id from invoice order by kind desc, serial")
    return [(row["number"], row["account_id"]) for row in rows]


async def test_a_month_is_closed_once_and_credited(house: House) -> None:
    assert (await close(house)).json["message"].startswith("Nobody is named who sells")
    ids = await furnished(house, "empty")
    empty = (await house.accounts.get("empty")).id
    await house.db.execute("delete from usage_count where account_id = $1", empty)
    assert (await house.manage("POST", "/invoices", {"month": f"{NOW:%Y-%m}"})).status == 409
    await house.manage("POST", "/accounts/meters/buyer", {"name": "Meters GmbH", "reference": "PO-1"})
    done = (await close(house)).json
    charged = [each for each in ids if each != empty]
    assert [(each["number"], each["account"], each["total"]) for each in done["invoices"]] == [
        (f"INV-00000{n}", account_id, "1.23") for n, account_id in enumerate(charged, 1)
    ]
    assert (done["nothing"], done["before"], done["withoutPrices"], "after" in done) == (1, 0, [], False)
    await count(house, house.account.id, LAST, 100)  # late: not in what is issued
    again = (await close(house)).json
    assert (again["invoices"], again["before"]) == ([], 2)
    assert (await close(house, account="meters")).status == 409
    number = next(each["number"] for each in done["invoices"] if each["account"] == house.account.id)
    shown = (await house.manage("GET", f"/invoices/{number}")).json
    assert (shown["buyer"], shown["seller"]["name"]) == (
        {"name": "Meters GmbH", "reference": "PO-1"},
        "Example Mobile Ltd",
    )
    assert shown["prices"]["calls"] == PLAN["calls"]
    part = await house.manage("POST", f"/invoices/{number}/credit-notes", {"reason": "Outage", "net": "0.40"})
    assert (part.status, part.json["number"], part.json["total"]) == (201, "CN-000001", "0.49")
    for body, status in (({"reason": "x", "net": "0.61"}, 409), ({"reason": "x", "net": "0"}, 400), ({}, 400)):
        assert (await house.manage("POST", f"/invoices/{number}/credit-notes", body)).status == status
    assert (await close(house, account="meters")).status == 409
    rest = (await house.manage("POST", f"/invoices/{number}/credit-notes", {"reason": "All of it"})).json
    assert (rest["net"], rest["total"]) == ("0.60", "0.74")  # taxes: 0.09 and what was left of 0.23
    assert (await house.manage("POST", f"/invoices/{number}/credit-notes", {"reason": "x"})).status == 409
    assert (await house.manage("POST", "/invoices/CN-000001/credit-notes", {"reason": "x"})).status == 409
    anew = (await close(house, account="meters")).json["invoices"]
    assert [(each["number"], each["net"]) for each in anew] == [("INV-000003", "2.00")]
    page = (await house.manage("GET", f"/invoices?account=meters&limit=2&month={MONTH}")).json
    assert [each["number"] for each in page["invoices"]] == ["INV-000003", "CN-000002"]
    following = (
        await house.manage("GET", f"/invoices?account=meters&limit=2&month={MONTH}&cursor={page['nextCursor']}")
    ).json
    assert [each["number"] for each in following["invoices"]] == ["CN-000001", number]
    assert (await house.manage("GET", "/invoices?kind=CREDIT_NOTE&limit=1")).json["invoices"][0]["corrects"] == number
    for path in ("/invoices/INV-9", "/invoices/%00", "/invoices/INV-9/pdf", "/accounts/stranger/buyer"):
        assert (await house.manage("GET", path)).status == 404


async def test_numbers_have_no_gaps_whatever_goes_wrong(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await furnished(house, *(f"a{n}" for n in range(5)))
    insert = invoices.insert

    async def cut(connection: Any, seller: str, made: Any, at: Any) -> None:
        await insert(connection, seller, made, at)
        raise asyncpg.ConnectionDoesNotExistError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(invoices, "insert", cut)
        assert (await close(house)).status == 503
    assert await numbers(house) == []
    together = await asyncio.gather(*(house.parts.invoicing.close(Month.of(LAST), limit=2) for _ in range(4)))
    assert sum(len(each.invoices) for each in together) == 2
    assert {each.after for each in together} == {ids[1]}
    both = await asyncio.gather(*(house.parts.invoicing.close(Month.of(LAST), after=ids[1], limit=9) for _ in range(2)))
    assert sum(len(each.invoices) for each in both) == 5
    assert [number for number, _ in await numbers(house)] == [f"INV-{n:06}" for n in range(1, 8)]
    assert sorted(account for _, account in await numbers(house)) == ids


async def test_nothing_is_billed_twice_and_nothing_is_left_out_through_kills(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three programs close a month at the same time; they are killed before their commits, or behind them."""
    ids = await furnished(house, *(f"account{n}" for n in range(12)))
    month, invoicing, insert = Month.of(LAST), house.parts.invoicing, invoices.insert
    issue = invoicing._issue
    kills, chance = {"before": 0, "behind": 0}, random.Random(14)

    def is_killed(when: str) -> bool:
        kills[when] += (falls := kills[when] < 8 and chance.random() < 0.6)
        return falls

    async def inserted(connection: Any, seller: str, made: Any, at: Any) -> None:
        await insert(connection, seller, made, at)
        if is_killed("before"):
            await connection.fetchval("select pg_terminate_backend(pg_backend_pid())")

    async def issued(*args: Any) -> Any:
        found = await issue(*args)
        if is_killed("behind"):
            raise asyncpg.ConnectionDoesNotExistError("the answer to the commit is lost")
        return found

    monkeypatch.setattr(invoices, "insert", inserted)
    monkeypatch.setattr(invoicing, "_issue", issued)

    async def closing() -> None:
        after: str | None = ""
        while after is not None:
            with contextlib.suppress(SimwardenError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                after = (await invoicing.close(month, after=after, limit=2)).after

    async with asyncio.timeout(120):
        await asyncio.gather(*(closing() for _ in range(3)))
    assert kills["before"] >= 1
    assert kills["behind"] >= 1
    rows = await house.db.fetch("select serial, account_id, net from invoice order by serial")
    assert [row["serial"] for row in rows] == list(range(1, len(ids) + 1))
    assert sorted(row["account_id"] for row in rows) == ids
    assert {row["net"] for row in rows} == {Decimal("1.00")}


async def test_nobody_changes_what_was_issued(house: House) -> None:
    await furnished(house)
    await close(house)
    row = (await house.db.fetch("select * from invoice where serial = 1"))[0]
    assert row["digest"] == hashlib.sha256(row["document"].encode()).digest()
    for statement in (
        "update invoice set total = 0",
        "update invoice set document = document",
        "delete from invoice",
        "truncate invoice",
        "truncate invoice, invoice_series",
        "delete from invoice_series",
        "update invoice_series set last = last - 1",
        _COPY.format(5),
        _COPY.format(1),
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await house.db.execute(statement)
    assert len(await numbers(house)) == 2


async def test_invoices_are_files_too(house: House) -> None:
    await furnished(house)
    assert (await close(house, account="meters")).status == 200
    for suffix, media_type, begins in (
        ("pdf", "application/pdf", b"%PDF-"),
        ("xml", "application/xml", b"<?xml"),
        ("csv", "text/csv", b"number,kind"),
    ):
        reply = await house.manage("GET", f"/invoices/INV-000001/{suffix}")
        assert reply.headers["content-type"].startswith(media_type)
        assert reply.headers["content-disposition"] == f'attachment; filename="INV-000001.{suffix}"'
        assert reply.body.startswith(begins)


async def asked(house: House, method: str, path: str, token: str, body: Any = None) -> Any:
    """By a customer; the answer is held against the contract."""
    reply = await house._call(method, f"/billing/v1{path}", body, token, ())
    contract.ours("billing").check(method, path.partition("?")[0], reply)
    return reply


async def test_customers_see_their_own_bills_and_no_others(house: House) -> None:
    await furnished(house)
    await house.manage("POST", "/seller", {**SELLER, "invoicePrefix": "A-"})
    assert (await close(house)).status == 200
    own = (await house.manage("GET", "/invoices?account=meters")).json["invoices"][0]["number"]
    theirs = (await house.manage("GET", "/invoices?account=stranger")).json["invoices"][0]["number"]
    bill = await asked(house, "POST", "/retrieve-bill", house.customer, {"month": MONTH})
    assert (bill.json["total"], bill.json["final"], "account" in bill.json) == ("1.23", True, False)
    assert (await asked(house, "POST", "/retrieve-bill", house.customer, {})).json["total"] == "0.00"
    listed = (await asked(house, "GET", "/invoices", house.customer)).json
    assert [each["number"] for each in listed] == [own]
    note = (await house.manage("POST", f"/invoices/{own}/credit-notes", {"reason": "x"})).json["number"]
    page = await asked(house, "GET", "/invoices?perPage=1", house.customer)
    assert [each["number"] for each in page.json] == [note]
    following = re.findall(r"<(.*)>", page.headers["link"])[0]
    assert [each["number"] for each in (await asked(house, "GET", f"/invoices{following}", house.customer)).json] == [
        own
    ]
    shown = await asked(house, "GET", f"/invoices/{own}", house.customer)
    assert (shown.json["net"], shown.json["plan"]) == ("1.00", "p")
    for suffix, begins in (("pdf", b"%PDF-"), ("xml", b"<?xml")):
        reply = await asked(house, "GET", f"/invoices/{own}/{suffix}", house.customer)
        assert reply.body.startswith(begins)
        assert reply.headers["cache-control"] == "no-store"
        foreign = await asked(house, "GET", f"/invoices/{theirs}/{suffix}", house.customer)
        unknown = await asked(house, "GET", f"/invoices/A-9/{suffix}", house.customer)
        assert (foreign.status, foreign.json) == (unknown.status, unknown.json) == (404, foreign.json)
    assert (await asked(house, "GET", f"/invoices/{theirs}", house.customer)).status == 404
    for body, status in (
        ({"month": "2090-01"}, 409),
        ({"month": "2020-01"}, 404),
        ({"month": "now"}, 400),
        ({"x": 1}, 400),
    ):
        assert (await asked(house, "POST", "/retrieve-bill", house.customer, body)).status == status
    for query in ("perPage=0", "perPage=101", "cursor=x"):
        assert (await asked(house, "GET", f"/invoices?{query}", house.customer)).status == 400
    before = await house.db.fetchval("select coalesce(sum(count), 0) from usage_count")
    await house.reads.flush()
    assert await house.db.fetchval("select coalesce(sum(count), 0) from usage_count") == before  # none is charged


async def test_the_commands(database: Database, database_url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database_url) as url:
        shell = Shell(
            {
                "SIMWARDEN_DATABASE_URL": database_url,
                "SIMWARDEN_DATA_DIR": str(tmp_path / "data"),
                "SIMWARDEN_HOST": "127.0.0.1",
                "SIMWARDEN_PORT": str(urlsplit(url).port),
                "COLUMNS": "200",
            }
        )
        account = (await shell.told("account", "create", "ACME"))["id"]
        plan = tmp_path / "plan.json"
        plan.write_text(json.dumps(PLAN))
        assert (await shell("plan", "set", "p", "--from", "2026-01", "--file", str(plan))).exit_code == 0
        await shell.told("plan", "assign", "ACME", "p", "--from", "2026-01")
        assert [row["name"] for row in await shell.told("plan", "list")] == ["p"]
        async with database.transaction() as connection:
            await usage.count(connection, {(LAST.replace(day=1), 1, Usage(account, "app", "api", "query")): 100})
        assert "Calls" in (await shell("plan", "preview", "ACME", "--month", MONTH)).output
        await shell.told("invoice", "set-seller", "--name", "Example Mobile Ltd", "--iban", "IE29AIBK93115212345678")
        await shell.told("invoice", "set-buyer", "ACME", "--name", "ACME Metering", "--postal-code", "13353")
        if datetime.combine(THIS, time(1), UTC) > NOW:
            return  # in the first hour of a month the one before cannot be closed yet
        assert len((await shell.told("invoice", "close"))["invoices"]) == 1
        assert "1.23" in (await shell("invoice", "show", "INV-000001")).output
        file = tmp_path / "one.xml"
        assert (await shell("invoice", "save", "INV-000001", "--to", str(file))).exit_code == 0
        assert file.read_bytes().startswith(b"<?xml")
        note = await shell.told("invoice", "credit", "INV-000001", "--reason", "Outage", "--net", "0.10")
        assert note["total"] == "0.12"
        assert [row["number"] for row in await shell.told("invoice", "list")] == ["CN-000001", "INV-000001"]


async def test_a_resellers_bill_has_what_the_accounts_below_it_use(house: House) -> None:
    """But for those that a plan of their own charges: nothing is on two bills, and nothing on none."""
    await furnished(house)
    ids = {}
    for name, parent in (("ACME", None), ("ACME.a", "ACME"), ("ACME.b", "ACME"), ("ACME.a.x", "ACME.a")):
        body = {"name": name} | ({} if parent is None else {"parent": parent})
        ids[name] = (await house.manage("POST", "/accounts", body)).json["id"]
    for n, account_id in enumerate(ids.values()):
        await count(house, account_id, LAST, 10**n)
    plan = {"plan": "p", "validFrom": "2026-01"}
    await house.manage("POST", "/accounts/ACME/plan", plan)

    async def quantity(name: str) -> int:
        bill = (await house.manage("GET", f"/accounts/{name}/bill?month={MONTH}")).json
        return sum(charge["quantity"] for charge in bill["charges"])

    assert await quantity("ACME") == 1111
    await house.manage("POST", "/accounts/ACME.a/plan", plan)
    assert (await quantity("ACME"), await quantity("ACME.a")) == (101, 1010)
    day = ServiceDay(LAST, 7, 7, 7, 7)
    await house.db.execute(
        "insert into service_day (account_id, service, day, change, new_day, new_month, new_year) "
        "values ($1, 'BINDING', $2, $3, $4, $5, $6)",
        *(ids["ACME.b"], day.day, day.change, day.new_day, day.new_month, day.new_year),
    )
    sims = {**PLAN, "sims": [{"name": "SIMs", "service": "BINDING", "per": "month", "tiers": [{"price": "1"}]}]}
    await house.manage("POST", "/plans", {"name": "p", "validFrom": "2026-01", "plan": sims})
    bill = (await house.manage("GET", f"/accounts/ACME/bill?month={MONTH}")).json
    assert [charge["quantity"] for charge in bill["charges"]] == [101, 7]
    assert (await close(house)).status == 200
    rows = await house.db.fetch("select account_id from invoice where account_id = any ($1)", list(ids.values()))
    assert {row["account_id"] for row in rows} == {ids["ACME"], ids["ACME.a"]}


async def test_after_a_restore_no_number_is_given_until_the_last_ones_are_confirmed(house: House) -> None:
    """The backup knows one invoice; two more and a credit note had left the house."""
    await furnished(house, "third")
    assert (await close(house, account="meters")).status == 200
    assert (await house.manage("POST", "/seller/numbers", {"lastInvoice": 9, "lastCreditNote": 0})).status == 409
    await house.db.execute("update invoice_series set home = 'the server that is gone'")
    refused = await close(house)
    assert (refused.status, "knows 1 invoices and 0 credit notes" in refused.json["message"]) == (409, True)
    credit = await house.manage("POST", "/invoices/INV-000001/credit-notes", {"reason": "x"})
    assert (credit.status, credit.json["message"]) == (409, refused.json["message"])
    assert [number for number, _ in await numbers(house)] == ["INV-000001"]
    for wrong in ({"lastInvoice": 3}, {"lastInvoice": -1, "lastCreditNote": 0}, {"lastCreditNote": "1"}):
        assert (await house.manage("POST", "/seller/numbers", wrong)).status == 400
    confirmed = await house.manage("POST", "/seller/numbers", {"lastInvoice": 3, "lastCreditNote": 1})
    assert confirmed.status == 204
    assert [each["number"] for each in (await close(house)).json["invoices"]] == ["INV-000004", "INV-000005"]
    note = await house.manage("POST", "/invoices/INV-000001/credit-notes", {"reason": "x"})
    assert note.json["number"] == "CN-000002"
    await house.db.execute("update invoice_series set home = 'once more'")
    assert (await house.manage("POST", "/seller/numbers", {"lastInvoice": 1, "lastCreditNote": 1})).status == 204
    last = await house.db.fetch("select last, confirmed from invoice_series order by kind")
    assert [tuple(row) for row in last] == [(2, 1), (5, 3)], "what this database knows is never given again either"
