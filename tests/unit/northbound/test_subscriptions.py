"""Subscriptions as a client meets them; every answer is held against both OpenAPI documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.northbound.world import Caller, Client, World

from simwarden.domain.events import EventType
from simwarden.engine.subscriptions import Credential

V01 = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
WIP = "/iot-sim-fraud-prevention-subscriptions/vwip/subscriptions"
TYPES = "org.camaraproject.iot-sim-fraud-prevention.v0."
SINK_MESSAGE = (
    "The sink field must be an accessible client address in order to notify the other end when an event occurs"
)
NO_DEVICE = "At least one of phoneNumber, networkAccessIdentifier, ipv4Address and ipv6Address must be specified"
PHONE = {"phoneNumber": "+8613800000001"}
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()
PAST = "2024-03-22T05:40:58.469Z"
ABSENT: Any = object()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def body(**changes: Any) -> dict[str, Any]:
    """A subscription to the IMEI changes of a SIM. `config__x` changes `config.x`; ABSENT leaves a property out."""
    made: dict[str, Any] = {
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [f"{TYPES}imei-change"],
        "config": {"subscriptionDetail": {"device": dict(PHONE)}},
    }
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = made
        for parent in parents:
            place = place[parent]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
    return made


def credential(**changes: Any) -> dict[str, Any]:
    """An access token for the sink."""
    made = {
        "credentialType": "ACCESSTOKEN",
        "accessToken": "a.b-c_d~e+f/g==",
        "accessTokenExpiresUtc": SOON,
        "accessTokenType": "bearer",
        **changes,
    }
    return {name: value for name, value in made.items() if value is not ABSENT}


async def test_create_get_list_delete(client: Client, world: World) -> None:
    created = await client("POST", V01, body())
    assert created.status == 201
    assert created.json == {
        "id": created.json["id"],
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [f"{TYPES}imei-change"],
        "config": {"subscriptionDetail": {"device": PHONE}},
        "startsAt": "2026-11-21T12:00:00Z",
        "status": "ACTIVE",
    }
    assert created.headers["x-simwarden-webhook-secret"] == "whsec_c2VjcmV0"
    path = f"{V01}/{created.json['id']}"
    found = await client("GET", path)
    assert (found.status, found.json) == (200, created.json)
    assert "x-simwarden-webhook-secret" not in found.headers
    assert (await client("GET", V01)).json == [created.json]
    deleted = await client("DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    assert "content-type" not in deleted.headers
    for method in ("GET", "DELETE"):
        gone = await client(method, path)
        assert (gone.status, gone.json["code"]) == (404, "NOT_FOUND")
    assert (await client("GET", V01)).json == []


async def test_everything_that_was_asked_for_reaches_the_engine(client: Client, world: World) -> None:
    reply = await client(
        "POST",
        V01,
        body(
            config__subscriptionExpireTime="2030-01-01T02:00:00+02:00",
            config__subscriptionMaxEvents=10,
            config__initialEvent=True,
            protocolSettings={"headers": {"X-Tenant": "a b"}, "method": "POST"},
            sinkCredential=credential(accessTokenExpiresUtc="2030-01-02T00:00:00Z"),
        ),
    )
    assert reply.status == 201
    [new] = world.created
    assert (new.app_key, new.account_id, new.api) == ("swk_meters", "acc_meters", V01.split("/")[1])
    assert new.sim.msisdn == "+8613800000001"
    assert (new.topic, new.type) == (EventType.DEVICE_CHANGED, f"{TYPES}imei-change")
    assert new.device == PHONE
    assert new.expires_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert (new.max_events, new.initial_event) == (10, True)
    assert new.protocol_settings == {"headers": {"X-Tenant": "a b"}, "method": "POST"}
    assert new.credential == Credential("a.b-c_d~e+f/g==", datetime(2030, 1, 2, tzinfo=UTC))
    assert reply.json["expiresAt"] == "2030-01-01T00:00:00Z"
    assert reply.json["config"]["subscriptionMaxEvents"] == 10
    assert b"sinkCredential" not in reply.body
    assert b"a.b-c_d" not in reply.body
    assert b"a.b-c_d" not in (await client("GET", V01)).body


@pytest.mark.parametrize("path", [V01, WIP])
@pytest.mark.parametrize(
    ("changes", "status", "code", "message"),
    [
        ({"types": ABSENT}, 400, "INVALID_ARGUMENT", "SubscriptionType must be specified"),
        ({"types": []}, 400, "INVALID_ARGUMENT", "SubscriptionType must be specified"),
        ({"types": None}, 400, "INVALID_ARGUMENT", "SubscriptionType must be specified"),
        ({"types": f"{TYPES}imei-change"}, 400, "INVALID_ARGUMENT", "SubscriptionType must be specified"),
        ({"types": [1]}, 400, "INVALID_ARGUMENT", "SubscriptionType must be specified"),
        ({"types": ["else"]}, 400, "INVALID_ARGUMENT", "The value of types can only be"),
        ({"types": ["else", "more"]}, 400, "INVALID_ARGUMENT", "The value of types can only be"),
        (
            {"types": [f"{TYPES}imei-change", f"{TYPES}area-change"]},
            422,
            "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED",
            "Multi event types",
        ),
        ({"sink": ABSENT}, 400, "INVALID_ARGUMENT", SINK_MESSAGE),
        ({"sink": "http://events.example.com"}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"sink": "ftp://events.example.com"}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"sink": "https://"}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"sink": "HTTPS://events.example.com"}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"sink": ""}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"sink": 1}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"sink": "https://127.0.0.1/x"}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"sink": "https://user:pass@events.example.com"}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"sink": "https://a b"}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"sink": "https://e.example/" + "x" * 2048}, 400, "INVALID_SINK", SINK_MESSAGE),
        ({"protocol": "MQTT3"}, 400, "INVALID_PROTOCOL", "The value of Protocol can only be HTTP, MQTT3"),
        ({"protocol": "http"}, 400, "INVALID_PROTOCOL", "The value of Protocol can only be HTTP, MQTT3"),
        ({"protocol": 1}, 400, "INVALID_PROTOCOL", "The value of Protocol can only be HTTP, MQTT3"),
        ({"protocol": ABSENT}, 400, "INVALID_ARGUMENT", "protocol"),
        ({"config": ABSENT}, 400, "INVALID_ARGUMENT", "config"),
        ({"config": {}}, 400, "INVALID_ARGUMENT", "subscriptionDetail"),
        ({"config__subscriptionDetail": None}, 400, "INVALID_ARGUMENT", "subscriptionDetail"),
        ({"config__subscriptionDetail__device": {}}, 400, "INVALID_ARGUMENT", NO_DEVICE),
        (
            {"config__subscriptionDetail__device": {"phoneNumber": "1"}},
            400,
            "INVALID_ARGUMENT",
            "Invalid format: phone",
        ),
        ({"config__subscriptionDetail__device": ABSENT}, 422, "MISSING_IDENTIFIER", "An identifier is not included"),
        ({"config__subscriptionDetail": {}}, 422, "MISSING_IDENTIFIER", "The device cannot be identified"),
        (
            {"config__subscriptionDetail__device": {"networkAccessIdentifier": "a@b"}},
            422,
            "UNSUPPORTED_IDENTIFIER",
            "None of the provided",
        ),
        (
            {"config__subscriptionDetail__device": {"phoneNumber": "+8613800000009"}},
            404,
            "IDENTIFIER_NOT_FOUND",
            "Device identifier not found",
        ),
        ({"config__subscriptionMaxEvents": 0}, 400, "OUT_OF_RANGE", "The value of SubscriptionMaxEvents out of range"),
        ({"config__subscriptionMaxEvents": "5"}, 400, "INVALID_ARGUMENT", "Invalid format: subscriptionMaxEvents"),
        ({"config__subscriptionMaxEvents": 1.5}, 400, "INVALID_ARGUMENT", "Invalid format: subscriptionMaxEvents"),
        ({"config__subscriptionMaxEvents": -1}, 400, "OUT_OF_RANGE", "The value of SubscriptionMaxEvents out of range"),
        ({"config__subscriptionMaxEvents": 10**30}, 400, "OUT_OF_RANGE", "The value of SubscriptionMaxEvents out of"),
        ({"config__subscriptionExpireTime": PAST}, 400, "INVALID_ARGUMENT", "subscriptionExpireTime must be in the"),
        ({"config__subscriptionExpireTime": "2030-01-01T00:00:00"}, 400, "INVALID_ARGUMENT", "with a time zone"),
        ({"config__subscriptionExpireTime": "2030-01-01"}, 400, "INVALID_ARGUMENT", "with a time zone"),
        ({"config__subscriptionExpireTime": 1893456000}, 400, "INVALID_ARGUMENT", "with a time zone"),
        ({"config__subscriptionExpireTime": "9999-12-31T23:59:59-01:00"}, 400, "INVALID_ARGUMENT", "calendar"),
        ({"config__subscriptionExpireTime": "0001-01-01T00:00:00+01:00"}, 400, "INVALID_ARGUMENT", "calendar"),
        ({"config__initialEvent": "yes"}, 400, "INVALID_ARGUMENT", "initialEvent"),
        (
            {"sinkCredential": {"credentialType": "PLAIN", "identifier": "a", "secret": "b"}},
            400,
            "INVALID_CREDENTIAL",
            "Only Access token is supported",
        ),
        ({"sinkCredential": {"credentialType": "PLAIN"}}, 400, "INVALID_CREDENTIAL", "Only Access token"),
        ({"sinkCredential": {"credentialType": "REFRESHTOKEN"}}, 400, "INVALID_CREDENTIAL", "Only Access token"),
        ({"sinkCredential": {"credentialType": 1}}, 400, "INVALID_CREDENTIAL", "Only Access token"),
        ({"sinkCredential": {}}, 400, "INVALID_ARGUMENT", "credentialType"),
        (
            {"sinkCredential": {"credentialType": "PRIVATE_KEY_JWT"}},
            422,
            "PRIVATE_KEY_JWT_NOT_CONFIGURED",
            "PRIVATE_KEY_JWT",
        ),
        ({"sinkCredential": credential(accessTokenType="mac")}, 400, "INVALID_TOKEN", "Only bearer token"),
        ({"sinkCredential": credential(accessTokenType=1)}, 400, "INVALID_TOKEN", "Only bearer token"),
        ({"sinkCredential": credential(accessTokenType=ABSENT)}, 400, "INVALID_ARGUMENT", "accessTokenType"),
        ({"sinkCredential": credential(accessToken=ABSENT)}, 400, "INVALID_ARGUMENT", "accessToken must"),
        ({"sinkCredential": credential(accessToken="a\r\nb")}, 400, "INVALID_ARGUMENT", "accessToken"),
        ({"sinkCredential": credential(accessToken="")}, 400, "INVALID_ARGUMENT", "accessToken"),
        (
            {"sinkCredential": credential(accessTokenExpiresUtc=ABSENT)},
            400,
            "INVALID_ARGUMENT",
            "accessTokenExpiresUtc",
        ),
        ({"sinkCredential": credential(accessTokenExpiresUtc=PAST)}, 400, "INVALID_ARGUMENT", "must be in the future"),
        (
            {"sinkCredential": credential(accessTokenExpiresUtc="2030-01-01T00:00:00")},
            400,
            "INVALID_ARGUMENT",
            "accessTokenExpiresUtc",
        ),
        ({"protocolSettings": {"method": "PUT"}}, 400, "INVALID_ARGUMENT", "protocolSettings.method"),
        ({"protocolSettings": {"headers": {"Authorization": "x"}}}, 400, "INVALID_ARGUMENT", "Authorization"),
        ({"protocolSettings": {"headers": {"webhook-id": "x"}}}, 400, "INVALID_ARGUMENT", "webhook-id"),
        ({"protocolSettings": {"headers": {"Content-Type": "x"}}}, 400, "INVALID_ARGUMENT", "Content-Type"),
        ({"protocolSettings": {"headers": {"a b": "x"}}}, 400, "INVALID_ARGUMENT", ""),
        ({"protocolSettings": {"headers": {"a": "x\r\ny"}}}, 400, "INVALID_ARGUMENT", "protocolSettings.headers"),
        ({"protocolSettings": {"headers": {"a": "x\u0000"}}}, 400, "INVALID_ARGUMENT", "protocolSettings.headers"),
        ({"protocolSettings": {"headers": {"a": "x" * 513}}}, 400, "INVALID_ARGUMENT", "protocolSettings.headers"),
        ({"protocolSettings": {"headers": {f"a{i}": "x" for i in range(21)}}}, 400, "INVALID_ARGUMENT", "headers"),
    ],
)
async def test_what_is_wrong_has_its_own_code(
    client: Client, world: World, path: str, changes: dict[str, Any], status: int, code: str, message: str
) -> None:
    reply = await client("POST", path, body(**changes))
    assert (reply.status, reply.json["code"]) == (status, code)
    assert message in reply.json["message"]
    assert not world.created


@pytest.mark.parametrize(
    "changes",
    [
        {"remark": 1},
        {"config__remark": 1},
        {"config__subscriptionDetail__remark": 1},
        {"config__subscriptionDetail__device__remark": "\u0000"},
        {"protocolSettings": {"remark": 1}},
        {"sinkCredential": credential(remark=1)},
        {"id": "1"},
    ],
)
async def test_unknown_properties_are_dropped_by_0_1_and_refused_by_wip(
    client: Client, world: World, changes: dict[str, Any]
) -> None:
    strict = await client("POST", WIP, body(**changes))
    assert (strict.status, strict.json["code"]) == (400, "INVALID_ARGUMENT")
    assert (await client("POST", V01, body(**changes))).status == 201
    [new] = world.created
    assert "remark" not in str((new.device, new.config, new.protocol_settings))


async def test_a_subscription_belongs_to_the_client_that_made_it(client: Client) -> None:
    made = (await client("POST", V01, body())).json
    for token in ("colleague", "stranger"):
        assert (await client("GET", V01, token=token)).json == []
        for method in ("GET", "DELETE"):
            reply = await client(method, f"{V01}/{made['id']}", token=token)
            assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")
    assert (await client("GET", f"{V01}/{made['id']}")).status == 200


async def test_a_three_legged_token_sees_its_own_device_only_and_never_its_name(client: Client, world: World) -> None:
    by_client = (await client("POST", V01, body())).json
    by_device = await client("POST", V01, body(config__subscriptionDetail={}), token="device", camara=False)
    assert by_device.status == 201
    assert by_device.json["config"] == {"subscriptionDetail": {}}
    assert world.created[-1].device == PHONE, "events name it, as their schema demands"
    assert world.created[-1].sim.msisdn == "+8613800000001"
    listed = await client("GET", V01, token="device", camara=False)
    assert {each["id"] for each in listed.json} == {by_client["id"], by_device.json["id"]}
    assert b"+8613800000001" not in listed.body
    assert (await client("GET", V01, token="other-device")).json == []
    for method in ("GET", "DELETE"):
        assert (await client(method, f"{V01}/{by_client['id']}", token="other-device")).status == 404
    reply = await client("POST", V01, body(), token="device")
    assert (reply.status, reply.json["code"]) == (422, "UNNECESSARY_IDENTIFIER")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [("POST", V01, "subscribe"), ("GET", V01, "read"), ("GET", f"{V01}/1", "read"), ("DELETE", f"{V01}/1", "delete")],
)
async def test_each_operation_has_its_own_scope(
    client: Client, world: World, method: str, path: str, scope: str
) -> None:
    sent = body() if method == "POST" else None
    assert (await client(method, path, sent, token=None)).status == 401
    for each in ("subscribe", "read", "delete"):
        granted = frozenset({f"iot-sim-fraud-prevention-subscriptions:{each}"})
        world.callers["one"] = type(world.callers["good"])("swk_meters", "acc_meters", granted)
        assert ((await client(method, path, sent, token="one")).status == 403) == (each != scope)


async def test_answers_can_be_asynchronous() -> None:
    client = Client(World(subscriptions_async=True).app)
    created = await client("POST", V01, body())
    assert created.status == 202
    assert list(created.json) == ["subscriptionId"]
    assert created.headers["x-simwarden-webhook-secret"]
    path = f"{V01}/{created.json['subscriptionId']}"
    assert (await client("GET", path)).json["id"] == created.json["subscriptionId"]
    deleted = await client("DELETE", path)
    assert (deleted.status, deleted.json) == (202, {"id": created.json["subscriptionId"]})


async def test_plain_http_reaches_the_engine_where_private_sinks_are_allowed(world: World) -> None:
    open_world = World(allow_private_sinks=True)
    reply = await Client(open_world.app)("POST", V01, body(sink="http://events.example.com"))
    assert "https://" in reply.json["message"]  # the engine of this test refuses it, not the API
    assert "(" in reply.json["message"]
    refused = await Client(world.app)("POST", V01, body(sink="http://events.example.com"))
    assert "(" not in refused.json["message"]


async def test_ids_that_cannot_be_are_not_found(client: Client) -> None:
    for id_ in ("x", "\x00", "é", "a" * 5000, "%00"):
        for method in ("GET", "DELETE"):
            assert (await client(method, f"{V01}/{id_}")).status == 404


async def test_a_token_for_one_event_type_subscribes_to_that_type_alone(client: Client, world: World) -> None:
    scope = f"iot-sim-fraud-prevention-subscriptions:{TYPES}{{}}:create"
    for kind, other in (("imei-change", "area-change"), ("area-change", "imei-change")):
        world.callers["one"] = Caller("swk_meters", "acc_meters", frozenset({scope.format(kind)}))
        right = await client("POST", V01, body(types=[TYPES + kind]), token="one")
        assert right.status == 201
        wrong = await client("POST", V01, body(types=[TYPES + other]), token="one")
        assert (wrong.status, wrong.json["code"]) == (403, "SUBSCRIPTION_MISMATCH")
        both = await client("POST", V01, body(types=[TYPES + kind, TYPES + other]), token="one")
        assert (both.status, both.json["code"]) == (403, "SUBSCRIPTION_MISMATCH")
        unknown = await client("POST", V01, body(types=["org.camaraproject.other.v0.x"]), token="one")
        assert (unknown.status, unknown.json["code"]) == (400, "INVALID_ARGUMENT")
        assert (await client("GET", V01, token="one")).status == 403


@pytest.mark.parametrize("base", [V01, WIP])
async def test_the_secret_is_renewed_for_its_owner_only(client: Client, base: str) -> None:
    made = (await client("POST", base, body())).json["id"]
    renewed = await client("POST", f"{base}/{made}/rotate-secret", {})
    assert renewed.status == 200
    assert renewed.json == {"webhookSecret": "whsec_bmV3", "previousSecretUntil": "2026-11-22T12:00:00Z"}
    assert (await client("POST", f"{base}/{made}/rotate-secret", {"x": 1})).status == (200 if base == V01 else 400)
    assert (await client("POST", f"{base}/{made}/rotate-secret", b"")).status == 400
    for token in ("colleague", "stranger", "other-device"):
        assert (await client("POST", f"{base}/{made}/rotate-secret", {}, token=token)).status == 404
    assert (await client("POST", f"{base}/{made}/rotate-secret", {}, token="narrow")).status == 403
    assert (await client("POST", f"{base}/nothing/rotate-secret", {})).status == 404


@pytest.mark.parametrize("supported", [False, True])
@pytest.mark.parametrize("beside", [{}, PHONE])
async def test_a_name_with_a_nul_is_refused_before_it_is_looked_up_or_kept(
    beside: dict[str, Any], *, supported: bool
) -> None:
    world = World(nai_identification=supported)
    client = Client(world.app)
    device = {**beside, "networkAccessIdentifier": "meter\u0000@iot.example.com"}
    for base in (V01, WIP):
        reply = await client("POST", base, body(config__subscriptionDetail__device=device))
        assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
        assert reply.json["message"] == "Invalid format: networkAccessIdentifier"
        path = base.replace("-subscriptions/", "/").removesuffix("subscriptions") + "bind"
        reply = await client("POST", path, {"device": device, "bindType": "IMEIBIND"})
        assert (reply.status, reply.json["message"]) == (400, "Invalid format: networkAccessIdentifier")
    assert world.created == []
