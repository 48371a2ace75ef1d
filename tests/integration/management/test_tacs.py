"""The table of device models: imported by the operator through the API and the command, and asked for by customers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.test_commands import Shell
from tests.support.server import serving

from simwarden.store.tacs import Tacs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.management.house import House

ROW = {"tac": "35209900", "manufacturer": "Quectel", "model": "BG96"}


async def test_rows_are_added_replaced_and_shown(house: House) -> None:
    made = await house.manage("POST", "/tacs", {"models": [ROW, {"tac": "86052105", "model": "Y"}]})
    assert (made.status, made.json) == (200, {"imported": 2, "tacs": 2})
    again = await house.manage("POST", "/tacs", {"models": [{**ROW, "model": "BG95"}, ROW]})
    assert (again.status, again.json) == (200, {"imported": 1, "tacs": 2})
    assert (await house.manage("GET", "/tacs/35209900")).json == ROW
    assert (await house.manage("GET", "/tacs/86052105")).json == {"tac": "86052105", "model": "Y"}
    assert "importTacs" in json.dumps((await house.manage("GET", "/audit")).json)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"models": []},
        {"models": [{"manufacturer": "Quectel"}]},
        {"models": [{**ROW, "tac": "3520990"}]},
        {"models": [{**ROW, "tac": 35209900}]},
        {"models": [{**ROW, "model": ""}]},
        {"models": [{**ROW, "model": "x" * 129}]},
        {"models": [{**ROW, "model": "a\u0000b"}]},
        {"models": [{**ROW, "more": 1}]},
        {"models": [ROW] * 501},
    ],
)
async def test_rows_that_are_none_are_refused_and_nothing_is_stored(still: House, body: dict[str, Any]) -> None:
    refused = await still.manage("POST", "/tacs", body)
    assert (refused.status, refused.json["code"]) == (400, "INVALID_ARGUMENT")
    assert await Tacs(still.db).count() == 0


@pytest.mark.parametrize(("tac", "status"), [("35209900", 404), ("3520990", 400), ("x", 400), ("%00", 400)])
async def test_a_tac_that_is_not_there(still: House, tac: str, status: int) -> None:
    assert (await still.manage("GET", f"/tacs/{tac}")).status == status


async def test_it_is_the_operators_alone(still: House) -> None:
    for token in (still.customer, still.reader):
        assert (await still.manage("POST", "/tacs", {"models": [ROW]}, token=token)).status == 403
    assert (await still.manage("GET", "/tacs/35209900", token=still.customer)).status == 403
    assert (await still.manage("GET", "/tacs/35209900", token=still.reader)).status == 404


async def test_a_file_is_imported_and_its_bad_lines_are_reported(database_url: str, tmp_path: Path) -> None:
    from urllib.parse import urlsplit

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
        file = tmp_path / "tacs.csv"
        rows = [f"{35000000 + n},Maker {n % 7},Model {n}" for n in range(1203)]
        rows[700] = "3500,Maker,Model"
        rows[900] = "35000900,,"
        file.write_text("TAC,Manufacturer,Model Name\n" + "\n".join(rows) + "\n")
        result = await shell("tac", "import", str(file))
        assert result.exit_code == 1, result.output
        assert "line 702: '3500' is no TAC: 8 digits" in result.output
        assert "line 902: names neither a manufacturer nor a model" in result.output
        assert "1201 codes imported, 2 lines refused, 1201 in the table" in result.output
        assert await shell.told("tac", "show", "35001202") == {
            "tac": "35001202",
            "manufacturer": "Maker 5",
            "model": "Model 1202",
        }
        file.write_text("TAC,Model\n35000700,M2M\n")
        assert await shell.told("tac", "import", str(file)) == {
            "imported": 1,
            "tacs": 1202,
            "refused": 0,
            "badLines": [],
        }
        file.write_text("a,b\n1,2\n")
        refused = await shell("tac", "import", str(file))
        assert refused.exit_code == 1
        assert "must name the columns" in refused.output
        file.write_text("IMEI;Since\n353689530707903;2026-11-20\n35368953;\n")
        entered = await shell("imei", "import", str(file), "--list", "stolen")
        assert (entered.exit_code, "line 3: '35368953' is no IMEI" in entered.output) == (1, True)
        assert (await shell.told("imei", "show", "353689530707903"))["status"] == "BLACKLISTED"
        assert [row["imei"] for row in await shell.told("imei", "list", "--list", "STOLEN")] == ["353689530707903"]
        assert (await shell("imei", "remove", "STOLEN", "353689530707903")).output == (
            "353689530707903 is off the list\n"
        )
        await shell.told("account", "create", "ACME")
        changed = await shell.told("account", "set", "ACME", "--home-networks", "46001", "--home-networks", "46002")
        assert changed["homeNetworks"] == ["46001", "46002"]
        refused = await shell("account", "set", "ACME", "--home-networks", "China")
        assert refused.exit_code == 1
        missing = await shell("tac", "show", "35009999")
        assert (missing.exit_code, "no model of the TAC 35009999" in missing.output) == (1, True)
