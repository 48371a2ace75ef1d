"""Named areas and area limits through the management API, for one SIM and in bulk, and by the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.house import imsi
from tests.integration.management.test_commands import Shell, shell

from simwarden.engine.areas import AreaFollower

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.management.house import House

__all__ = ["shell"]
CIRCLE = {"type": "Circle", "center": {"latitude": 52.5, "longitude": 13.4}, "radius": 5000.0}
FAR = {"type": "Circle", "center": {"latitude": 48.1, "longitude": 11.6}, "radius": 5000.0}
RING = [[9.0, 52.0], [9.2, 52.0], [9.2, 52.1], [9.0, 52.1], [9.0, 52.0]]
POLYGON = {"type": "Polygon", "coordinates": [RING]}
CELLS = {"type": "Cells", "cells": ["ecgi:26201-0123456"]}


async def add(house: House, name: str, shape: dict[str, Any] = CIRCLE, account: str = "meters") -> Any:
    made = await house.manage("POST", "/areas", {"account": account, "name": name, "shape": shape})
    assert made.status == 201, made.json
    return made.json


async def act(house: House, body: dict[str, Any], number: int = 0) -> Any:
    return await house.manage("POST", f"/sims/{imsi(number)}/actions", body)


async def stand(house: House, name: str, latitude: float, longitude: float) -> None:
    """A gateway that stands there, with SIM 0 in it."""
    made = await house.manage("POST", "/gateways", {"name": name})
    assert made.status == 201, made.json
    await house.db.execute(
        "update gateway set latitude = $2, longitude = $3, radius = 500 where name = $1", name, latitude, longitude
    )
    await house.db.execute(
        """update sim
        set seen_at = now(), seen_imei = '35209900176148', seen_gateway = g.id, seen_port = 1, seen_slot = 1
        from gateway g where g.name = $1 and imsi = $2""",
        name,
        imsi(0),
    )


async def test_areas_are_added_listed_changed_and_deleted(house: House) -> None:
    made = await add(house, "depot")
    town = await add(house, "town", POLYGON)
    await add(house, "depot", CELLS, "stranger")
    assert (made["shape"], made["version"], made["moving"]) == (CIRCLE, 1, False)
    listed = (await house.manage("GET", "/areas?account=meters")).json["areas"]
    assert [each["name"] for each in listed] == ["depot", "town"]
    page = (await house.manage("GET", "/areas?limit=2")).json
    rest = (await house.manage("GET", f"/areas?limit=2&cursor={page['nextCursor']}")).json
    assert [each["name"] for each in page["areas"] + rest["areas"]] == ["depot", "depot", "town"]
    assert (await house.manage("GET", "/areas/town")).json == town
    assert (await house.manage("GET", "/areas/depot")).status == 409, "two accounts have one of this name"
    changed = await house.manage("PATCH", f"/areas/{made['id']}", {"name": "yard", "shape": FAR})
    assert (changed.json["name"], changed.json["shape"], changed.json["version"]) == ("yard", FAR, 2)
    assert (await house.manage("PATCH", "/areas/yard", {"name": "town"})).json["code"] == "ALREADY_EXISTS"
    assert (await house.manage("PATCH", "/areas/yard", {})).status == 400
    assert (await house.manage("DELETE", "/areas/yard")).status == 204
    assert (await house.manage("GET", "/areas/yard")).json["code"] == "NOT_FOUND"
    again = await house.manage("POST", "/areas", {"account": "meters", "name": "town", "shape": CIRCLE})
    assert (again.status, again.json["code"]) == (409, "ALREADY_EXISTS")


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({**CIRCLE, "radius": 0}, "radius: 0 is not between"),
        ({**CIRCLE, "center": {"latitude": 99, "longitude": 0}}, "latitude: 99"),
        ({"type": "Circle", "radius": 5}, "center: a Circle needs it"),
        ({**CIRCLE, "cells": ["ecgi:26201-0123456"]}, "cells: does not go with a Circle"),
        ({"type": "Polygon", "coordinates": [[[9, 52], [9.2, 52.1], [9.2, 52], [9, 52.1], [9, 52]]]}, "meets the one"),
        ({"type": "Polygon", "coordinates": [[[52, 109], [52.1, 109], [52.1, 109.1], [52, 109]]]}, "longitude first"),
        ({"type": "Polygon", "coordinates": [[[n / 1e4, 0] for n in range(10_000)]]}, "10000 points"),
        ({"type": "Polygon", "coordinates": [[[1], [2], [3], [1]]]}, "coordinates[0][0]: a position"),
        ({"type": "Cells", "cells": ["26201"]}, "cells[0]"),
        ({"type": "Cells", "cells": []}, "cells: the list is empty"),
        ({"type": "Sites", "gateways": ["nowhere"]}, "gateways[0]: no gateway is named 'nowhere'"),
        ({"type": "MultiPolygon", "coordinates": [[RING]]}, "type"),
        ({"type": "Polygon", "coordinates": RING}, "coordinates"),
        ({**CIRCLE, "colour": "red"}, "unknown field"),
    ],
)
async def test_what_is_no_area_is_refused_naming_the_field(house: House, shape: dict[str, Any], says: str) -> None:
    refused = await house.manage("POST", "/areas", {"account": "meters", "name": "x", "shape": shape})
    assert (refused.status, says in refused.json["message"]) == (400, True), refused.json
    refused = await act(house, {"action": "limit-area", "area": {"shape": shape}})
    assert (refused.status, says in refused.json["message"]) == (400, True), refused.json


async def test_a_sim_is_limited_shown_resumed_and_let_go(house: House) -> None:
    await stand(house, "gw1", 52.5, 13.4)
    made = await act(house, {"action": "limit-area", "area": {"shape": FAR, "dwellSeconds": 5}})
    limit = made.json["sim"]["area"]
    assert (made.json["changed"], limit["state"], limit["shape"], limit["dwellSeconds"]) == (True, "OUTSIDE", FAR, 5)
    assert (limit["place"]["source"], limit["place"]["ref"], limit["place"]["latitude"]) == ("SITE", "gw1", 52.5)
    assert 400_000 < limit["distance"] < 600_000
    assert [bar["cause"] for bar in made.json["sim"]["bars"]] == ["AREA_EXIT"]
    assert (await act(house, {"action": "limit-area", "area": {"shape": FAR}})).json["changed"] is False
    refused = await act(house, {"action": "resume-area"})
    assert (refused.status, refused.json["code"]) == (409, "INCOMPATIBLE_STATE")
    softer = await act(house, {"action": "limit-area", "policy": {"onMismatch": "ALERT"}})
    assert (softer.json["sim"]["area"]["shape"], softer.json["sim"]["bars"]) == (FAR, [])
    here = await act(house, {"action": "limit-area", "area": {"around": 3000}})
    assert (here.json["sim"]["area"]["state"], here.json["sim"]["area"]["around"]) == ("INSIDE", 3000)
    gone = await act(house, {"action": "unlimit-area"})
    assert "area" not in gone.json["sim"]
    assert (await act(house, {"action": "unlimit-area"})).json["changed"] is False
    shown = (await house.manage("GET", f"/sims/{imsi(0)}/events")).json["events"]
    assert [each["type"] for each in shown][:3] == ["AREA_UNLIMITED", "AREA_LIMITED", "BAR_LIFTED"]
    armed = await act(house, {"action": "limit-area", "area": {"around": 3000}}, 1)
    assert (armed.json["sim"]["area"]["state"], "shape" in armed.json["sim"]["area"]) == ("ARMED", False)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"action": "limit-area"}, 200, None),
        ({"action": "limit-area", "area": {"named": "a", "around": 5}}, 400, "give one of"),
        ({"action": "limit-area", "area": {"named": "nowhere"}}, 404, "NOT_FOUND"),
        ({"action": "limit-area", "area": {"around": 0}}, 400, ">= 1"),
        ({"action": "limit-area", "area": {"around": 5, "dwellSeconds": -1}}, 400, ">= 0"),
        ({"action": "limit-area", "area": {"around": 5}, "imei": "352099001761481"}, 400, "imei does not go with"),
        ({"action": "unlimit-area", "area": {"around": 5}}, 400, "area does not go with unlimit-area"),
        ({"action": "bind", "area": {"around": 5}}, 400, "area does not go with bind"),
    ],
)
async def test_limits_that_are_none(house: House, body: dict[str, Any], status: int, says: str | None) -> None:
    answer = await act(house, body)
    assert answer.status == status, answer.json
    if says is None:
        assert answer.json["changed"] is False, "there is no limit to keep"
    else:
        assert says in answer.json["message"] or says == answer.json["code"]


async def test_many_sims_share_an_area_and_follow_it(house: House) -> None:
    await stand(house, "gw1", 52.5, 13.4)
    made = await add(house, "depot", FAR)
    await add(house, "theirs", CIRCLE, "stranger")
    csv = "imsi\n" + "\n".join(imsi(number) for number in (*range(3), 1_000_000))
    for name, left in (("theirs", 1), ("depot", 3)):
        begun = await house.manage("POST", "/bulk", {"action": "limit-area", "area": {"named": name}, "csv": csv})
        assert begun.status == 202, begun.json
        await house.worker.look()
        preview = (await house.manage("GET", f"/operations/{begun.json['id']}")).json
        assert preview["counts"]["requested"] == left, "an area is known to the SIMs of its own account alone"
    confirm = {"confirmToken": preview["confirmToken"]}
    assert (await house.manage("POST", f"/operations/{begun.json['id']}/confirm", confirm)).status == 202
    await house.worker.look()
    shown = [(await house.manage("GET", f"/sims/{imsi(number)}")).json for number in range(3)]
    assert [each["area"]["named"] for each in shown] == ["depot"] * 3
    assert shown[0]["area"]["state"] == "OUTSIDE"
    assert (await house.manage("DELETE", f"/areas/{made['id']}")).json["code"] == "INCOMPATIBLE_STATE"
    moving = await house.manage("PATCH", "/areas/depot", {"shape": CIRCLE})
    assert moving.json["moving"] is True
    follower = AreaFollower(house.db)
    while await follower.turn() == 0:
        pass
    assert (await house.manage("GET", "/areas/depot")).json["moving"] is False
    shown = [(await house.manage("GET", f"/sims/{imsi(number)}")).json for number in range(3)]
    assert [each["area"]["shape"] for each in shown] == [CIRCLE] * 3
    assert (shown[0]["area"]["state"], shown[0]["bars"]) == ("INSIDE", [])


async def test_an_account_has_an_area_for_sims_that_are_limited_without_one(house: House) -> None:
    await add(house, "depot")
    await add(house, "theirs", CIRCLE, "stranger")
    assert (await house.manage("PATCH", "/accounts/meters", {"area": "theirs"})).json["code"] == "NOT_FOUND"
    assert (await house.manage("PATCH", "/accounts/meters", {"areaRadius": 0})).status == 400
    changed = (await house.manage("PATCH", "/accounts/meters", {"area": "depot", "areaRadius": 700})).json
    assert (changed["area"], changed["areaRadius"]) == ("depot", 700)
    for vain in (
        await house.manage("DELETE", "/areas/depot"),
        await house.manage("PATCH", "/areas/depot", {"name": "yard"}),
    ):
        assert (vain.status, vain.json["code"]) == (409, "INCOMPATIBLE_STATE")
    changed = (await house.manage("PATCH", "/accounts/meters", {"area": None})).json
    assert (changed["area"], changed["areaRadius"]) == (None, 700)
    assert (await house.manage("DELETE", "/areas/depot")).status == 204


async def test_an_operator_who_only_reads_changes_no_area(house: House) -> None:
    await add(house, "depot")
    body = {"account": "meters", "name": "x", "shape": CIRCLE}
    refused = await house.manage("POST", "/areas", body, token=house.reader)
    assert refused.status == 403
    assert (await house.manage("GET", "/areas/depot", token=house.reader)).status == 200
    assert (await house.manage("GET", "/areas/depot", token=house.customer)).status == 403


async def test_the_commands(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "town.geojson"
    file.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": POLYGON}))
    made = await shell.told("area", "add", "town", "--account", "ACME", "--geojson", str(file))
    assert made["shape"] == POLYGON
    assert (await shell.told("area", "add", "depot", "--account", "ACME", "--circle", "52.5,13.4,5000"))["version"] == 1
    listed = await shell("area", "list", "--account", "ACME")
    assert "depot" in listed.output
    shown = await shell("area", "show", "town")
    assert "a polygon of 4 corners" in shown.output
    changed = await shell.told("area", "change", "depot", "--circle", "52.5,13.4,6000", "--name", "yard")
    assert (changed["name"], changed["shape"]["radius"]) == ("yard", 6000)
    limited = await shell("sim", "area", "set", "460000990120000", "--named", "yard", "--alert-only", "--dwell", "30")
    assert "UNKNOWN: yard: 6000 m around 52.5, 13.4" in limited.output, limited.output
    found = await shell.told("sim", "show", "460000990120000")
    assert (found["area"]["policy"]["onMismatch"], found["area"]["dwellSeconds"]) == ("ALERT", 30)
    explained = await shell("sim", "explain", "460000990120000")
    assert "limited to yard" in explained.output, explained.output
    resumed = await shell("sim", "area", "resume", "460000990120000")
    assert resumed.exit_code == 0, resumed.output
    in_use = await shell("area", "delete", "yard")
    assert (in_use.exit_code, "1 SIMs" in in_use.output) == (1, True)
    cleared = await shell("sim", "area", "clear", "460000990120000")
    assert cleared.exit_code == 0, cleared.output
    deleted = await shell("area", "delete", "yard")
    assert deleted.exit_code == 0, deleted.output
    file.write_text(json.dumps({"type": "MultiPolygon", "coordinates": []}))
    for arguments, says in (
        (("--geojson", str(file)), "must be a Polygon, not MultiPolygon"),
        (("--circle", "here"), "LAT,LON,METRES"),
        ((), "Give one of"),
        (("--circle", "1,2,3", "--cell", "x"), "not several"),
    ):
        wrong = await shell("area", "add", "x", "--account", "ACME", *arguments)
        assert (wrong.exit_code, says in wrong.output) == (2, True), wrong.output


async def test_the_sims_of_an_area_are_shown_and_what_another_shape_would_do_to_them(house: House) -> None:
    await stand(house, "gw1", 52.5, 13.4)
    area = await add(house, "depot")
    for number in range(3):
        assert (await act(house, {"action": "limit-area", "area": {"named": "depot"}}, number)).status == 200
    path = f"/areas/{area['id']}/trial"
    sims: dict[str, Any] = {}
    page = (await house.manage("POST", f"{path}?limit=2", {})).json
    sims |= {each["imsi"]: each for each in page["sims"]}
    page = (await house.manage("POST", f"{path}?limit=2&cursor={page['nextCursor']}", {})).json
    sims |= {each["imsi"]: each for each in page["sims"]}
    assert "nextCursor" not in page
    assert set(sims) == {imsi(0), imsi(1), imsi(2)}
    assert (sims[imsi(0)]["state"], sims[imsi(0)]["barred"], sims[imsi(0)]["place"]["ref"]) == ("INSIDE", False, "gw1")
    assert sims[imsi(1)] == {"imsi": imsi(1), "state": "UNKNOWN", "barred": False}
    before = (await house.manage("GET", f"/sims/{imsi(0)}")).json
    tried = (await house.manage("POST", path, {"shape": FAR}, token=house.reader)).json["sims"]
    there = {each["imsi"]: each for each in tried}
    assert (there[imsi(0)]["then"], there[imsi(0)]["thenBarred"]) == ("OUTSIDE", True)
    assert (there[imsi(1)]["then"], there[imsi(1)]["thenBarred"]) == ("UNKNOWN", False)
    assert (await house.manage("GET", f"/sims/{imsi(0)}")).json == before, "nothing is changed"
    assert (await house.manage("GET", f"/areas/{area['id']}")).json["version"] == 1
    assert (await house.manage("GET", "/audit?operation=tryArea")).json["audit"] == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/areas/depot/trial", {"shape": {**CIRCLE, "radius": 0}}, 400),
        ("/areas/depot/trial", {"name": "x"}, 400),
        ("/areas/depot/trial?cursor=forged", {}, 400),
        ("/areas/unknown/trial", {}, 404),
    ],
)
async def test_trials_that_are_none(house: House, path: str, body: dict[str, Any], status: int) -> None:
    await add(house, "depot")
    assert (await house.manage("POST", path, body)).status == status
    assert (await house.manage("POST", "/areas/depot/trial", {}, token=house.customer)).status == 403
