"""location-verification and location-retrieval: what is compared, how fresh, how large, and what the sandbox plays.

The scenarios follow CAMARA's documents, its templates for device identifiers and its rules of syntax errors. Every
answer is held against CAMARA's document by the client.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.world import NOW, Client, World, sim

from simwarden import northbound
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.domain.usage import Usage
from simwarden.northbound.kernel.devices import Devices
from simwarden.sandbox.ports import VirtualSims

VERIFY, RETRIEVE = "/location-verification/v3/verify", "/location-retrieval/v0.5/retrieve"
NUMBER = "+8613800000001"
PHONE = {"device": {"phoneNumber": NUMBER}}
IPV4 = {"publicAddress": "203.0.113.7", "publicPort": 59765}
BONN = {"latitude": 50.735851, "longitude": 7.10066}
DEGREE = 111_195.0
"""Metres of one degree of latitude."""
SEEN = NOW - timedelta(minutes=10)


def circle(radius: float, **center: float) -> dict[str, Any]:
    return {"area": {"areaType": "CIRCLE", "center": BONN | center, "radius": radius}}


@pytest.fixture(params=[VERIFY, RETRIEVE])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world() -> World:
    made = World()
    made.services = msgspec.structs.replace(
        made.services, edge=msgspec.structs.replace(made.services.edge, clock=lambda: NOW), smallest_area_radius=200
    )
    made.app = northbound.ApisFirst(Starlette(), northbound.apis(made.services))
    made.add(sim(NUMBER), SimRef(IdentifierKind.IPV4, "203.0.113.7:59765"), SimRef(IdentifierKind.IPV6, "2001:db8::1"))
    made.places[sim(NUMBER).imsi] = Place(**BONN, radius=1000, at=SEEN, source=PlaceSource.SITE, ref="7")
    return made


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def body(path: str, radius: float = 50_000, **others: Any) -> dict[str, Any]:
    return PHONE | (circle(radius) if path == VERIFY else {}) | others


@pytest.mark.parametrize(
    ("apart", "radius", "result", "rate"),
    [
        (0, 50_000, "TRUE", None),
        (0, 1000, "TRUE", None),
        (3000, 1000, "FALSE", None),
        (1000, 1000, "PARTIAL", 39),
        (0, 700, "PARTIAL", 49),
        (0, 200, "PARTIAL", 4),
        (1999, 1000, "PARTIAL", 1),
        (1001, 2000, "PARTIAL", 99),
    ],
)
async def test_the_known_circle_is_compared_with_the_wanted_one(
    client: Client, apart: float, radius: float, result: str, rate: int | None
) -> None:
    wanted = circle(radius, latitude=BONN["latitude"] + apart / DEGREE)
    reply = await client("POST", VERIFY, PHONE | wanted)
    assert reply.status == 200
    assert reply.json["verificationResult"] == result
    assert reply.json.get("matchRate") == rate
    assert datetime.fromisoformat(reply.json["lastLocationTime"]) == SEEN


async def test_a_circle_over_the_antimeridian_is_one_circle(client: Client, world: World) -> None:
    world.places[sim(NUMBER).imsi] = Place(-17.0, -179.99, 500, SEEN, PlaceSource.CELL, "ecgi:54201-0000001")
    wanted = PHONE | circle(10_000, latitude=-17.0, longitude=179.99)
    assert (await client("POST", VERIFY, wanted)).json["verificationResult"] == "TRUE"


async def test_the_known_circle_is_answered(client: Client, world: World) -> None:
    reply = await client("POST", RETRIEVE, PHONE)
    assert reply.status == 200
    assert reply.json["area"] == {"areaType": "CIRCLE", "center": BONN, "radius": 1000.0}
    assert datetime.fromisoformat(reply.json["lastLocationTime"]) == SEEN
    world.places[sim(NUMBER).imsi] = Place(**BONN, radius=0, at=SEEN, source=PlaceSource.ADDRESS, ref="")
    assert (await client("POST", RETRIEVE, PHONE)).json["area"]["radius"] == 1


@pytest.mark.parametrize(("surface", "status"), [(math.ceil(math.pi * 1e6), 200), (3_141_592, 422), (1, 422)])
async def test_a_circle_larger_than_the_wanted_surface_is_not_answered(
    client: Client, surface: int, status: int
) -> None:
    reply = await client("POST", RETRIEVE, PHONE | {"maxSurface": surface})
    assert reply.status == status
    if status == 422:
        assert reply.json["code"] == "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_SURFACE"
        assert reply.json["message"] == "Unable to provide accurate acceptable surface for location"


@pytest.mark.parametrize(("seconds", "status"), [(0, 422), (599, 422), (600, 200), (2**53 - 1, 200)])
async def test_a_place_older_than_wanted_is_not_answered(client: Client, path: str, seconds: int, status: int) -> None:
    reply = await client("POST", path, body(path, maxAge=seconds))
    assert reply.status == status
    if status == 422:
        assert reply.json["code"].endswith(".UNABLE_TO_FULFILL_MAX_AGE")
        assert reply.json["message"] == "Unable to provide expected freshness for location"


@pytest.mark.parametrize("older", [{}, {"maxAge": 86400}])
async def test_an_unknown_place_is_an_error_of_its_own(
    client: Client, world: World, path: str, older: dict[str, int]
) -> None:
    world.places.clear()
    reply = await client("POST", path, body(path, **older))
    api = path.split("/")[1].replace("-", "_").upper()
    code = "UNABLE_TO_FULFILL_MAX_AGE" if older else "UNABLE_TO_LOCATE"
    assert (reply.status, reply.json["code"]) == (422, f"{api}.{code}")


@pytest.mark.parametrize(
    ("radius", "code", "message"),
    [
        (1, "INVALID_AREA", "The requested area is too small"),
        (199.9, "INVALID_AREA", "The requested area is too small"),
        (20_037_509, "AREA_NOT_COVERED", "Unable to cover the requested area"),
        (1e308, "AREA_NOT_COVERED", "Unable to cover the requested area"),
    ],
)
async def test_a_circle_that_is_too_small_or_larger_than_the_earth_is_refused(
    client: Client, radius: float, code: str, message: str
) -> None:
    reply = await client("POST", VERIFY, body(VERIFY, radius))
    assert (reply.status, reply.json["code"]) == (422, f"LOCATION_VERIFICATION.{code}")
    assert reply.json["message"] == message


async def test_of_several_identifiers_the_one_that_was_used_is_named(client: Client, path: str) -> None:
    stranger = {"phoneNumber": "+8613800000002"}  # of another SIM: identifiers are not compared
    for given, used in (
        ({"phoneNumber": NUMBER}, None),
        ({"ipv4Address": IPV4}, None),
        ({"phoneNumber": NUMBER, "ipv4Address": IPV4}, {"phoneNumber": NUMBER}),
        ({"ipv4Address": IPV4, "ipv6Address": "2001:DB8::1"}, {"ipv4Address": IPV4}),
        ({"ipv6Address": "2001:DB8:0::1", "networkAccessIdentifier": "a@b"}, {"ipv6Address": "2001:DB8:0::1"}),
        ({"phoneNumber": NUMBER, "networkAccessIdentifier": "a@b"}, {"phoneNumber": NUMBER}),
    ):
        reply = await client("POST", path, body(path, device=given))
        assert reply.status == 200, given
        assert reply.json.get("device") == used
    reply = await client("POST", path, body(path, device=stranger | {"ipv4Address": IPV4}))
    assert reply.status == 422  # the first identifier counts, and that SIM has no place
    assert reply.json["code"].endswith(".UNABLE_TO_LOCATE")


async def test_a_3_legged_token_names_the_device(client: Client, path: str) -> None:
    wanted = body(path)
    del wanted["device"]
    reply = await client("POST", path, wanted, token="device")
    assert reply.status == 200
    assert "device" not in reply.json
    for device in ({"phoneNumber": NUMBER}, {"phoneNumber": "+8613800000002"}):
        reply = await client("POST", path, wanted | {"device": device}, token="device")
        assert (reply.status, reply.json["code"]) == (422, "UNNECESSARY_IDENTIFIER")
    reply = await client("POST", path, wanted, token="lost-device")
    assert (reply.status, reply.json["code"]) == (404, "IDENTIFIER_NOT_FOUND")


@pytest.mark.parametrize(
    ("device", "status", "code"),
    [
        (None, 422, "MISSING_IDENTIFIER"),
        ({}, 400, "INVALID_ARGUMENT"),
        ({"phoneNumber": "+8613899999999"}, 404, "IDENTIFIER_NOT_FOUND"),
        ({"phoneNumber": "+8613800000009"}, 404, "IDENTIFIER_NOT_FOUND"),  # another account's
        ({"ipv4Address": {"publicAddress": "203.0.113.8", "publicPort": 1}}, 404, "IDENTIFIER_NOT_FOUND"),
        ({"networkAccessIdentifier": "a@b"}, 422, "UNSUPPORTED_IDENTIFIER"),
        ({"phoneNumber": "1234567890"}, 400, "INVALID_ARGUMENT"),
        ({"phoneNumber": "+00012230304913849"}, 400, "INVALID_ARGUMENT"),
        ({"phoneNumber": 1}, 400, "INVALID_ARGUMENT"),
        ({"ipv4Address": {"publicAddress": "203.0.113.7"}}, 400, "INVALID_ARGUMENT"),
        ({"ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": 65536}}, 400, "INVALID_ARGUMENT"),
        ({"ipv4Address": {"publicAddress": "203.0.113.700", "publicPort": 1}}, 400, "INVALID_ARGUMENT"),
        ({"ipv6Address": "2001:db8::xyz"}, 400, "INVALID_ARGUMENT"),
        ({"networkAccessIdentifier": 5}, 400, "INVALID_ARGUMENT"),
    ],
)
async def test_devices(client: Client, path: str, device: Any, status: int, code: str) -> None:
    wanted = body(path, device=device)
    if device is None:
        del wanted["device"]
    reply = await client("POST", path, wanted)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert reply.json["message"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"area": ...}, "area"),
        ({"area": None}, "area"),
        ({"area": {}}, "area"),
        ({"areaType": ...}, "areaType"),
        ({"areaType": "POLYGON"}, "areaType"),
        ({"center": ...}, "center"),
        ({"center": [50.7, 7.1]}, "center"),
        ({"center": {"latitude": 1}}, "longitude"),
        ({"center": {"latitude": 90.1, "longitude": 1}}, "latitude"),
        ({"center": {"latitude": -91, "longitude": 1}}, "latitude"),
        ({"center": {"latitude": 1, "longitude": 180.5}}, "longitude"),
        ({"center": {"latitude": "1", "longitude": 1}}, "latitude"),
        ({"radius": ...}, "radius"),
        ({"radius": 0}, "radius"),
        ({"radius": 0.99}, "radius"),
        ({"radius": -5}, "radius"),
        ({"radius": "wide"}, "radius"),
    ],
)
async def test_what_is_no_area_is_refused_by_name(client: Client, change: dict[str, Any], named: str) -> None:
    wanted = body(VERIFY)
    [(key, value)] = change.items()
    where = wanted if key == "area" else wanted["area"]
    if value is ...:
        del where[key]
    else:
        where[key] = value
    reply = await client("POST", VERIFY, wanted)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert named in reply.json["message"]


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"1e999", b"-1e999"])
@pytest.mark.parametrize("where", ["latitude", "radius"])
async def test_numbers_that_json_does_not_have_are_refused(client: Client, raw: bytes, where: str) -> None:
    sent = msgspec.json.encode(body(VERIFY)).replace(f'"{where}":'.encode(), f'"{where}":'.encode() + raw + b',"x":')
    reply = await client("POST", VERIFY, sent)
    if where == "radius" and raw == b"1e999":
        assert reply.status in (400, 422)
    else:
        assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("value", ["6a0", 1.5, None, True, "60"])
async def test_a_wrong_age_is_refused(client: Client, path: str, value: Any) -> None:
    reply = await client("POST", path, body(path, maxAge=value))
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("value", [-1, 2**53, 10**30])
async def test_an_age_out_of_range_is_said_to_be_that_where_the_document_has_the_code(
    client: Client, path: str, value: int
) -> None:
    reply = await client("POST", path, body(path, maxAge=value))
    assert (reply.status, reply.json["code"]) == (400, "OUT_OF_RANGE" if path == VERIFY else "INVALID_ARGUMENT")


@pytest.mark.parametrize("value", [0, -5, "wide", 2**53])
async def test_a_wrong_surface_is_refused(client: Client, value: Any) -> None:
    reply = await client("POST", RETRIEVE, PHONE | {"maxSurface": value})
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert "maxSurface" in reply.json["message"]


async def test_syntax_tokens_and_scopes(client: Client, path: str) -> None:
    for raw in (b"", b"{", b"[]", b"null", b'"a"'):
        reply = await client("POST", path, raw)
        assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT"), raw
    reply = await client("POST", path, {})
    assert reply.status == (400 if path == VERIFY else 422)
    for token in (None, "expired"):
        reply = await client("POST", path, body(path), token=token)
        assert (reply.status, reply.json["code"]) == (401, "UNAUTHENTICATED")
    reply = await client("POST", path, body(path), token="narrow")
    assert (reply.status, reply.json["code"]) == (403, "PERMISSION_DENIED")
    assert (await client("GET", path)).status == 405
    named = await client("POST", path, body(path), headers=[("x-correlator", "c-17")])
    assert named.headers["x-correlator"] == "c-17"
    reply = await client("POST", path, body(path), headers=[("x-correlator", "no blanks")])
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


async def test_unknown_properties_are_ignored_as_in_the_release(client: Client, path: str) -> None:
    wanted = body(path, more=1, device=PHONE["device"] | {"more": 2})
    assert (await client("POST", path, wanted)).status == 200


async def test_what_is_answered_is_counted_as_read_and_a_refusal_is_not(
    client: Client, world: World, path: str
) -> None:
    for sent in (body(path), body(path, maxAge=1), body(path)):
        await client("POST", path, sent)
    name = {VERIFY: "verifyLocation", RETRIEVE: "retrieveLocation"}[path]
    assert world.read_only == [Usage("acc_meters", "swk_meters", path.split("/")[1], name)] * 2


async def test_nothing_is_served_where_nobody_knows_places(world: World) -> None:
    apis = northbound.apis(msgspec.structs.replace(world.services, places=None))
    assert not {"location-verification", "location-retrieval"} & apis.keys()


@pytest.mark.parametrize(
    ("last", "seconds_ago", "radius"),
    [*((digit, 300, 500) for digit in "013689"), ("2", 259_200, 10_000), ("5", None, None), ("7", None, None)],
)
async def test_in_the_sandbox_the_last_digit_decides(
    world: World, last: str, seconds_ago: int | None, radius: int | None
) -> None:
    virtual = VirtualSims(lambda: NOW)
    services = msgspec.structs.replace(world.services, sims=virtual, devices=Devices(virtual), places=virtual)
    client = Client(northbound.ApisFirst(Starlette(), northbound.apis(services)))
    device = {"device": {"phoneNumber": f"+861380000001{last}"}}
    where = await client("POST", RETRIEVE, device)
    inside = await client("POST", VERIFY, device | circle(10_000))
    outside = await client("POST", VERIFY, device | circle(1000, latitude=0))
    if seconds_ago is None:
        assert {reply.json["code"].partition(".")[2] for reply in (where, inside, outside)} == {"UNABLE_TO_LOCATE"}
        return
    assert where.json["area"] == {"areaType": "CIRCLE", "center": BONN, "radius": radius}
    assert NOW - datetime.fromisoformat(where.json["lastLocationTime"]) == timedelta(seconds=seconds_ago)
    assert inside.json["verificationResult"] == "TRUE"
    assert outside.json["verificationResult"] == "FALSE"
