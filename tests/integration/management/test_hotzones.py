"""Named hotzones through the management API and the command line."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.integration.management.house import House
from tests.integration.management.test_commands import Shell, shell

from simwarden.kit.clock import now_utc
from simwarden.store import hotzones
from simwarden.store.hotzones import MOST_LISTS, MOST_VERSIONS, HotzoneListNotFound, TooManyHotzoneLists

__all__ = ["shell"]
PATH = "/accounts/Bank/hotzones"


@pytest.fixture
async def owner(house: House) -> str:
    """A new account's id."""
    found: str = (await house.manage("POST", "/accounts", {"name": "Bank"})).json["id"]
    return found


def without_time(answer: Any) -> list[tuple[str, list[str], int]]:
    """The lists of an answer."""
    return [(each["name"], each["zones"], each["version"]) for each in answer["hotzones"]]


async def test_lists_are_set_changed_and_removed_and_their_history_stays(house: House, owner: str) -> None:
    made = await house.manage("POST", PATH, {"name": "asia", "zones": ["MM", "KH", "+85620", "KH"]})
    assert made.status == 200
    assert (made.json["zones"], made.json["version"]) == (["+85620", "KH", "MM"], 1)
    again = await house.manage("POST", PATH, {"name": "asia", "zones": ["KH", "MM", "+85620"]})
    assert again.json == made.json, "nothing has changed"
    await house.manage("POST", PATH, {"name": "asia", "zones": ["KH"]})
    await house.manage("POST", PATH, {"name": "space", "zones": ["001"]})
    listed = (await house.manage("GET", PATH)).json
    assert listed["account"] == owner
    assert without_time(listed) == [("asia", ["KH"], 2), ("space", ["001"], 1)]
    assert (await house.manage("DELETE", f"{PATH}?name=asia")).status == 204
    assert (await house.manage("DELETE", f"{PATH}?name=asia")).status == 404
    assert without_time((await house.manage("GET", PATH)).json) == [("space", ["001"], 1)]
    history = without_time((await house.manage("GET", f"{PATH}?name=asia")).json)
    assert history == [("asia", ["+85620", "KH", "MM"], 1), ("asia", ["KH"], 2), ("asia", [], 3)]
    await house.manage("POST", PATH, {"name": "asia", "zones": ["KH"]})
    assert without_time((await house.manage("GET", f"{PATH}?name=asia")).json)[-1] == ("asia", ["KH"], 4)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"zones": ["KH"]}, "name"),
        ({"name": "asia"}, "zones"),
        ({"name": "", "zones": ["KH"]}, "name"),
        ({"name": "a b", "zones": ["KH"]}, "name"),
        ({"name": "asia\n", "zones": ["KH"]}, "name"),
        ({"name": "asia", "zones": []}, "zones"),
        ({"name": "asia", "zones": ["ZZ"]}, "'ZZ' is neither"),
        ({"name": "asia", "zones": ["kh"]}, "'kh' is neither"),
        ({"name": "asia", "zones": ["+0"]}, "'+0' is neither"),
        ({"name": "asia", "zones": ["+123456"]}, "zones"),
        ({"name": "asia", "zones": ["KH"] * 301}, "zones"),
        ({"name": "asia", "zones": ["KH"], "more": 1}, "more"),
    ],
)
async def test_what_is_no_list(house: House, owner: str, body: dict[str, Any], says: str) -> None:
    reply = await house.manage("POST", PATH, body)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert says in reply.json["message"]
    assert (await house.manage("GET", PATH)).json == {"account": owner, "hotzones": []}


async def test_what_is_not_there(house: House, owner: str) -> None:
    assert owner
    for method, path in (
        ("GET", "/accounts/Nobody/hotzones"),
        ("GET", f"{PATH}?name=none"),
        ("DELETE", f"{PATH}?name=none"),
    ):
        assert (await house.manage(method, path)).status == 404, path
    assert (await house.manage("DELETE", PATH)).status == 400
    assert (await house.manage("GET", f"{PATH}?nam=x")).status == 400


async def test_an_account_with_lists_can_be_deleted(house: House, owner: str) -> None:
    await house.manage("POST", PATH, {"name": "asia", "zones": ["KH"]})
    assert (await house.manage("DELETE", f"/accounts/{owner}")).status == 204
    assert await house.db.fetchval("select count(*) from hotzone_list") == 0


async def test_lists_and_versions_have_their_bounds(house: House, owner: str) -> None:
    now = now_utc()
    await asyncio.gather(*(hotzones.change(house.db, owner, f"list-{n}", ["KH"], now) for n in range(MOST_LISTS)))
    with pytest.raises(TooManyHotzoneLists, match="100 lists"):
        await hotzones.change(house.db, owner, "more", ["KH"], now)
    reply = await house.manage("POST", PATH, {"name": "more", "zones": ["KH"]})
    assert (reply.status, reply.json["code"]) == (429, "QUOTA_EXCEEDED")
    for n in range(MOST_VERSIONS + 5):
        await hotzones.change(house.db, owner, "list-0", ["KH" if n % 2 else "MM"], now)
    kept = await hotzones.history(house.db, owner, "list-0")
    assert [each.version for each in kept] == list(range(7, MOST_VERSIONS + 7))
    with pytest.raises(HotzoneListNotFound):
        await hotzones.change(house.db, owner, "none", [], now)


async def test_one_who_changes_a_list_waits_for_the_other(house: House, owner: str) -> None:
    zones = ["KH", "MM", "LA", "VN", "TH", "PH", "ID", "MY"]
    now = now_utc()
    made = await asyncio.gather(*(hotzones.change(house.db, owner, "asia", [zone], now) for zone in zones))
    assert sorted(each.version for each in made) == list(range(1, 9))


async def test_the_command_line(shell: Shell) -> None:
    await shell.told("account", "create", "Bank")
    made = await shell.told("account", "hotzone", "set", "Bank", "asia", "--zone", "KH,MM", "--zone", "+85620")
    assert made["zones"] == ["+85620", "KH", "MM"]
    listed = await shell("account", "hotzone", "list", "Bank")
    assert "asia" in listed.stdout
    assert (await shell("account", "hotzone", "remove", "Bank", "asia")).exit_code == 0
    history = await shell.told("account", "hotzone", "list", "Bank", "--name", "asia")
    assert [each["version"] for each in history] == [1, 2]
    refused = await shell("account", "hotzone", "set", "Bank", "asia", "--zone", "ZZ")
    assert refused.exit_code == 1
    assert "neither a country" in refused.output
