"""SIMs as CSV through the management API: the file of those that match, and lists that are brought in."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from tests.integration.management.house import House, imsi, phone

from simwarden.management import sim_lists

SIMS = 20


async def rows(house: House, query: str = "") -> list[dict[str, str]]:
    """Of the file."""
    reply = await house.manage("GET", f"/sim-export{query}")
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(reply.body.decode())))


@pytest.mark.parametrize("page", [1, 3, SIMS, 250])
async def test_each_sim_is_in_the_file_once_however_it_is_paged(
    house: House, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(sim_lists, "PAGE", page)
    listed = (await house.manage("GET", "/sims?limit=1000")).json["sims"]
    assert [row["imsi"] for row in await rows(house)] == [sim["imsi"] for sim in listed]
    account = next(sim["account"] for sim in listed if sim["imsi"] == imsi(0))
    found = await rows(house, f"?account={account}&text={imsi(7)}")
    assert [(row["imsi"], row["msisdn"], row["account"]) for row in found] == [(imsi(7), phone(7), account)]


async def test_columns_are_those_that_are_asked_for_and_texts_are_no_formulas(house: House) -> None:
    made = {"imsi": "460000990999999", "account": (await house.manage("GET", f"/sims/{imsi(0)}")).json["account"]}
    name = "=cmd@evil.example"
    assert (await house.manage("POST", "/sims", {**made, "networkAccessIdentifier": name})).status == 201
    found = await rows(house, "?column=nai&column=imsi&text=evil")
    assert found == [{"nai": f"'{name}", "imsi": made["imsi"]}]
    wrong = await house.manage("GET", "/sim-export?column=password")
    assert (wrong.status, "column" in wrong.json["message"]) == (400, True)


async def test_a_list_is_tried_brought_in_and_brought_in_again(house: House) -> None:
    sim = (await house.manage("GET", f"/sims/{imsi(0)}")).json
    lines = [f"{imsi(500)},{phone(500)}", "12,+1", f"{imsi(501)},{phone(501)}", f"{imsi(0)},{phone(0)}"]
    body: dict[str, Any] = {"account": sim["account"], "csv": "\n".join(["\ufeffimsi,msisdn", *lines])}
    counts = {"added": 2, "unchanged": 1, "changed": 0}
    for dry_run in (True, False):
        found = (await house.manage("POST", "/sim-lists", {**body, "dryRun": dry_run})).json
        assert [row["line"] for row in found.pop("badRows")] == [3]
        assert found == {**counts, "dryRun": dry_run}
    assert (await house.manage("GET", f"/sims/{imsi(501)}")).json["phoneNumber"] == phone(501)
    again = (await house.manage("POST", "/sim-lists", body)).json
    assert (again["added"], again["unchanged"]) == (0, 3)
    for wrong in ("colour\nred", 'imsi\n"'):
        reply = await house.manage("POST", "/sim-lists", {**body, "csv": wrong})
        assert reply.status == (400 if wrong.startswith("colour") else 200)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_a_list_has_so_many_lines_however_they_end(
    house: House, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(sim_lists, "MAX_ROWS", 3)
    account = (await house.manage("GET", f"/sims/{imsi(0)}")).json["account"]
    for lines, status in ((3, 200), (4, 400)):
        text = end.join(["imsi", *["x"] * lines]) + end
        reply = await house.manage("POST", "/sim-lists", {"account": account, "csv": text, "dryRun": True})
        assert reply.status == status
