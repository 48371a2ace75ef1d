"""Idempotency-Key at the edge: which calls have a name, when it is the same call, and what is given again."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.northbound.world import Client, World

from simwarden.domain.sim import Function, IdentifierKind, SimRef

PHONE = {"phoneNumber": "+8613800000001"}
OTHER = {"phoneNumber": "+8613800000002"}
REF = SimRef(IdentifierKind.MSISDN, "+8613800000001")
DEACTIVATE = "/device-communication-function/vwip/deactivate"
MANAGE = "/device-communication-function-mgmt/v1/manage"
SUBSCRIBE = "/device-card-binding-mgmt/v1/subscribe"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def key(name: str = "k-1") -> list[tuple[str, str]]:
    return [("idempotency-key", name)]


def closing(device: Any = PHONE) -> dict[str, Any]:
    return {"functionType": "DATA", "device": device}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (DEACTIVATE, closing()),
        (MANAGE, {"busiType": "data", "action": "close", "device": PHONE}),
        (MANAGE, {"busiType": "apn", "action": "close", "busiParam": "a.example", "device": PHONE}),
        ("/device-card-binding-mgmt/v1/bind", {"bindType": "IMEIBIND", "device": PHONE}),
        ("/iot-sim-fraud-prevention/v0.1/bind", {"bindType": "IMEIBIND", "device": PHONE}),
        (SUBSCRIBE, {"sink": "https://events.example.com/", "device": PHONE}),
        (
            "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions",
            {
                "protocol": "HTTP",
                "sink": "https://events.example.com/",
                "types": ["org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"],
                "config": {"subscriptionDetail": {"device": PHONE}},
            },
        ),
    ],
)
async def test_the_same_call_again_is_answered_again_and_done_once(
    client: Client, world: World, path: str, body: Any
) -> None:
    first = await client("POST", path, body, headers=[*key(), ("x-correlator", "one")])
    done = (len(world.causes), len(world.created), world.sims[REF])
    assert first.status in (200, 201)
    assert "idempotent-replayed" not in first.headers
    again = await client("POST", path, dict(reversed(body.items())), headers=[*key(), ("x-correlator", "two")])
    assert (again.status, again.body) == (first.status, first.body)
    assert (again.headers["idempotent-replayed"], again.headers["x-correlator"]) == ("true", "two")
    secret = "x-simwarden-webhook-secret"
    assert again.headers.get(secret) == first.headers.get(secret)
    assert (len(world.causes), len(world.created), world.sims[REF]) == done


async def test_a_refusal_is_the_answer_too(client: Client, world: World) -> None:
    await client("POST", DEACTIVATE, closing())
    refused = await client("POST", DEACTIVATE, closing(), headers=key())
    assert (refused.status, refused.json["code"]) == (422, "UNNECESSARY_DEACTIVATION")
    await client("POST", "/device-communication-function/vwip/activate", closing())
    again = await client("POST", DEACTIVATE, closing(), headers=key())
    assert (again.status, again.body) == (refused.status, refused.body)
    assert world.sims[REF].closed == Function(0)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (DEACTIVATE, closing(OTHER)),
        (DEACTIVATE, {"functionType": "SMS", "device": PHONE}),
        ("/device-communication-function/vwip/activate", closing()),
        (MANAGE, {"busiType": "data", "action": "close", "device": PHONE}),
        (DEACTIVATE, b"{"),
    ],
)
async def test_another_request_under_the_same_key_is_an_error(
    client: Client, world: World, path: str, body: Any
) -> None:
    await client("POST", DEACTIVATE, closing(), headers=key())
    before = dict(world.sims)
    reply = await client("POST", path, body, headers=key())
    assert (reply.status, reply.json["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert world.sims == before


async def test_keys_belong_to_an_application_and_to_the_device_of_its_token(client: Client, world: World) -> None:
    await client("POST", DEACTIVATE, closing(), headers=key())
    colleague = await client("POST", DEACTIVATE, closing(), token="colleague", headers=key())
    assert colleague.json["code"] == "UNNECESSARY_DEACTIVATION"
    bare = {"functionType": "SMS"}
    assert (await client("POST", DEACTIVATE, bare, token="device", headers=key("k-2"))).status == 200
    other = await client("POST", DEACTIVATE, bare, token="other-device", headers=key("k-2"))
    assert other.json["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), ({"functionType": "FAX", "device": PHONE}, 400), (closing({"phoneNumber": "+8613899999999"}), 404)],
)
async def test_what_broke_the_contract_is_not_remembered(client: Client, world: World, body: Any, status: int) -> None:
    assert (await client("POST", DEACTIVATE, body, headers=key())).status == status
    assert world.answers.kept == {}
    assert (await client("POST", DEACTIVATE, closing(), headers=key())).status == 200


async def test_what_only_reads_needs_no_name(client: Client, world: World) -> None:
    query = {"busiType": "data", "action": "query", "device": PHONE}
    for path, body in ((MANAGE, query), ("/device-communication-function/vwip/retrieve", {"device": PHONE})):
        assert (await client("POST", path, body, headers=key())).status == 200
    assert world.answers.kept == {}


@pytest.mark.parametrize("name", ["", "a b", "é", "k" * 256, "a\tb"])
async def test_a_key_is_1_to_255_visible_characters(client: Client, world: World, name: str) -> None:
    reply = await client("POST", DEACTIVATE, closing(), headers=key(name))
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert "Idempotency-Key" in reply.json["message"]
    assert world.sims[REF].closed == Function(0)


async def test_the_longest_key(client: Client) -> None:
    for _ in range(2):
        assert (await client("POST", DEACTIVATE, closing(), headers=key("~" * 255))).status == 200
