"""fraud-hotzone-subscriptions as a client meets it; every answer is held against our document by the client."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.northbound.test_geofencing import ABSENT, PHONE, TOKEN
from tests.unit.northbound.test_geofencing import body as body_of_geofence
from tests.unit.northbound.test_sim_swap import served
from tests.unit.northbound.world import NOW, Caller, Client, World

from simwarden.domain.daily import TrafficKind
from simwarden.domain.eligibility import NotEligible
from simwarden.domain.events import EventType
from simwarden.domain.hotzone import HotZones, HotzoneWatch, Side
from simwarden.domain.outliers import Method
from simwarden.domain.sim import IdentifierKind, OneSim, SimRef

PATH = "/fraud-hotzone-subscriptions/vwip/subscriptions"
ANOMALY = "org.camaraproject.fraud-hotzone-subscriptions.v0.anomaly-detected"
DETAIL = "config__subscriptionDetail"


@pytest.fixture
def world() -> World:
    made = World()
    made.lists["acc_meters", "premium"] = ("+8821", "SL")
    return made


@pytest.fixture
def client(world: World) -> Client:
    return served(world)


def body(**changes: Any) -> dict[str, Any]:
    """A wish to be told. `config__x` changes `config.x`; ABSENT leaves a property out."""
    wanted = {"types": [ANOMALY], DETAIL: {"device": dict(PHONE), "fraudHotZone": ["KH", "+8821"]}}
    return body_of_geofence(**(wanted | changes))


async def test_create_get_list_delete(client: Client, world: World) -> None:
    created = await client("POST", PATH, body())
    assert created.status == 201
    id_ = created.json["id"]
    assert created.json["config"]["subscriptionDetail"] == {
        "device": PHONE,
        "fraudHotZone": ["KH", "+8821"],
        "checkType": "BOTH",
        "checkTarget": "VICTIM",
        "method": "RATIO",
    }
    assert (await client("GET", f"{PATH}/{id_}")).json == created.json
    assert (await client("GET", PATH)).json == [created.json]
    assert (await client("GET", PATH, token="stranger")).json == []
    assert (await client("GET", f"{PATH}/{id_}", token="stranger")).status == 404
    assert (await client("DELETE", f"{PATH}/{id_}", token="stranger")).status == 404
    assert (await client("DELETE", f"{PATH}/{id_}")).status == 204
    assert (await client("GET", f"{PATH}/{id_}")).status == 404
    [new] = world.created
    assert (new.topic, new.type, new.all_devices) == (EventType.HOTZONE_ANOMALY, ANOMALY, False)
    assert new.sim.msisdn == PHONE["phoneNumber"]


async def test_what_is_waited_for(client: Client, world: World) -> None:
    assert (await client("POST", PATH, body())).status == 201
    detail = {
        "allDevices": True,
        "fraudHotZone": ["list:premium", "KH", "KH"],
        "checkType": "CALL",
        "checkTarget": "SCAMMER",
        "method": "EWMA",
        "thresholdRatio": 4.5,
    }
    reply = await client("POST", PATH, body(**{DETAIL: detail}))
    assert (reply.status, reply.json["config"]["subscriptionDetail"]) == (201, detail)
    one, every = world.created
    assert one.watch == HotzoneWatch(
        zones=HotZones(frozenset({"KH"}), frozenset({"8821"})),
        kinds=frozenset(TrafficKind),
        side=Side.VICTIM,
        method=Method.RATIO,
        threshold=2.0,
        since=NOW.date(),
    )
    assert every.watch == HotzoneWatch(
        zones=HotZones(frozenset({"KH"})),
        lists=frozenset({"premium"}),
        kinds=frozenset({TrafficKind.CALL}),
        side=Side.SCAMMER,
        method=Method.EWMA,
        threshold=4.5,
        since=NOW.date(),
    )
    assert (every.all_devices, every.device) == (True, None)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({f"{DETAIL}__fraudHotZone": ABSENT}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__fraudHotZone": []}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__fraudHotZone": ["KH"] * 51}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__fraudHotZone": ["XX"]}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__fraudHotZone": ["list:unknown"]}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__thresholdRatio": 1}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__thresholdRatio": "4"}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__method": "LSTM"}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__checkType": None}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__lookBackDays": 7}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__allDevices": True}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__allDevices": False}, 400, "INVALID_ARGUMENT"),
        ({"config__initialEvent": True}, 400, "INVALID_ARGUMENT"),
        ({f"{DETAIL}__device": ABSENT}, 422, "MISSING_IDENTIFIER"),
        ({f"{DETAIL}__device": {"phoneNumber": "+8613899999999"}}, 404, "IDENTIFIER_NOT_FOUND"),
        ({f"{DETAIL}__device": {"phoneNumber": "+8613800000009"}}, 404, "IDENTIFIER_NOT_FOUND"),
        ({"types": [ANOMALY, ANOMALY]}, 422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED"),
        ({"types": ["org.camaraproject.geofencing-subscriptions.v0.area-left"]}, 400, "INVALID_ARGUMENT"),
        ({"sink": "http://events.example.com/"}, 400, "INVALID_SINK"),
        ({"sinkCredential": TOKEN | {"credentialType": "PLAIN"}}, 400, "INVALID_CREDENTIAL"),
    ],
)
async def test_what_is_refused(client: Client, world: World, changes: dict[str, Any], status: int, code: str) -> None:
    reply = await client("POST", PATH, body(**changes))
    assert (reply.status, reply.json["code"]) == (status, code)
    assert world.created == []


async def test_who_may_see_one_sim_is_not_told_of_all(client: Client, world: World) -> None:
    everyone = body(**{DETAIL: {"allDevices": True, "fraudHotZone": ["KH"]}})
    reply = await client("POST", PATH, everyone, token="device")
    assert (reply.status, reply.json["code"]) == (403, "PERMISSION_DENIED")
    own = body(**{f"{DETAIL}__device": ABSENT})
    assert (await client("POST", PATH, own, token="device")).status == 201
    assert (await client("POST", PATH, everyone)).status == 201
    assert len((await client("GET", PATH, token="device")).json) == 1, "one about all SIMs is not this device's"
    ref = SimRef(IdentifierKind.MSISDN, PHONE["phoneNumber"])
    world.callers["eligible"] = msgspec.structs.replace(
        world.callers["good"], only=OneSim(frozenset({ref}), NotEligible())
    )
    assert (await client("POST", PATH, everyone, token="eligible")).status == 403


async def test_lists_are_those_of_the_account_and_scopes_those_of_the_event(client: Client, world: World) -> None:
    listed = body(**{DETAIL: {"allDevices": True, "fraudHotZone": ["list:premium"]}})
    assert (await client("POST", PATH, listed)).status == 201
    assert (await client("POST", PATH, listed, token="stranger")).status == 400, "another account's list"
    world.callers["reads"] = Caller("swk_reads", "acc_meters", frozenset({"fraud-hotzone-subscriptions:read"}))
    assert (await client("POST", PATH, listed, token="reads")).status == 403
    assert (await client("GET", PATH, token="reads")).status == 200
    assert (await client("POST", PATH, listed, token=None)).status == 401
