"""connected-network-type and device-authenticity: what is known, what is not, whose it is, and what the sandbox plays.
Every answer is held against CAMARA's documents by the client."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.world import NOW, Client, Settings, World, sim

from simwarden import northbound
from simwarden.domain.identifiers import full_imei
from simwarden.domain.usage import Usage
from simwarden.northbound.connected_network_type import part as connected
from simwarden.northbound.connected_network_type.part import Connection, VirtualConnections
from simwarden.northbound.device_authenticity import part as authenticity
from simwarden.northbound.kernel.devices import Devices
from simwarden.northbound.kernel.services import Making
from simwarden.sandbox.ports import VirtualSims

TYPE, STATUS = "/connected-network-type/v0.2/retrieve", "/device-authenticity/vwip/check-status"
NUMBER = "+8613800000001"
PHONE = {"device": {"phoneNumber": NUMBER}}
DEVICE = "3536895307079"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


@pytest.mark.parametrize("generation", ["2G", "3G", "4G", "5G", "UNKNOWN"])
async def test_the_type_is_told_as_it_is_known(client: Client, world: World, generation: str) -> None:
    world.connections.known[sim(NUMBER).imsi] = Connection(NOW, generation)
    reply = await client("POST", TYPE, PHONE)
    assert (reply.status, reply.json["connectedNetworkType"]) == (200, generation)
    assert reply.json.keys() == {"connectedNetworkType", "lastStatusTime"}
    assert world.read_only == [Usage("acc_meters", "swk_meters", "connected-network-type", "getConnectedNetworkType")]


async def test_a_device_without_any_session_is_not_guessed(client: Client) -> None:
    reply = await client("POST", TYPE, PHONE)
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")


async def test_several_names_are_answered_by_the_one_that_counted(client: Client, world: World) -> None:
    world.connections.known[sim(NUMBER).imsi] = Connection(NOW, "4G")
    reply = await client("POST", TYPE, {"device": {"phoneNumber": NUMBER, "ipv6Address": "2001:db8::1"}})
    assert reply.json["device"] == {"phoneNumber": NUMBER}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (TYPE, {"device": {}}),
        (TYPE, {"device": {"phoneNumber": "1"}}),
        (TYPE, {**PHONE, "more": 1}),
        (STATUS, {}),
        (STATUS, {"imei": DEVICE}),
        (STATUS, {"imei": 353689530707903}),
        (STATUS, {"imei": "35368953070790\u0664"}),
        (STATUS, {"imei": full_imei(DEVICE + "1"), "more": 1}),
    ],
)
async def test_bodies_that_are_none(client: Client, path: str, body: dict[str, Any]) -> None:
    reply = await client("POST", path, body)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(("path", "body"), [(TYPE, PHONE), (STATUS, {"imei": full_imei(DEVICE + "1")})])
async def test_scopes(client: Client, world: World, path: str, body: dict[str, Any]) -> None:
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], scopes=frozenset({"sim-swap:check"}))
    assert (await client("POST", path, body)).status == 403


@pytest.mark.parametrize(
    ("digit", "status", "reported"),
    [
        ("1", "stolen", True),
        ("2", "blocked", True),
        ("3", "allowed", False),
        ("4", "unknown", False),
        ("0", "unknown", False),
    ],
)
async def test_lists_and_what_they_make_of_a_device(client: Client, digit: str, status: str, reported: bool) -> None:
    imei = full_imei(DEVICE + digit)
    reply = await client("POST", STATUS, {"imei": imei})
    assert (reply.status, reply.json["imei"], reply.json["operationalStatus"]) == (200, imei, status)
    assert ("reportedDate" in reply.json) is reported
    assert "lastChecked" in reply.json


@pytest.mark.parametrize(
    ("digit", "answer"), [("0", "4G"), ("1", "2G"), ("2", "3G"), ("3", "5G"), ("8", "UNKNOWN"), ("5", 422), ("7", 422)]
)
async def test_what_the_sandbox_plays(digit: str, answer: str | int) -> None:
    world = World()
    virtual = VirtualSims(lambda: NOW)
    making = Making(database=cast("Any", None), settings=Settings(), virtual=True)
    own = {"connected-network-type": connected.make(making), "device-authenticity": authenticity.make(making)}
    services = msgspec.structs.replace(world.services, sims=virtual, devices=Devices(virtual), own=own)
    client = Client(northbound.ApisFirst(Starlette(), northbound.apis(services)))
    reply = await client("POST", TYPE, {"device": {"phoneNumber": f"+861380000004{digit}"}})
    assert (reply.json["connectedNetworkType"] if reply.status == 200 else reply.status) == answer
    assert isinstance(own["connected-network-type"], VirtualConnections)


def test_without_its_part_an_api_is_not_there() -> None:
    world = World()
    served = northbound.apis(msgspec.structs.replace(world.services, own={}))
    assert not {"connected-network-type", "device-authenticity"} & served.keys()
