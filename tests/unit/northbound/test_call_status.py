"""call-status: what is asked, what is answered, and what the sandbox plays. Answers are held against our document."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.northbound.test_sim_swap import sandboxed, served
from tests.unit.northbound.world import NOW, Client, World, sim

from simwarden.domain.live_call import SeenCall
from simwarden.domain.standing import ShownSlot, Standing

PATH = "/call-status/vwip/retrieve"
NUMBER = "+8613800000001"
ASKED = {"phoneNumber": NUMBER}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return served(world)


async def test_in_a_call_not_in_one_and_unknown(client: Client, world: World) -> None:
    assert (await client("POST", PATH, ASKED)).json == {"inCall": "UNKNOWN", "assessedAt": "2026-11-21T12:00:00Z"}
    slot = ShownSlot(status=3, plmn=None, imei=None, at=NOW, heard_at=NOW, period=timedelta(minutes=1))
    world.standing[sim(NUMBER).imsi] = Standing(slot)
    assert (await client("POST", PATH, ASKED)).json == {"inCall": "FALSE", "assessedAt": "2026-11-21T12:00:00Z"}
    answered, heard = NOW - timedelta(minutes=5), NOW - timedelta(seconds=9)
    world.calls_of[sim(NUMBER).imsi] = [SeenCall(answered, answered, None, heard)]
    expected = {"inCall": "TRUE", "assessedAt": "2026-11-21T11:59:51Z", "since": "2026-11-21T11:55:00Z"}
    assert (await client("POST", PATH, ASKED)).json == expected
    assert (await client("POST", PATH, {}, token="device")).json == expected


@pytest.mark.parametrize(
    ("body", "token", "status", "code"),
    [
        ({}, "good", 422, "MISSING_IDENTIFIER"),
        (ASKED, "device", 422, "UNNECESSARY_IDENTIFIER"),
        ({"phoneNumber": "8613800000001"}, "good", 400, "INVALID_ARGUMENT"),
        (ASKED | {"more": 1}, "good", 400, "INVALID_ARGUMENT"),
        ([], "good", 400, "INVALID_ARGUMENT"),
        ({"phoneNumber": "+8613899999999"}, "good", 404, "IDENTIFIER_NOT_FOUND"),
        ({"phoneNumber": "+8613800000009"}, "good", 404, "IDENTIFIER_NOT_FOUND"),
        (ASKED, "narrow", 403, "PERMISSION_DENIED"),
        (ASKED, "expired", 401, "UNAUTHENTICATED"),
    ],
)
async def test_what_is_refused(client: Client, body: Any, token: str, status: int, code: str) -> None:
    reply = await client("POST", PATH, body, token=token)
    assert (reply.status, reply.json["code"]) == (status, code)


async def test_the_sandbox(world: World) -> None:
    client = sandboxed(world)
    found = {
        digit: (await client("POST", PATH, {"phoneNumber": f"+1202555011{digit}"})).json.get("inCall")
        for digit in "01235678"
    }
    assert found == dict.fromkeys("0236", "FALSE") | dict.fromkeys("578", "UNKNOWN") | {"1": "TRUE"}
