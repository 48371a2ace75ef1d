"""Hourly limits of a SIM, set through the management API, for one SIM and in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.house import imsi

if TYPE_CHECKING:
    from tests.integration.management.house import House


async def limit(house: House, limits: dict[str, Any] | None, number: int = 0) -> Any:
    body = {"action": "limit"} | ({} if limits is None else {"limits": limits})
    return await house.manage("POST", f"/sims/{imsi(number)}/actions", body)


async def test_limits_are_set_shown_replaced_and_taken_away(house: House) -> None:
    set_ = await limit(house, {"smsPerHour": 10, "callsPerHour": 0})
    assert (set_.status, set_.json["changed"]) == (200, True)
    assert set_.json["sim"]["limits"] == {"smsPerHour": 10, "callsPerHour": 0}
    assert (await limit(house, {"smsPerHour": 10, "callsPerHour": 0})).json["changed"] is False
    assert (await limit(house, {"callsPerHour": 5})).json["sim"]["limits"] == {"callsPerHour": 5}
    events = (await house.manage("GET", f"/sims/{imsi(0)}/events")).json["events"]
    assert (events[0]["type"], events[0]["data"]) == ("LIMITS_CHANGED", {"limits": {"calls_per_hour": 5}})
    assert "limits" not in (await limit(house, {})).json["sim"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"action": "limit"}, "limits must be specified"),
        ({"action": "limit", "limits": {"smsPerHour": -1}}, ">= 0"),
        ({"action": "limit", "limits": {"smsPerHour": 1_000_001}}, "<= 1000000"),
        ({"action": "limit", "limits": {"sms": 1}}, "unknown field"),
        ({"action": "limit", "limits": {}, "tac": "35368953"}, "tac does not go with limit"),
        ({"action": "suspend", "limits": {}}, "limits does not go with suspend"),
    ],
)
async def test_limits_that_are_none_are_refused(house: House, body: dict[str, Any], says: str) -> None:
    refused = await house.manage("POST", f"/sims/{imsi(0)}/actions", body)
    assert (refused.status, says in refused.json["message"]) == (400, True), refused.json


async def test_many_sims_are_limited_at_once(house: House) -> None:
    csv = "imsi\n" + "\n".join(imsi(number) for number in range(3))
    made = await house.manage("POST", "/bulk", {"action": "limit", "limits": {"smsPerHour": 7}, "csv": csv})
    assert made.status == 202, made.json
    await house.worker.look()
    preview = (await house.manage("GET", f"/operations/{made.json['id']}")).json
    confirm = {"confirmToken": preview["confirmToken"]}
    assert (await house.manage("POST", f"/operations/{made.json['id']}/confirm", confirm)).status == 202
    await house.worker.look()
    shown = [(await house.manage("GET", f"/sims/{imsi(number)}")).json.get("limits") for number in range(4)]
    assert shown == [{"smsPerHour": 7}] * 3 + [None]
