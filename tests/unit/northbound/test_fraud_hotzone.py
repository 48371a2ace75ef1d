"""fraud-hotzone: what is asked, what is answered, and what the sandbox plays. Every answer is held against our document
by the client."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.northbound.test_sim_swap import sandboxed, served
from tests.unit.northbound.world import NOW, Client, World, sim

from simwarden.domain.daily import Direction, TrafficKind
from simwarden.domain.hotzone import DayCount, SimTraffic
from simwarden.domain.standing import ShownSlot, Standing
from simwarden.domain.usage import Usage
from simwarden.store.sims import DeviceDates

CHECK = "/fraud-hotzone/vwip/check"
NUMBER, UNSEEN = "+8613800000001", "+8613800000002"
TODAY = NOW.date()
LONG_AGO = NOW - timedelta(days=300)


def asked(number: str | None = NUMBER, **more: Any) -> dict[str, Any]:
    named = {} if number is None else {"phoneNumber": number}
    return named | {"lookBackDays": 7, "fraudHotZone": ["KH"]} | more


def had(world: World, *hot: int, number: str = NUMBER, kind: TrafficKind = TrafficKind.CALL) -> None:
    """A SIM that has long been in use had so many calls from hotzones, the last number today's."""
    found = sim(number)
    first = TODAY - timedelta(days=len(hot) - 1)
    days = [DayCount(first + timedelta(days=n), kind, Direction.INBOUND, "KH", count) for n, count in enumerate(hot)]
    world.traffic_of[found.imsi] = SimTraffic(LONG_AGO.date(), LONG_AGO.date(), tuple(days))
    world.dates[found.imsi] = DeviceDates(first_seen=LONG_AGO)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return served(world)


def day(days_ago: int) -> str:
    return (TODAY - timedelta(days=days_ago)).isoformat()


async def test_an_outbreak(client: Client, world: World) -> None:
    had(world, 4, 0, 0)
    reply = await client("POST", CHECK, asked())
    assert reply.json == {
        "anomalyDetected": True,
        "anomalyDate": [day(2)],
        "coverage": {"from": day(6), "to": day(0), "complete": True},
        "riskLevel": "HIGH",
    }


async def test_nothing_unusual_and_nothing_recorded(client: Client, world: World) -> None:
    had(world, 0, 0)
    covered = {"from": day(6), "to": day(0), "complete": True}
    answer = {"anomalyDetected": False, "anomalyDate": [], "coverage": covered}
    assert (await client("POST", CHECK, asked())).json == answer
    had(world)
    reply = await client("POST", CHECK, asked())
    assert reply.json == {"anomalyDetected": None, "anomalyDate": [], "coverage": covered | {"complete": False}}


async def test_where_nothing_would_tell_there_is_no_verdict(client: Client, world: World) -> None:
    for number in (NUMBER, UNSEEN):
        reply = await client("POST", CHECK, asked(number))
        assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")
    slot = ShownSlot(status=3, plmn=None, imei=None, at=NOW, heard_at=NOW, period=timedelta(minutes=1))
    world.standing[sim(UNSEEN).imsi] = Standing(slot)
    reply = await client("POST", CHECK, asked(UNSEEN))
    assert (reply.status, reply.json["anomalyDetected"], reply.json["coverage"]["complete"]) == (200, None, False)


async def test_methods_and_thresholds(client: Client, world: World) -> None:
    had(world, *[2] * 30, 5, 2, 2, 2, 2)
    found = {}
    for method in ("RATIO", "ZSCORE", "EWMA"):
        for threshold in (None, 1.5, 2.3):
            more: dict[str, Any] = {} if threshold is None else {"thresholdRatio": threshold}
            reply = await client("POST", CHECK, asked(method=method, **more))
            found[method, threshold] = reply.json["anomalyDate"]
    assert found[("RATIO", None)] == found[("RATIO", 1.5)] == [day(4)]
    assert found[("RATIO", 2.3)] == []
    assert found[("ZSCORE", None)] == []
    assert found[("ZSCORE", 1.5)] == [day(4)]
    assert found[("EWMA", None)] == []


async def test_a_new_sim_is_measured_by_its_like(client: Client, world: World) -> None:
    had(world, 9)
    world.dates[sim(NUMBER).imsi] = DeviceDates(first_seen=NOW - timedelta(days=9))
    world.traffic_of[sim(NUMBER).imsi] = msgspec.structs.replace(
        world.traffic_of[sim(NUMBER).imsi], first_day=TODAY - timedelta(days=9)
    )
    assert (await client("POST", CHECK, asked())).json["anomalyDetected"] is True
    world.counts_of_others = [8, 9, 10]
    assert (await client("POST", CHECK, asked())).json["anomalyDetected"] is True, "what was read is kept for an hour"
    assert (await client("POST", CHECK, asked(fraudHotZone=["KH", "MM"]))).json["anomalyDetected"] is False


def brand_new(world: World, number: str) -> None:
    """A SIM that was never anywhere before today."""
    found = sim(number)
    world.add(found)
    had(world, 9, number=number)
    world.dates[found.imsi] = DeviceDates(first_seen=NOW)
    world.traffic_of[found.imsi] = msgspec.structs.replace(world.traffic_of[found.imsi], first_day=TODAY)


async def test_what_is_usual_among_new_sims_is_read_once_for_their_account_and_model(
    client: Client, world: World
) -> None:
    numbers = [NUMBER, "+8613800000051", "+8613800000052"]
    for number in numbers:
        brand_new(world, number)
    world.counts_of_others = [8, 9, 10]
    replies = await asyncio.gather(*(client("POST", CHECK, asked(number)) for number in numbers * 2))
    assert {reply.json["anomalyDetected"] for reply in replies} == {False}
    assert world.baselines_read == 1
    await client("POST", CHECK, asked(checkTarget="SCAMMER"))
    await client("POST", CHECK, asked(fraudHotZone=["KH", "MM"]))
    await client("POST", CHECK, asked(lookBackDays=8))
    assert world.baselines_read == 4, "other questions"


async def test_an_account_that_asks_new_questions_about_new_sims_all_the_time_is_held_back(world: World) -> None:
    brand_new(world, NUMBER)
    brand_new(world, "+8613800000009")
    foreign = sim("+8613800000009", "acc_stranger")
    world.add(foreign)
    client = served(world, hotzone_baselines_per_minute=3)
    zones = ("KH", "MM", "LA", "TH", "VN", "KH")
    statuses = [(await client("POST", CHECK, asked(fraudHotZone=[zone]))).status for zone in zones]
    assert statuses == [200, 200, 200, 429, 429, 200], "what is kept costs nothing"
    reply = await client("POST", CHECK, asked(fraudHotZone=["PH"]))
    assert reply.json["code"] == "TOO_MANY_REQUESTS"
    assert "hotzone_baselines_per_minute" in reply.json["message"]
    assert int(reply.headers["retry-after"]) > 0
    assert world.baselines_read == 3
    reply = await client("POST", CHECK, asked("+8613800000009", fraudHotZone=["PH"]), token="stranger")
    assert reply.status == 200, "another account has an allowance of its own"
    had(world, *[1] * 40)
    assert (await client("POST", CHECK, asked(fraudHotZone=["PH"]))).status == 200, "it has days of its own"


async def test_counts_are_given_with_their_scope_alone(client: Client, world: World) -> None:
    had(world, 4, 0, 0)
    reply = await client("POST", CHECK, asked(detail=True))
    assert reply.json["detail"] == [{"date": day(2), "country": "KH", "count": 4, "baseline": 0.0}]
    narrow = frozenset({"fraud-hotzone:check"})
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], scopes=narrow)
    reply = await client("POST", CHECK, asked(detail=True))
    assert (reply.status, reply.json["code"]) == (403, "PERMISSION_DENIED")
    reply = await client("POST", CHECK, asked(detail=False))
    assert "detail" not in reply.json
    detailed = frozenset({"fraud-hotzone:check-detail"})
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], scopes=detailed)
    assert (await client("POST", CHECK, asked())).status == 200


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"lookBackDays": 0}, "OUT_OF_RANGE", "lookBackDays must be from 1 to 90"),
        ({"lookBackDays": 91}, "OUT_OF_RANGE", "lookBackDays must be from 1 to 90"),
        ({"lookBackDays": 10**30}, "OUT_OF_RANGE", None),
        ({"lookBackDays": "7"}, "INVALID_ARGUMENT", "lookBackDays must be a whole number of days"),
        ({"lookBackDays": None}, "INVALID_ARGUMENT", "lookBackDays must be a whole number of days"),
        ({"fraudHotZone": []}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": ["KH"] * 51}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": ["kh"]}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": ["KHM"]}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": ["KH\n"]}, "INVALID_ARGUMENT", None),
        (
            {"fraudHotZone": ["KH", "ZZ"]},
            "INVALID_ARGUMENT",
            "fraudHotZone: 'ZZ' is neither a country (ISO 3166-1 alpha-2, or 001) nor a prefix (+ and up to 5 digits)",
        ),
        ({"fraudHotZone": ["882"]}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": ["+0"]}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": ["+861371"]}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": ["list:mine"]}, "INVALID_ARGUMENT", "fraudHotZone: there is no list mine"),
        ({"fraudHotZone": ["list:"]}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": ["list:a b"]}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": ["list:" + "a" * 64]}, "INVALID_ARGUMENT", None),
        ({"fraudHotZone": "KH"}, "INVALID_ARGUMENT", None),
        ({"thresholdRatio": 1}, "INVALID_ARGUMENT", "thresholdRatio must be a number above 1, and 100 at most"),
        ({"thresholdRatio": 100.1}, "INVALID_ARGUMENT", "thresholdRatio must be a number above 1, and 100 at most"),
        ({"thresholdRatio": None}, "INVALID_ARGUMENT", "thresholdRatio must be a number above 1, and 100 at most"),
        ({"thresholdRatio": "2"}, "INVALID_ARGUMENT", "thresholdRatio must be a number above 1, and 100 at most"),
        ({"method": "ratio"}, "INVALID_ARGUMENT", None),
        ({"checkType": "ANY"}, "INVALID_ARGUMENT", None),
        ({"checkTarget": "BOTH"}, "INVALID_ARGUMENT", None),
        ({"detail": "yes"}, "INVALID_ARGUMENT", None),
        ({"lookbackDays": 7}, "INVALID_ARGUMENT", None),
    ],
)
async def test_what_breaks_the_contract(
    client: Client, world: World, changes: dict[str, Any], code: str, message: str | None
) -> None:
    had(world, 1)
    reply = await client("POST", CHECK, asked() | changes)
    assert (reply.status, reply.json["code"]) == (400, code)
    assert message in (None, reply.json["message"])


async def test_lists_are_those_of_the_account(client: Client, world: World) -> None:
    had(world, 4)
    world.lists = {("acc_meters", "mine"): ("KH", "+8821"), ("acc_stranger", "theirs"): ("KH",)}
    reply = await client("POST", CHECK, asked(fraudHotZone=["list:mine", "MM"]))
    assert reply.json["anomalyDate"] == [day(0)]
    reply = await client("POST", CHECK, asked(fraudHotZone=["list:mine", "list:theirs"]))
    assert (reply.status, reply.json["message"]) == (400, "fraudHotZone: there is no list theirs")


@pytest.mark.parametrize("missing", ["lookBackDays", "fraudHotZone"])
async def test_what_is_needed(client: Client, missing: str) -> None:
    body = {name: value for name, value in asked().items() if name != missing}
    reply = await client("POST", CHECK, body)
    assert (reply.status, reply.json["message"]) == (400, f"{missing} must be specified")


async def test_no_further_back_than_is_kept(world: World) -> None:
    client = served(world, traffic_kept_days=30)
    had(world, 1)
    assert (await client("POST", CHECK, asked(lookBackDays=30))).status == 200
    reply = await client("POST", CHECK, asked(lookBackDays=31))
    assert (reply.status, reply.json["code"]) == (400, "OUT_OF_RANGE")


@pytest.mark.parametrize(
    ("number", "token", "status", "code"),
    [
        ("+8613899999999", "good", 404, "IDENTIFIER_NOT_FOUND"),
        ("+8613800000009", "good", 404, "IDENTIFIER_NOT_FOUND"),  # another account's
        (None, "lost-device", 404, "IDENTIFIER_NOT_FOUND"),
        (None, "good", 422, "MISSING_IDENTIFIER"),
        (NUMBER, "device", 422, "UNNECESSARY_IDENTIFIER"),
        ("13800000001", "good", 400, "INVALID_ARGUMENT"),
        (NUMBER, "narrow", 403, "PERMISSION_DENIED"),
        (NUMBER, None, 401, "UNAUTHENTICATED"),
    ],
)
async def test_refusals(client: Client, number: str | None, token: str | None, status: int, code: str) -> None:
    reply = await client("POST", CHECK, asked(number), token=token)
    assert (reply.status, reply.json["code"]) == (status, code)


async def test_a_token_of_a_device_asks_about_that_device_and_is_counted(client: Client, world: World) -> None:
    had(world, 4)
    reply = await client("POST", CHECK, asked(None), token="device")
    assert reply.json["anomalyDate"] == [day(0)]
    assert world.read_only == [Usage("acc_meters", "swk_meters", "fraud-hotzone", "checkFraudHotzone")]


@pytest.mark.parametrize(
    ("digit", "anomalous", "days", "risk"),
    [
        ("0", False, [], None),
        ("1", True, [0], "HIGH"),
        ("2", True, [3], "HIGH"),
        ("3", True, [3], "MEDIUM"),
        ("6", False, [], None),
        ("8", None, [], None),
        ("9", False, [], None),
    ],
)
async def test_the_sandbox_goes_by_the_last_digit(
    world: World, digit: str, anomalous: bool | None, days: list[int], risk: str | None
) -> None:
    client = sandboxed(world)
    for target in ("VICTIM", "SCAMMER"):
        reply = await client("POST", CHECK, asked(f"+861380000001{digit}", checkTarget=target))
        assert (reply.json["anomalyDetected"], reply.json.get("riskLevel")) == (anomalous, risk)
        assert reply.json["anomalyDate"] == [day(each) for each in days]
    reply = await client("POST", CHECK, asked(f"+861380000001{digit}", fraudHotZone=["list:any"]))
    assert reply.json["anomalyDetected"] is anomalous
    assert date.fromisoformat(reply.json["coverage"]["to"]) == TODAY


@pytest.mark.parametrize("digit", ["5", "7"])
async def test_the_sandbox_has_sims_of_which_nothing_tells(world: World, digit: str) -> None:
    reply = await sandboxed(world)("POST", CHECK, asked(f"+861380000001{digit}"))
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")
