"""Whom a long list of devices may cost time: not the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.northbound.world import Client, World

from simwarden.domain.errors import TooManyOperations

DEVICES = "/iot-device-management/vwip"
LIST = {"devices": [{"phoneNumber": f"+1555{number:08}"} for number in range(2_000)]}
NEW = {"devices": [{"imsi": f"46000{number:010}"} for number in range(2_000)]}


@pytest.mark.parametrize(("path", "body"), [("suspend", LIST), ("add", NEW)])
async def test_who_was_refused_a_moment_ago_is_refused_before_a_long_list_is_read(
    path: str, body: dict[str, Any]
) -> None:
    world = World()
    world.operations.refusal = TooManyOperations("At most 20000 devices", 3600)
    client = Client(world.app)
    spoilt = {"devices": [*body["devices"], 7]}
    answer = await client("POST", f"{DEVICES}/{path}", spoilt)
    assert (answer.status, answer.json["code"]) == (429, "TOO_MANY_REQUESTS")
    assert answer.headers["retry-after"] == "3600"
    short = await client("POST", f"{DEVICES}/{path}", {"devices": [*body["devices"][:10], 7]})
    assert short.status == 400


@pytest.mark.parametrize(("path", "body"), [("suspend", LIST), ("add", NEW)])
async def test_others_get_their_turn_while_the_devices_of_a_list_are_read(path: str, body: dict[str, Any]) -> None:
    client = Client(World().app)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    answer = await client("POST", f"{DEVICES}/{path}", body)
    task.cancel()
    assert answer.status == 202
    assert turns >= len(body["devices"]) // 100
