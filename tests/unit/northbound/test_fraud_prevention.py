"""bind, unbind and query as a client meets them; every answer is held against both OpenAPI documents."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.world import FULL_IMEI, IMEI, NOW, Client, Settings, World, sim

from simwarden import northbound
from simwarden.domain.errors import InvalidBinding, InvalidIdentifier, SimwardenError, StoreUnavailable
from simwarden.domain.events import CauseKind
from simwarden.domain.sim import (
    Binding,
    BindingKind,
    BindingState,
    IdentifierKind,
    Learnt,
    OnUnknown,
    Policy,
    SimRef,
)
from simwarden.northbound.kernel.devices import Devices
from simwarden.sandbox.ports import VirtualSims

PHONE = {"phoneNumber": "+8613800000001"}
UNSEEN = {"phoneNumber": "+8613800000002"}
FOREIGN = {"phoneNumber": "+8613800000009"}
UNKNOWN = {"phoneNumber": "+8613899999999"}
NO_DEVICE = "At least one of phoneNumber, networkAccessIdentifier, ipv4Address and ipv6Address must be specified"
V01 = "/iot-sim-fraud-prevention/v0.1"
WIP = "/iot-sim-fraud-prevention/vwip"
OPERATIONS = {"bind": "bindType", "unbind": "unBindType", "query": "queryType"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def body(operation: str, device: Any = PHONE, what: Any = "IMEIBIND") -> dict[str, Any]:
    """A request body; None leaves a property out."""
    found = {OPERATIONS[operation]: what, "device": device}
    return {name: value for name, value in found.items() if value is not None}


async def test_bind_query_unbind(client: Client, world: World) -> None:
    before = await client("POST", f"{V01}/query", body("query"))
    assert before.json == {"imeiBind": {"bindStatus": "UNBOUND"}}
    bound = await client("POST", f"{V01}/bind", body("bind"), headers=[("x-correlator", "case-1")])
    assert (bound.status, bound.json) == (200, {"bound": True})
    assert bound.headers["x-correlator"] == "case-1"
    between = await client("POST", f"{V01}/query", body("query"))
    assert between.json == {"imeiBind": {"bindStatus": "BOUND", "bindImei": FULL_IMEI}}
    unbound = await client("POST", f"{V01}/unbind", body("unbind"))
    assert (unbound.status, unbound.json) == (200, {"unbound": True})
    after = await client("POST", f"{V01}/query", body("query"))
    assert after.json == before.json
    assert [cause.message for cause in world.causes] == ["bind", "unbind"]
    assert world.causes[0].kind is CauseKind.CALL
    assert (world.causes[0].source, world.causes[0].reference) == ("swk_meters", "case-1")


async def test_binding_again_replaces(client: Client) -> None:
    for _ in range(2):
        assert (await client("POST", f"{V01}/bind", body("bind"))).json == {"bound": True}


async def test_a_sim_never_seen_waits_for_its_first_device(client: Client) -> None:
    assert (await client("POST", f"{V01}/bind", body("bind", UNSEEN))).json == {"bound": True}
    assert (await client("POST", f"{V01}/query", body("query", UNSEEN))).json == {"imeiBind": {"bindStatus": "BOUND"}}


async def test_a_strict_account_refuses_a_sim_never_seen(client: Client, world: World) -> None:
    world.settings_of["acc_meters"] = Settings(strict=True)
    reply = await client("POST", f"{V01}/bind", body("bind", UNSEEN))
    assert (reply.status, reply.json["code"]) == (409, "INCOMPATIBLE_STATE")
    assert (await client("POST", f"{V01}/bind", body("bind"))).status == 200


async def test_a_first_bind_takes_the_accounts_policy_and_a_second_keeps_what_was(client: Client, world: World) -> None:
    policy = Policy(unknown=OnUnknown.DENY)
    for wanted in (policy, Policy()):
        world.settings_of["acc_meters"] = Settings(policy=wanted)
        await client("POST", f"{V01}/bind", body("bind"))
        (binding,) = {found.binding for found in world.sims.values() if found.binding is not None}
        assert binding.policy == policy


@pytest.mark.parametrize(
    ("kind", "values", "imei"),
    [
        (BindingKind.IMEI, (IMEI,), FULL_IMEI),
        (BindingKind.TAC, (IMEI[:8],), None),
        (BindingKind.LIST, (IMEI,), FULL_IMEI),
        (BindingKind.LIST, (IMEI, "49015420323751"), None),
        (BindingKind.IMEI, (), None),
    ],
)
async def test_query_names_the_imei_when_there_is_just_one(
    client: Client, world: World, kind: BindingKind, values: tuple[str, ...], imei: str | None
) -> None:
    bound = Binding(kind, values, Learnt.EXPLICIT, Policy(), NOW)
    world.add(msgspec.structs.replace(sim("+8613800000001"), binding=bound, state=BindingState.LOCKED))
    found = (await client("POST", f"{V01}/query", body("query"))).json["imeiBind"]
    assert found["bindStatus"] == "BOUND"
    assert found.get("bindImei") == imei


async def test_unbinding_what_is_not_bound_is_unnecessary(client: Client) -> None:
    reply = await client("POST", f"{V01}/unbind", body("unbind"))
    assert (reply.status, reply.json["code"]) == (422, "UNNECESSARY_UNBIND_IMEI")
    assert reply.json["message"] == "The current device imei has been unbound"


async def test_area_limits_are_set_told_and_taken_away(client: Client, world: World) -> None:
    async def area(operation: str, device: Any = PHONE) -> tuple[int, Any]:
        reply = await client("POST", f"{V01}/{operation}", body(operation, device, "AREALIMIT"))
        return reply.status, reply.json

    assert await area("query") == (200, {"areaLimit": {"areaLimitStatus": "UNRESTRICTED"}})
    assert (await area("unbind"))[1]["code"] == "UNNECESSARY_UNBIND_AREALIMIT"
    assert await area("bind") == (200, {"bound": True})
    assert world.causes[-1].message == "bind"
    assert await area("query") == (200, {"areaLimit": {"areaLimitStatus": "RESTRICTED"}})
    assert (await client("POST", f"{V01}/query", body("query"))).json == {"imeiBind": {"bindStatus": "UNBOUND"}}
    assert await area("unbind") == (200, {"unbound": True})
    for operation in OPERATIONS:
        assert (await area(operation, UNKNOWN))[1]["code"] == "IDENTIFIER_NOT_FOUND"


async def test_a_strict_account_limits_no_sim_of_which_no_place_is_known(client: Client, world: World) -> None:
    world.settings_of["acc_meters"] = Settings(strict=True)
    reply = await client("POST", f"{V01}/bind", body("bind", PHONE, "AREALIMIT"))
    assert (reply.status, reply.json["code"]) == (409, "INCOMPATIBLE_STATE")


@pytest.mark.parametrize("version", [V01, WIP])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"what": None}, "{Said} must be specified"),
        ({"what": "SOMETHING"}, "The value of {said} can only be IMEIBIND,AREALIMIT"),
        ({"what": ""}, "The value of {said} can only be IMEIBIND,AREALIMIT"),
        ({"what": 1}, "The value of {said} can only be IMEIBIND,AREALIMIT"),
        ({"what": ["IMEIBIND"]}, "The value of {said} can only be IMEIBIND,AREALIMIT"),
        ({"device": {}}, NO_DEVICE),
        ({"device": []}, NO_DEVICE),
        ({"device": "+8613800000001"}, NO_DEVICE),
        ({"device": {"phoneNumber": "13800000001"}}, "Invalid format: phoneNumber"),
        ({"device": {"phoneNumber": "+0123456"}}, "Invalid format: phoneNumber"),
        ({"device": {"phoneNumber": "+12345678901234567"}}, "Invalid format: phoneNumber"),
        ({"device": {"phoneNumber": "+123456789\n"}}, "Invalid format: phoneNumber"),
        ({"device": {"phoneNumber": "+١٢٣٤٥٦"}}, "Invalid format: phoneNumber"),
        ({"device": {"phoneNumber": 8613800000001}}, "Invalid format: phoneNumber"),
        ({"device": {"phoneNumber": None}}, "Invalid format: phoneNumber"),
        ({"device": {"networkAccessIdentifier": 5}}, "Invalid format: networkAccessIdentifier"),
        ({"device": {"networkAccessIdentifier": ""}}, "Invalid format: networkAccessIdentifier"),
        ({"device": {"ipv4Address": "203.0.113.7"}}, "Invalid format: ipv4Address"),
        ({"device": {"ipv4Address": {}}}, "Invalid format: ipv4Address"),
        ({"device": {"ipv4Address": {"publicAddress": "203.0.113.7"}}}, "Invalid format: ipv4Address"),
        ({"device": {"ipv4Address": {"publicPort": 1}}}, "Invalid format: ipv4Address"),
        ({"device": {"ipv4Address": {"publicAddress": "203.0.113", "publicPort": 1}}}, "Invalid format: ipv4Address"),
        ({"device": {"ipv4Address": {"publicAddress": "01.2.3.4", "publicPort": 1}}}, "Invalid format: ipv4Address"),
        (
            {"device": {"ipv4Address": {"publicAddress": "203.0.113.7", "privateAddress": "x"}}},
            "Invalid format: ipv4Address",
        ),
        (
            {"device": {"ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": 65536}}},
            "Invalid value: ipv4Address.publicPort",
        ),
        (
            {"device": {"ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": "80"}}},
            "Invalid value: ipv4Address.publicPort",
        ),
        ({"device": {"ipv6Address": "203.0.113.7"}}, "Invalid format: ipv6Address"),
        ({"device": {"ipv6Address": "fe80::1%eth0"}}, "Invalid format: ipv6Address"),
        ({"device": {"ipv6Address": "2001:db8::/64"}}, "Invalid format: ipv6Address"),
        ({"device": {**PHONE, "ipv6Address": "x"}}, "Invalid format: ipv6Address"),
    ],
)
async def test_what_is_wrong_with_a_body_is_said_in_camaras_words(
    client: Client, world: World, version: str, operation: str, change: dict[str, Any], message: str
) -> None:
    said = {"bind": "bindType", "unbind": "unbindType", "query": "queryType"}[operation]
    reply = await client("POST", f"{version}/{operation}", body(operation, **change))
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert reply.json["message"] == message.format(said=said, Said=said[0].upper() + said[1:])
    assert not world.causes


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"device": {"phoneNumber": "\xff"}}',
        b'{"device": {"phoneNumber": "\\ud800"}}',
        b'{"x": ' + b"[" * 30_000,
        b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"bindType": NaN}',
    ],
)
async def test_a_body_that_is_not_a_json_object_is_refused(client: Client, operation: str, raw: bytes) -> None:
    reply = await client("POST", f"{V01}/{operation}", raw)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("extra", [{"remark": 1}, {"device": {**PHONE, "imei": "1"}}])
async def test_unknown_properties_are_ignored_by_0_1_and_refused_by_wip(
    client: Client, operation: str, extra: dict[str, Any]
) -> None:
    await client("POST", f"{V01}/bind", body("bind"))
    sent = {**body(operation), **extra}
    strict = await client("POST", f"{WIP}/{operation}", sent)
    assert (strict.status, strict.json["code"]) == (400, "INVALID_ARGUMENT")
    assert (await client("POST", f"{V01}/{operation}", sent)).status == 200


async def test_port_0_counts_in_0_1_only(client: Client, world: World) -> None:
    world.add(sim("+8613800000001"), SimRef(IdentifierKind.IPV4, "203.0.113.7:0"))
    sent = body("query", {"ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": 0}})
    assert (await client("POST", f"{V01}/query", sent)).status == 200
    assert (await client("POST", f"{WIP}/query", sent)).json["message"] == "Invalid value: ipv4Address.publicPort"


@pytest.mark.parametrize("operation", OPERATIONS)
class TestCases:
    """Appendix A of the Design Guide, cases 1 to 5 (0 is above)."""

    async def test_1_an_unsupported_identifier(self, client: Client, operation: str) -> None:
        for nai in ("meter-17@iot.example.com", "no-realm"):
            reply = await client("POST", f"{V01}/{operation}", body(operation, {"networkAccessIdentifier": nai}))
            assert (reply.status, reply.json["code"]) == (422, "UNSUPPORTED_IDENTIFIER")

    async def test_2_an_unknown_and_a_foreign_device_are_answered_alike(self, client: Client, operation: str) -> None:
        unknown = await client("POST", f"{V01}/{operation}", body(operation, UNKNOWN))
        foreign = await client("POST", f"{V01}/{operation}", body(operation, FOREIGN))
        assert (unknown.status, unknown.json["code"]) == (404, "IDENTIFIER_NOT_FOUND")
        assert foreign.json == unknown.json
        headers = [{**reply.headers, "x-correlator": ""} for reply in (unknown, foreign)]
        assert headers[0] == headers[1]

    async def test_3_an_identifier_beside_a_three_legged_token(self, client: Client, operation: str) -> None:
        for device in (PHONE, UNKNOWN, {"networkAccessIdentifier": "a@b"}):
            reply = await client("POST", f"{V01}/{operation}", body(operation, device), token="device")
            assert (reply.status, reply.json["code"]) == (422, "UNNECESSARY_IDENTIFIER")
        broken = await client("POST", f"{V01}/{operation}", body(operation, {}), token="device")
        assert broken.status == 400

    async def test_5_no_identifier(self, client: Client, operation: str) -> None:
        reply = await client("POST", f"{V01}/{operation}", body(operation, None))
        assert (reply.status, reply.json["code"]) == (422, "MISSING_IDENTIFIER")

    async def test_a_three_legged_token_names_the_device(self, client: Client, operation: str) -> None:
        await client("POST", f"{V01}/bind", body("bind"))
        assert (await client("POST", f"{V01}/{operation}", body(operation, None), token="device")).status == 200
        lost = await client("POST", f"{V01}/{operation}", body(operation, None), token="lost-device")
        assert (lost.status, lost.json["code"]) == (404, "IDENTIFIER_NOT_FOUND")

    async def test_the_token_is_looked_at_before_the_body(self, client: Client, operation: str) -> None:
        for token in (None, "unknown", ""):
            reply = await client("POST", f"{V01}/{operation}", b"{", token=token)
            assert (reply.status, reply.json["code"]) == (401, "UNAUTHENTICATED")
            assert reply.headers["www-authenticate"] == ('Bearer error="invalid_token"' if token else "Bearer")
        reply = await client("POST", f"{V01}/{operation}", b"{", token="narrow")
        assert (reply.status, reply.json["code"]) == (403, "PERMISSION_DENIED")
        assert reply.json["message"].startswith("Client does not have sufficient permissions to perform this action")

    async def test_each_operation_has_its_own_scope(self, client: Client, world: World, operation: str) -> None:
        await client("POST", f"{V01}/bind", body("bind"))
        scope = frozenset({f"iot-sim-fraud-prevention:{operation}"})
        world.callers["one"] = msgspec.structs.replace(world.callers["good"], scopes=scope)
        for each in OPERATIONS:
            reply = await client("POST", f"{V01}/{each}", body(each), token="one")
            assert reply.status == (200 if each == operation else 403)


@pytest.mark.parametrize(
    ("device", "ref"),
    [
        (
            {"ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": 59765}},
            SimRef(IdentifierKind.IPV4, "203.0.113.7:59765"),
        ),
        (
            {"ipv4Address": {"publicAddress": "203.0.113.7", "privateAddress": "10.0.0.1"}},
            SimRef(IdentifierKind.IPV4, "203.0.113.7/10.0.0.1"),
        ),
        (
            {"ipv4Address": {"publicAddress": "203.0.113.7", "privateAddress": "10.0.0.1", "publicPort": 1}},
            SimRef(IdentifierKind.IPV4, "203.0.113.7/10.0.0.1"),
        ),
        (
            {"ipv6Address": "2001:0DB8:0:0:0:0:0:1"},
            SimRef(IdentifierKind.IPV6, "2001:db8::1"),
        ),
        (
            {"ipv6Address": "2001:db8::1", "networkAccessIdentifier": "x@y"},
            SimRef(IdentifierKind.IPV6, "2001:db8::1"),
        ),
    ],
)
async def test_a_sim_is_found_by_its_addresses(
    client: Client, world: World, device: dict[str, Any], ref: SimRef
) -> None:
    missing = await client("POST", f"{V01}/query", body("query", device))
    assert missing.status == 404
    world.add(sim("+8613800000003"), ref)
    assert (await client("POST", f"{V01}/query", body("query", device))).status == 200


async def test_of_several_identifiers_one_counts_and_a_mismatch_is_no_error(client: Client) -> None:
    both = {**PHONE, "ipv6Address": "2001:db8::dead", "networkAccessIdentifier": "else@where"}
    assert (await client("POST", f"{V01}/query", body("query", both))).status == 200


async def test_nai_works_where_it_is_switched_on() -> None:
    world = World(nai_identification=True)
    client = Client(world.app)
    world.add(sim("+8613800000003"), SimRef(IdentifierKind.NAI, "meter-17@iot.example.com"))
    device = {"networkAccessIdentifier": "Meter-17@iot.example.com"}
    assert (await client("POST", f"{V01}/query", body("query", device))).status == 200
    reply = await client("POST", f"{V01}/query", body("query", {"networkAccessIdentifier": "no-realm"}))
    assert reply.json["message"] == "Invalid format: networkAccessIdentifier"


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (StoreUnavailable(), 503, "UNAVAILABLE"),
        (InvalidBinding("Not like this"), 409, "INCOMPATIBLE_STATE"),
        (InvalidIdentifier("Not like this"), 400, "INVALID_ARGUMENT"),
        (SimwardenError("a secret detail"), 500, "INTERNAL"),
        (ZeroDivisionError("a secret detail"), 500, "INTERNAL"),
    ],
)
async def test_failures_become_answers(
    client: Client, world: World, failure: Exception, status: int, code: str
) -> None:
    world.failure = failure
    reply = await client("POST", f"{V01}/bind", body("bind"), headers=[("x-correlator", "f-1")])
    assert (reply.status, reply.json["code"]) == (status, code)
    assert reply.headers["x-correlator"] == "f-1"
    assert "secret detail" not in reply.json["message"]


async def test_calls_are_metered_with_their_outcome(client: Client, world: World) -> None:
    await client("POST", f"{V01}/bind", body("bind"))
    await client("POST", f"{V01}/bind", body("bind", UNKNOWN))
    await client("POST", f"{V01}/query", b"{")
    await client("POST", f"{V01}/query", b"{", token="unknown")
    assert {call.api for call in world.metered} == {"iot-sim-fraud-prevention"}
    assert [(call.app_key, call.operation, call.status) for call in world.metered] == [
        ("swk_meters", "bindDeviceImei", 200),
        ("swk_meters", "bindDeviceImei", 404),
        ("swk_meters", "query", 400),
        (None, None, 401),
    ]
    assert all(call.seconds >= 0 and call.correlator for call in world.metered)


@pytest.mark.parametrize(
    ("digit", "status", "bind", "unbind"),
    [
        ("0", "RESTRICTED", 200, 200),
        ("1", "RESTRICTED", 200, 200),
        ("2", "RESTRICTED", 200, 200),
        ("3", "UNRESTRICTED", 200, 422),
        ("5", "UNRESTRICTED", 200, 422),
        ("6", "RESTRICTED", 200, 200),
        ("7", "RESTRICTED", 200, 200),
        ("8", "UNRESTRICTED", 200, 422),
        ("9", "UNRESTRICTED", 409, 422),
    ],
)
async def test_area_limits_of_the_sandbox(world: World, digit: str, status: str, bind: int, unbind: int) -> None:
    virtual = VirtualSims(lambda: NOW)
    sandbox = msgspec.structs.replace(
        world.services, sims=virtual, devices=Devices(virtual), commands=virtual, operations=None
    )
    client = Client(northbound.ApisFirst(Starlette(), northbound.apis(sandbox)))
    device = {"phoneNumber": f"+861380000001{digit}"}

    async def area(operation: str) -> tuple[int, Any]:
        reply = await client("POST", f"{V01}/{operation}", body(operation, device, "AREALIMIT"))
        return reply.status, reply.json

    found = (await area("query"))[1]["areaLimit"]
    assert found["areaLimitStatus"] == status
    assert ("limitArea" in found) is (digit in "0126")
    assert (await area("bind"))[0] == bind
    assert (await area("unbind"))[0] == unbind
    assert (await area("query"))[1]["areaLimit"] == found, "the sandbox remembers nothing"
