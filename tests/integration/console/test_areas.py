"""Areas in the console: on the map, drawn, tried before they are changed, and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest_asyncio
from tests.integration.management.house import imsi

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site

CIRCLE = {"type": "Circle", "center": {"latitude": 52.5, "longitude": 13.4}, "radius": 5000.0}
FORM = {"kind": "Circle", "latitude": "52.5", "longitude": "13.4", "radius": "5000"}


@pytest_asyncio.fixture(scope="module")
async def depot(site: Site) -> dict[str, Any]:
    """An area with SIM 0, which is in the middle of it, and SIM 1, which was never seen."""
    house = site.house
    made = await house.manage("POST", "/areas", {"account": "meters", "name": "depot", "shape": CIRCLE})
    await house.manage("POST", "/gateways", {"name": "gw1"})
    await house.db.execute("update gateway set latitude = 52.5, longitude = 13.4, radius = 500 where name = 'gw1'")
    await house.db.execute(
        "update sim set seen_at = now(), seen_imei = '35209900176148', seen_gateway = g.id, seen_port = 1, "
        "seen_slot = 1 from gateway g where g.name = 'gw1' and imsi = $1",
        imsi(0),
    )
    for number in (0, 1):
        body = {"action": "limit-area", "area": {"named": "depot"}}
        assert (await house.manage("POST", f"/sims/{imsi(number)}/actions", body)).status == 200
    found: dict[str, Any] = made.json
    return found


async def test_an_area_is_looked_at_added_and_deleted(site: Site) -> None:
    operator = await site.person("operator")
    query = "try=yes&name=town&account=meters&kind=Polygon&points=48%2C9%0A48.5%2C10%0A47.5%2C10.5"
    assert (await operator.get(f"/areas/new?{query}")).status == 200
    assert "Polygon of 3 points" in operator.page
    assert 'fill-rule="evenodd" d="M' in operator.page
    assert (await site.house.manage("GET", "/areas/town")).status == 404
    added = await operator.post(
        "/areas/new", name="town", account="meters", kind="Polygon", points="48,9\r\n48.5,10\r\n47.5,10.5"
    )
    path = added.headers["location"].partition("?")[0].removeprefix("/console")
    assert (await operator.get(path)).status == 200
    await operator.get(f"{path}/delete")
    assert (await operator.post(f"{path}/delete")).headers["location"] == "/console/areas?done=saved"
    assert (await operator.get(path)).status == 404


async def test_a_change_says_whom_it_would_move_before_it_is_made(site: Site, depot: dict[str, Any]) -> None:
    operator = await site.person("operator")
    path = f"/areas/{depot['id']}"
    await operator.get(path)
    assert f'href="/console/sims/{imsi(0)}"' in operator.page
    assert f'href="/console/sims/{imsi(1)}"' in operator.page
    await operator.get(f"{path}/change")
    assert 'value="52.5"' in operator.page
    far = "try=yes&name=depot&kind=Circle&latitude=48.1&longitude=11.6&radius=5000"
    await operator.get(f"{path}/change?{far}")
    would = operator.page.partition('id="would"')[2]
    assert imsi(0) in would
    assert imsi(1) not in would
    assert "Newly barred" in would
    assert (await site.house.manage("GET", path)).json["shape"] == CIRCLE
    changed = await operator.post(f"{path}/change", name="yard", **{**FORM, "radius": "6000"})
    assert changed.headers["location"] == f"/console{path}?done=saved"
    assert (await site.house.manage("GET", path)).json["shape"]["radius"] == 6000
    await operator.get(f"{path}/delete")
    assert (await operator.post(f"{path}/delete")).status == 409, "SIMs are limited to it"
    assert 'role="alert"' in operator.page


async def test_what_is_wrong_is_said_at_the_form_which_keeps_what_was_entered(site: Site) -> None:
    operator = await site.person("operator")
    await operator.get("/areas/new")
    for wrong, status in (
        ({"radius": "0"}, 400),
        ({"latitude": "<script>alert(1)</script>"}, 400),
        ({"latitude": "95"}, 400),
        ({"name": "<script>alert(1)</script>"}, 400),
        ({"account": "nobody"}, 404),
        ({"kind": "Polygon", "points": ""}, 400),
        ({"kind": "Sites", "gateways": "nowhere"}, 400),
        ({"kind": "Cells", "cells": "<script>alert(1)</script>"}, 400),
    ):
        reply = await operator.post("/areas/new", **{"name": "kept", "account": "meters", **FORM, **wrong})
        assert reply.status == status, wrong
        assert 'role="alert"' in operator.page, wrong
        assert "<script>alert" not in operator.page
    reply = await operator.get(
        "/areas/new?try=yes&kind=Circle&latitude=95&longitude=500&radius=7&name=x&account=meters"
    )
    assert reply.status == 200, "looked at only: the API refuses it when it is added"
    assert (await operator.get("/areas/new?try=yes&kind=Circle&latitude=x")).status == 400


async def test_a_viewer_looks_and_cannot_touch(site: Site, depot: dict[str, Any]) -> None:
    viewer = await site.person("viewer")
    path = f"/areas/{depot['id']}"
    assert (await viewer.get("/areas")).status == 200
    assert "/areas/new" not in viewer.page
    assert (await viewer.get(path)).status == 200
    assert f"{path}/change" not in viewer.page
    assert f"{path}/delete" not in viewer.page
    for page in ("/areas/new", f"{path}/change", f"{path}/delete"):
        assert (await viewer.get(page)).status == 403
        assert (await viewer.post(page, name="x", account="meters", **FORM)).status == 403
    assert (await viewer.get("/areas?account=nobody")).status == 404
    assert (await viewer.get("/areas/unknown")).status == 404


async def test_an_account_without_areas_says_what_to_do(site: Site) -> None:
    viewer = await site.person("viewer")
    await viewer.get("/areas?account=stranger")
    assert 'class="empty"' in viewer.page
