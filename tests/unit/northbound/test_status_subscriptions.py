"""Subscriptions to reachability, roaming, types of networks, data and rules as a client meets them; answers are held
against the documents.

What the scenarios of CAMARA's event-subscription template ask for, derived from the documents."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.northbound.test_subscriptions import ABSENT, SOON, credential
from tests.unit.northbound.world import Client, World, sim

from simwarden.domain.events import EventType
from simwarden.domain.traffic import TrafficLimits

REACH, ROAM = "device-reachability-status-subscriptions", "device-roaming-status-subscriptions"
TYPE, RULES = "connected-network-type-subscriptions", "rule-alert-subscriptions"
VOLUME = "device-data-volume-subscriptions"
TYPES = {
    REACH: ("reachability-data", "reachability-sms", "reachability-disconnected"),
    ROAM: ("roaming-status", "roaming-on", "roaming-off", "roaming-change-country"),
    TYPE: ("network-type-changed",),
    VOLUME: ("data-50-percent", "data-75-percent", "data-90-percent", "data-exceeded"),
    RULES: ("rule-fired",),
}
TOPICS = {
    REACH: EventType.REACHABILITY_CHANGED,
    ROAM: EventType.ROAMING_CHANGED,
    TYPE: EventType.NETWORK_TYPE_CHANGED,
    VOLUME: EventType.DATA_USED,
    RULES: EventType.RULE_FIRED,
}
VERSIONS = {TYPE: "v0.2", VOLUME: "v0.1", RULES: "v0.1"}
EVERY = [(api, name) for api, names in TYPES.items() for name in names]
PHONE, OTHER = {"phoneNumber": "+8613800000001"}, "+8613800000002"
ALL = pytest.mark.parametrize("api", TYPES)
BOTH = pytest.mark.parametrize("api", [REACH, ROAM])


def furnished(**options: Any) -> World:
    """A world whose first SIM has a data allowance."""
    made = World(**options)
    made.add(msgspec.structs.replace(sim(PHONE["phoneNumber"]), limits=TrafficLimits(data_allowance=1)))
    return made


@pytest.fixture
def world() -> World:
    return furnished()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def path(api: str) -> str:
    return f"/{api}/{VERSIONS.get(api, 'v0.8')}/subscriptions"


def kind(api: str, name: str = "") -> str:
    return f"{'org.simwarden' if api == RULES else 'org.camaraproject'}.{api}.v0.{name or TYPES[api][0]}"


def body(api: str, **changes: Any) -> dict[str, Any]:
    """A subscription. `config__x` changes `config.x`; ABSENT leaves a property out."""
    made: dict[str, Any] = {
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [kind(api)],
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


@pytest.mark.parametrize(("api", "name"), EVERY)
async def test_each_type_is_subscribed_to_and_shown_as_it_was_asked_for(
    client: Client, world: World, api: str, name: str
) -> None:
    wanted = body(api, types=[kind(api, name)], config__subscriptionMaxEvents=5, config__subscriptionExpireTime=SOON)
    wanted["config"]["initialEvent"] = True
    made = await client("POST", path(api), wanted | {"sinkCredential": credential()})
    assert made.status == 201
    assert made.headers["x-simwarden-webhook-secret"].startswith("whsec_")
    assert made.json["types"] == [kind(api, name)]
    assert made.json["config"]["subscriptionDetail"] == {"device": PHONE}
    assert "sinkCredential" not in made.json
    topic = TOPICS[api]
    new = world.created[-1]
    assert (new.topic, new.type, new.initial_event, new.max_events) == (topic, kind(api, name), True, 5)
    one = await client("GET", f"{path(api)}/{made.json['id']}")
    assert (one.status, one.json) == (200, made.json)
    every = await client("GET", path(api))
    assert (every.status, every.json) == (200, [made.json])
    assert (await client("DELETE", f"{path(api)}/{made.json['id']}")).status == 204
    assert (await client("GET", f"{path(api)}/{made.json['id']}")).status == 404
    assert (await client("GET", path(api))).json == []


@pytest.mark.parametrize("api", [REACH, ROAM, TYPE, VOLUME])
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"protocol": "MQTT5"}, 400, "INVALID_PROTOCOL"),
        ({"protocol": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({"sink": "http://events.example.com/sink"}, 400, "INVALID_SINK"),
        ({"sink": "https://10.0.0.1/sink"}, 400, "INVALID_SINK"),
        ({"sink": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({"types": []}, 400, "INVALID_ARGUMENT"),
        ({"types": ["org.camaraproject.sim-swap-subscriptions.v0.swapped"]}, 400, "INVALID_ARGUMENT"),
        ({"types": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({"config": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionExpireTime": "2023-01-17T13:18:23.682Z"}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionExpireTime": "2030-01-17T13:18:23"}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionMaxEvents": 0}, 400, "OUT_OF_RANGE"),
        ({"config__subscriptionMaxEvents": "5"}, 400, "INVALID_ARGUMENT"),
        ({"config__initialEvent": 1}, 400, "INVALID_ARGUMENT"),
        ({"sinkCredential": credential(credentialType="PLAIN")}, 400, "INVALID_CREDENTIAL"),
        ({"sinkCredential": credential(credentialType="REFRESHTOKEN", refreshToken="r")}, 400, "INVALID_CREDENTIAL"),
        ({"sinkCredential": credential(accessTokenType="mac")}, 400, "INVALID_TOKEN"),
        ({"config__subscriptionDetail__device": {}}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__device": {**PHONE, "more": 1}}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__device": {"phoneNumber": "13800000001"}}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__device": {"phoneNumber": "+8613899999999"}}, 404, "IDENTIFIER_NOT_FOUND"),
        ({"config__subscriptionDetail__device": {"phoneNumber": "+8613800000009"}}, 404, "IDENTIFIER_NOT_FOUND"),
        ({"config__subscriptionDetail__device": {"networkAccessIdentifier": "a@b"}}, 422, "UNSUPPORTED_IDENTIFIER"),
        ({"config__subscriptionDetail": {}}, 422, "MISSING_IDENTIFIER"),
    ],
)
async def test_what_is_refused(
    client: Client, world: World, api: str, changes: dict[str, Any], status: int, code: str
) -> None:
    reply = await client("POST", path(api), body(api, **changes))
    assert (reply.status, reply.json["code"]) == (status, code)
    assert world.created == []


@BOTH
async def test_one_type_for_each_subscription(client: Client, api: str) -> None:
    reply = await client("POST", path(api), body(api, types=[kind(api, name) for name in TYPES[api][:2]]))
    assert (reply.status, reply.json["code"]) == (422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED")


@BOTH
async def test_a_scope_for_each_type(client: Client, world: World, api: str) -> None:
    first, second, *_ = TYPES[api]
    narrow = frozenset({f"{api}:{kind(api, first)}:create"})
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], scopes=narrow)
    assert (await client("POST", path(api), body(api))).status == 201
    reply = await client("POST", path(api), body(api, types=[kind(api, second)]))
    assert (reply.status, reply.json["code"]) == (403, "SUBSCRIPTION_MISMATCH")
    for method in ("GET", "POST"):
        assert (await client(method, path(api), body(api) if method == "POST" else None, token="narrow")).status == 403
    assert (await client("GET", path(api))).json["code"] == "PERMISSION_DENIED"
    for token in (None, "bad"):
        assert (await client("POST", path(api), body(api), token=token)).status == 401


@ALL
async def test_whose_subscriptions_they_are(client: Client, world: World, api: str) -> None:
    made = (await client("POST", path(api), body(api))).json
    for token in ("colleague", "stranger", "other-device"):
        for method in ("GET", "DELETE"):
            reply = await client(method, f"{path(api)}/{made['id']}", token=token)
            assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")
        assert (await client("GET", path(api), token=token)).json == []
    other = next(each for each in TYPES if each != api)
    assert (await client("GET", f"{path(other)}/{made['id']}")).status == 404
    assert (await client("GET", path(other))).json == []
    assert (await client("GET", f"{path(api)}/{'0' * 34}")).status == 404


@ALL
async def test_a_token_of_a_device_never_sees_how_the_device_is_named(client: Client, world: World, api: str) -> None:
    reply = await client("POST", path(api), body(api), token="device")
    assert (reply.status, reply.json["code"]) == (422, "UNNECESSARY_IDENTIFIER")
    reply = await client("POST", path(api), body(api, config__subscriptionDetail={}), token="device")
    assert (reply.status, reply.json["config"]["subscriptionDetail"]) == (201, {})
    assert world.created[-1].device is None
    one = await client("GET", f"{path(api)}/{reply.json['id']}", token="device")
    assert one.json["config"]["subscriptionDetail"] == {}


@ALL
async def test_of_several_identifiers_the_one_that_counted_is_shown_and_told(
    client: Client, world: World, api: str
) -> None:
    named = {**PHONE, "networkAccessIdentifier": "meter@iot.example"}
    made = await client("POST", path(api), body(api, config__subscriptionDetail__device=named))
    assert made.json["config"]["subscriptionDetail"] == {"device": PHONE}
    assert world.created[-1].device == PHONE


@ALL
async def test_the_asynchronous_form(api: str) -> None:
    client = Client(furnished(subscriptions_async=True).app)
    made = await client("POST", path(api), body(api))
    assert (made.status, made.json.keys()) == (202, {"id"})
    ended = await client("DELETE", f"{path(api)}/{made.json['id']}")
    assert (ended.status, ended.json) == (202, {"id": made.json["id"]})


@ALL
async def test_the_same_call_again_makes_one_subscription(client: Client, world: World, api: str) -> None:
    headers = [("idempotency-key", "k-1")]
    first = await client("POST", path(api), body(api), headers=headers)
    again = await client("POST", path(api), body(api), headers=headers)
    assert (again.status, again.json) == (201, first.json)
    assert len(world.created) == 1


@ALL
async def test_making_is_counted_as_usage_and_reading_is_not(client: Client, world: World, api: str) -> None:
    made = await client("POST", path(api), body(api))
    await client("GET", f"{path(api)}/{made.json['id']}")
    usage = world.created[-1].usage
    assert usage is not None
    assert (usage.api, usage.app_key) == (api, "swk_meters")
    assert world.read_only == []


@ALL
async def test_the_secret_is_renewed(client: Client, api: str) -> None:
    made = await client("POST", path(api), body(api))
    reply = await client("POST", f"{path(api)}/{made.json['id']}/rotate-secret", {})
    assert (reply.status, reply.json.keys()) == (200, {"webhookSecret", "previousSecretUntil"})


async def test_without_an_allowance_there_is_nothing_to_tell(client: Client, world: World) -> None:
    reply = await client("POST", path(VOLUME), body(VOLUME, config__subscriptionDetail__device__phoneNumber=OTHER))
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")
    assert reply.json["message"] == "This device has no data allowance"
    assert world.created == []
