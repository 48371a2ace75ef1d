"""geofencing-subscriptions as a client meets it; every answer is held against CAMARA's document and ours.

The scenarios follow CAMARA's document, its template for event subscriptions and its templates for device identifiers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.world import Caller, Client, World, sim

from simwarden import northbound
from simwarden.domain.area import Circle
from simwarden.domain.events import EventType
from simwarden.domain.geofence import Geofence
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine.subscriptions import Credential

PATH = "/geofencing-subscriptions/v0.5/subscriptions"
TYPE = "org.camaraproject.geofencing-subscriptions.v0."
ENTERED, LEFT = f"{TYPE}area-entered", f"{TYPE}area-left"
PHONE = {"phoneNumber": "+8613800000001"}
IPV4 = {"publicAddress": "203.0.113.7", "publicPort": 59765}
AREA = {"areaType": "CIRCLE", "center": {"latitude": 50.735851, "longitude": 7.10066}, "radius": 2000.0}
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()
TOKEN = {
    "credentialType": "ACCESSTOKEN",
    "accessToken": "a.b-c",
    "accessTokenExpiresUtc": "2030-01-02T00:00:00Z",
    "accessTokenType": "bearer",
}
ABSENT: Any = object()


@pytest.fixture
def world() -> World:
    made = World()
    made.add(sim(PHONE["phoneNumber"]), SimRef(IdentifierKind.IPV4, "203.0.113.7:59765"))
    return made


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def body(**changes: Any) -> dict[str, Any]:
    """A geofence. `config__x` changes `config.x`; ABSENT leaves a property out."""
    made: dict[str, Any] = {
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [LEFT],
        "config": {
            "subscriptionDetail": {"device": dict(PHONE), "area": msgspec.json.decode(msgspec.json.encode(AREA))}
        },
    }
    for name, value in changes.items():
        *parents, last = name.split("__")
        where = made
        for parent in parents:
            where = where[parent]
        if value is ABSENT:
            del where[last]
        else:
            where[last] = value
    return made


@pytest.mark.parametrize("kind", [ENTERED, LEFT])
async def test_create_get_list_delete(client: Client, world: World, kind: str) -> None:
    created = await client("POST", PATH, body(types=[kind]))
    assert created.status == 201
    assert created.json == {
        "id": created.json["id"],
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [kind],
        "config": {"subscriptionDetail": {"device": PHONE, "area": AREA}},
        "startsAt": "2026-11-21T12:00:00Z",
        "status": "ACTIVE",
    }
    [new] = world.created
    circle = Circle(50.735851, 7.10066, 2000.0)
    assert new.fence == Geofence(circle, enters=kind == ENTERED)
    assert new.topic is (EventType.GEOFENCE_ENTERED if kind == ENTERED else EventType.GEOFENCE_LEFT)
    path = f"{PATH}/{created.json['id']}"
    assert (await client("GET", path)).json == created.json
    assert (await client("GET", PATH)).json == [created.json]
    assert (await client("GET", PATH, token="colleague")).json == []
    assert (await client("GET", path, token="colleague")).status == 404
    assert (await client("DELETE", path, token="stranger")).status == 404
    assert (await client("DELETE", path)).status == 204
    for method in ("GET", "DELETE"):
        gone = await client(method, path)
        assert (gone.status, gone.json["code"]) == (404, "NOT_FOUND")
    assert (await client("GET", PATH)).json == []


async def test_the_asynchronous_form() -> None:
    client = Client(World(subscriptions_async=True).app)
    created = await client("POST", PATH, body())
    assert (created.status, created.json.keys()) == (202, {"id"})
    deleted = await client("DELETE", f"{PATH}/{created.json['id']}")
    assert (deleted.status, deleted.json) == (202, created.json)


async def test_everything_that_was_asked_for_reaches_the_engine(client: Client, world: World) -> None:
    reply = await client(
        "POST",
        PATH,
        body(
            config__subscriptionExpireTime="2030-01-01T02:00:00+02:00",
            config__subscriptionMaxEvents=10,
            config__initialEvent=True,
            sinkCredential=TOKEN,
        ),
    )
    assert reply.status == 201
    [new] = world.created
    assert (new.device, new.max_events, new.initial_event) == (PHONE, 10, True)
    assert new.expires_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert new.credential == Credential("a.b-c", datetime(2030, 1, 2, tzinfo=UTC))
    assert b"sinkCredential" not in reply.body


async def test_of_several_identifiers_the_one_that_was_used_is_kept(client: Client, world: World) -> None:
    for given, used in (
        ({"ipv4Address": IPV4}, {"ipv4Address": IPV4}),
        (PHONE | {"ipv4Address": IPV4}, PHONE),
        ({"ipv4Address": IPV4, "networkAccessIdentifier": "a@b"}, {"ipv4Address": IPV4}),
    ):
        reply = await client("POST", PATH, body(config__subscriptionDetail__device=given))
        assert reply.json["config"]["subscriptionDetail"]["device"] == used
        assert world.created[-1].device == used


async def test_a_3_legged_token_names_the_device_and_never_sees_how(client: Client, world: World) -> None:
    wanted = body(config__subscriptionDetail__device=ABSENT)
    created = await client("POST", PATH, wanted, token="device")
    assert created.status == 201
    assert created.json["config"]["subscriptionDetail"] == {"area": AREA}
    assert world.created[0].device is None
    own = (await client("POST", PATH, body())).json["id"]
    listed = (await client("GET", PATH, token="device")).json
    assert {each["id"] for each in listed} == {created.json["id"], own}
    assert all(each["config"]["subscriptionDetail"] == {"area": AREA} for each in listed)
    assert (await client("GET", PATH, token="other-device")).json == []
    assert (await client("GET", f"{PATH}/{own}", token="other-device")).status == 404
    reply = await client("POST", PATH, body(), token="device")
    assert (reply.status, reply.json["code"]) == (422, "UNNECESSARY_IDENTIFIER")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"protocol": "MQTT5"}, 400, "INVALID_PROTOCOL"),
        ({"sink": "http://events.example.com/"}, 400, "INVALID_SINK"),
        ({"sink": "https://10.0.0.1/"}, 400, "INVALID_SINK"),
        ({"sink": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({"types": []}, 400, "INVALID_ARGUMENT"),
        ({"types": [f"{TYPE}subscription-ended"]}, 400, "INVALID_ARGUMENT"),
        ({"types": [ENTERED, LEFT]}, 422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED"),
        ({"config": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionExpireTime": "2024-03-22T05:40:58.469Z"}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionExpireTime": "2030-03-22T05:40:58"}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionMaxEvents": 0}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionMaxEvents": 1_000_001}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionMaxEvents": "5"}, 400, "INVALID_ARGUMENT"),
        ({"config__initialEvent": "yes"}, 400, "INVALID_ARGUMENT"),
        ({"sinkCredential": TOKEN | {"credentialType": "PLAIN"}}, 400, "INVALID_CREDENTIAL"),
        ({"sinkCredential": TOKEN | {"credentialType": "REFRESHTOKEN"}}, 400, "INVALID_CREDENTIAL"),
        ({"sinkCredential": TOKEN | {"credentialType": "PRIVATE_KEY_JWT"}}, 400, "INVALID_CREDENTIAL"),
        ({"sinkCredential": TOKEN | {"accessTokenType": "mac"}}, 400, "INVALID_TOKEN"),
        ({"sinkCredential": TOKEN | {"accessTokenExpiresUtc": "2024-01-01T00:00:00Z"}}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__device": ABSENT}, 422, "MISSING_IDENTIFIER"),
        ({"config__subscriptionDetail__device": {}}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__device": {"phoneNumber": "123"}}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__device": {"ipv6Address": "x"}}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__device": {"networkAccessIdentifier": "a@b"}}, 422, "UNSUPPORTED_IDENTIFIER"),
        ({"config__subscriptionDetail__device": {"phoneNumber": "+8613899999999"}}, 404, "IDENTIFIER_NOT_FOUND"),
        ({"config__subscriptionDetail__device": {"phoneNumber": "+8613800000009"}}, 404, "IDENTIFIER_NOT_FOUND"),
        ({"config__subscriptionDetail__area": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__area__areaType": "POLYGON"}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__area__center": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__area__center__latitude": 91}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__area__center__longitude": -180.01}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__area__radius": 0.5}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__area__radius": "wide"}, 400, "INVALID_ARGUMENT"),
        ({"config__subscriptionDetail__area__radius": 3e7}, 422, "GEOFENCING_SUBSCRIPTIONS.AREA_NOT_COVERED"),
        ({"config__subscriptionDetail__area__radius": 99}, 422, "GEOFENCING_SUBSCRIPTIONS.INVALID_AREA"),
    ],
)
async def test_what_is_refused(world: World, changes: dict[str, Any], status: int, code: str) -> None:
    services = msgspec.structs.replace(world.services, smallest_area_radius=100)
    client = Client(northbound.ApisFirst(Starlette(), northbound.apis(services)))
    reply = await client("POST", PATH, body(**changes))
    assert (reply.status, reply.json["code"]) == (status, code)
    assert reply.json["message"]
    assert world.created == []
    assert (await client("POST", PATH, body())).status == 201


async def test_tokens_and_scopes(client: Client, world: World) -> None:
    for token in (None, "expired"):
        reply = await client("POST", PATH, body(), token=token)
        assert (reply.status, reply.json["code"]) == (401, "UNAUTHENTICATED")
    assert (await client("POST", PATH, body(), token="narrow")).status == 403
    leaving = frozenset({f"geofencing-subscriptions:{LEFT}:create"})
    world.callers["leaving"] = Caller("swk_leaving", "acc_meters", leaving)
    assert (await client("POST", PATH, body(), token="leaving")).status == 201
    reply = await client("POST", PATH, body(types=[ENTERED]), token="leaving")
    assert (reply.status, reply.json["code"]) == (403, "SUBSCRIPTION_MISMATCH")
    for method, path in (("GET", PATH), ("GET", f"{PATH}/x"), ("DELETE", f"{PATH}/x")):
        assert (await client(method, path, token="leaving")).status == 403


async def test_unknown_properties_are_ignored_as_in_the_release_and_not_kept(client: Client, world: World) -> None:
    wanted = body(more=1, config__more=2, config__subscriptionDetail__area__more=3)
    reply = await client("POST", PATH, wanted)
    assert reply.status == 201
    assert b"more" not in reply.body
    assert "more" not in str(world.created[0].config)


async def test_a_repeated_call_makes_one_subscription(client: Client, world: World) -> None:
    for _ in range(2):
        reply = await client("POST", PATH, body(), headers=[("idempotency-key", "k-1")])
        assert reply.status == 201
    assert len(world.created) == 1


async def test_a_new_secret_is_made(client: Client) -> None:
    created = await client("POST", PATH, body())
    assert created.headers["x-simwarden-webhook-secret"].startswith("whsec_")
    reply = await client("POST", f"{PATH}/{created.json['id']}/rotate-secret", {})
    assert (reply.status, reply.json["webhookSecret"]) == (200, "whsec_bmV3")
