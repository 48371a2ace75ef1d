"""The operator's lists of devices, through the API; the command is tried with that of the TACs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from simwarden.store.listed_devices import ListedDevices

if TYPE_CHECKING:
    from tests.integration.management.house import House

DEVICE = "353689530707903"
STOLEN = {"list": "STOLEN", "imei": DEVICE, "reason": "theft", "since": "2026-11-20T00:00:00Z", "source": "police"}
MODELS = {"list": "BLOCKED", "tac": "35368953", "tacLast": "35368960"}
PATH = "/imei-lists"


async def test_devices_are_entered_shown_listed_and_taken_off(house: House) -> None:
    made = await house.manage("POST", PATH, {"devices": [STOLEN, MODELS, {**STOLEN, "imei": DEVICE[:14] + "01"}]})
    assert (made.status, made.json) == (200, {"imported": 2, "entries": 2})
    again = await house.manage("POST", PATH, {"devices": [{**STOLEN, "list": "TRACKED"}]})
    assert (again.status, again.json) == (200, {"imported": 1, "entries": 3})
    shown = (await house.manage("GET", f"{PATH}/{DEVICE}")).json
    assert (shown["imei"], shown["status"]) == (DEVICE, "BLACKLISTED")
    assert [{k: v for k, v in each.items() if k != "addedAt"} for each in shown["entries"]] == [
        MODELS,
        STOLEN,
        {**STOLEN, "list": "TRACKED"},
    ]
    assert (await house.manage("GET", f"{PATH}/35368961000000")).json == {"imei": "353689610000005", "entries": []}
    first = (await house.manage("GET", f"{PATH}?limit=2")).json
    assert [each["list"] for each in first["devices"]] == ["BLOCKED", "STOLEN"]
    rest = (await house.manage("GET", f"{PATH}?limit=2&cursor={first['nextCursor']}")).json
    assert [each["list"] for each in rest["devices"]] == ["TRACKED"]
    assert "nextCursor" not in rest
    only = (await house.manage("GET", f"{PATH}?list=BLOCKED")).json["devices"]
    assert [each["tac"] for each in only] == ["35368953"]
    for list_, device, status in (
        ("STOLEN", DEVICE, 204),
        ("STOLEN", DEVICE, 404),
        ("BLOCKED", "35368953-35368960", 204),
        ("BLOCKED", "35368953", 404),
    ):
        assert (await house.manage("DELETE", f"{PATH}?list={list_}&device={device}")).status == status
    assert (await house.manage("GET", f"{PATH}/{DEVICE}")).json["status"] == "GREYLISTED"
    audit = json.dumps((await house.manage("GET", "/audit")).json)
    assert "importImeis" in audit
    assert "removeImei" in audit


async def test_a_file_of_devices_has_its_look_ups_planned_anew(house: House) -> None:
    """What was planned while the list was empty reads all of it."""
    devices = [{"list": "STOLEN", "imei": f"{35209900000000 + n}"} for n in range(200)]
    assert (await house.manage("POST", PATH, {"devices": devices})).status == 200
    rows = await house.db.fetchval("select reltuples from pg_class where relname = 'listed_device'")
    assert rows == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"devices": []},
        {"devices": [{"list": "STOLEN"}]},
        {"devices": [{**STOLEN, "tac": "35368953"}]},
        {"devices": [{**STOLEN, "list": "LOST"}]},
        {"devices": [{**STOLEN, "imei": int(DEVICE)}]},
        {"devices": [{**STOLEN, "since": "2026-11-20T00:00:00"}]},
        {"devices": [{**STOLEN, "reason": "x" * 257}]},
        {"devices": [{**MODELS, "tacLast": "35368952"}]},
        {"devices": [STOLEN] * 501},
    ],
)
async def test_entries_that_are_none_are_refused_and_nothing_is_stored(still: House, body: dict[str, Any]) -> None:
    refused = await still.manage("POST", PATH, body)
    assert (refused.status, refused.json["code"]) == (400, "INVALID_ARGUMENT")
    assert await ListedDevices(still.db).counts() == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{PATH}/x"),
        ("GET", f"{PATH}/%00"),
        ("GET", f"{PATH}?list=LOST"),
        ("GET", f"{PATH}?cursor=x"),
        ("DELETE", PATH),
        ("DELETE", f"{PATH}?list=STOLEN"),
        ("DELETE", f"{PATH}?list=STOLEN&device=35368953-x"),
    ],
)
async def test_what_cannot_be_asked(still: House, method: str, path: str) -> None:
    assert (await still.manage(method, path)).status == 400


async def test_it_is_the_operators_alone(still: House) -> None:
    for token in (still.customer, still.reader):
        assert (await still.manage("POST", PATH, {"devices": [STOLEN]}, token=token)).status == 403
        assert (await still.manage("DELETE", f"{PATH}?list=STOLEN&device={DEVICE}", token=token)).status == 403
    assert (await still.manage("GET", PATH, token=still.customer)).status == 403
    assert (await still.manage("GET", PATH, token=still.reader)).status == 200
