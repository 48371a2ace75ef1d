"""device-data-volume: what is left, what is not known, and what the sandbox plays. The client holds every answer
against CAMARA's document."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.world import NOW, Client, Settings, World, sim

from simwarden import northbound
from simwarden.domain.allowance import MIB
from simwarden.domain.traffic import TrafficLimits
from simwarden.domain.usage import Usage
from simwarden.northbound.device_data_volume import part
from simwarden.northbound.kernel.devices import Devices
from simwarden.northbound.kernel.services import Making
from simwarden.sandbox.ports import VirtualSims

RETRIEVE, CHECK = "/device-data-volume/v0.1/retrieve", "/device-data-volume/v0.1/check"
NUMBER = "+8613800000001"
PHONE = {"device": {"phoneNumber": NUMBER}}
GIB = 1024 * MIB


@pytest.fixture
def world() -> World:
    """The first SIM may use 10 GiB."""
    made = World()
    made.add(msgspec.structs.replace(sim(NUMBER), limits=TrafficLimits(data_allowance=10 * 1024)))
    return made


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def volume(value: Any, unit: str = "MiB", **more: Any) -> dict[str, Any]:
    return {**PHONE, "volumeToCheck": {"value": value, "unit": unit, **more}}


@pytest.mark.parametrize(
    ("left", "category"),
    [
        (10 * GIB, ">=5GiB"),
        (5 * GIB, ">=5GiB"),
        (5 * GIB - 1, "<5GiB"),
        (GIB, "<5GiB"),
        (GIB - 1, "<1GiB"),
        (200 * MIB, "<1GiB"),
        (200 * MIB - 1, "<200MiB"),
        (0, "<200MiB"),
        (-GIB, "<200MiB"),
    ],
)
async def test_what_is_left_is_told_by_its_class(client: Client, world: World, left: int, category: str) -> None:
    world.octets[sim(NUMBER).imsi] = 10 * GIB - left
    reply = await client("POST", RETRIEVE, PHONE)
    assert (reply.status, reply.json) == (200, {"dataVolumeCategory": category})
    assert world.read_only == [Usage("acc_meters", "swk_meters", "device-data-volume", "retrieveDataVolume")]


@pytest.mark.parametrize(
    ("left", "body", "more"),
    [
        (500 * MIB, volume(500), False),
        (500 * MIB + 1, volume(500), True),
        (2 * GIB + 1, volume(2, "GiB"), True),
        (2 * GIB, volume(2, "GiB"), False),
        (1, volume(0), True),
        (0, volume(0), False),
        (-GIB, volume(0), False),
        (10 * GIB, volume(1024, "GiB"), False),
    ],
)
async def test_more_is_left_only_above_the_threshold(
    client: Client, world: World, left: int, body: dict[str, Any], more: bool
) -> None:
    world.octets[sim(NUMBER).imsi] = 10 * GIB - left
    reply = await client("POST", CHECK, body)
    assert (reply.status, reply.json) == (200, {"thresholdExceeded": more})


@pytest.mark.parametrize(("path", "body"), [(RETRIEVE, PHONE), (CHECK, volume(1))])
async def test_what_is_not_known_is_not_guessed(client: Client, world: World, path: str, body: dict[str, Any]) -> None:
    uncounted = await client("POST", path, body)
    assert (uncounted.status, uncounted.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")
    assert uncounted.json["message"] == "No network element has counted data of this device"
    world.add(sim(NUMBER))
    world.octets[sim(NUMBER).imsi] = 0
    without = await client("POST", path, body)
    assert (without.status, without.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")
    assert without.json["message"] == "This device has no data allowance"


async def test_several_names_are_answered_by_the_one_that_counted(client: Client, world: World) -> None:
    world.octets[sim(NUMBER).imsi] = 0
    device = {"device": {"phoneNumber": NUMBER, "ipv6Address": "2001:db8::1"}}
    for path, body in ((RETRIEVE, device), (CHECK, volume(1) | device)):
        assert (await client("POST", path, body)).json["device"] == {"phoneNumber": NUMBER}


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (RETRIEVE, {"device": {}}, "INVALID_ARGUMENT"),
        (RETRIEVE, {**PHONE, "volumeToCheck": {"value": 1, "unit": "MiB"}}, "INVALID_ARGUMENT"),
        (CHECK, PHONE, "INVALID_ARGUMENT"),
        (CHECK, volume(-1), "OUT_OF_RANGE"),
        (CHECK, volume(1025, "GiB"), "OUT_OF_RANGE"),
        (CHECK, volume(10**400), "OUT_OF_RANGE"),
        (CHECK, volume(1.5), "INVALID_ARGUMENT"),
        (CHECK, volume("1"), "INVALID_ARGUMENT"),
        (CHECK, volume(1, "MB"), "INVALID_ARGUMENT"),
        (CHECK, volume(1, more=1), "INVALID_ARGUMENT"),
        (CHECK, {**PHONE, "volumeToCheck": 500}, "INVALID_ARGUMENT"),
        (CHECK, {**PHONE, "volumeToCheck": {"value": 1}}, "INVALID_ARGUMENT"),
    ],
)
async def test_bodies_that_are_none(client: Client, path: str, body: dict[str, Any], code: str) -> None:
    reply = await client("POST", path, body)
    assert (reply.status, reply.json["code"]) == (400, code)


@pytest.mark.parametrize(("path", "body"), [(RETRIEVE, PHONE), (CHECK, volume(1))])
async def test_scopes(client: Client, world: World, path: str, body: dict[str, Any]) -> None:
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], scopes=frozenset({"sim-swap:check"}))
    assert (await client("POST", path, body)).status == 403


@pytest.mark.parametrize(
    ("digit", "category", "more"),
    [
        ("0", ">=5GiB", True),
        ("1", "<5GiB", True),
        ("2", "<1GiB", True),
        ("3", "<200MiB", False),
        ("8", "<200MiB", False),
        ("5", 422, 422),
        ("7", 422, 422),
    ],
)
async def test_what_the_sandbox_plays(digit: str, category: str | int, more: bool | int) -> None:
    world = World()
    virtual = VirtualSims(lambda: NOW)
    making = Making(database=cast("Any", None), settings=Settings(), virtual=True)
    own = {"device-data-volume": part.make(making)}
    services = msgspec.structs.replace(world.services, sims=virtual, devices=Devices(virtual), own=own)
    client = Client(northbound.ApisFirst(Starlette(), northbound.apis(services)))
    device = {"device": {"phoneNumber": f"+861380000004{digit}"}}
    reply = await client("POST", RETRIEVE, device)
    assert (reply.json["dataVolumeCategory"] if reply.status == 200 else reply.status) == category
    reply = await client("POST", CHECK, volume(200) | device)
    assert (reply.json["thresholdExceeded"] if reply.status == 200 else reply.status) == more


def test_without_its_part_the_api_is_not_there() -> None:
    assert "device-data-volume" not in northbound.apis(msgspec.structs.replace(World().services, own={}))
