"""Usage of operations on many SIMs, and how the operator sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.management.house import House, imsi, phone

from simwarden.engine import provision
from simwarden.store import usage as store


def devices(*numbers: int) -> dict[str, Any]:
    return {"devices": [{"phoneNumber": phone(number)} for number in numbers]}


async def counted(house: House) -> dict[str, int]:
    await house.reads.flush()
    return {row.operation: row.count for row in await store.totals(house.db)}


async def test_each_device_that_was_done_counts_once(house: House) -> None:
    key = [("idempotency-key", "k-1")]
    for _ in range(2):
        reply = await house.life("POST", "/suspend", devices(0, 1, 2, 1_000_000), headers=key)
        assert reply.status == 202
        await house.work()
    await house.life("POST", "/suspend", devices(2, 3))
    await house.work()
    await house.life("POST", "/restore", devices(0))
    await house.work()
    new = [{"imsi": imsi(number)} for number in (0, 500, 501)]
    await house.life("POST", "/add", {"devices": new})
    await house.work()
    await house.life("POST", "/retrieve-status", {"device": {"phoneNumber": phone(0)}})
    await house.life("POST", "/restore", devices(9))  # 409: it is ACTIVE
    done = {"suspendDevices": 4, "restoreDevices": 1, "addDevices": 2, "retrieveStatus": 1}
    assert await counted(house) == {**done, "suspendDevices/unknown": 1}


async def test_the_operators_work_is_not_the_customers_usage(house: House) -> None:
    await house.manage("POST", f"/sims/{imsi(0)}/actions", {"action": "suspend"})
    begun = (await house.manage("POST", "/bulk", {"action": "suspend", "filter": {"account": "meters"}})).json
    await house.work()
    ready = (await house.manage("GET", f"/operations/{begun['id']}")).json
    await house.manage("POST", f"/operations/{begun['id']}/confirm", {"confirmToken": ready["confirmToken"]})
    await house.work()
    assert (await house.manage("GET", f"/operations/{begun['id']}")).json["counts"]["done"] == 19
    assert await counted(house) == {}


@pytest.mark.parametrize("refusal", ["22012", "54000", "P0001", "XX000"])
async def test_an_item_that_spoils_its_batch_does_not_count_and_the_others_once(
    house: House, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    insert = provision.insert

    async def spoilt(connection: Any, account_id: str, rows: Any, cause: Any) -> Any:
        found = await insert(connection, account_id, rows, cause)
        if any(row.sim.imsi == imsi(601) for row in rows):
            await connection.execute(f"do $$ begin raise exception 'no' using errcode = '{refusal}'; end $$")
        return found

    monkeypatch.setattr(provision, "insert", spoilt)
    await house.life("POST", "/add", {"devices": [{"imsi": imsi(600 + number)} for number in range(4)]})
    await house.work()
    assert await counted(house) == {"addDevices": 3}


async def test_the_operator_sees_it_page_by_page(house: House) -> None:
    await house.life("POST", "/suspend", devices(0, 1))
    await house.life("POST", "/deactivate", devices(2, 3, 4))
    await house.work()
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (await house.manage("GET", f"/usage?account=meters&limit=1{cursor}")).json
        rows += page["usage"]
        if "nextCursor" not in page:
            break
        cursor = f"&cursor={page['nextCursor']}"
    today = datetime.now(UTC).date()
    assert [(row["operation"], row["count"], row["account"]) for row in rows] == [
        ("deactivateDevices", 3, house.account.id),
        ("suspendDevices", 2, house.account.id),
    ]
    app_key = rows[0]["appKey"]
    assert (await house.manage("GET", f"/usage?application={app_key}&since={today}&until={today}")).json[
        "usage"
    ] == rows
    for query in ("account=stranger", "application=swk_x", f"since={today + timedelta(days=2)}", "until=2020-01-01"):
        assert (await house.manage("GET", f"/usage?{query}")).json == {"usage": []}
    for query, says in (
        ("since=yesterday", "since must be a day"),
        ("until=2026-11-21T00:00:00Z", "until must be a day"),
        ("since=2026-11-21&until=2026-11-20", "not be later"),
        ("account=", "account"),
    ):
        refused = await house.manage("GET", f"/usage?{query}")
        assert (refused.status, says in refused.json["message"]) == (400, True), query
