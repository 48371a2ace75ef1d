"""device-reachability-status and device-roaming-status: what is shown, what is not, whose it is, and what the sandbox
plays. Every answer is held against CAMARA's documents by the client."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.world import IMEI, NOW, Client, Settings, World, sim

from simwarden import northbound
from simwarden.domain.sim import Bar, BarCause, Function, IdentifierKind, SimRef
from simwarden.domain.standing import ShownSession, ShownSlot, Standing
from simwarden.domain.usage import Usage
from simwarden.northbound.kernel.devices import Devices
from simwarden.sandbox.ports import VirtualModels, VirtualSims

REACH, ROAM = "/device-reachability-status/v1/retrieve", "/device-roaming-status/v1/retrieve"
NUMBER = "+8613800000001"
PHONE = {"device": {"phoneNumber": NUMBER}}
MINUTE = timedelta(minutes=1)


def slot(**changes: Any) -> ShownSlot:
    made = ShownSlot(status=3, plmn="46000", imei=IMEI, at=NOW - MINUTE, heard_at=NOW - MINUTE, period=MINUTE)
    return msgspec.structs.replace(made, **changes)


def session(**changes: Any) -> ShownSession:
    made = ShownSession(
        live=True, at=NOW - 3 * MINUTE, plmn="46000", imei=IMEI, svn="07", heard_at=NOW - MINUTE, period=MINUTE
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def world() -> World:
    made = World()
    made.services = msgspec.structs.replace(
        made.services, edge=msgspec.structs.replace(made.services.edge, clock=lambda: NOW)
    )
    made.app = northbound.ApisFirst(Starlette(), northbound.apis(made.services))
    return made


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def show(world: World, slot: ShownSlot | None = None, session: ShownSession | None = None) -> None:
    """Of the SIM of NUMBER."""
    world.standing[sim(NUMBER).imsi] = Standing(slot, session)


def at(reply: Any) -> datetime:
    return datetime.fromisoformat(reply.json["lastStatusTime"])


@pytest.mark.parametrize(
    ("shown", "reachable", "connectivity"),
    [
        (Standing(slot(), session()), True, ["DATA", "SMS"]),
        (Standing(slot()), True, ["SMS"]),
        (Standing(None, session()), True, ["DATA"]),
        (Standing(slot(status=12), session(live=False)), False, None),
        (Standing(slot(heard_at=NOW - 3 * MINUTE)), False, None),
    ],
)
async def test_by_what_a_device_can_be_reached(
    client: Client, world: World, shown: Standing, reachable: bool, connectivity: list[str] | None
) -> None:
    world.standing[sim(NUMBER).imsi] = shown
    reply = await client("POST", REACH, PHONE)
    assert reply.status == 200
    assert (reply.json["reachable"], reply.json.get("connectivity")) == (reachable, connectivity)
    assert reply.json.keys() <= {"reachable", "connectivity", "lastStatusTime"}


async def test_an_old_status_keeps_its_time(client: Client, world: World) -> None:
    show(world, slot(at=NOW - 50 * MINUTE, heard_at=NOW - 50 * MINUTE))
    reply = await client("POST", REACH, PHONE)
    assert (reply.json["reachable"], at(reply)) == (False, NOW - 50 * MINUTE)


async def test_a_barred_function_cannot_be_reached(client: Client, world: World) -> None:
    show(world, slot(), session())
    bars = (Bar(BarCause.QUOTA, int(Function.SMS), NOW - MINUTE, 2),)
    world.add(msgspec.structs.replace(sim(NUMBER), bars=bars))
    assert (await client("POST", REACH, PHONE)).json["connectivity"] == ["DATA"]


@pytest.mark.parametrize(
    ("plmn", "roaming", "code", "names"),
    [
        ("46000", False, None, None),
        ("20801", True, 208, ["FR"]),
        ("34020", True, 340, ["BL", "GF", "GP", "MF", "MQ"]),
        ("90112", True, 901, []),
        ("46001", True, 460, ["CN"]),
        ("00101", True, 1, []),
    ],
)
async def test_where_a_device_roams(
    client: Client, world: World, plmn: str, roaming: bool, code: int | None, names: list[str] | None
) -> None:
    show(world, slot(plmn=plmn))
    reply = await client("POST", ROAM, PHONE)
    assert reply.status == 200
    found = reply.json
    assert (found["roaming"], found.get("countryCode"), found.get("countryName")) == (roaming, code, names)
    assert at(reply) == NOW - MINUTE


async def test_an_account_names_more_networks_that_are_home(client: Client, world: World) -> None:
    show(world, slot(plmn="46001"))
    world.settings_of["acc_meters"] = Settings(home_networks=("46001",))
    assert (await client("POST", ROAM, PHONE)).json["roaming"] is False


@pytest.mark.parametrize("path", [REACH, ROAM])
async def test_what_nothing_shows_is_422_and_never_false(client: Client, path: str) -> None:
    reply = await client("POST", path, PHONE)
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")


async def test_a_slot_that_names_no_network_leaves_roaming_unknown(client: Client, world: World) -> None:
    show(world, slot(status=12, plmn=None))
    assert (await client("POST", ROAM, PHONE)).status == 422
    assert (await client("POST", REACH, PHONE)).json["reachable"] is False


@pytest.mark.parametrize("path", [REACH, ROAM])
async def test_of_several_identifiers_the_answer_names_the_one_that_counted(
    client: Client, world: World, path: str
) -> None:
    show(world, slot())
    address = {"publicAddress": "203.0.113.7", "publicPort": 2000}
    world.add(sim(NUMBER), SimRef(IdentifierKind.IPV4, "203.0.113.7:2000"), SimRef(IdentifierKind.IPV6, "2001:db8::1"))
    both = {"phoneNumber": NUMBER, "ipv4Address": address, "ipv6Address": "2001:db8::1"}
    for named, counted in (
        (both, {"phoneNumber": NUMBER}),
        ({key: both[key] for key in ("ipv4Address", "ipv6Address")}, {"ipv4Address": address}),
        ({"ipv6Address": "2001:db8::1", "networkAccessIdentifier": "a@b"}, {"ipv6Address": "2001:db8::1"}),
        ({"ipv6Address": "2001:db8::1"}, None),
    ):
        assert (await client("POST", path, {"device": named})).json.get("device") == counted
    assert "device" not in (await client("POST", path, {}, token="device")).json


@pytest.mark.parametrize("path", [REACH, ROAM])
@pytest.mark.parametrize(
    ("body", "token", "status", "code"),
    [
        ({"device": {"phoneNumber": "+8613899999999"}}, "good", 404, "IDENTIFIER_NOT_FOUND"),
        ({"device": {"phoneNumber": "+8613800000009"}}, "good", 404, "IDENTIFIER_NOT_FOUND"),  # another account's
        ({}, "lost-device", 404, "IDENTIFIER_NOT_FOUND"),
        ({}, "good", 422, "MISSING_IDENTIFIER"),
        (PHONE, "device", 422, "UNNECESSARY_IDENTIFIER"),
        ({"device": {"networkAccessIdentifier": "a@b"}}, "good", 422, "UNSUPPORTED_IDENTIFIER"),
        ({"device": {}}, "good", 400, "INVALID_ARGUMENT"),
        ({"device": None}, "good", 400, "INVALID_ARGUMENT"),
        ({"device": {"phoneNumber": "13800000001"}}, "good", 400, "INVALID_ARGUMENT"),
        ({"device": {"phoneNumber": NUMBER, "more": 1}}, "good", 400, "INVALID_ARGUMENT"),
        ({**PHONE, "more": 1}, "good", 400, "INVALID_ARGUMENT"),
        ({"device": {"ipv4Address": {"publicAddress": "203.0.113.7"}}}, "good", 400, "INVALID_ARGUMENT"),
        (b"", "good", 400, "INVALID_ARGUMENT"),
        (PHONE, "narrow", 403, "PERMISSION_DENIED"),
        (PHONE, None, 401, "UNAUTHENTICATED"),
        (PHONE, "bad", 401, "UNAUTHENTICATED"),
    ],
)
async def test_refusals(client: Client, path: str, body: Any, token: str | None, status: int, code: str) -> None:
    reply = await client("POST", path, body, token=token)
    assert (reply.status, reply.json["code"]) == (status, code)


async def test_both_are_counted_as_reads(client: Client, world: World) -> None:
    show(world, slot())
    await client("POST", REACH, PHONE)
    await client("POST", ROAM, PHONE)
    assert world.read_only == [
        Usage("acc_meters", "swk_meters", api, operation)
        for api, operation in (
            ("device-reachability-status", "getReachabilityStatus"),
            ("device-roaming-status", "getRoamingStatus"),
        )
    ]


def sandbox(world: World) -> Client:
    virtual = VirtualSims(lambda: NOW)
    services = msgspec.structs.replace(
        world.services, sims=virtual, devices=Devices(virtual), models=VirtualModels(), commands=virtual
    )
    return Client(northbound.ApisFirst(Starlette(), northbound.apis(services)))


@pytest.mark.parametrize(
    ("digit", "connectivity", "countries"),
    [
        ("0", ["DATA", "SMS"], None),
        ("1", ["SMS"], None),
        ("2", None, None),
        ("3", ["DATA", "SMS"], ["FR"]),
        ("6", ["DATA", "SMS"], ["BL", "GF", "GP", "MF", "MQ"]),
        ("8", None, None),
        ("9", ["DATA", "SMS"], []),
    ],
)
async def test_what_the_sandbox_plays(
    world: World, digit: str, connectivity: list[str] | None, countries: list[str] | None
) -> None:
    client = sandbox(world)
    body = {"device": {"phoneNumber": f"+861380000001{digit}"}}
    reply = await client("POST", REACH, body)
    assert (reply.json["reachable"], reply.json.get("connectivity")) == (connectivity is not None, connectivity)
    assert (NOW - at(reply) > timedelta(hours=1)) is (digit == "8")
    reply = await client("POST", ROAM, body)
    assert (reply.json["roaming"], reply.json.get("countryName")) == (countries is not None, countries)


@pytest.mark.parametrize(("digit", "status"), [("4", 404), ("5", 422), ("7", 422)])
async def test_what_the_sandbox_refuses(world: World, digit: str, status: int) -> None:
    client = sandbox(world)
    for path in (REACH, ROAM):
        assert (await client("POST", path, {"device": {"phoneNumber": f"+861380000001{digit}"}})).status == status
