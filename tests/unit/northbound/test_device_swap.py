"""device-swap: whose device, whose history, how far back, and what the sandbox plays. Every answer is held against
CAMARA's document by the client."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.world import NOW, Client, World, sim

from simwarden import northbound
from simwarden.domain.usage import Usage
from simwarden.northbound.kernel.devices import Devices
from simwarden.sandbox.ports import VirtualSims
from simwarden.store.sims import DeviceDates

DATE, CHECK = "/device-swap/v1/retrieve-date", "/device-swap/v1/check"
NUMBER = "+8613800000001"
PHONE = {"phoneNumber": NUMBER}
LONG_AGO = NOW - timedelta(days=500)


@pytest.fixture
def world() -> World:
    made = World()
    made.services = msgspec.structs.replace(
        made.services, edge=msgspec.structs.replace(made.services.edge, clock=lambda: NOW)
    )
    made.app = northbound.ApisFirst(Starlette(), northbound.apis(made.services))
    return made


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


def happened(world: World, **dates: datetime) -> None:
    """To the SIM of NUMBER."""
    world.dates[sim(NUMBER).imsi] = DeviceDates(**dates)


@pytest.mark.parametrize("hours", [0, 1, 240])
async def test_a_swap_within_the_default_of_240_hours_is_one(client: Client, world: World, hours: int) -> None:
    at = NOW - timedelta(hours=hours)
    happened(world, first_seen=LONG_AGO, changed=at)
    assert (await client("POST", CHECK, PHONE)).json == {"swapped": True}
    date = (await client("POST", DATE, PHONE)).json
    assert date.keys() == {"latestDeviceChange"}
    assert datetime.fromisoformat(date["latestDeviceChange"]) == at


@pytest.mark.parametrize(
    ("hours_ago", "max_age", "swapped"), [(1, 1, True), (1.001, 1, False), (2400, 2400, True), (2401, 2400, False)]
)
async def test_a_swap_counts_within_max_age(
    client: Client, world: World, hours_ago: float, max_age: int, swapped: bool
) -> None:
    happened(world, first_seen=LONG_AGO, changed=NOW - timedelta(hours=hours_ago))
    assert (await client("POST", CHECK, PHONE | {"maxAge": max_age})).json == {"swapped": swapped}


async def test_a_swap_before_the_default_of_240_hours_is_none(client: Client, world: World) -> None:
    happened(world, first_seen=LONG_AGO, changed=NOW - timedelta(hours=240, seconds=1))
    assert (await client("POST", CHECK, PHONE)).json == {"swapped": False}


async def test_the_first_device_is_no_swap_and_has_its_date(client: Client, world: World) -> None:
    happened(world, first_seen=NOW - timedelta(hours=1))
    assert (await client("POST", CHECK, PHONE | {"maxAge": 2400})).json == {"swapped": False}
    date = (await client("POST", DATE, PHONE)).json["latestDeviceChange"]
    assert datetime.fromisoformat(date) == NOW - timedelta(hours=1)


@pytest.mark.parametrize("first_seen", [NOW - timedelta(hours=1), LONG_AGO])
async def test_a_number_given_to_a_sim_later_is_swapped_when_it_is_first_in_its_device(
    client: Client, world: World, first_seen: datetime
) -> None:
    happened(world, first_seen=first_seen, numbered=NOW - timedelta(hours=5))
    assert (await client("POST", CHECK, PHONE | {"maxAge": 5})).json == {"swapped": True}
    date = (await client("POST", DATE, PHONE)).json["latestDeviceChange"]
    assert datetime.fromisoformat(date) == max(first_seen, NOW - timedelta(hours=5))


async def test_what_is_not_recorded_is_null_as_a_date_and_no_verdict(client: Client) -> None:
    assert (await client("POST", DATE, PHONE)).json == {"latestDeviceChange": None}
    reply = await client("POST", CHECK, PHONE)
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")


@pytest.mark.parametrize("path", [DATE, CHECK])
async def test_a_number_that_was_never_in_a_device_is_no_matter_of_this_service(client: Client, path: str) -> None:
    reply = await client("POST", path, {"phoneNumber": "+8613800000002"})
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")


@pytest.mark.parametrize("path", [DATE, CHECK])
@pytest.mark.parametrize(
    ("body", "token", "status", "code"),
    [
        ({"phoneNumber": "+8613899999999"}, "good", 404, "IDENTIFIER_NOT_FOUND"),
        ({"phoneNumber": "+8613800000009"}, "good", 404, "IDENTIFIER_NOT_FOUND"),  # another account's
        ({}, "lost-device", 404, "IDENTIFIER_NOT_FOUND"),
        ({}, "good", 422, "MISSING_IDENTIFIER"),
        (PHONE, "device", 422, "UNNECESSARY_IDENTIFIER"),
        ({"phoneNumber": "13800000001"}, "good", 400, "INVALID_ARGUMENT"),
        ({"phoneNumber": None}, "good", 400, "INVALID_ARGUMENT"),
        (b"", "good", 400, "INVALID_ARGUMENT"),
        (PHONE, "narrow", 403, "PERMISSION_DENIED"),
        (PHONE, None, 401, "UNAUTHENTICATED"),
        (PHONE, "bad", 401, "UNAUTHENTICATED"),
    ],
)
async def test_refusals(client: Client, path: str, body: Any, token: str | None, status: int, code: str) -> None:
    reply = await client("POST", path, body, token=token)
    assert (reply.status, reply.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("max_age", "code"),
    [
        (0, "OUT_OF_RANGE"),
        (-1, "OUT_OF_RANGE"),
        (2401, "OUT_OF_RANGE"),
        ("240", "INVALID_ARGUMENT"),
        (1.5, "INVALID_ARGUMENT"),
        (None, "INVALID_ARGUMENT"),
    ],
)
async def test_max_age_is_a_number_of_hours_from_1_to_2400(client: Client, max_age: Any, code: str) -> None:
    reply = await client("POST", CHECK, PHONE | {"maxAge": max_age})
    assert (reply.status, reply.json["code"]) == (400, code)


async def test_a_token_of_a_device_asks_about_that_device(client: Client, world: World) -> None:
    happened(world, first_seen=LONG_AGO, changed=NOW - timedelta(hours=1))
    assert (await client("POST", CHECK, {}, token="device")).json == {"swapped": True}
    assert (await client("POST", DATE, {}, token="device")).status == 200


@pytest.mark.parametrize("path", [DATE, CHECK])
async def test_vwip_answers_alike_and_refuses_what_it_does_not_know(client: Client, world: World, path: str) -> None:
    happened(world, first_seen=LONG_AGO, changed=NOW - timedelta(hours=1))
    wip = path.replace("/v1/", "/vwip/")
    assert (await client("POST", wip, PHONE)).json == (await client("POST", path, PHONE)).json
    assert (await client("POST", path, PHONE | {"colour": "red"})).status == 200
    reply = await client("POST", wip, PHONE | {"colour": "red"})
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


async def test_the_operator_may_limit_how_far_back_it_tells(world: World) -> None:
    services = msgspec.structs.replace(world.services, swaps_monitored_days=30)
    client = Client(northbound.ApisFirst(Starlette(), northbound.apis(services)))
    happened(world, first_seen=LONG_AGO, changed=NOW - timedelta(days=31))
    assert (await client("POST", DATE, PHONE)).json == {"latestDeviceChange": None, "monitoredPeriod": 30}
    assert (await client("POST", CHECK, PHONE | {"maxAge": 720})).json == {"swapped": False}
    assert (await client("POST", CHECK, PHONE | {"maxAge": 721})).json["code"] == "OUT_OF_RANGE"


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("device-swap", {DATE, CHECK}),
        ("device-swap:check", {CHECK}),
        ("device-swap:retrieve-date", {DATE}),
        ("subscription-status:retrive-subscription-status", set()),
    ],
)
async def test_one_scope_for_both_or_one_for_each(client: Client, world: World, scope: str, allowed: set[str]) -> None:
    happened(world, first_seen=LONG_AGO)
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], scopes=frozenset({scope}))
    found = {path: (await client("POST", path, PHONE)).status for path in (DATE, CHECK)}
    assert found == {path: 200 if path in allowed else 403 for path in (DATE, CHECK)}


async def test_both_are_counted_as_reads(client: Client, world: World) -> None:
    happened(world, first_seen=LONG_AGO)
    await client("POST", DATE, PHONE)
    await client("POST", CHECK, PHONE)
    assert world.read_only == [
        Usage("acc_meters", "swk_meters", "device-swap", name) for name in ("retrieveDeviceSwapDate", "checkDeviceSwap")
    ]


@pytest.mark.parametrize(
    ("digit", "hours"), [("0", 200 * 24), ("1", 1), ("2", 72), ("3", None), ("6", None), ("8", None), ("9", None)]
)
async def test_the_sandbox_goes_by_the_last_digit(world: World, digit: str, hours: int | None) -> None:
    virtual = VirtualSims(clock=lambda: NOW)
    sandbox = msgspec.structs.replace(world.services, sims=virtual, devices=Devices(virtual), operations=None)
    client = Client(northbound.ApisFirst(Starlette(), northbound.apis(sandbox)))
    body = {"phoneNumber": f"+861380000001{digit}"}
    date = datetime.fromisoformat((await client("POST", DATE, body)).json["latestDeviceChange"])
    assert date == NOW - (timedelta(days=300) if hours is None else timedelta(hours=hours))
    answers = {age: (await client("POST", CHECK, body | {"maxAge": age})).json["swapped"] for age in (1, 240, 2400)}
    assert answers == {age: hours is not None and hours <= age for age in (1, 240, 2400)}


@pytest.mark.parametrize(("digit", "status"), [("4", 404), ("5", 422), ("7", 422)])
async def test_the_sandbox_has_numbers_that_are_refused(world: World, digit: str, status: int) -> None:
    virtual = VirtualSims(clock=lambda: NOW)
    sandbox = msgspec.structs.replace(world.services, sims=virtual, devices=Devices(virtual), operations=None)
    client = Client(northbound.ApisFirst(Starlette(), northbound.apis(sandbox)))
    assert (await client("POST", CHECK, {"phoneNumber": f"+861380000001{digit}"})).status == status
