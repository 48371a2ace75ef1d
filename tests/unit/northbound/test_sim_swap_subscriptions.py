"""sim-swap-subscriptions as a client meets them. Every answer is held against CAMARA's document by the client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.northbound.world import Client, World

from simwarden.domain.events import EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.telling import naming

PATH = "/sim-swap-subscriptions/v0.3/subscriptions"
SWAPPED = "org.camaraproject.sim-swap-subscriptions.v0.swapped"
NUMBER = "+8613800000001"
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()
TOKEN = {
    "credentialType": "ACCESSTOKEN",
    "accessToken": "t",
    "accessTokenExpiresUtc": SOON,
    "accessTokenType": "bearer",
}


def body(detail: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A subscription to the swaps of NUMBER."""
    return {
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [SWAPPED],
        "config": {"subscriptionDetail": {"phoneNumber": NUMBER} if detail is None else detail},
        **changes,
    }


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


async def test_create_get_list_and_delete(client: Client, world: World) -> None:
    made = await client("POST", PATH, body(sinkCredential=TOKEN))
    assert made.status == 201
    assert made.headers["x-simwarden-webhook-secret"].startswith("whsec_")
    assert made.json["config"] == {"subscriptionDetail": {"phoneNumber": NUMBER}}
    assert "sinkCredential" not in made.json
    [new] = world.created
    assert (new.topic, new.number, new.subject) == (EventType.NUMBER_MOVED, NUMBER, (bucket_of(NUMBER), NUMBER))
    assert (await client("GET", PATH)).json == [made.json]
    one = f"{PATH}/{made.json['id']}"
    assert (await client("GET", one)).json == made.json
    assert (await client("GET", one, token="colleague")).status == 404
    assert (await client("DELETE", one)).status == 204
    assert (await client("GET", one)).status == 404


async def test_the_asynchronous_answers_carry_the_id_alone() -> None:
    world = World(subscriptions_async=True)
    client = Client(world.app)
    made = await client("POST", PATH, body())
    assert (made.status, made.json.keys()) == (202, {"id"})
    gone = await client("DELETE", f"{PATH}/{made.json['id']}")
    assert (gone.status, gone.json) == (202, made.json)


async def test_a_token_of_a_device_subscribes_to_it_and_never_sees_its_number(client: Client, world: World) -> None:
    made = await client("POST", PATH, body({}), token="device")
    assert made.status == 201
    assert made.json["config"] == {"subscriptionDetail": {}}
    assert world.created[0].device is None, "nor do the events name it"
    by_number = await client("POST", PATH, body())
    shown = await client("GET", PATH, token="device")
    assert [one["config"] for one in shown.json] == [{"subscriptionDetail": {}}] * 2
    assert (await client("GET", PATH, token="other-device")).json == []
    assert (await client("GET", f"{PATH}/{by_number.json['id']}", token="other-device")).status == 404


def test_the_event_names_the_number_and_not_a_device() -> None:
    assert naming(SWAPPED, {"phoneNumber": NUMBER}) == {"phoneNumber": NUMBER}
    assert naming(SWAPPED, None) == {}
    assert naming("org.camaraproject.iot-sim-fraud-prevention.v0.imei-change", {"phoneNumber": NUMBER}) == {
        "device": {"phoneNumber": NUMBER}
    }


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"protocol": "MQTT5"}, 400, "INVALID_PROTOCOL"),
        ({"sink": "http://events.example.com"}, 400, "INVALID_SINK"),
        ({"sink": "ftp://events.example.com"}, 400, "INVALID_SINK"),
        ({"sink": 1}, 400, "INVALID_SINK"),
        ({"types": []}, 400, "INVALID_ARGUMENT"),
        ({"types": ["org.camaraproject.sim-swap-subscriptions.v0.other"]}, 400, "INVALID_ARGUMENT"),
        ({"types": [SWAPPED, SWAPPED]}, 422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED"),
        ({"sinkCredential": {"credentialType": "PLAIN", "identifier": "a", "secret": "b"}}, 400, "INVALID_CREDENTIAL"),
        ({"sinkCredential": {"credentialType": "REFRESHTOKEN"}}, 400, "INVALID_CREDENTIAL"),
        ({"sinkCredential": {"credentialType": "PRIVATE_KEY_JWT"}}, 400, "INVALID_CREDENTIAL"),
        ({"sinkCredential": TOKEN | {"accessTokenType": "mac"}}, 400, "INVALID_TOKEN"),
        ({"sinkCredential": TOKEN | {"accessTokenExpiresUtc": "2020-01-01T00:00:00Z"}}, 400, "INVALID_ARGUMENT"),
        ({"protocolSettings": {"headers": {"host": "x"}}}, 400, "INVALID_ARGUMENT"),
    ],
)
async def test_what_is_wrong_with_the_way_to_the_sink(
    client: Client, changes: dict[str, Any], status: int, code: str
) -> None:
    reply = await client("POST", PATH, body(**changes))
    assert (reply.status, reply.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("config", "status", "code"),
    [
        ({"subscriptionMaxEvents": 0}, 400, "OUT_OF_RANGE"),
        ({"subscriptionMaxEvents": 1_000_001}, 400, "OUT_OF_RANGE"),
        ({"subscriptionMaxEvents": "1"}, 400, "INVALID_ARGUMENT"),
        ({"subscriptionExpireTime": "2020-01-01T00:00:00Z"}, 400, "INVALID_ARGUMENT"),
        ({"subscriptionExpireTime": "2030-01-01T00:00:00"}, 400, "INVALID_ARGUMENT"),
        ({"initialEvent": True}, 201, None),  # is no property of this API: ignored
    ],
)
async def test_what_is_wrong_with_when_it_ends(
    client: Client, world: World, config: dict[str, Any], status: int, code: str | None
) -> None:
    reply = await client("POST", PATH, body(config={"subscriptionDetail": {"phoneNumber": NUMBER}, **config}))
    assert (reply.status, reply.json.get("code")) == (status, code)
    assert not any(new.initial_event for new in world.created)


@pytest.mark.parametrize(
    ("detail", "token", "status", "code"),
    [
        ({"phoneNumber": "+8613899999999"}, "good", 404, "IDENTIFIER_NOT_FOUND"),
        ({"phoneNumber": "+8613800000009"}, "good", 404, "IDENTIFIER_NOT_FOUND"),  # another account's
        ({"phoneNumber": "0138"}, "good", 400, "INVALID_ARGUMENT"),
        ({}, "good", 422, "MISSING_IDENTIFIER"),
        ({"phoneNumber": NUMBER}, "device", 422, "UNNECESSARY_IDENTIFIER"),
        ({"phoneNumber": NUMBER}, "narrow", 403, "PERMISSION_DENIED"),
        ({"phoneNumber": NUMBER}, None, 401, "UNAUTHENTICATED"),
    ],
)
async def test_whom_it_is_about(client: Client, detail: dict[str, Any], token: str, status: int, code: str) -> None:
    reply = await client("POST", PATH, body(detail), token=token)
    assert (reply.status, reply.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [
        (f"sim-swap-subscriptions:{SWAPPED}:create", (201, 403, 403)),
        ("sim-swap-subscriptions:read", (403, 200, 403)),
        ("sim-swap-subscriptions:delete", (403, 403, 404)),
        ("iot-sim-fraud-prevention-subscriptions:subscribe", (403, 403, 403)),
    ],
)
async def test_each_operation_has_its_scope(
    client: Client, world: World, scope: str, statuses: tuple[int, int, int]
) -> None:
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], scopes=frozenset({scope}))
    calls = (("POST", PATH, body()), ("GET", PATH, None), ("DELETE", f"{PATH}/{'0' * 34}", None))
    assert tuple([(await client(*one)).status for one in calls]) == statuses


async def test_subscriptions_of_other_apis_are_not_found_here(client: Client) -> None:
    made = await client("POST", PATH, body())
    other = f"/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions/{made.json['id']}"
    assert (await client("GET", other)).status == 404
