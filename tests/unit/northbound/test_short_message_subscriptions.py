"""short-message-subscriptions: what is subscribed to, what is asked for, and what the sandbox plays. Every answer is
held against our document by the client."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.northbound.test_sim_swap import sandboxed
from tests.unit.northbound.world import NOW, Caller, Client, World, sim

from simwarden.domain.events import EventType
from simwarden.domain.messages import Arrived, Recipient, received
from simwarden.domain.usage import Usage
from simwarden.engine.new_subscription import whole_account
from simwarden.northbound.short_message_subscriptions.routes import build

API = "short-message-subscriptions"
PATH, RECEIVED = f"/{API}/vwip/subscriptions", f"/{API}/vwip/retrieve-received"
TYPE = f"org.camaraproject.{API}.v0.sms-received"
NUMBER, OTHER, FOREIGN = "+8613800000001", "+8613800000002", "+8613800000009"
PHONE = {"phoneNumber": NUMBER}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def body(**detail: Any) -> dict[str, Any]:
    return {
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [TYPE],
        "config": {"subscriptionDetail": detail},
    }


def came(world: World, number: str, text: str, minutes: int = 0, account: str = "acc_meters") -> str:
    """A message to a SIM, so many minutes after noon."""
    whose = sim(number, account)
    to = Recipient(whose.bucket, whose.imsi, account, number, None)
    id_ = f"{len(world.messages) + 1:034x}"
    made = received(id_, Arrived("+4915112345678", None, text, NOW + timedelta(minutes=minutes)), to)
    world.messages.append((whose, msgspec.to_builtins(made)))
    return id_


async def test_one_sim_with_filters(client: Client, world: World) -> None:
    detail = {"device": PHONE, "keyword": "temp", "from": ["+49", "+8613715266978"]}
    created = await client("POST", PATH, body(**detail))
    assert (created.status, created.json["config"]) == (201, {"subscriptionDetail": detail})
    [new] = world.created
    assert (new.topic, new.sim, new.all_devices) == (EventType.SMS_RECEIVED, sim(NUMBER), False)
    assert new.device == PHONE
    path = f"{PATH}/{created.json['id']}"
    assert (await client("GET", path)).json == created.json
    assert (await client("GET", PATH)).json == [created.json]
    assert (await client("DELETE", path, token="stranger")).status == 404
    assert (await client("DELETE", path)).status == 204


async def test_all_sims(client: Client, world: World) -> None:
    created = await client("POST", PATH, body(allDevices=True))
    assert (created.status, created.json["config"]) == (201, {"subscriptionDetail": {"allDevices": True}})
    [new] = world.created
    assert (new.sim, new.all_devices, new.device) == (whole_account("acc_meters"), True, None)


@pytest.mark.parametrize(
    "detail",
    [
        {"allDevices": False},
        {"allDevices": True, "device": PHONE},
        {"device": PHONE, "keyword": "two words"},
        {"device": PHONE, "keyword": ""},
        {"device": PHONE, "keyword": "a" * 31},
        {"device": PHONE, "from": []},
        {"device": PHONE, "from": ["49"]},
        {"device": PHONE, "from": ["+1"] * 51},
        {"device": PHONE, "other": 1},
        {"device": {}},
    ],
)
async def test_what_is_wrong_is_400(client: Client, world: World, detail: dict[str, Any]) -> None:
    reply = await client("POST", PATH, body(**detail))
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert world.created == []


async def test_who_may_subscribe_to_what(client: Client, world: World) -> None:
    assert (await client("POST", PATH, body())).json["code"] == "MISSING_IDENTIFIER"
    assert (await client("POST", PATH, body(), token="device")).status == 201
    bound = await client("POST", PATH, body(allDevices=True), token="device")
    assert (bound.status, bound.json["code"]) == (403, "PERMISSION_DENIED")
    assert (await client("POST", PATH, body(device=PHONE), token="device")).json["code"] == "UNNECESSARY_IDENTIFIER"
    foreign = await client("POST", PATH, body(device={"phoneNumber": FOREIGN}))
    unknown = await client("POST", PATH, body(device={"phoneNumber": "+8613800000555"}))
    assert (foreign.status, foreign.json) == (404, unknown.json)
    assert (await client("POST", PATH, body(device=PHONE), token="narrow")).json["code"] == "PERMISSION_DENIED"


async def test_received_messages_page_by_page(client: Client, world: World) -> None:
    ids = [came(world, number, f"message {n}", n) for n, number in enumerate([NUMBER, OTHER, NUMBER, NUMBER])]
    came(world, FOREIGN, "not yours", account="acc_stranger")
    first = (await client("POST", RECEIVED, {"limit": 3})).json
    assert [each["messageId"] for each in first["messages"]] == ids[:3]
    second = (await client("POST", RECEIVED, {"cursor": first["cursor"]})).json
    assert [each["messageId"] for each in second["messages"]] == ids[3:]
    done = (await client("POST", RECEIVED, {"cursor": second["cursor"]})).json
    assert done == {"messages": [], "cursor": second["cursor"]}
    one = (await client("POST", RECEIVED, {"device": PHONE})).json["messages"]
    assert [each["messageId"] for each in one] == [ids[0], *ids[2:]]
    since = {"since": (NOW + timedelta(minutes=2)).isoformat()}
    assert [each["messageId"] for each in (await client("POST", RECEIVED, since)).json["messages"]] == ids[2:]
    assert (await client("POST", RECEIVED, {}, token="other-device")).json["messages"][0]["messageId"] == ids[1]
    assert world.read_only[0] == Usage("acc_meters", "swk_meters", API, "retrieveReceivedShortMessages")


async def test_no_message_of_others(client: Client, world: World) -> None:
    came(world, FOREIGN, "not yours", account="acc_stranger")
    assert (await client("POST", RECEIVED, {})).json == {"messages": []}
    foreign = await client("POST", RECEIVED, {"device": {"phoneNumber": FOREIGN}})
    unknown = await client("POST", RECEIVED, {"device": {"phoneNumber": "+8613800000555"}})
    assert (foreign.status, foreign.json) == (404, unknown.json)


@pytest.mark.parametrize(
    "wanted",
    [{"limit": 0}, {"limit": 101}, {"since": "2026-03-01T12:00:00"}, {"cursor": "?"}, {"cursor": "LTE"}, {"more": 1}],
)
async def test_a_wrong_question_is_400(client: Client, wanted: dict[str, Any]) -> None:
    reply = await client("POST", RECEIVED, wanted)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


async def test_reading_needs_its_scope(world: World) -> None:
    world.callers["reader"] = Caller("swk_meters", "acc_meters", frozenset({f"{API}:retrieve-received"}))
    client = Client(world.app)
    assert (await client("POST", RECEIVED, {}, token="reader")).status == 200
    assert (await client("POST", PATH, body(device=PHONE), token="reader")).status == 403
    assert (await client("POST", RECEIVED, {}, token="narrow")).status == 403


async def test_without_kept_messages_there_is_no_api(world: World) -> None:
    assert build(msgspec.structs.replace(world.services, messages=None)) is None


async def test_the_sandbox_goes_by_the_last_digit(world: World) -> None:
    client = sandboxed(world)
    counts = {}
    for digit in "0138":
        made = (await client("POST", RECEIVED, {"device": {"phoneNumber": f"+861380000001{digit}"}})).json["messages"]
        counts[digit] = len(made)
    assert counts == {"0": 10, "1": 1, "3": 1, "8": 0}
    ten = {"device": {"phoneNumber": "+8613800000010"}, "limit": 4}
    first = (await client("POST", RECEIVED, ten)).json
    assert [each.get("optOut") for each in first["messages"]] == [None, "STOP", None, "START"]
    again = (await client("POST", RECEIVED, ten | {"cursor": first["cursor"]})).json
    assert len({each["messageId"] for each in first["messages"] + again["messages"]}) == 8
    assert len((await client("POST", RECEIVED, {})).json["messages"]) == 1
