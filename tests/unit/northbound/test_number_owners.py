"""number-recycling and kyc-tenure: since when an account has a phone number. Every answer is held against CAMARA's
documents by the client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.northbound.test_sim_swap import in_its_sim, sandboxed, served
from tests.unit.northbound.world import NOW, Client, World

from simwarden.domain.usage import Usage

RECYCLED, TENURE = "/number-recycling/v0.2/check", "/kyc-tenure/v0.2/check-tenure"
DATE_OF = {RECYCLED: "specifiedDate", TENURE: "tenureDate"}
ANSWER_OF = {RECYCLED: "phoneNumberRecycled", TENURE: "tenureDateCheck"}
NUMBER = "+8613800000001"
BEGUN = datetime(2023, 10, 9, 15, 30, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return served(world)


def asked(path: str, day: Any, number: str | None = NUMBER) -> dict[str, Any]:
    """A request about a day."""
    return {DATE_OF[path]: day} | ({} if number is None else {"phoneNumber": number})


@pytest.mark.parametrize(
    ("day", "held"),
    [
        ("2023-10-09", True),  # the day on which the contract was signed
        ("2023-10-10", True),
        ("2026-11-21", True),  # today
        ("2026-11-22", True),  # which it is already in the east
        ("2023-10-08", False),
        ("0001-01-01", False),
    ],
)
@pytest.mark.parametrize("path", [RECYCLED, TENURE])
async def test_the_account_has_the_number_since_that_day(
    client: Client, world: World, path: str, day: str, held: bool
) -> None:
    in_its_sim(world, NOW - timedelta(hours=1), BEGUN)  # another SIM since, of the same account
    reply = await client("POST", path, asked(path, day))
    assert reply.json == {ANSWER_OF[path]: held if path == TENURE else not held}


@pytest.mark.parametrize("path", [RECYCLED, TENURE])
async def test_a_day_before_the_record_is_no_verdict(client: Client, world: World, path: str) -> None:
    in_its_sim(world, BEGUN, known=False)
    assert (await client("POST", path, asked(path, "2023-10-09"))).json == {ANSWER_OF[path]: path == TENURE}
    reply = await client("POST", path, asked(path, "2023-10-08"))
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")
    world.assignments.clear()
    reply = await client("POST", path, asked(path, "2026-11-21"))
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")


@pytest.mark.parametrize("path", [RECYCLED, TENURE])
@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("2026-11-23", "OUT_OF_RANGE"),
        ("9999-12-31", "OUT_OF_RANGE"),
        ("2023-02-29", "INVALID_ARGUMENT"),
        ("2023-10-09T00:00:00Z", "INVALID_ARGUMENT"),
        ("20231009", "INVALID_ARGUMENT"),
        ("", "INVALID_ARGUMENT"),
        (None, "INVALID_ARGUMENT"),
        (20231009, "INVALID_ARGUMENT"),
    ],
)
async def test_a_day_is_one_of_the_calendar_and_not_in_the_future(
    client: Client, world: World, path: str, day: Any, code: str
) -> None:
    in_its_sim(world, BEGUN)
    reply = await client("POST", path, asked(path, day))
    assert (reply.status, reply.json["code"]) == (400, code)
    assert DATE_OF[path] in reply.json["message"]


@pytest.mark.parametrize("path", [RECYCLED, TENURE])
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
        (NUMBER, "bad", 401, "UNAUTHENTICATED"),
    ],
)
async def test_refusals(
    client: Client, path: str, number: str | None, token: str | None, status: int, code: str
) -> None:
    reply = await client("POST", path, asked(path, "2024-01-01", number), token=token)
    assert (reply.status, reply.json["code"]) == (status, code)


@pytest.mark.parametrize("path", [RECYCLED, TENURE])
async def test_a_date_is_needed(client: Client, path: str) -> None:
    reply = await client("POST", path, {"phoneNumber": NUMBER})
    assert (reply.status, reply.json["message"]) == (400, f"{DATE_OF[path]} must be specified")


async def test_a_token_of_a_device_asks_about_that_device(client: Client, world: World) -> None:
    in_its_sim(world, BEGUN)
    for path in (RECYCLED, TENURE):
        assert (await client("POST", path, asked(path, "2024-01-01", None), token="device")).status == 200


@pytest.mark.parametrize(
    ("scope", "allowed"), [("number-recycling:check", {RECYCLED}), ("kyc-tenure:check-tenure", {TENURE})]
)
async def test_each_has_its_scope(client: Client, world: World, scope: str, allowed: set[str]) -> None:
    in_its_sim(world, BEGUN)
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], scopes=frozenset({scope}))
    found = {path: (await client("POST", path, asked(path, "2024-01-01"))).status for path in (RECYCLED, TENURE)}
    assert found == {path: 200 if path in allowed else 403 for path in (RECYCLED, TENURE)}


async def test_both_are_counted_as_reads(client: Client, world: World) -> None:
    in_its_sim(world, BEGUN)
    for path in (RECYCLED, TENURE):
        await client("POST", path, asked(path, "2024-01-01"))
    assert world.read_only == [
        Usage("acc_meters", "swk_meters", "number-recycling", "checkNumberRecycling"),
        Usage("acc_meters", "swk_meters", "kyc-tenure", "checkTenure"),
    ]


@pytest.mark.parametrize(("digit", "days"), [("0", 200), ("1", 0), ("2", 3), ("3", 300), ("8", 300)])
async def test_the_sandbox_goes_by_the_last_digit(world: World, digit: str, days: int) -> None:
    client = sandboxed(world)
    for ago in (days, days + 1):
        day = (NOW - timedelta(days=ago)).date().isoformat()
        number = f"+861380000001{digit}"
        assert (await client("POST", TENURE, asked(TENURE, day, number))).json == {"tenureDateCheck": ago == days}
        assert (await client("POST", RECYCLED, asked(RECYCLED, day, number))).json == {
            "phoneNumberRecycled": ago > days
        }
