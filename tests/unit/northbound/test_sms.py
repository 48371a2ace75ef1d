"""sms and sms-delivery-notification-subscriptions as a client meets them; every answer is held against CAMARA's
documents and ours."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.northbound.test_short_message_subscriptions import came
from tests.unit.northbound.test_sim_swap import sandboxed
from tests.unit.northbound.world import Client, World, sim

from simwarden.domain.errors import NothingSends, RecipientOptedOut, SendingBarred, SimwardenError, TooManyMessages
from simwarden.domain.events import EventType
from simwarden.domain.usage import Usage
from simwarden.sandbox.messages import REPLIED

SEND = "/sms/v0alpha1/short-message"
SUBSCRIPTIONS = "/sms-delivery-notification-subscriptions/v0alpha1/subscriptions"
STATUS = "org.camaraproject.sms.v0.sms-delivery-status"
NUMBER, FOREIGN, PEER = "+8613800000001", "+8613800000009", "+8613715266978"
RIGHT = {"from": NUMBER, "to": [PEER], "message": "temp 21.5"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


async def test_a_message_is_queued(client: Client, world: World) -> None:
    body = RIGHT | {"to": [PEER, "+4915112345678", PEER], "category": "SERVICE"}
    reply = await client("POST", SEND, body)
    assert reply.status == 200
    [new] = world.texts
    assert (new.sim, new.to) == (sim(NUMBER), (PEER, "+4915112345678"))
    assert (new.text, new.category, new.app_key) == ("temp 21.5", "SERVICE", "swk_meters")
    assert new.usage == Usage("acc_meters", "swk_meters", "sms", "send-sms")
    assert reply.json == {"msgId": f"{1:034x}", "timestamp": "2026-11-21T12:00:00Z"}


async def test_once_for_each_idempotency_key(client: Client, world: World) -> None:
    key = [("idempotency-key", "a")]
    first, again = [await client("POST", SEND, RIGHT, headers=key) for _ in range(2)]
    assert (first.json, again.headers["idempotent-replayed"]) == (again.json, "true")
    assert len(world.texts) == 1
    other = await client("POST", SEND, RIGHT | {"message": "other"}, headers=key)
    assert (other.status, other.json["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    "change",
    [
        {"to": []},
        {"to": [PEER] * 51},
        {"to": ["13715266978"]},
        {"to": PEER},
        {"from": "ALIPAY"},
        {"message": ""},
        {"message": "a" * 1601},
        {"message": None},
        {"category": "ADVERT"},
        {"inReplyTo": "0" * 34},
    ],
)
async def test_what_is_wrong_is_400(client: Client, world: World, change: dict[str, Any]) -> None:
    reply = await client("POST", SEND, RIGHT | change)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert reply.json["detail"] == reply.json["message"]
    assert world.texts == []


@pytest.mark.parametrize("missing", ["from", "to", "message"])
async def test_what_is_missing_is_400(client: Client, missing: str) -> None:
    reply = await client("POST", SEND, {name: value for name, value in RIGHT.items() if name != missing})
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert missing in reply.json["detail"]


async def test_whose_sim_it_is(client: Client, world: World) -> None:
    foreign = await client("POST", SEND, RIGHT | {"from": FOREIGN})
    unknown = await client("POST", SEND, RIGHT | {"from": "+8613800000555"})
    assert (foreign.status, foreign.json["code"]) == (404, "IDENTIFIER_NOT_FOUND")
    assert foreign.json == unknown.json
    bound = {name: value for name, value in RIGHT.items() if name != "from"}
    assert (await client("POST", SEND, bound, token="device")).status == 200
    assert (await client("POST", SEND, RIGHT, token="device")).status == 200
    other = await client("POST", SEND, RIGHT, token="other-device")
    assert (other.status, other.json["code"]) == (403, "INVALID_TOKEN_CONTEXT")
    assert [new.sim for new in world.texts] == [sim(NUMBER)] * 2
    assert (await client("POST", SEND, RIGHT, token="narrow")).status == 403
    assert (await client("POST", SEND, RIGHT, token=None)).status == 401


async def test_a_reply_goes_to_the_sender_from_the_sim(client: Client, world: World) -> None:
    id_ = came(world, NUMBER, "temp?")
    reply = {"inReplyTo": id_, "message": "21.5"}
    assert (await client("POST", SEND, reply)).status == 200
    [new] = world.texts
    assert (new.sim, new.to) == (sim(NUMBER), ("+4915112345678",))
    assert (await client("POST", SEND, reply, token="device")).status == 200
    for token, named in (("good", "f" * 34), ("good", "no id"), ("stranger", id_), ("other-device", id_)):
        gone = await client("POST", SEND, reply | {"inReplyTo": named}, token=token)
        assert (gone.status, gone.json["code"]) == (404, "NOT_FOUND")
    world.messages[0][1]["from"] = "ALIPAY"
    assert (await client("POST", SEND, reply)).json["code"] == "SERVICE_NOT_APPLICABLE"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SendingBarred(), 409, "INCOMPATIBLE_STATE"),
        (NothingSends(), 422, "SERVICE_NOT_APPLICABLE"),
        (RecipientOptedOut(), 422, "SHORT_MESSAGE.RECIPIENT_OPTED_OUT"),
        (TooManyMessages("At most 1 (messages_waiting_per_account)"), 429, "TOO_MANY_REQUESTS"),
    ],
)
async def test_refusals(client: Client, world: World, error: SimwardenError, status: int, code: str) -> None:
    world.refusal = error
    reply = await client("POST", SEND, RIGHT)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert reply.json["detail"] == error.message


def wish(**detail: Any) -> dict[str, Any]:
    return {
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [STATUS],
        "config": {"subscriptionDetail": {"senderId": NUMBER, "type": STATUS} | detail},
    }


async def test_subscribing_to_what_becomes_of_messages(client: Client, world: World) -> None:
    created = await client("POST", SUBSCRIPTIONS, wish())
    assert created.status == 201
    [new] = world.created
    assert (new.topic, new.sim, new.device) == (EventType.SMS_STATUS, sim(NUMBER), {"phoneNumber": NUMBER})
    path = f"{SUBSCRIPTIONS}/{created.json['id']}"
    assert (await client("GET", path)).json == created.json
    assert (await client("GET", SUBSCRIPTIONS)).json == [created.json]
    assert (await client("GET", path, token="stranger")).status == 404
    assert (await client("DELETE", path)).status == 204
    for sender in (FOREIGN, "AD-HDFCBK"):
        assert (await client("POST", SUBSCRIPTIONS, wish(senderId=sender))).json["code"] == "IDENTIFIER_NOT_FOUND"
    wrong: list[dict[str, Any]] = [{"senderId": ""}, {"type": "other"}, {"senderId": 1}]
    for detail in wrong:
        assert (await client("POST", SUBSCRIPTIONS, wish(**detail))).json["code"] == "INVALID_ARGUMENT"
    never = wish()
    never["config"]["subscriptionMaxEvents"] = 0
    refused = await client("POST", SUBSCRIPTIONS, never)
    assert (refused.status, refused.json["code"]) == (400, "INVALID_ARGUMENT")
    assert (await client("POST", SUBSCRIPTIONS, wish(), token="narrow")).status == 403


async def test_the_sandbox_sends_nothing_and_says_so_by_numbers(world: World) -> None:
    client = sandboxed(world)
    assert (await client("POST", SEND, RIGHT | {"from": "+8613800000018"})).status == 200
    codes = {}
    for digit in "2579":
        codes[digit] = (await client("POST", SEND, RIGHT | {"from": f"+861380000001{digit}"})).json["code"]
    assert codes == {
        "2": "INCOMPATIBLE_STATE",
        "5": "SERVICE_NOT_APPLICABLE",
        "7": "SERVICE_NOT_APPLICABLE",
        "9": "INCOMPATIBLE_STATE",
    }
    stopped = RIGHT | {"from": "+8613800000018", "to": ["+491511230000"]}
    assert (await client("POST", SEND, stopped)).json["code"] == "SHORT_MESSAGE.RECIPIENT_OPTED_OUT"
    assert (await client("POST", SEND, {"inReplyTo": REPLIED, "message": "x"})).status == 200
    assert (await client("POST", SEND, {"inReplyTo": "f" * 34, "message": "x"})).status == 404
    assert world.texts == []
