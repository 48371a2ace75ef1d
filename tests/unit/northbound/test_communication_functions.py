"""Communication functions as a client meets them: CAMARA's draft, China Telecom's contract, Subscription Status.

Every answer is held against our documents, and against CAMARA's where there is one.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.northbound.world import NOW, Client, World

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.rules.functions import MAX_CLOSED_APNS, FunctionState, SetApn, set_apn
from simwarden.domain.rules.lifecycle import Step, Transition, transition
from simwarden.domain.sim import ALL_FUNCTIONS, BarCause, Function, IdentifierKind, SimRef

PHONE = {"phoneNumber": "+8613800000001"}
FOREIGN = {"phoneNumber": "+8613800000009"}
UNKNOWN = {"phoneNumber": "+8613899999999"}
REF = SimRef(IdentifierKind.MSISDN, "+8613800000001")
CAMARA = "/device-communication-function/vwip"
MANAGE = "/device-communication-function-mgmt/v1/manage"
STATUS = "/subscription-status/v0.1/retrive-subscription-status"
CAUSE = Cause(CauseKind.OPERATOR, "test", NOW)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def function(name: str = "DATA", device: Any = PHONE) -> dict[str, Any]:
    found = {"functionType": name, "device": device}
    return {key: value for key, value in found.items() if value is not None}


def port(number: Any) -> dict[str, Any]:
    return {"ipv4Address": {"publicAddress": "192.0.2.1", "publicPort": number}}


def managing(busi_type: str, action: str, param: str | None = None, device: Any = PHONE) -> dict[str, Any]:
    found = {"busiType": busi_type, "action": action, "busiParam": param, "device": device}
    return {key: value for key, value in found.items() if value is not None}


def suspend(world: World) -> None:
    suspended = transition(world.sims[REF], Transition(Step.SUSPEND), NOW, CAUSE).sim
    world.sims = {ref: suspended if sim.imsi == suspended.imsi else sim for ref, sim in world.sims.items()}


@pytest.mark.parametrize("name", ["VOICE", "SMS", "DATA"])
async def test_deactivate_and_activate(client: Client, world: World, name: str) -> None:
    off = await client("POST", f"{CAMARA}/deactivate", function(name), headers=[("x-correlator", "c-9")])
    assert (off.status, off.json) == (200, {"functionType": name, "functionStatus": "inactive"})
    assert world.sims[REF].functions_off == Function[name]
    assert (world.causes[-1].kind, world.causes[-1].source, world.causes[-1].message, world.causes[-1].reference) == (
        CauseKind.CALL,
        "swk_meters",
        "deactivate",
        "c-9",
    )
    again = await client("POST", f"{CAMARA}/deactivate", function(name))
    assert (again.status, again.json["code"]) == (422, "UNNECESSARY_DEACTIVATION")
    on = await client("POST", f"{CAMARA}/activate", function(name))
    assert (on.status, on.json) == (200, {"functionType": name, "functionStatus": "active"})
    again = await client("POST", f"{CAMARA}/activate", function(name))
    assert (again.status, again.json["code"]) == (422, "UNNECESSARY_ACTIVATION")


async def test_a_function_that_something_else_bars_is_answered_as_it_is(client: Client, world: World) -> None:
    await client("POST", f"{CAMARA}/deactivate", function("SMS"))
    suspend(world)
    on = await client("POST", f"{CAMARA}/activate", function("SMS"))
    assert (on.status, on.json["functionStatus"]) == (200, "inactive")
    assert [bar.cause for bar in world.sims[REF].bars] == [BarCause.SUSPENDED]


async def test_retrieve_tells_wish_effect_reasons_and_since(client: Client, world: World) -> None:
    await client("POST", f"{CAMARA}/deactivate", function("DATA"))
    await client("POST", MANAGE, managing("apn", "close", "iot.example"))
    told = (await client("POST", f"{CAMARA}/retrieve", {"device": PHONE})).json
    since = "2026-11-21T12:00:00Z"
    on = {"requestedStatus": "active", "functionStatus": "active", "bars": [], "since": since}
    assert told == {
        "simState": "ACTIVE",
        "functions": [
            {"functionType": "VOICE", **on},
            {"functionType": "SMS", **on},
            {
                "functionType": "DATA",
                "requestedStatus": "inactive",
                "functionStatus": "inactive",
                "bars": [{"cause": "CLOSED_BY_CUSTOMER", "since": since}],
                "since": since,
            },
        ],
        "closedApns": [{"apn": "iot.example", "since": since}],
    }
    suspend(world)
    told = (await client("POST", f"{CAMARA}/retrieve", {"device": PHONE})).json
    assert told["simState"] == "SUSPENDED"
    assert [(each["requestedStatus"], each["functionStatus"]) for each in told["functions"]] == [
        ("active", "inactive"),
        ("active", "inactive"),
        ("inactive", "inactive"),
    ]
    assert [bar["cause"] for bar in told["functions"][2]["bars"]] == ["CLOSED_BY_CUSTOMER", "SUSPENDED"]


@pytest.mark.parametrize(
    ("body", "status", "code", "said"),
    [
        ({"device": PHONE}, 400, "INVALID_ARGUMENT", "Function type must be specified"),
        (function("FAX"), 400, "INVALID_ARGUMENT", "functionType can only be"),
        (function(device={}), 400, "INVALID_ARGUMENT", "At least one of phoneNumber"),
        (function(device={"phoneNumber": "1"}), 400, "INVALID_ARGUMENT", "phoneNumber"),
        (function() | {"more": 1}, 400, "INVALID_ARGUMENT", "more"),
        (function(device=port(1023)), 400, "OUT_OF_RANGE", "1024"),
        (function(device=port(65536)), 400, "OUT_OF_RANGE", ""),
        (function(device=port("x")), 400, "INVALID_ARGUMENT", ""),
        (function(device=None), 422, "MISSING_IDENTIFIER", "cannot be identified"),
        (function(device={"networkAccessIdentifier": "a@b"}), 422, "UNSUPPORTED_IDENTIFIER", ""),
        (function(device=UNKNOWN), 404, "IDENTIFIER_NOT_FOUND", ""),
        (function(device=FOREIGN), 404, "IDENTIFIER_NOT_FOUND", ""),
        (function(device=port(1024)), 404, "IDENTIFIER_NOT_FOUND", ""),
    ],
)
async def test_the_drafts_errors(client: Client, body: Any, status: int, code: str, said: str) -> None:
    for path in ("activate", "deactivate"):
        reply = await client("POST", f"{CAMARA}/{path}", body)
        assert (reply.status, reply.json["code"]) == (status, code)
        assert said in reply.json["message"]


async def test_three_legged_tokens_name_the_device_themselves(client: Client, world: World) -> None:
    assert (await client("POST", f"{CAMARA}/deactivate", {"functionType": "SMS"}, token="device")).status == 200
    assert world.sims[REF].closed == Function.SMS
    twice = await client("POST", f"{CAMARA}/deactivate", function("SMS"), token="device")
    assert (twice.status, twice.json["code"]) == (422, "UNNECESSARY_IDENTIFIER")
    assert (await client("POST", f"{CAMARA}/retrieve", {}, token="device")).status == 200
    assert (await client("POST", MANAGE, managing("sms", "open", device=None), token="device")).status == 200


@pytest.mark.parametrize("path", [f"{CAMARA}/activate", f"{CAMARA}/retrieve", MANAGE, STATUS])
async def test_the_edge(client: Client, world: World, path: str) -> None:
    assert (await client("POST", path, {}, token=None)).status == 401
    assert (await client("POST", path, {}, token="narrow")).json["code"] == "PERMISSION_DENIED"
    assert (await client("GET", path)).status == 405
    assert (await client("POST", path, b"{")).status == 400
    world.failure = StoreUnavailable()
    assert (await client("POST", path, {})).status == 503


async def test_reading_needs_its_own_scope(client: Client, world: World) -> None:
    caller = world.callers["good"]
    world.callers["reader"] = msgspec.structs.replace(caller, scopes=frozenset({"device-communication-function:read"}))
    assert (await client("POST", f"{CAMARA}/retrieve", {"device": PHONE}, token="reader")).status == 200
    assert (await client("POST", f"{CAMARA}/activate", function(), token="reader")).status == 403


OPEN = {"status": "open", "effective": True, "bars": []}
CLOSED = {"status": "close", "effective": False, "bars": ["CLOSED_BY_CUSTOMER"]}


@pytest.mark.parametrize("name", ["data", "voice", "sms"])
async def test_manage_closes_tells_and_opens(client: Client, world: World, name: str) -> None:
    closed = await client("POST", MANAGE, managing(name, "close"))
    assert closed.status == 200
    assert closed.json == {
        "code": "SUCCESS",
        "message": "Closed",
        "result": {"cardStatus": "ACTIVE", "data": OPEN, "voice": OPEN, "sms": OPEN, "apn": []} | {name: CLOSED},
    }
    again = await client("POST", MANAGE, managing(name, "close"))
    assert (again.status, again.json["code"], again.json["result"]) == (200, "NO_CHANGE", closed.json["result"])
    queried = await client("POST", MANAGE, managing(name, "query"))
    assert (queried.json["code"], queried.json["result"]) == ("SUCCESS", closed.json["result"])
    opened = await client("POST", MANAGE, managing(name, "open"))
    assert (opened.json["code"], opened.json["result"][name]) == ("SUCCESS", OPEN)
    assert world.causes[0].message == "manage close"


async def test_manage_closes_single_apns(client: Client, world: World) -> None:
    closed = await client("POST", MANAGE, managing("apn", "close", "IoT.Example"))
    apn = {"name": "iot.example", "status": "close", "since": "2026-11-21T12:00:00Z"}
    assert closed.json["result"]["apn"] == [apn]
    assert closed.json["result"]["data"] == OPEN
    assert (await client("POST", MANAGE, managing("apn", "close", "iot.example"))).json["code"] == "NO_CHANGE"
    assert (await client("POST", MANAGE, managing("apn", "query", "iot.example"))).json["result"]["apn"] == [apn]
    assert (await client("POST", MANAGE, managing("apn", "query"))).json["result"]["apn"] == [apn]
    opened = await client("POST", MANAGE, managing("apn", "open", "iot.example"))
    is_open = {"name": "iot.example", "status": "open"}
    assert (opened.json["code"], opened.json["result"]["apn"]) == ("SUCCESS", [is_open])
    again = await client("POST", MANAGE, managing("apn", "open", "IoT.Example"))
    assert (again.json["code"], again.json["result"]["apn"]) == ("NO_CHANGE", [is_open])
    await client("POST", MANAGE, managing("apn", "close", "a.example"))
    asked = (await client("POST", MANAGE, managing("apn", "query", "iot.example"))).json["result"]["apn"]
    assert [(each["name"], each["status"]) for each in asked] == [("a.example", "close"), ("iot.example", "open")]
    assert len((await client("POST", MANAGE, managing("apn", "query"))).json["result"]["apn"]) == 1
    await client("POST", MANAGE, managing("apn", "open", "a.example"))
    full = world.sims[REF]
    for number in range(MAX_CLOSED_APNS):
        full = set_apn(full, SetApn(FunctionState.CLOSED, f"apn{number}"), NOW, CAUSE).sim
    world.sims = {ref: full if sim.imsi == full.imsi else sim for ref, sim in world.sims.items()}
    refused = await client("POST", MANAGE, managing("apn", "close", "one-more"))
    assert (refused.status, refused.json["code"]) == (409, "INCOMPATIBLE_STATE")


async def test_manage_shows_what_else_bars_a_service(client: Client, world: World) -> None:
    suspend(world)
    told = (await client("POST", MANAGE, managing("data", "query"))).json["result"]
    assert told["cardStatus"] == "SUSPENDED"
    assert told["data"] == {"status": "open", "effective": False, "bars": ["SUSPENDED"]}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"action": "open", "device": PHONE}, 400, "busiType must be specified"),
        ({"busiType": "data", "device": PHONE}, 400, "action must be specified"),
        (managing("fax", "open"), 400, "busiType can only be"),
        (managing("data", "toggle"), 400, "action can only be"),
        (managing("data", "open", "iot.example"), 400, "busiParam goes with busiType apn only"),
        (managing("apn", "open"), 400, "busiParam must be specified"),
        (managing("apn", "close", "a b"), 400, "Invalid format: busiParam"),
        (managing("apn", "close", "a" * 101), 400, "Invalid format: busiParam"),
        (managing("data", "open") | {"more": 1}, 400, "more"),
        (managing("data", "open", device=FOREIGN), 404, ""),
        (managing("data", "query", device=UNKNOWN), 404, ""),
        (managing("data", "open", device=None), 422, ""),
    ],
)
async def test_manages_errors_carry_code_and_message(client: Client, body: Any, status: int, said: str) -> None:
    reply = await client("POST", MANAGE, body)
    assert reply.status == status
    assert reply.json.keys() == {"status", "code", "message"}
    assert said in reply.json["message"]


async def test_subscription_status_is_served_from_the_same_record(client: Client, world: World) -> None:
    def told(talk: str, data: str) -> dict[str, str]:
        return {"voiceSmsIn": talk, "voiceSmsOut": talk, "dataService": data}

    assert (await client("POST", STATUS, PHONE)).json == told("active", "active")
    await client("POST", MANAGE, managing("sms", "close"))
    assert (await client("POST", STATUS, PHONE)).json == told("active", "active")
    await client("POST", MANAGE, managing("voice", "close"))
    assert (await client("POST", STATUS, PHONE)).json == told("suspended", "active")
    await client("POST", MANAGE, managing("data", "close"))
    assert (await client("POST", STATUS, PHONE)).json == told("suspended", "suspended")
    assert world.sims[REF].functions_off == ALL_FUNCTIONS


async def test_subscription_status_knows_the_number_by_the_token_or_by_the_body(client: Client) -> None:
    assert (await client("POST", STATUS, {}, token="device")).status == 200
    assert (await client("POST", STATUS, PHONE, token="device")).status == 200
    other = await client("POST", STATUS, {"phoneNumber": "+8613800000002"}, token="device")
    assert (other.status, other.json["code"]) == (403, "INVALID_TOKEN_CONTEXT")
    missing = await client("POST", STATUS, {})
    assert (missing.status, missing.json["code"]) == (422, "MISSING_IDENTIFIER")
    for device in (UNKNOWN, FOREIGN):
        reply = await client("POST", STATUS, device)
        assert (reply.status, reply.json["code"]) == (404, "IDENTIFIER_NOT_FOUND")
    assert (await client("POST", STATUS, {"phoneNumber": "12"})).status == 400
    assert (await client("POST", STATUS, PHONE | {"remark": 1})).status == 200
