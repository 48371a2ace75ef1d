"""IoT Device Management: asynchronous, per device, tenants apart, repeatable."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.management.house import House, imsi, phone

STEPS = ("activate", "suspend", "restore", "deactivate", "delete")


async def run(house: House, verb: str, *devices: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    """Ask, let it be done, and return the operation."""
    asked = await house.life("POST", f"/{verb}", {"devices": devices}, token=token)
    assert asked.status == 202, asked.body
    assert asked.json["status"] == "ACCEPTED"
    location = asked.headers["location"]
    assert location == f"/iot-device-management/vwip/operations/{asked.json['operationId']}"
    await house.work()
    found = await house.life("GET", f"/operations/{asked.json['operationId']}", token=token)
    assert found.json["status"] == "COMPLETED"
    return dict(found.json)


async def state(house: House, number: int) -> str:
    reply = await house.life("POST", "/retrieve-status", {"device": {"phoneNumber": phone(number)}})
    return str(reply.json["state"])


async def test_the_whole_life_of_a_sim(house: House) -> None:
    new = {"imsi": imsi(500), "iccid": "89860042191782899541", "phoneNumber": phone(500)}
    added = await run(house, "add", new)
    assert added["results"] == [{"status": "SUCCEEDED", "device": {**new, "state": "PRE_ACTIVE"}}]
    seen = ["PRE_ACTIVE"]
    for verb, name in zip(
        ("activate", "suspend", "restore", "deactivate", "activate", "suspend", "deactivate"),
        ({"imsi": imsi(500)}, {"iccid": new["iccid"]}, *[{"phoneNumber": phone(500)}] * 5),
        strict=True,
    ):
        done = await run(house, verb, name)
        assert done["progress"] == {"devices": 1, "succeeded": 1, "failed": 0, "pending": 0}
        seen.append(await state(house, 500))
    assert seen == [
        *("PRE_ACTIVE", "ACTIVE", "SUSPENDED", "ACTIVE", "DEACTIVATED", "ACTIVE", "SUSPENDED", "DEACTIVATED"),
    ]
    status = await house.life("POST", "/retrieve-status", {"device": {"imsi": imsi(500)}})
    assert [each["state"] for each in status.json["history"]] == seen[::-1]
    await run(house, "delete", {"imsi": imsi(500)})
    gone = await house.life("POST", "/retrieve-status", {"device": {"imsi": imsi(500)}})
    assert (gone.status, gone.json["code"]) == (404, "IDENTIFIER_NOT_FOUND")


async def test_the_history_of_a_sim_from_before_there_was_a_lifecycle(house: House) -> None:
    await house.db.execute("update event set data = '{}' where imsi = $1 and type = 'SIM_ADDED'", imsi(0))
    await run(house, "suspend", {"imsi": imsi(0)})
    status = (await house.life("POST", "/retrieve-status", {"device": {"imsi": imsi(0)}})).json
    assert [each["state"] for each in status["history"]] == ["SUSPENDED", "ACTIVE"]
    life = (await house.manage("GET", f"/sims/{imsi(0)}/lifecycle")).json
    assert [each["state"] for each in life["history"]] == ["SUSPENDED", "ACTIVE"]


async def test_a_state_has_one_beginning(house: House) -> None:
    status = (await house.life("POST", "/retrieve-status", {"device": {"imsi": imsi(0)}})).json
    assert status["since"] == status["history"][0]["since"]


@pytest.mark.parametrize("verb", ["activate", "restore", "delete"])
async def test_one_device_that_cannot_is_refused_at_once_naming_its_state(house: House, verb: str) -> None:
    reply = await house.life("POST", f"/{verb}", {"devices": [{"phoneNumber": phone(0)}]})
    assert (reply.status, reply.json["code"]) == (409, "INCOMPATIBLE_STATE")
    assert "is ACTIVE" in reply.json["message"]
    assert "must be" in reply.json["message"]
    assert (await house.manage("GET", "/operations")).json["operations"] == []


async def test_of_several_devices_each_has_its_own_result(house: House) -> None:
    await run(house, "suspend", {"phoneNumber": phone(1)})
    devices = [
        {"phoneNumber": phone(0)},
        {"phoneNumber": phone(1)},
        {"phoneNumber": phone(1_000_000)},
        {"phoneNumber": "+8613800000000"},
        {"networkAccessIdentifier": "a@b.example"},
    ]
    done = await run(house, "suspend", *devices)
    assert done["progress"] == {"devices": 5, "succeeded": 1, "failed": 4, "pending": 0}
    assert [each["device"] for each in done["results"]] == devices
    errors = [each.get("error", {}) for each in done["results"]]
    assert [(error.get("status"), error.get("code")) for error in errors] == [
        (None, None),
        (409, "INCOMPATIBLE_STATE"),
        (404, "IDENTIFIER_NOT_FOUND"),
        (404, "IDENTIFIER_NOT_FOUND"),
        (422, "UNSUPPORTED_IDENTIFIER"),
    ]
    assert errors[2] == errors[3], "a foreign SIM and an unknown one are answered alike"
    assert "is SUSPENDED" in errors[1]["message"]


async def test_ten_thousand_devices_in_one_request(house: House) -> None:
    new = [{"imsi": imsi(10_000 + n), "state": "ACTIVE"} for n in range(10_000)]
    done = await run(house, "add", *new)
    assert done["progress"] == {"devices": 10_000, "succeeded": 10_000, "failed": 0, "pending": 0}
    assert [each["device"]["imsi"] for each in done["results"]] == [each["imsi"] for each in new]
    too_many = await house.life("POST", "/suspend", {"devices": [{"imsi": imsi(n)} for n in range(10_001)]})
    assert (too_many.status, too_many.json["code"]) == (400, "INVALID_ARGUMENT")
    assert "10000" in too_many.json["message"]
    suspended = await run(house, "suspend", *({"imsi": each["imsi"]} for each in new))
    assert suspended["progress"]["succeeded"] == 10_000
    count = await house.db.fetchval("select count(*) from sim where lifecycle = 'SUSPENDED' and functions_off = 7")
    assert count == 10_000


async def test_what_is_taken_cannot_be_added(house: House) -> None:
    one = await house.life("POST", "/add", {"devices": [{"imsi": imsi(700), "phoneNumber": phone(1)}]})
    assert (one.status, one.json["code"]) == (409, "ALREADY_EXISTS")
    done = await run(house, "add", {"imsi": imsi(0)}, {"imsi": imsi(701)}, {"imsi": imsi(701)})
    assert [each.get("error", {}).get("code") for each in done["results"]] == ["ALREADY_EXISTS", None, "ALREADY_EXISTS"]


async def test_an_operation_is_its_clients_own(house: House) -> None:
    asked = await house.life("POST", "/suspend", {"devices": [{"phoneNumber": phone(0)}]})
    path = f"/operations/{asked.json['operationId']}"
    for token in (house.colleague, house.foreign):
        reply = await house.life("GET", path, token=token)
        assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")
    for name in ("01a1fc41-ad8c-7709-a42c-e480361158d3", "\0", "x" * 5000):
        unknown = await house.life("GET", f"/operations/{name}")
        assert (unknown.status, unknown.json["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("verb", STEPS)
async def test_a_foreign_sim_is_an_unknown_one(still: House, verb: str) -> None:
    foreign = await still.life("POST", f"/{verb}", {"devices": [{"phoneNumber": phone(1_000_000)}]})
    unknown = await still.life("POST", f"/{verb}", {"devices": [{"phoneNumber": "+8613800000000"}]})
    assert (foreign.status, foreign.json) == (unknown.status, unknown.json)
    assert foreign.json["code"] == "IDENTIFIER_NOT_FOUND"


async def test_a_repeated_call_under_one_key_is_one_operation(house: House) -> None:
    body, key = {"devices": [{"phoneNumber": phone(0)}]}, [("idempotency-key", "k-1")]
    first = await house.life("POST", "/suspend", body, headers=key)
    await house.work()
    again = await house.life("POST", "/suspend", body, headers=key)
    assert (again.status, again.json) == (first.status, first.json)
    assert again.headers["location"] == first.headers["location"]
    other = await house.life("POST", "/suspend", {"devices": [{"phoneNumber": phone(1)}]}, headers=key)
    assert (other.status, other.json["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len((await house.manage("GET", "/operations")).json["operations"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/suspend", {"devices": []}, "1 to 10000"),
        ("/suspend", {"devices": [{"phoneNumber": "12"}]}, "phoneNumber"),
        ("/suspend", {"devices": [{"iccid": "12"}]}, "iccid"),
        ("/suspend", {"devices": [{"imsi": "x"}]}, "imsi"),
        ("/suspend", {"devices": [{}]}, "phoneNumber"),
        ("/suspend", {"devices": [{"color": "red"}]}, "unknown field"),
        ("/suspend", {"sims": []}, "unknown field"),
        ("/suspend", b"{", "Client specified"),
        ("/suspend", b"", "must be specified"),
        ("/add", {}, "devices must be specified"),
        ("/add", {"devices": [{"iccid": "89860042191782899541"}]}, "imsi must be specified"),
        ("/add", {"devices": [{"imsi": "460000990123698", "state": "SUSPENDED"}]}, "PRE_ACTIVE,ACTIVE"),
        ("/add", {"devices": [{"imsi": "460000990123698", "networkAccessIdentifier": "nobody"}]}, "user@realm"),
        ("/add", {"devices": [{"imsi": "460000990123698", "imei": "00000000000000"}]}, "zeros"),
        ("/retrieve-status", {"device": {"imsi": "x"}}, "imsi"),
    ],
)
async def test_what_is_wrong_is_said(still: House, path: str, body: Any, says: str) -> None:
    reply = await still.life("POST", path, body)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert says in reply.json["message"]


async def test_a_device_is_needed(still: House) -> None:
    for path in ("/suspend", "/retrieve-status"):
        reply = await still.life("POST", path, {})
        assert (reply.status, reply.json["code"]) == (422, "MISSING_IDENTIFIER")
