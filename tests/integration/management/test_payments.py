"""Rules for payments through the management API and the command: set, judged, counted page by page, removed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest
from tests.integration.management.house import imsi
from tests.integration.management.test_commands import Shell
from tests.support.server import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.management.house import House

RULES = {"iotOnly": False, "tenureDays": 90, "simSwapHours": 72}
PATH = "/accounts/meters/payment-rules"


async def count(house: House, **query: Any) -> dict[str, Any]:
    """The sums over all pages."""
    total: dict[str, Any] = {"sims": 0, "eligible": 0, "failed": {}}
    while True:
        reply = await house.manage("GET", f"/accounts/meters/payment-eligibility?{urlencode(query)}")
        assert reply.status == 200, reply.body
        page = reply.json
        total["sims"] += page["sims"]
        total["eligible"] += page["eligible"]
        for each in page["failed"]:
            before = total["failed"].get(each["rule"], (0, 0))
            total["failed"][each["rule"]] = before[0] + each["sims"], before[1] + each["unknown"]
        if "nextCursor" not in page:
            return total
        query["cursor"] = page["nextCursor"]


async def test_rules_are_set_tried_counted_and_removed(house: House) -> None:
    for path in ("/accounts/meters/payment-eligibility", f"/sims/{imsi(1)}/payment-eligibility"):
        assert (await house.manage("GET", path)).status == 404
    assert await count(house, tenureDays=90, limit=7) == {"sims": 20, "eligible": 0, "failed": {"tenure": (20, 20)}}
    assert await count(house, iotOnly="true") == {"sims": 20, "eligible": 0, "failed": {"profile": (20, 0)}}
    made = await house.manage("POST", PATH, {"tenureDays": 90, "simSwapHours": 72})
    assert (made.status, made.json) == (200, RULES)
    assert await count(house, limit=3) == {
        "sims": 20,
        "eligible": 0,
        "failed": {"tenure": (20, 20), "simSwap": (20, 0)},
    }
    await house.db.execute(
        "update sim set created_at = created_at - interval '100 days' where imsi <= $1",
        imsi(4),
    )
    await house.db.execute("update sim set lifecycle = 'SUSPENDED' where imsi = $1", imsi(0))
    assert await count(house) == {
        "sims": 20,
        "eligible": 4,
        "failed": {"lifecycle": (1, 0), "tenure": (15, 15), "simSwap": (15, 0)},
    }
    good, bad = [(await house.manage("GET", f"/sims/{imsi(n)}/payment-eligibility")).json for n in (4, 5)]
    assert good == {
        "imsi": imsi(4),
        "account": "meters",
        "rules": RULES,
        "eligible": True,
        "results": [
            {"rule": rule, "passed": True, "known": True}
            for rule in ("profile", "lifecycle", "bars", "tenure", "simSwap")
        ],
    }
    assert (bad["eligible"], bad["code"]) == (False, "TENURE_TOO_SHORT")
    assert bad["results"][3] == {
        "rule": "tenure",
        "passed": False,
        "known": False,
        "code": "TENURE_TOO_SHORT",
        "message": "The phone number is too new here, or that is not known",
    }
    changed = await house.manage("PATCH", "/accounts/meters", {"strict": True})
    assert changed.status == 200
    assert (await house.manage("GET", f"/sims/{imsi(4)}/payment-eligibility")).json["rules"] == RULES, "they stay"
    assert (await house.manage("DELETE", PATH)).status == 204
    assert (await house.manage("GET", f"/sims/{imsi(4)}/payment-eligibility")).status == 404
    acts = json.dumps((await house.manage("GET", "/audit")).json)
    assert "setPaymentRules" in acts
    assert "removePaymentRules" in acts


@pytest.mark.parametrize(
    "body",
    [
        {"tenureDays": 0},
        {"tenureDays": 3651},
        {"simSwapHours": 2401},
        {"deviceSwapHours": 1.5},
        {"recycledDays": "30"},
        {"iotOnly": "yes"},
        {"more": 1},
        [],
    ],
)
async def test_rules_that_are_none_are_refused(still: House, body: Any) -> None:
    refused = await still.manage("POST", PATH, body)
    assert (refused.status, refused.json["code"]) == (400, "INVALID_ARGUMENT")
    assert (await still.manage("GET", "/accounts/meters/payment-eligibility")).status == 404


@pytest.mark.parametrize(
    "query",
    [
        "tenureDays=0",
        "tenureDays=3651",
        "tenureDays=x",
        "recycledDays=-1",
        "simSwapHours=%D9%A1",
        "iotOnly=1",
        "x=1",
        "tenureDays=1&tenureDays=2",
        "iotOnly=true&cursor=x",
        "tenureDays=1&limit=1001",
    ],
)
async def test_queries_that_are_none_are_refused(still: House, query: str) -> None:
    for path in ("/accounts/meters", f"/sims/{imsi(1)}"):
        if "/sims" in path and ("cursor" in query or "limit" in query):
            continue
        refused = await still.manage("GET", f"{path}/payment-eligibility?{query}")
        assert (refused.status, refused.json["code"]) == (400, "INVALID_ARGUMENT")


async def test_it_is_the_operators_alone(still: House) -> None:
    for token in (still.customer, still.reader):
        assert (await still.manage("POST", PATH, {}, token=token)).status == 403
        assert (await still.manage("DELETE", PATH, token=token)).status == 403
    path = "/accounts/meters/payment-eligibility?iotOnly=true"
    assert (await still.manage("GET", path, token=still.customer)).status == 403
    assert (await still.manage("GET", path, token=still.reader)).status == 200
    assert (await still.manage("GET", "/accounts/nobody/payment-eligibility")).status == 404
    assert (await still.manage("GET", "/sims/nobody/payment-eligibility")).status == 404


async def test_the_commands(database_url: str, tmp_path: Path) -> None:
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
        await shell.told("account", "create", "ACME")
        file = tmp_path / "sims.csv"
        rows = [f"46000099{n:07},+861380000{n:04},{'2024-01-01T00:00:00Z' if n % 4 else ''}" for n in range(1203)]
        file.write_text("imsi,msisdn,activated\n" + "\n".join(rows) + "\n")
        imported = await shell("sim", "import", str(file), "--account", "ACME")
        assert imported.exit_code == 0, imported.output
        missing = await shell("eligibility", "dry-run", "ACME")
        assert (missing.exit_code, "has no rules for payments" in missing.output) == (1, True)
        tried = await shell.told("eligibility", "dry-run", "ACME", "--tenure-days", "90")
        assert tried == {
            "rules": {"iotOnly": False, "tenureDays": 90},
            "sims": 1203,
            "eligible": 902,
            "failed": [{"rule": "tenure", "sims": 301, "unknown": 301}],
        }
        rules = await shell.told("eligibility", "set", "ACME", "--tenure-days", "90", "--device-swap-hours", "24")
        assert rules == {"iotOnly": False, "tenureDays": 90, "deviceSwapHours": 24}
        told = await shell("eligibility", "dry-run", "ACME")
        assert told.exit_code == 0, told.output
        assert "device swap 24 h" in told.output
        assert "of which not known: 1203" in told.output
        judged = await shell("eligibility", "check", "+8613800000001")
        assert "no: DEVICE_SWAPPED" in judged.output
        assert "FAILED (not known)" in judged.output
        allowed = await shell("eligibility", "check", "+8613800000001", "--tenure-days", "90")
        assert "yes" in allowed.output
        gone = await shell("eligibility", "remove", "ACME")
        assert gone.exit_code == 0, gone.output
        assert (await shell("eligibility", "check", "+8613800000001")).exit_code == 1
