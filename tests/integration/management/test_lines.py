"""Fixed lines through the management API and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.house import House, phone
from tests.integration.management.test_commands import Shell, shell
from tests.integration.management.test_lifecycle_api import run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shell"]
LINE: dict[str, Any] = {
    "account": "Telco",
    "number": "+34910000001",
    "latitude": 40.4168,
    "longitude": -3.7038,
    "radius": 50,
    "networks": ["203.0.113.7", "2001:DB8:7::/56"],
    "installedAt": "2024-05-01T12:00:00Z",
}


async def account(house: House) -> str:
    """A new account's id."""
    made = await house.manage("POST", "/accounts", {"name": LINE["account"]})
    assert made.status == 201
    found: str = made.json["id"]
    return found


async def test_a_line_is_created_shown_listed_and_deleted(house: House) -> None:
    owner = await account(house)
    made = await house.manage("POST", "/lines", LINE)
    assert made.status == 201
    assert made.headers["location"] == "/manage/v1/lines/+34910000001"
    stored = {**LINE, "account": owner, "networks": ["2001:db8:7::/56", "203.0.113.7/32"]}
    assert made.json == stored
    shown = (await house.manage("GET", "/lines/+34910000001")).json
    assert sorted(shown.pop("networks")) == stored.pop("networks")
    assert shown == stored
    listed = (await house.manage("GET", "/lines?account=Telco")).json
    assert [each["number"] for each in listed["lines"]] == [LINE["number"]]
    assert (await house.manage("DELETE", "/lines/+34910000001")).status == 204
    for method in ("GET", "DELETE"):
        assert (await house.manage(method, "/lines/+34910000001")).status == 404
    assert (await house.manage("POST", "/lines", LINE)).status == 201, "number and networks are free again"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"number": "12"}, "phone number"),
        ({"number": "+34 x"}, "phone number"),
        ({"latitude": 91}, "latitude"),
        ({"longitude": -181}, "longitude"),
        ({"radius": 0}, "radius"),
        ({"networks": ["203.0.113.300"]}, "network"),
        ({"networks": ["0.0.0.0/0"]}, "too wide"),
        ({"networks": [f"203.0.113.{n}" for n in range(65)]}, "networks"),
        ({"installedAt": "2024-05-01T12:00:00"}, "installedAt"),
        ({"more": 1}, "more"),
    ],
)
async def test_a_bad_line_is_refused_by_the_name_of_its_field(house: House, change: dict[str, Any], says: str) -> None:
    await account(house)
    reply = await house.manage("POST", "/lines", LINE | change)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert says in reply.json["message"]


async def test_a_number_or_network_that_is_taken_is_refused(house: House) -> None:
    await account(house)
    sim = {"account": "Telco", "imsi": "214070000000001", "phoneNumber": "+34910000009"}
    assert (await house.manage("POST", "/sims", sim)).status == 201
    assert (await house.manage("POST", "/lines", LINE)).status == 201
    for change, says in (
        ({}, "A line has this number"),
        ({"number": "+34910000009", "networks": []}, "A SIM has this number"),
        ({"number": "+34910000002"}, "+34910000001 has"),
    ):
        reply = await house.manage("POST", "/lines", LINE | change)
        assert (reply.status, reply.json["code"]) == (409, "ALREADY_EXISTS")
        assert says in reply.json["message"]
    narrower = await house.manage("POST", "/lines", LINE | {"number": "+34910000002", "networks": ["2001:db8:7::1"]})
    assert narrower.status == 201


async def test_an_account_with_lines_is_not_deleted(house: House) -> None:
    await account(house)
    await house.manage("POST", "/lines", LINE)
    reply = await house.manage("DELETE", "/accounts/Telco")
    assert (reply.status, reply.json["code"]) == (409, "INCOMPATIBLE_STATE")
    assert "1 fixed lines" in reply.json["message"]
    await house.manage("DELETE", f"/lines/{LINE['number']}")
    assert (await house.manage("DELETE", "/accounts/Telco")).status == 204


@pytest.mark.parametrize("verb", ["activate", "suspend", "deactivate"])
async def test_a_line_has_no_life_that_could_be_changed(house: House, verb: str) -> None:
    made = LINE | {"account": "meters"}
    assert (await house.manage("POST", "/lines", made)).status == 201
    reply = await house.life("POST", f"/{verb}", {"devices": [{"phoneNumber": LINE["number"]}]})
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")
    both = [{"phoneNumber": LINE["number"]}, {"phoneNumber": phone(0)}]
    done = await run(house, verb, *both)
    assert done["results"][0]["error"]["code"] == "SERVICE_NOT_APPLICABLE"
    foreign = await house.life("POST", f"/{verb}", {"devices": [{"phoneNumber": LINE["number"]}]}, token=house.foreign)
    assert (foreign.status, foreign.json["code"]) == (404, "IDENTIFIER_NOT_FOUND")


async def test_many_lines_from_a_list_with_bad_rows(house: House) -> None:
    await account(house)
    assert (await house.manage("POST", "/lines", LINE)).status == 201
    rows = [
        "number;latitude;longitude;radius;networks;installedAt",
        "+34910000011;40.4;-3.7;50;198.51.100.1 198.51.100.2;2024-05-01T12:00:00Z",
        "+34910000012;40.4;-3.7;50;;",
        "+34910000001;40.4;-3.7;50;;",
        "+34910000012;40.4;-3.7;50;;",
        "+34910000013;40.4;-3.7;50;198.51.100.1;",
        "+34910000014;nan;-3.7;50;;",
        "+34910000015;40.4;-3.7;far;;",
        "+34910000016;40.4;-3.7",
        "",
        "+34910000017;-3.7;140.4;50;;yesterday",
        "+34910000018;40.4;-3.7;50;203.0.113.7;",
    ]
    reply = await house.manage("POST", "/line-lists", {"account": "Telco", "csv": "\n".join(rows)})
    assert reply.status == 200
    assert reply.json["added"] == 2
    assert [row["line"] for row in reply.json["badRows"]] == [4, 5, 6, 7, 8, 9, 11, 12]
    listed = (await house.manage("GET", "/lines")).json["lines"]
    assert [each["number"] for each in listed] == [LINE["number"], "+34910000011", "+34910000012"]


@pytest.mark.parametrize("text", ["x", "number,latitude", "number,latitude,longitude,radius,radius\n", 'number,"'])
async def test_a_list_without_the_columns_is_refused(house: House, text: str) -> None:
    await account(house)
    reply = await house.manage("POST", "/line-lists", {"account": "Telco", "csv": text})
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


async def test_pages(house: House) -> None:
    await account(house)
    for n in range(5):
        made = LINE | {"number": f"+3491000000{n}", "networks": []}
        assert (await house.manage("POST", "/lines", made)).status == 201
    found: list[str] = []
    query = "limit=2"
    while True:
        page = (await house.manage("GET", f"/lines?{query}")).json
        found += [each["number"] for each in page["lines"]]
        if "nextCursor" not in page:
            break
        query = f"limit=2&cursor={page['nextCursor']}"
    assert found == [f"+3491000000{n}" for n in range(5)]


async def test_who_may_only_read_changes_nothing(still: House) -> None:
    assert (await still.manage("POST", "/lines", LINE, token=still.reader)).status == 403
    assert (await still.manage("DELETE", "/lines/+34910000001", token=still.reader)).status == 403
    assert (await still.manage("GET", "/lines", token=still.customer)).status == 403
    assert (await still.manage("GET", "/lines", token=still.reader)).status == 200
    assert (await still.manage("GET", "/lines/n%00ne")).status == 404


async def test_the_commands(shell: Shell, tmp_path: Path) -> None:
    told = await shell(
        *("line", "add", LINE["number"], "--account", "ACME", "--at", "40.4168,-3.7038", "--radius", "50m"),
        *("--network", "203.0.113.7", "--installed-at", "2024-05-01T12:00:00Z"),
    )
    assert "203.0.113.7/32" in told.output
    file = tmp_path / "lines.csv"
    file.write_text("number,latitude,longitude,radius\n+34910000002,40.4,-3.7,50\n+34910000001,40.4,-3.7,50\n")
    told = await shell("line", "import", "--account", "ACME", str(file))
    assert told.exit_code == 1
    assert "1 lines added, 1 refused" in told.output
    assert "line 3: A line has this number already" in told.output
    listed = await shell.told("line", "list", "--account", "ACME")
    assert [each["number"] for each in listed] == ["+34910000001", "+34910000002"]
    assert "40.4168,-3.7038 within 50 m" in (await shell("line", "show", LINE["number"])).output
    assert "deleted" in (await shell("line", "delete", LINE["number"])).output
    assert (await shell("line", "show", LINE["number"])).exit_code == 1
    for wrong in (["--at", "x"], ["--at", "1,2", "--radius", "0"]):
        assert (await shell("line", "add", "+34910000003", "--account", "ACME", *wrong)).exit_code == 2
