"""Sites of gateways, installation addresses, places and cells through the management API and the command line."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.house import House, imsi
from tests.integration.management.test_commands import Shell, shell

from simwarden.kit.clock import now_utc
from simwarden.store import sites

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shell"]
BERLIN = {"latitude": 52.52, "longitude": 13.405, "radius": 500}
CELL = "ecgi:26201-0123456"


async def gateway(house: House, *names: str) -> None:
    for name in names:
        assert (await house.manage("POST", "/gateways", {"name": name})).status == 201


async def test_a_site_is_set_shown_and_removed(house: House) -> None:
    await gateway(house, "gw1")
    reply = await house.manage("POST", "/gateways/gw1/site", BERLIN)
    assert (reply.status, reply.json["site"]) == (200, BERLIN)
    assert (await house.manage("GET", "/gateways/gw1")).json["site"] == BERLIN
    (listed,) = (await house.manage("GET", "/gateways")).json["gateways"]
    assert listed["site"] == BERLIN
    assert (await house.manage("DELETE", "/gateways/gw1/site")).status == 204
    assert "site" not in (await house.manage("GET", "/gateways/gw1")).json


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"latitude": 91}, "latitude"),
        ({"latitude": 121.47, "longitude": 31.23}, "look swapped"),
        ({"longitude": -181}, "longitude"),
        ({"latitude": 0, "longitude": 0}, "latitude"),
        ({"radius": 0}, "radius"),
        ({"radius": -3}, "radius"),
        ({"radius": 1e9}, "radius"),
        ({"radius": "500"}, "radius"),
        ({"radius": None}, "radius"),
        ({"altitude": 3}, "altitude"),
    ],
)
async def test_a_bad_site_is_refused_by_the_name_of_its_field(still: House, change: dict[str, Any], says: str) -> None:
    reply = await still.manage("POST", "/gateways/none/site", {**BERLIN, **change})
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert says in reply.json["message"]


@pytest.mark.parametrize("body", [b'{"latitude": NaN, "longitude": 1, "radius": 1}', b"", b"[]", b'{"radius": 1e999}'])
async def test_what_is_no_json_is_refused(still: House, body: bytes) -> None:
    reply = await still.manage("POST", "/gateways/none/site", body)
    assert reply.status == 400


async def test_an_unknown_gateway_has_no_site(still: House) -> None:
    for method, body in (("POST", BERLIN), ("DELETE", None)):
        for name in ("none", "n%00ne"):
            assert (await still.manage(method, f"/gateways/{name}/site", body)).status == 404


async def test_who_may_only_read_sets_nothing(still: House) -> None:
    for path in ("/gateways/none/site", f"/sims/{imsi(1)}/address"):
        assert (await still.manage("POST", path, BERLIN, token=still.reader)).status == 403
        assert (await still.manage("POST", path, BERLIN, token=still.customer)).status == 403
    assert (await still.manage("GET", f"/sims/{imsi(1)}/places", token=still.customer)).status == 403


async def test_many_sites_from_a_list_with_bad_lines(house: House) -> None:
    await gateway(house, "gw1", "gw2", "gw3")
    rows = [
        "\ufeffname;latitude;longitude;radius",
        "gw1;52.52;13.405;500",
        "gw2;13.405;nan;500",
        "gw9;1;1;1",
        "",
        "gw2;1;1",
        "gw1;1;1;1",
        ";1;1;1",
        "gw3;31.23;121.47;0",
        "gw3;121.47;31.23;5",
        "gw3;-33.86;151.21;2000",
    ]
    reply = await house.manage("POST", "/sites", {"csv": "\r\n".join(rows)})
    assert reply.status == 200
    assert reply.json["set"] == 2
    told = {row["line"]: row["reason"] for row in reply.json["badRows"]}
    assert sorted(told) == [3, 4, 6, 7, 8, 9, 10]
    assert told[3].startswith("longitude")
    assert "No gateway" in told[4]
    assert "3 values" in told[6]
    assert "line 2" in told[7]
    assert told[8].startswith("name")
    assert told[9].startswith("radius")
    assert "swapped" in told[10]
    assert (await house.manage("GET", "/gateways/gw3")).json["site"]["radius"] == 2000


@pytest.mark.parametrize(
    "csv", ["", "name,latitude,longitude\n", "name,lat,lon,radius\n", 'name,latitude,longitude,radius\n"gw1,1,1,1']
)
async def test_a_list_without_its_columns_is_refused(still: House, csv: str) -> None:
    reply = await still.manage("POST", "/sites", {"csv": csv})
    assert reply.status == 400
    assert "csv" in reply.json["message"]


async def test_an_installation_address_is_where_a_sim_is(house: House) -> None:
    assert (await house.manage("GET", f"/sims/{imsi(1)}/places")).json == {"places": []}
    reply = await house.manage("POST", f"/sims/{imsi(1)}/address", BERLIN)
    assert reply.status == 200
    assert reply.json["address"] == BERLIN
    assert (reply.json["now"]["source"], reply.json["now"]["radius"]) == ("ADDRESS", 500)
    assert (await house.manage("POST", f"/sims/{imsi(1)}/address", {**BERLIN, "radius": 0})).status == 400
    assert (await house.manage("DELETE", f"/sims/{imsi(1)}/address")).status == 204
    assert (await house.manage("GET", f"/sims/{imsi(1)}/places")).json == {"places": []}
    assert (await house.manage("POST", "/sims/99/address", BERLIN)).status == 404


async def test_a_history_has_pages(house: House) -> None:
    await gateway(house, "gw1")
    await house.db.execute(
        "insert into place_change (bucket, imsi, n, at, source, ref, latitude, longitude, radius)"
        " select s.bucket, s.imsi, i, now() - i * interval '1 hour', case when i = 0 then 'SITE' else 'CELL' end,"
        " case when i = 0 then (select id::text from gateway) else $2 end, 1, 2, 3"
        " from sim s, generate_series(0, 6) i where s.imsi = $1",
        imsi(1),
        CELL,
    )
    found: list[Any] = []
    path = f"/sims/{imsi(1)}/places?limit=3"
    cursor = ""
    while True:
        page = (await house.manage("GET", path + cursor)).json
        found += page["places"]
        if "nextCursor" not in page:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert [row.get("gateway") or row["cell"] for row in found] == ["gw1"] + [CELL] * 6
    assert [row["at"] for row in found] == sorted((row["at"] for row in found), reverse=True)


async def test_a_cell_is_found_by_its_key(house: House) -> None:
    async with house.db.transaction() as connection:
        await sites.add_cells(connection, [(CELL, 52.52, 13.405, 500.0)], now_utc())
    reply = await house.manage("GET", f"/cells/{CELL.upper()}")
    assert reply.json == {"key": CELL, "site": BERLIN}
    assert (await house.manage("GET", "/cells/ecgi:26201-0000000")).status == 404
    reply = await house.manage("GET", "/cells/lte-1")
    assert (reply.status, "KIND" in reply.json["message"]) == (400, True)


async def test_the_command_line_sets_sites_and_shows_places(shell: Shell, tmp_path: Path) -> None:
    await shell("account", "create", "Where")
    await shell("sim", "add", "--account", "Where", "--imsi", "460000990129001")
    await shell("gateway", "add", "--name", "gw1")
    done = await shell("gateway", "site", "gw1", "--at", "52.52,13.405", "--radius", "500")
    assert (done.exit_code, "52.52,13.405 within 500 m" in done.output) == (0, True)
    assert (await shell.told("gateway", "show", "gw1"))["site"] == BERLIN
    assert "52.52" in (await shell("gateway", "list", "--csv")).output
    for arguments, says in (
        (("--at", "52.52", "--radius", "5"), "latitude and longitude"),
        (("--at", "nan,1", "--radius", "5"), "latitude and longitude"),
        (("--at", "1,1", "--radius", "0"), "more than 0"),
        (("--at", "1,1"), "--radius"),
        (("--at", "121.47,31.23", "--radius", "5"), "swapped"),
    ):
        wrong = await shell("gateway", "site", "gw1", *arguments)
        assert wrong.exit_code in (1, 2)
        assert says in wrong.output
    listing = tmp_path / "sites.csv"
    listing.write_text("name,latitude,longitude,radius\ngw1,48.857,2.352,800\ngw7,1,1,1\n")
    done = await shell("gateway", "sites", str(listing))
    assert done.exit_code == 1
    assert "line 3: No gateway is named 'gw7'" in done.output
    assert "1 sites set, 1 lines refused" in done.output
    assert (await shell("gateway", "site", "gw1", "--none")).exit_code == 0

    done = await shell("sim", "address", "460000990129001", "--at", "52.52,13.405", "--radius", "50")
    assert "within 50 m" in done.output
    assert "52.52,13.405 within 50 m" in (await shell("sim", "places", "460000990129001")).output
    assert (await shell.told("sim", "places", "460000990129001"))["now"]["source"] == "ADDRESS"
    assert (await shell("sim", "address", "460000990129001", "--none")).exit_code == 0
    assert "not known" in (await shell("sim", "places", "460000990129001")).output

    table = tmp_path / "262.csv.gz"
    table.write_bytes(gzip.compress(b"LTE,262,1,4660,1193046,0,13.405,52.52,500,1,1,1,1,0\nLTE,262,x\n"))
    done = await shell("cell", "import", str(table))
    assert done.exit_code == 1
    assert "line 2:" in done.output
    assert "1 cells stored, 1 of them new or moved, 1 lines refused" in done.output
    assert "52.52,13.405 within 500 m" in (await shell("cell", "show", "ecgi:26201-0123456")).output
    table.write_bytes(table.read_bytes()[:-8])
    assert "cannot be read to its end" in (await shell("cell", "import", str(table))).output
    table.write_text("imsi,iccid\n")
    assert "Line 1 must begin with" in (await shell("cell", "import", str(table))).output
