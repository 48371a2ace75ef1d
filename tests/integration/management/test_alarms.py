"""`/manage/v1/alarms`, and the commands over it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.integration.management.house import imsi
from tests.integration.management.test_commands import Shell, shell

from simwarden.domain.alarm import AlarmKind, Trouble, of_gateway
from simwarden.kit.clock import now_utc
from simwarden.store import alarms

if TYPE_CHECKING:
    from tests.integration.management.house import House

    from simwarden.store.database import Database

__all__ = ["shell"]


async def make(db: Database, account_id: str | None = None) -> None:
    """Three gateways' silence, the second one's over, and a SIM that is not locked."""
    ids = await db.fetch(
        "insert into gateway (name, token_hash) select 'gw' || n, n::text::bytea from generate_series(1, 3) n"
        " returning id"
    )
    silent = [of_gateway(AlarmKind.GATEWAY_SILENT, row["id"], reportInterval=60) for row in ids]
    stolen = Trouble(
        kind=AlarmKind.ENFORCEMENT_FAILED,
        subject=f"{imsi(1)}@1:2.0",
        gateway_id=ids[0]["id"],
        imsi=imsi(1),
        account_id=account_id,
        facts={"imsi": imsi(1), "command": "lock", "port": 2, "reason": "no"},
    )
    async with db.transaction() as connection:
        await alarms.raise_all(connection, [*silent, stolen], now_utc())
        await alarms.clear_all(connection, [silent[1].key], now_utc(), "The gateway reports again")


async def test_alarms_are_listed_by_filter_and_page(house: House) -> None:
    await make(house.db, house.account.id)
    everything = (await house.manage("GET", "/alarms")).json["alarms"]
    assert len(everything) == 4
    pages, path = [], "/alarms?limit=3"
    while path:
        page = (await house.manage("GET", path)).json
        pages += page["alarms"]
        path = f"/alarms?limit=3&cursor={page['nextCursor']}" if "nextCursor" in page else ""
    assert pages == everything

    async def found(query: str) -> list[tuple[str, str | None]]:
        rows = (await house.manage("GET", f"/alarms?{query}")).json["alarms"]
        return [(row["kind"], row.get("gateway")) for row in rows]

    assert await found("state=CLEARED") == [("GATEWAY_SILENT", "gw2")]
    assert await found("state=OPEN&kind=GATEWAY_SILENT") == [("GATEWAY_SILENT", "gw3"), ("GATEWAY_SILENT", "gw1")]
    assert await found("severity=CRITICAL") == [("ENFORCEMENT_FAILED", "gw1")]
    assert await found(f"sim={imsi(1)}") == await found("account=meters") == [("ENFORCEMENT_FAILED", "gw1")]
    assert await found("gateway=gw1&kind=GATEWAY_SILENT") == [("GATEWAY_SILENT", "gw1")]
    assert await found("acknowledged=true") == []
    assert len(await found("acknowledged=false")) == 4


async def test_an_alarm_says_what_is_wrong_why_and_what_to_do(house: House) -> None:
    await make(house.db, house.account.id)
    (row,) = (await house.manage("GET", "/alarms?severity=CRITICAL")).json["alarms"]
    shown = (await house.manage("GET", f"/alarms/{row['id']}")).json
    assert shown == row
    assert shown["what"].startswith(f"SIM {imsi(1)} cannot be locked at gateway gw1, port 2.")
    assert f"simwarden sim explain {imsi(1)}" in shown["todo"]
    assert (shown["account"], shown["count"], shown["state"]) == ("meters", 1, "OPEN")


async def test_an_alarm_is_acknowledged_by_whoever_was_first(house: House) -> None:
    await make(house.db)
    (row,) = (await house.manage("GET", "/alarms?severity=CRITICAL")).json["alarms"]
    taken = (await house.manage("POST", f"/alarms/{row['id']}/acknowledge")).json
    assert taken["acknowledgedBy"].startswith("ops (")
    again = (await house.manage("POST", f"/alarms/{row['id']}/acknowledge")).json
    assert again["acknowledgedAt"] == taken["acknowledgedAt"]
    refused = await house.manage("POST", f"/alarms/{row['id']}/acknowledge", token=house.reader)
    assert refused.status == 403


@pytest.mark.parametrize("id_", ["0", "99999999", "x", "-1", "9" * 30, "%00"])
async def test_an_alarm_that_is_not_there(house: House, id_: str) -> None:
    assert (await house.manage("GET", f"/alarms/{id_}")).status == 404
    assert (await house.manage("POST", f"/alarms/{id_}/acknowledge")).status == 404


@pytest.mark.parametrize("query", ["state=HALF", "kind=BAD", "severity=", "acknowledged=yes", "limit=0", "what=1"])
async def test_a_wrong_parameter_is_refused(house: House, query: str) -> None:
    assert (await house.manage("GET", f"/alarms?{query}")).status == 400


async def test_commands_list_show_and_acknowledge(shell: Shell, database: Database) -> None:
    assert "No alarms" in (await shell("alarm", "list")).output
    await make(database)
    open_ones = await shell.told("alarm", "list")
    assert [row["state"] for row in open_ones] == ["OPEN"] * 3
    assert len(await shell.told("alarm", "list", "--all")) == 4
    assert len(await shell.told("alarm", "list", "--kind", "gateway_silent", "--gateway", "gw1")) == 1
    (critical,) = await shell.told("alarm", "list", "--severity", "CRITICAL")
    listed = await shell("alarm", "list")
    assert "cannot be locked" in listed.output
    shown = await shell("alarm", "show", str(critical["id"]))
    assert "What to do" in shown.output
    taken = json.loads((await shell("alarm", "ack", str(critical["id"]), "--json")).stdout)
    assert taken["acknowledgedBy"]
    assert len(await shell.told("alarm", "list", "--not-acknowledged")) == 2
    missing = await shell("alarm", "show", "99999")
    assert missing.exit_code == 1
    assert "No alarm has this number" in missing.output
    for arguments in (["alarm"], ["alarm", "list"], ["alarm", "show"], ["alarm", "ack"]):
        assert (await shell(*arguments, "--help")).exit_code == 0
