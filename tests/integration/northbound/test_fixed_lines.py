"""Fixed lines in the customers' APIs: located by number and by address, and nothing else can be done with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.northbound.house import House
from tests.integration.northbound.test_tenants import Watched

from simwarden.domain.fixed_line import FixedLine
from simwarden.domain.locating import Site
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.kit.clock import now_utc
from simwarden.store import lines, places

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

VERIFY, RETRIEVE = "/location-verification/v3/verify", "/location-retrieval/v0.5/retrieve"
NUMBER, THEIRS, NOBODYS = "+34910000001", "+34910000009", "+34910000019"
MADRID = {"latitude": 40.4168, "longitude": -3.7038}


def circle(radius: float, **center: float) -> dict[str, Any]:
    return {"areaType": "CIRCLE", "center": MADRID | center, "radius": radius}


def ipv4(address: str, **others: Any) -> dict[str, Any]:
    return {"ipv4Address": {"publicAddress": address, **(others or {"publicPort": 5060})}}


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    """A line of `meters` with addresses, and one of `stranger` whose address lies in a network of the first."""
    made = House(database, vault)
    await made.furnish()
    stranger = await database.fetchval("select id from account where name = 'stranger'")
    site = Site(**MADRID, radius=100.0)
    mine = FixedLine(
        number=NUMBER,
        account_id=made.account.id,
        site=site,
        networks=("203.0.113.0/28", "2001:db8:7::/56"),
        installed_at=now_utc() - timedelta(days=900),
    )
    theirs = FixedLine(number=THEIRS, account_id=stranger, site=site, networks=("203.0.113.9/32", "198.51.100.1/32"))
    async with database.transaction() as connection:
        assert await lines.add(connection, [mine, theirs]) == {}
    return made


async def ask(house: House, path: str, device: dict[str, Any], **more: Any) -> Any:
    area = {"area": circle(1000)} if path == VERIFY else {}
    reply = await house.client(
        "POST", path, {"device": device, **area, **more}, token=house.token, headers=[("x-correlator", "c-1")]
    )
    return reply.status, reply.json


@pytest.mark.parametrize(
    "device",
    [
        {"phoneNumber": NUMBER},
        ipv4("203.0.113.7"),
        ipv4("203.0.113.7", privateAddress="192.168.1.10"),
        {"ipv6Address": "2001:db8:7:1f::1"},
    ],
)
async def test_a_line_is_located_by_number_and_by_address(house: House, device: dict[str, Any]) -> None:
    before = now_utc()
    status, found = await ask(house, VERIFY, device, maxAge=0)
    assert (status, found["verificationResult"]) == (200, "TRUE")
    assert before <= datetime.fromisoformat(found["lastLocationTime"]) <= now_utc()
    status, found = await ask(house, RETRIEVE, device, maxAge=0, maxSurface=31_416)
    assert status == 200
    assert found["area"] == circle(100)
    status, found = await ask(house, RETRIEVE, device, maxSurface=31_415)
    assert (status, found["code"]) == (422, "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_SURFACE")


@pytest.mark.parametrize(
    ("area", "result", "rate"),
    [
        (circle(100), "TRUE", None),
        (circle(50), "PARTIAL", 25),
        (circle(100, latitude=MADRID["latitude"] + 100 / 111_195), "PARTIAL", 39),
        (circle(100, latitude=41.0), "FALSE", None),
    ],
)
async def test_the_whole_of_its_circle_counts(house: House, area: Any, result: str, rate: int | None) -> None:
    status, found = await ask(house, VERIFY, {"phoneNumber": NUMBER}, area=area)
    assert (status, found["verificationResult"], found.get("matchRate")) == (200, result, rate)


@pytest.mark.parametrize("path", [VERIFY, RETRIEVE])
@pytest.mark.parametrize(
    ("unknown", "foreign"),
    [
        ({"phoneNumber": NOBODYS}, {"phoneNumber": THEIRS}),
        (ipv4("192.0.2.1"), ipv4("198.51.100.1")),
        ({"phoneNumber": "+8613800000019"}, {"phoneNumber": "+8613800000009"}),  # a SIM
        # In the caller's own network, but another account's line has it: it is not the caller's.
        (ipv4("192.0.2.1"), ipv4("203.0.113.9")),
    ],
)
async def test_a_foreign_line_and_an_unknown_one_cost_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str, unknown: dict[str, Any], foreign: dict[str, Any]
) -> None:
    await ask(house, path, unknown)
    watched = Watched(monkeypatch)
    answers, costs = [], []
    for device in (unknown, foreign, unknown, foreign):
        watched.seen.clear()
        answers.append(await ask(house, path, device))
        costs.append(list(watched.seen))
    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)
    assert all(cost == costs[0] and all(rows == 0 for _, rows in cost) for cost in costs)


async def test_one_call_locates_sims_and_lines_alike(house: House) -> None:
    sim = await house.sims.find(house.account.id, SimRef(IdentifierKind.MSISDN, "+8613800000001"))
    assert sim is not None
    status, found = await ask(house, VERIFY, {"phoneNumber": "+8613800000001"})
    assert (status, found["code"]) == (422, "LOCATION_VERIFICATION.UNABLE_TO_LOCATE")
    async with house.db.transaction() as connection:
        await places.set_address(connection, sim, Site(**MADRID, radius=500.0))
    answers = [
        await ask(house, VERIFY, device)
        for device in ({"phoneNumber": "+8613800000001"}, {"phoneNumber": NUMBER}, ipv4("203.0.113.1"))
    ]
    assert [(status, found["verificationResult"]) for status, found in answers] == [(200, "TRUE")] * 3
    status, found = await ask(house, RETRIEVE, {"phoneNumber": "+8613800000001"})
    assert (status, found["area"]) == (200, circle(500))


EVENTS = "org.camaraproject."
SUBSCRIBE: dict[str, Any] = {"protocol": "HTTP", "sink": "https://events.example.com/sink"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/iot-sim-fraud-prevention/v0.1/bind", {"bindType": "IMEIBIND"}),
        ("/iot-sim-fraud-prevention/v0.1/unbind", {"unBindType": "IMEIBIND"}),
        ("/iot-sim-fraud-prevention/v0.1/query", {"queryType": "IMEIBIND"}),
        ("/device-card-binding-mgmt/v1/bind", {"bindType": "IMEIBIND", "bindInfo": {"imei": "352099001761481"}}),
        ("/device-communication-function/vwip/deactivate", {"functionType": "DATA"}),
        ("/device-communication-function/vwip/retrieve", {}),
        ("/device-communication-function-mgmt/v1/manage", {"busiType": "data", "action": "close"}),
        ("/device-swap/v1/check", None),
        ("/subscription-status/v0.1/retrive-subscription-status", None),
        (
            "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions",
            {"types": [f"{EVENTS}iot-sim-fraud-prevention.v0.imei-change"], "config": {"subscriptionDetail": {}}},
        ),
        (
            "/geofencing-subscriptions/v0.5/subscriptions",
            {
                "types": [f"{EVENTS}geofencing-subscriptions.v0.area-left"],
                "config": {"subscriptionDetail": {"area": circle(1000)}},
            },
        ),
    ],
)
async def test_nothing_else_can_be_done_with_a_line(house: House, path: str, body: dict[str, Any] | None) -> None:
    for number, status, code in ((NUMBER, 422, "SERVICE_NOT_APPLICABLE"), (THEIRS, 404, "IDENTIFIER_NOT_FOUND")):
        if body is None:
            sent: dict[str, Any] = {"phoneNumber": number}
        elif "config" in body:
            detail = body["config"]["subscriptionDetail"] | {"device": {"phoneNumber": number}}
            sent = {**SUBSCRIBE, **body, "config": {"subscriptionDetail": detail}}
        else:
            sent = {**body, "device": {"phoneNumber": number}}
        reply = await house.client("POST", path, sent, token=house.token, camara=False)
        assert (reply.status, reply.json["code"]) == (status, code)
        if status == 422:
            assert reply.json["message"] == "The service is not available for the provided identifier."


async def test_a_located_line_is_counted_as_any_call(house: House) -> None:
    await ask(house, VERIFY, {"phoneNumber": NUMBER})
    await ask(house, VERIFY, {"phoneNumber": NOBODYS})
    await house.reads.flush()
    rows = await house.db.fetch(
        "select api, operation, count from usage_count where app_key = $1", house.issued.application.app_key
    )
    assert [tuple(row) for row in rows] == [("location-verification", "verifyLocation", 1)]
