"""China Telecom's card binding as a client meets it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.northbound.world import FULL_IMEI, IMEI, Client, Settings, World

from simwarden.domain.rules.device import Bind
from simwarden.domain.sim import BindingState, IdentifierKind, OnUnknown, Policy, SimRef

PHONE = {"phoneNumber": "+8613800000001"}
UNSEEN = {"phoneNumber": "+8613800000002"}
FOREIGN = {"phoneNumber": "+8613800000009"}
REF = SimRef(IdentifierKind.MSISDN, "+8613800000001")
API = "/device-card-binding-mgmt/v1"
OTHER = "490154203237518"
UNBOUND = {"bindType": "IMEIBIND", "bindStatus": "UNBOUND", "state": "NEUTRAL"}
SINK = "https://events.example.com/simwarden"
CREDENTIAL = {
    "credentialType": "ACCESSTOKEN",
    "accessToken": "secret-token",
    "accessTokenExpiresUtc": "2099-01-01T00:00:00Z",
    "accessTokenType": "bearer",
}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def binding(info: Any = None, device: Any = PHONE, what: str = "IMEIBIND") -> dict[str, Any]:
    found = {"bindType": what, "device": device, "bindInfo": info}
    return {name: value for name, value in found.items() if value is not None}


def bound(state: str, **info: Any) -> dict[str, Any]:
    return {"bindType": "IMEIBIND", "bindStatus": "BOUND", "state": state, "bindInfo": info}


@pytest.mark.parametrize(
    ("info", "result"),
    [
        (None, bound("LOCKED", imei=FULL_IMEI)),
        ({"imei": FULL_IMEI}, bound("LOCKED", imei=FULL_IMEI)),
        ({"imei": "35-209900-176148-1"}, bound("LOCKED", imei=FULL_IMEI)),
        ({"imei": OTHER}, bound("DIFFERED", imei=OTHER)),
        ({"tac": IMEI[:8]}, bound("LOCKED", tac=IMEI[:8])),
        ({"imeiList": [OTHER, FULL_IMEI]}, bound("LOCKED", imeiList=[FULL_IMEI, OTHER])),
    ],
)
async def test_bind_query_unbind(client: Client, world: World, info: Any, result: Any) -> None:
    assert (await client("POST", f"{API}/query", binding())).json["result"] == UNBOUND
    made = await client("POST", f"{API}/bind", binding(info))
    assert (made.status, made.json) == (200, {"code": "SUCCESS", "message": "Bound", "result": result})
    assert (await client("POST", f"{API}/query", binding())).json["result"] == result
    gone = await client("POST", f"{API}/unbind", binding())
    assert (gone.status, gone.json) == (200, {"code": "SUCCESS", "message": "Unbound", "result": UNBOUND})
    again = await client("POST", f"{API}/unbind", binding())
    assert (again.status, again.json["code"], again.json["result"]) == (200, "NO_CHANGE", UNBOUND)
    assert [cause.message for cause in world.causes] == ["bind", "unbind", "unbind"]


async def test_a_sim_never_seen_is_armed_or_refused_as_its_account_wants(client: Client, world: World) -> None:
    armed = await client("POST", f"{API}/bind", binding(device=UNSEEN))
    assert armed.json["result"] == {"bindType": "IMEIBIND", "bindStatus": "BOUND", "state": "ARMED"}
    await client("POST", f"{API}/unbind", binding(device=UNSEEN))
    world.settings_of["acc_meters"] = Settings(Policy(unknown=OnUnknown.DENY), strict=True)
    refused = await client("POST", f"{API}/bind", binding(device=UNSEEN))
    assert (refused.status, refused.json["code"]) == (409, "INCOMPATIBLE_STATE")
    assert world.commands[-1] == Bind(new_policy=Policy(unknown=OnUnknown.DENY), strict=True, again=True)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (binding({}), 400, "one of imei, tac, imeiList"),
        (binding({"imei": OTHER, "tac": IMEI[:8]}), 400, "one of imei, tac, imeiList"),
        (binding({"imei": "12"}), 400, "bindInfo"),
        (binding({"imei": "0" * 15}), 400, "bindInfo"),
        (binding({"tac": "12"}), 400, "bindInfo"),
        (binding({"imeiList": []}), 400, "bindInfo.imeiList"),
        (binding({"imeiList": [OTHER] * 1001}), 400, "bindInfo.imeiList"),
        (binding({"imei": OTHER, "more": 1}), 400, "more"),
        (binding(what="NOTHING"), 400, "bindType can only be"),
        ({"device": PHONE}, 400, "bindType must be specified"),
        (binding(device=FOREIGN), 404, ""),
        (binding({"imei": OTHER}, what="AREALIMIT"), 400, "one of area, areaName"),
        (binding({"areaName": "depot"}), 400, "one of imei, tac, imeiList"),
    ],
)
async def test_binds_errors(client: Client, world: World, body: Any, status: int, said: str) -> None:
    reply = await client("POST", f"{API}/bind", body)
    assert reply.status == status
    assert said in reply.json["message"]
    assert world.sims[REF].state is BindingState.NEUTRAL


async def test_subscribe_makes_a_subscription_of_camaras_api(client: Client, world: World) -> None:
    body = {"device": PHONE, "sink": SINK, "sinkCredential": CREDENTIAL}
    made = await client("POST", f"{API}/subscribe", body)
    assert made.status == 200
    id_ = made.json["result"]["id"]
    assert made.json == {"code": "SUCCESS", "message": "Subscribed", "result": {"id": id_}}
    assert made.headers["x-simwarden-webhook-secret"].startswith("whsec_")
    new = world.created[-1]
    assert (new.sink, new.type, new.api) == (
        SINK,
        "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change",
        "iot-sim-fraud-prevention-subscriptions",
    )
    assert new.credential is not None
    assert new.credential.access_token == "secret-token"
    found = await client("GET", f"/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions/{id_}")
    assert (found.status, found.json["sink"]) == (200, SINK)
    assert found.json["config"]["subscriptionDetail"]["device"] == PHONE


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"device": PHONE}, 400, "INVALID_ARGUMENT"),
        ({"device": PHONE, "sink": "http://events.example.com"}, 400, "INVALID_SINK"),
        ({"device": PHONE, "sink": "https://10.0.0.1/"}, 400, "INVALID_SINK"),
        ({"device": PHONE, "sink": SINK, "sinkCredential": {"credentialType": "PLAIN"}}, 400, "INVALID_CREDENTIAL"),
        (
            {"device": PHONE, "sink": SINK, "sinkCredential": {"credentialType": "PRIVATE_KEY_JWT"}},
            422,
            "PRIVATE_KEY_JWT_NOT_CONFIGURED",
        ),
        (
            {"device": PHONE, "sink": SINK, "sinkCredential": CREDENTIAL | {"accessTokenType": "mac"}},
            400,
            "INVALID_TOKEN",
        ),
        ({"device": PHONE, "sink": SINK, "more": 1}, 400, "INVALID_ARGUMENT"),
        ({"device": FOREIGN, "sink": SINK}, 404, "IDENTIFIER_NOT_FOUND"),
        ({"sink": SINK}, 422, "MISSING_IDENTIFIER"),
    ],
)
async def test_subscribes_errors(client: Client, world: World, body: Any, status: int, code: str) -> None:
    reply = await client("POST", f"{API}/subscribe", body)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert world.created == []


@pytest.mark.parametrize("path", ["bind", "unbind", "query", "subscribe"])
async def test_each_operation_has_its_scope(client: Client, world: World, path: str) -> None:
    caller = world.callers["good"]
    others = frozenset(f"device-card-binding-mgmt:{each}" for each in ("bind", "unbind", "query", "subscribe")) - {
        f"device-card-binding-mgmt:{path}"
    }
    world.callers["others"] = type(caller)(caller.app_key, caller.account_id, others)
    assert (await client("POST", f"{API}/{path}", {}, token="others")).status == 403
