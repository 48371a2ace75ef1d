"""Limits of calls through the management API and the command line."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.management.house import House
from tests.integration.management.test_commands import Shell, shell

from simwarden.domain.usage import Usage
from simwarden.kit.clock import now_utc
from simwarden.store import call_limits, usage

__all__ = ["shell"]
PATH = "/accounts/Bank/limits"


@pytest.fixture
async def app_key(house: House) -> str:
    """Of an application of a new account."""
    await house.manage("POST", "/accounts", {"name": "Bank"})
    found: str = (await house.manage("POST", "/applications", {"account": "Bank", "name": "meters"})).json["appKey"]
    return found


async def listed(house: House, path: str = PATH) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await house.manage("GET", path)).json["limits"]
    return found


async def test_limits_are_set_in_parts_and_taken_away(house: House, app_key: str) -> None:
    made = await house.manage("PATCH", PATH, {"application": "meters", "callsPerSecond": 2.5})
    assert (made.status, made.json) == (200, {"application": app_key, "callsPerSecond": 2.5, "burst": 5})
    for name in (app_key, "Bank/meters"):
        made = await house.manage("PATCH", PATH, {"application": name, "monthlyQuota": 900, "dailyQuota": 70})
    assert made.json == {
        "application": app_key,
        "callsPerSecond": 2.5,
        "burst": 5,
        "dailyQuota": 70,
        "monthlyQuota": 900,
    }
    await house.manage("PATCH", PATH, {"dailyQuota": 1000})
    of_api = {"api": "sim-swap", "operation": "checkSimSwap", "callsPerSecond": 0.5, "burst": 10}
    assert (await house.manage("PATCH", PATH, of_api)).json == of_api
    assert await listed(house) == [{"dailyQuota": 1000}, of_api, made.json]
    assert await listed(house, f"{PATH}?application=meters") == [made.json]
    changed = await house.manage("PATCH", PATH, {"application": "meters", "callsPerSecond": None, "dailyQuota": None})
    assert changed.json == {"application": app_key, "monthlyQuota": 900}
    for _ in range(2):  # what is nothing already stays nothing
        changed = await house.manage("PATCH", PATH, {"application": "meters", "monthlyQuota": None})
        assert changed.json == {"application": app_key}
        assert await listed(house, f"{PATH}?application=meters") == []
    await house.manage("PATCH", PATH, {"application": "meters", "monthlyQuota": 900})
    for query in ("", "?api=sim-swap&operation=checkSimSwap", "?application=meters"):
        assert (await house.manage("DELETE", f"{PATH}{query}")).status == 204
        assert (await house.manage("DELETE", f"{PATH}{query}")).status == 404
    assert await listed(house) == []


async def test_an_application_shows_its_limits_and_what_it_used(house: House, app_key: str) -> None:
    await house.manage("PATCH", PATH, {"application": "meters", "monthlyQuota": 900})
    await house.manage("PATCH", f"/applications/{app_key}", {"dailyQuota": 70})
    account = (await house.manage("GET", "/accounts/Bank")).json["id"]
    today = now_utc().date()
    async with house.db.transaction() as connection:
        await usage.count(connection, {(today, 3, Usage(account, app_key, "sim-swap", "x")): 5})
    found = (await house.manage("GET", f"/applications/{app_key}")).json
    assert found["limits"] == [{"application": app_key, "dailyQuota": 70, "monthlyQuota": 900}]
    assert (found["usedToday"], found["usedThisMonth"]) == (5, 5)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"callsPerSecond": 0}, 400),
        ({"callsPerSecond": "many"}, 400),
        ({"callsPerSecond": 1e9}, 400),
        ({"callsPerSecond": 100, "burst": 50}, 400),
        ({"burst": 50}, 400),
        ({"dailyQuota": 0}, 400),
        ({"operation": "bindDeviceImei", "callsPerSecond": 1}, 400),
        ({"api": "no-such-api", "callsPerSecond": 1}, 400),
        ({"api": "sim-swap", "dailyQuota": 1}, 400),
        ({"other": 1}, 400),
        ({"application": "nobody", "callsPerSecond": 1}, 404),
        ({"application": "Else/app", "callsPerSecond": 1}, 404),
    ],
)
async def test_what_cannot_be_set(house: House, app_key: str, body: dict[str, Any], status: int) -> None:
    assert app_key
    await house.manage("POST", "/accounts", {"name": "Else"})
    await house.manage("POST", "/applications", {"account": "Else", "name": "app"})
    assert (await house.manage("PATCH", PATH, body)).status == status
    assert await listed(house) == []


async def test_an_account_has_so_many_limits_and_none_when_it_is_gone(
    house: House, app_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_limits, "MOST", 1)
    assert (await house.manage("PATCH", PATH, {"callsPerSecond": 5})).status == 200
    assert (await house.manage("PATCH", PATH, {"callsPerSecond": 6})).status == 200
    assert (await house.manage("PATCH", PATH, {"api": "sim-swap", "callsPerSecond": 5})).status == 429
    await house.manage("POST", f"/applications/{app_key}/revoke", {})
    assert (await house.manage("DELETE", "/accounts/Bank")).status == 204
    assert await house.db.fetchval("select count(*) from call_limit") == 0


async def test_at_the_command_line(shell: Shell) -> None:
    await shell("account", "create", "Bank")
    assert (await shell("app", "create", "--account", "Bank", "--name", "meters")).exit_code == 0
    done = await shell(
        "account", "limit", "set", "Bank", "--application", "meters", "--rate", "2.5", "--monthly", "900"
    )
    assert done.exit_code == 0, done.output
    assert "all calls: 2.5 a second, 5 at once; 900 a month" in done.output
    assert "swk_" in (await shell("account", "limit", "list", "Bank")).output
    shown = (await shell("app", "show", "Bank/meters")).output
    assert "all calls: 2.5 a second, 5 at once; 900 a month" in shown
    assert "0 counted calls today, 0 this month (UTC)" in shown
    await shell("account", "limit", "set", "Bank", "--application", "meters", "--monthly", "none")
    assert (await shell("account", "limit", "remove", "Bank", "--application", "meters")).exit_code == 0
    assert "No limits yet" in (await shell("account", "limit", "list", "Bank")).output
