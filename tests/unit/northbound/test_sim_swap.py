"""sim-swap: when a number came to its SIM, how far back, and what the sandbox plays. Every answer is held against
CAMARA's document by the client."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.world import NOW, Client, World, sim

from simwarden import northbound
from simwarden.domain.numbers import Assignment
from simwarden.domain.usage import Usage
from simwarden.northbound.kernel.devices import Devices
from simwarden.sandbox.ports import VirtualSending, VirtualSims

DATE, CHECK = "/sim-swap/v2/retrieve-date", "/sim-swap/v2/check"
NUMBER = "+8613800000001"
PHONE = {"phoneNumber": NUMBER}


def served(world: World, **others: Any) -> Client:
    """The world's clock stands still."""
    edge = msgspec.structs.replace(world.services.edge, clock=lambda: NOW)
    services = msgspec.structs.replace(world.services, edge=edge, **others)
    return Client(northbound.ApisFirst(Starlette(), northbound.apis(services)))


def in_its_sim(world: World, sim_since: datetime, owner_since: datetime | None = None, *, known: bool = True) -> None:
    """The SIM of NUMBER has had it so long."""
    found = sim(NUMBER)
    world.assignments[found.imsi] = Assignment(
        number=NUMBER,
        imsi=found.imsi,
        account_id=found.account_id,
        since=sim_since,
        sim_since=sim_since,
        owner_since=owner_since or sim_since,
        begin_known=known,
    )


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return served(world)


@pytest.mark.parametrize(
    ("hours_ago", "max_age", "swapped"),
    [
        (0, None, True),
        (240, None, True),
        (240.001, None, False),
        (1, 1, True),
        (1.001, 1, False),
        (2400, 2400, True),
        (2401, 2400, False),
    ],
)
async def test_a_number_is_swapped_so_long_as_max_age_says(
    client: Client, world: World, hours_ago: float, max_age: int | None, swapped: bool
) -> None:
    at = NOW - timedelta(hours=hours_ago)
    in_its_sim(world, at)
    asked = PHONE if max_age is None else PHONE | {"maxAge": max_age}
    assert (await client("POST", CHECK, asked)).json == {"swapped": swapped}
    date = (await client("POST", DATE, PHONE)).json
    assert date.keys() == {"latestSimChange"}
    assert datetime.fromisoformat(date["latestSimChange"]) == at


async def test_what_is_not_recorded_is_null_as_a_date_and_no_verdict(client: Client) -> None:
    assert (await client("POST", DATE, PHONE)).json == {"latestSimChange": None}
    reply = await client("POST", CHECK, PHONE)
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")


async def test_the_operator_may_limit_how_far_back_it_tells(world: World) -> None:
    client = served(world, swaps_monitored_days=30)
    in_its_sim(world, NOW - timedelta(days=30))
    assert (await client("POST", DATE, PHONE)).json["latestSimChange"] is not None
    assert (await client("POST", CHECK, PHONE | {"maxAge": 720})).json == {"swapped": True}
    in_its_sim(world, NOW - timedelta(days=30, seconds=1))
    assert (await client("POST", DATE, PHONE)).json == {"latestSimChange": None, "monitoredPeriod": 30}
    assert (await client("POST", CHECK, PHONE | {"maxAge": 720})).json == {"swapped": False}
    for asked in (PHONE, {"phoneNumber": "+8613899999999"}):  # whose it is does not matter
        reply = await client("POST", CHECK, asked | {"maxAge": 721})
        assert (reply.status, reply.json["code"]) == (400, "OUT_OF_RANGE")
        assert "30 days" in reply.json["message"]


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
        ({"phoneNumber": f"{NUMBER}\n"}, "good", 400, "INVALID_ARGUMENT"),
        ({"phoneNumber": None}, "good", 400, "INVALID_ARGUMENT"),
        (b"", "good", 400, "INVALID_ARGUMENT"),
        (PHONE, "narrow", 403, "PERMISSION_DENIED"),
        (PHONE, None, 401, "UNAUTHENTICATED"),
    ],
)
async def test_refusals(client: Client, path: str, body: Any, token: str | None, status: int, code: str) -> None:
    reply = await client("POST", path, body, token=token)
    assert (reply.status, reply.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("max_age", "code"),
    [(0, "OUT_OF_RANGE"), (2401, "OUT_OF_RANGE"), ("240", "INVALID_ARGUMENT"), (1.5, "INVALID_ARGUMENT")],
)
async def test_max_age_is_a_number_of_hours_from_1_to_2400(client: Client, max_age: Any, code: str) -> None:
    reply = await client("POST", CHECK, PHONE | {"maxAge": max_age})
    assert (reply.status, reply.json["code"]) == (400, code)


async def test_a_token_of_a_device_asks_about_that_device(client: Client, world: World) -> None:
    in_its_sim(world, NOW - timedelta(hours=1))
    assert (await client("POST", CHECK, {}, token="device")).json == {"swapped": True}
    assert (await client("POST", DATE, {}, token="device")).status == 200


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("sim-swap", {DATE, CHECK}),
        ("sim-swap:check", {CHECK}),
        ("sim-swap:retrieve-date", {DATE}),
        ("device-swap", set()),
    ],
)
async def test_one_scope_for_both_or_one_for_each(client: Client, world: World, scope: str, allowed: set[str]) -> None:
    in_its_sim(world, NOW)
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], scopes=frozenset({scope}))
    found = {path: (await client("POST", path, PHONE)).status for path in (DATE, CHECK)}
    assert found == {path: 200 if path in allowed else 403 for path in (DATE, CHECK)}


async def test_both_are_counted_as_reads(client: Client, world: World) -> None:
    in_its_sim(world, NOW)
    await client("POST", DATE, PHONE)
    await client("POST", CHECK, PHONE)
    assert world.read_only == [
        Usage("acc_meters", "swk_meters", "sim-swap", name) for name in ("retrieveSimSwapDate", "checkSimSwap")
    ]


def sandboxed(world: World) -> Client:
    """What callers in sandbox mode act upon."""
    virtual = VirtualSims(clock=lambda: NOW)
    return served(
        world,
        sims=virtual,
        messages=virtual,
        sending=VirtualSending(lambda: NOW),
        devices=Devices(virtual),
        operations=None,
    )


@pytest.mark.parametrize(
    ("digit", "hours"), [("0", 200 * 24), ("1", 1), ("2", 72), ("3", None), ("6", None), ("8", None), ("9", None)]
)
async def test_the_sandbox_goes_by_the_last_digit(world: World, digit: str, hours: int | None) -> None:
    client, body = sandboxed(world), {"phoneNumber": f"+861380000001{digit}"}
    date = datetime.fromisoformat((await client("POST", DATE, body)).json["latestSimChange"])
    assert date == NOW - (timedelta(days=300) if hours is None else timedelta(hours=hours))
    answers = {age: (await client("POST", CHECK, body | {"maxAge": age})).json["swapped"] for age in (1, 240, 2400)}
    assert answers == {age: hours is not None and hours <= age for age in (1, 240, 2400)}


@pytest.mark.parametrize(("digit", "status"), [("4", 404), ("5", 422), ("29", 429)])
async def test_the_sandbox_has_numbers_that_are_refused(world: World, digit: str, status: int) -> None:
    client = sandboxed(world)
    assert (await client("POST", CHECK, {"phoneNumber": f"+86138000000{digit:0>2}"})).status == status
