"""Hotzones in the console: found on the map, and the lists of accounts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from simwarden.domain.hexagons import hexagon_of
from simwarden.domain.hotspot import Counted, Hotspot, Window
from simwarden.domain.locating import Site
from simwarden.kit.clock import now_utc
from simwarden.store import hotspots, sites

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site as ConsoleSite


async def test_what_was_found_is_on_the_map(site: ConsoleSite) -> None:
    house, viewer = site.house, await site.person("viewer")
    await viewer.get("/hotzones")
    assert 'class="empty"' in viewer.page
    now = now_utc()
    await house.gateways.add("hot-1", kind="ejoin", command_url=None, username=None, password=None)
    async with house.db.transaction() as connection:
        await sites.set_sites(connection, {"hot-1": Site(52.52, 13.405, 500.0)}, now)
    counted = Counted(40, 3, 0.004, 1e-8)
    for place, ended in (
        ("52.52000,13.40500", None),
        (hexagon_of(48.1, 11.6), None),
        ("1.00000,-2.00000", now - timedelta(hours=2)),
    ):
        await hotspots.save(
            house.db, Hotspot(place=place, window=Window.HOUR, since=now, counted=counted, at=now, ended_at=ended)
        )
    assert (await viewer.get("/hotzones")).status == 200
    assert viewer.page.count('<circle class="spot') == 3
    assert 'href="/console/elements/hot-1"' in viewer.page
    assert "3 of 40 SIMs" in viewer.page
    assert "Cells around" in viewer.page
    assert "Over" in viewer.page


async def test_the_lists_of_an_account_are_shown(site: ConsoleSite) -> None:
    viewer = await site.person("viewer")
    await viewer.get("/hotzones/lists")
    assert 'class="empty"' in viewer.page
    await viewer.get("/hotzones/lists?account=meters")
    assert 'class="empty"' in viewer.page
    body = {"name": "risky", "zones": ["KP", "+225"]}
    assert (await site.house.manage("POST", "/accounts/meters/hotzones", body)).status == 200
    await viewer.get("/hotzones/lists?account=meters")
    assert "risky" in viewer.page
    assert "+225" in viewer.page
    for wrong, status in (("nobody", 404), ("%3Cscript%3E", 404), ("a%2Fb", 404)):
        assert (await viewer.get(f"/hotzones/lists?account={wrong}")).status == status
        assert "<script>" not in viewer.page


async def test_a_list_is_added_changed_and_removed_after_it_was_said_what_that_means(site: ConsoleSite) -> None:
    operator = await site.person("operator")
    path = "/hotzones/lists/change"
    assert (await operator.get(path)).status == 200
    await operator.get(f"{path}?try=yes&account=meters&name=fresh&zones=kh%2C%20%2B85620")
    assert "A new list." in operator.page
    assert (await site.house.manage("GET", "/accounts/meters/hotzones?name=fresh")).status == 404
    fields = {"account": "meters", "name": "fresh", "zones": "kh, +85620"}
    made = await operator.post(path, version="0", **fields)
    assert made.headers["location"] == "/console/hotzones/lists?account=meters&done=saved"
    await operator.get(f"{path}?try=yes&account=meters&name=fresh&zones=KH%20MM")
    page = operator.page.replace("\n", "")
    assert "Replaces version 1." in page
    assert re.search(r"Added \(1\)</dt><dd><span class=\"tag\">MM<", page)
    assert re.search(r"Taken out \(1\)</dt><dd><span class=\"tag\">\+85620<", page)
    # Who saw an older version overwrites nothing.
    assert (await operator.post(path, version="0", **fields | {"zones": "RU"})).status == 409
    assert "Somebody else changed" in operator.page
    assert (await operator.post(path, version="1", **fields | {"zones": "KH MM"})).status == 303
    found = (await site.house.manage("GET", "/accounts/meters/hotzones?name=fresh")).json["hotzones"]
    assert [each["zones"] for each in found] == [["+85620", "KH"], ["KH", "MM"]]
    for zones, account, status in (("XX", "meters", 400), ("KH", "nobody", 404)):
        version = "2" if account == "meters" else "0"
        answer = await operator.post(path, account=account, name="fresh", zones=zones, version=version)
        assert answer.status == status
        assert 'role="alert"' in operator.page
    await operator.get("/hotzones/lists/remove?account=meters&name=fresh")
    assert "list:fresh" in operator.page
    for done in ("&done=saved", ""):  # the second time there is nothing to remove
        gone = await operator.post("/hotzones/lists/remove", account="meters", name="fresh")
        assert gone.headers["location"] == f"/console/hotzones/lists?account=meters{done}"
    assert (await operator.get("/hotzones/lists/remove?account=meters&name=fresh")).status == 303


async def test_a_viewer_changes_no_list(site: ConsoleSite) -> None:
    viewer = await site.person("viewer")
    await viewer.get("/hotzones/lists?account=meters")
    assert "/hotzones/lists/change" not in viewer.page
    for path in ("/hotzones/lists/change", "/hotzones/lists/remove"):
        assert (await viewer.get(path)).status == 403
        assert (await viewer.post(path, account="meters", name="x", zones="KH", version="0")).status == 403
