"""record-subscriptions: what is subscribed to, and by whom. Every answer is held against our document by the client."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.unit.northbound.world import Caller, Client, World, sim

from simwarden.domain.counters import Meter
from simwarden.domain.events import EventType
from simwarden.domain.record_news import RecordWish
from simwarden.engine.new_subscription import whole_account
from simwarden.northbound.record_subscriptions.routes import CALL, CONTRACT, MESSAGE, USAGE
from simwarden.northbound.records.routes import CONTENT

API = "record-subscriptions"
PATH = f"/{API}/v0.1/subscriptions"
NUMBER, FOREIGN = "+8613800000001", "+8613800000009"
PHONE = {"phoneNumber": NUMBER}


@pytest.fixture
def world() -> World:
    made = World()
    scopes = frozenset({CONTRACT.scope(kind) for kind in CONTRACT.kinds} | {f"{API}:read", f"{API}:delete"})
    made.callers["plain"] = Caller("swk_meters", "acc_meters", scopes)
    made.callers["clear"] = Caller("swk_meters", "acc_meters", scopes | {CONTENT})
    made.callers["calls"] = Caller("swk_meters", "acc_meters", frozenset({CONTRACT.scope(CALL)}))
    return made


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def body(kind: str = MESSAGE, **detail: Any) -> dict[str, Any]:
    return {
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [kind],
        "config": {"subscriptionDetail": detail},
    }


@pytest.mark.parametrize(
    ("kind", "topic", "detail", "wish"),
    [
        (MESSAGE, EventType.MESSAGE_RECORDED, {}, RecordWish()),
        (MESSAGE, EventType.MESSAGE_RECORDED, {"kinds": ["SENT"]}, RecordWish(kinds=("SENT",))),
        (CALL, EventType.CALL_ENDED, {"direction": "INBOUND"}, RecordWish(direction="INBOUND")),
        (CALL, EventType.CALL_ENDED, {"content": True}, RecordWish(content=True)),
        (
            *(USAGE, EventType.USAGE_REACHED, {"meter": "megabytes", "amount": 0.5}),
            RecordWish(meter=Meter.MEGABYTES, amount=Decimal("0.5")),
        ),
    ],
)
async def test_one_sim(
    client: Client, world: World, kind: str, topic: EventType, detail: dict[str, Any], wish: RecordWish
) -> None:
    asked = {"device": PHONE, **detail}
    created = await client("POST", PATH, body(kind, **asked), token="clear")
    assert (created.status, created.json["config"]) == (201, {"subscriptionDetail": asked})
    [new] = world.created
    assert (new.topic, new.type, new.sim, new.all_devices) == (topic, kind, sim(NUMBER), False)
    assert RecordWish.of_config(new.config) == wish
    path = f"{PATH}/{created.json['id']}"
    assert (await client("GET", path, token="clear")).json == created.json
    assert (await client("GET", PATH, token="clear")).json == [created.json]
    assert (await client("DELETE", path, token="stranger")).status == 404
    assert (await client("DELETE", path, token="clear")).status == 204


async def test_all_sims(client: Client, world: World) -> None:
    assert (await client("POST", PATH, body(allDevices=True), token="plain")).status == 201
    [new] = world.created
    assert (new.sim, new.all_devices, new.device) == (whole_account("acc_meters"), True, None)


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (MESSAGE, {"allDevices": False}),
        (MESSAGE, {"allDevices": True, "device": PHONE}),
        (MESSAGE, {"device": PHONE, "kinds": []}),
        (MESSAGE, {"device": PHONE, "kinds": ["LOST"]}),
        (MESSAGE, {"device": PHONE, "direction": "INBOUND"}),
        (MESSAGE, {"device": PHONE, "content": False}),
        (MESSAGE, {"device": PHONE, "other": 1}),
        (CALL, {"device": PHONE, "kinds": ["SENT"]}),
        (CALL, {"device": PHONE, "direction": "UP"}),
        (CALL, {"device": PHONE, "amount": 1}),
        (USAGE, {"device": PHONE}),
        (USAGE, {"device": PHONE, "meter": "calls"}),
        (USAGE, {"device": PHONE, "amount": 3}),
        (USAGE, {"device": PHONE, "meter": "calls", "amount": 0}),
        (USAGE, {"device": PHONE, "meter": "steps", "amount": 3}),
        (USAGE, {"device": PHONE, "meter": "calls", "amount": 3, "content": True}),
        (f"{MESSAGE}s", {"device": PHONE}),
    ],
)
async def test_what_is_wrong_is_400(client: Client, world: World, kind: str, detail: dict[str, Any]) -> None:
    reply = await client("POST", PATH, body(kind, **detail), token="clear")
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert world.created == []


async def test_texts_and_numbers_need_their_own_scope(client: Client, world: World) -> None:
    refused = await client("POST", PATH, body(device=PHONE, content=True), token="plain")
    assert (refused.status, refused.json["code"]) == (403, "PERMISSION_DENIED")
    assert world.created == []
    assert (await client("POST", PATH, body(device=PHONE, content=True), token="clear")).status == 201


async def test_each_type_needs_its_own_scope(client: Client) -> None:
    refused = await client("POST", PATH, body(device=PHONE), token="calls")
    assert (refused.status, refused.json["code"]) == (403, "SUBSCRIPTION_MISMATCH")
    assert (await client("POST", PATH, body(CALL, device=PHONE), token="calls")).status == 201


async def test_sims_of_others_are_unknown(client: Client) -> None:
    foreign = await client("POST", PATH, body(device={"phoneNumber": FOREIGN}), token="plain")
    unknown = await client("POST", PATH, body(device={"phoneNumber": "+8613800000555"}), token="plain")
    assert (foreign.status, foreign.json) == (404, unknown.json)
    bound = await client("POST", PATH, body(allDevices=True), token="device")
    assert (bound.status, bound.json["code"]) == (403, "PERMISSION_DENIED")
