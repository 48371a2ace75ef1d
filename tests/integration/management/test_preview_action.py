"""What an action would do: told without doing it, in the words in which it would be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.management.house import imsi

if TYPE_CHECKING:
    from tests.integration.management.house import House


async def test_the_preview_is_what_the_action_then_does(house: House) -> None:
    path = f"/sims/{imsi(1)}"
    before = (await house.manage("GET", path)).json
    for body in ({"action": "suspend"}, {"action": "restore"}, {"action": "bind", "imei": "353689530707903"}):
        told = (await house.manage("POST", f"{path}/preview", body)).json
        assert told["changes"] is True
        assert (await house.manage("GET", path)).json == before
        done = (await house.manage("POST", f"{path}/actions", body)).json
        before = done["sim"]
        events = (await house.manage("GET", f"{path}/events?limit=10")).json["events"][: len(told["events"])][::-1]
        assert [(each["n"], each["type"], each["data"]) for each in told["events"]] == [
            (each["n"], each["type"], each["data"]) for each in events
        ]
        for name in ("lifecycle", "bindingState", "off", "eventCount"):
            assert told["sim"][name] == before[name], name


async def test_what_is_so_already_and_what_cannot_be_is_said(house: House) -> None:
    path = f"/sims/{imsi(2)}/preview"
    same = await house.manage("POST", path, {"action": "open", "functions": ["DATA"]})
    assert (same.status, same.json["changes"], same.json["events"]) == (200, False, [])
    assert same.json["remark"]
    assert (await house.manage("POST", path, {"action": "restore"})).status == 409
    assert (await house.manage("POST", path, {"action": "bind", "imei": "12"})).status == 400
    assert (await house.manage("POST", path, {"action": "explode"})).status == 400
    assert (await house.manage("POST", "/sims/nobody/preview", {"action": "suspend"})).status == 404


async def test_who_may_not_act_may_not_ask(house: House) -> None:
    path = f"/sims/{imsi(3)}/preview"
    assert (await house.manage("POST", path, {"action": "suspend"}, token=house.reader)).status == 403
    assert (await house.manage("POST", path, {"action": "suspend"}, token=house.customer)).status == 403
    await house.parts.audit.drain()
    acts = (await house.manage("GET", "/audit?operation=previewAction")).json["audit"]
    assert [each["status"] for each in acts] in ([], [403])
