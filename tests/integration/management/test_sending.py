"""Operators send messages from SIMs, and see what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.management.house import House, imsi, phone

from simwarden.domain.sending import Stage

if TYPE_CHECKING:
    from tests.unit.northbound.asgi import Reply

PEER, TEXT = "+8613715266978", "report now"
BODY = {"receiver": PEER, "text": TEXT}


@pytest.fixture
async def slot(house: House) -> str:
    """A gateway that holds SIM 0; the SIM's path."""
    url = "http://127.0.0.1:9"
    id_, _ = await house.gateways.add("gw1", kind="ejoin", command_url=url, username="root", password="root")
    await house.db.execute(
        "update sim set seen_at = now(), seen_imei = '35209900176148', seen_gateway = $2, seen_port = 3, seen_slot = 1 "
        "where imsi = $1",
        imsi(0),
        id_,
    )
    return f"/sims/{imsi(0)}/messages"


async def send(house: House, path: str, key: str | None = None, **changes: str) -> Reply:
    headers = [("idempotency-key", key)] if key else []
    return await house.manage("POST", path, BODY | changes, headers=headers)


async def test_it_is_said_before_what_sends_it(house: House, slot: str) -> None:
    told = await house.manage("POST", f"{slot}/preview", BODY | {"text": "é" * 161})
    assert told.json == {
        "imsi": imsi(0),
        "from": phone(0),
        "carrier": "gw1",
        "carrierKind": "ejoin",
        "ownSlot": True,
        "port": 3,
        "slot": 1,
        "parts": 2,
        "encoding": "GSM7",
    }
    assert await house.db.fetchval("select count(*) from outgoing_message") == 0
    nowhere = await house.manage("POST", f"/sims/{imsi(1)}/messages/preview", BODY)
    assert nowhere.status == 422
    await house.gateways.add("centre", kind="smpp", command_url="smpp://127.0.0.1:9", username="a", password="b")
    told = await house.manage("POST", f"/sims/{imsi(1)}/messages/preview", BODY)
    assert (told.json["carrier"], told.json["ownSlot"], "port" in told.json) == ("centre", False, False)


async def test_a_message_is_queued_once_and_followed(house: House, slot: str) -> None:
    made = await send(house, slot, "k1")
    again = await send(house, slot, "k1")
    assert (made.status, again.json) == (200, made.json)
    assert (await send(house, slot, "k1", text="other")).status == 422
    id_ = made.json["id"]
    for path in (f"/sent-messages?sim={imsi(0)}", "/sent-messages?account=meters", f"/sent-messages/{id_}"):
        [row] = (await house.manage("GET", path)).json["messages"]
        assert (row["id"], row["state"], row["receiver"][-2:], row["text"]) == (id_, "QUEUED", "78", "(10 characters)")
        [row] = (await house.manage("GET", path + ("&" if "?" in path else "?") + "reveal=true")).json["messages"]
        assert (row["receiver"], row["text"]) == (PEER, TEXT)
        assert (await house.manage("GET", path, token=house.reader)).status == 200
    await house.db.execute(
        "update outgoing_message set stage = $1, reason = 'REFUSED: code 9', gateway_id = 1 where id = $2",
        int(Stage.FAILED),
        id_,
    )
    [row] = (await house.manage("GET", f"/sent-messages/{id_}")).json["messages"]
    assert (row["state"], row["reason"]) == ("FAILED", "REFUSED: code 9")


async def test_pages_follow_each_other(house: House, slot: str) -> None:
    ids = [(await send(house, slot, text=f"n {n}")).json["id"] for n in range(5)]
    for scope in (f"sim={imsi(0)}", "account=meters"):
        found, query = [], f"/sent-messages?{scope}&limit=2"
        cursor = ""
        while True:
            page = (await house.manage("GET", query + cursor)).json
            found += [row["id"] for row in page["messages"]]
            if "nextCursor" not in page:
                break
            cursor = f"&cursor={page['nextCursor']}"
        assert sorted(found) == sorted(ids)


async def test_who_may_not_and_what_is_wrong(house: House, slot: str) -> None:
    for token in (house.reader, house.customer):
        assert (await house.manage("POST", slot, BODY, token=token)).status in (401, 403)
    id_ = (await send(house, slot)).json["id"]
    refused = await house.manage("GET", f"/sent-messages/{id_}?reveal=true", token=house.reader)
    assert refused.status == 403
    for changes in ({"receiver": "10086"}, {"text": ""}, {"text": "a\x00"}, {"more": "x"}):
        assert (await send(house, slot, **changes)).status == 400
    for path, status in (
        ("/sent-messages", 400),
        (f"/sent-messages?sim={imsi(0)}&account=meters", 400),
        ("/sent-messages?account=nobody", 404),
        ("/sent-messages/nothing", 404),
        (f"/sent-messages/{'0' * 34}", 404),
        (f"/sent-messages?sim={imsi(0)}&cursor=x", 400),
    ):
        assert (await house.manage("GET", path)).status == status, path
    assert (await house.manage("POST", "/sims/nobody/messages", BODY)).status == 404
    await house.manage("POST", f"/sims/{imsi(0)}/actions", {"action": "close", "functions": ["SMS"]})
    for path in (slot, f"{slot}/preview"):
        assert (await house.manage("POST", path, BODY)).status == 409


async def test_the_audit_list_has_the_act_and_not_what_was_written(house: House, slot: str) -> None:
    await send(house, slot)
    await house.parts.audit.drain()
    [act] = (await house.manage("GET", "/audit?operation=sendMessage")).json["audit"]
    assert act["target"] == imsi(0)
    assert TEXT not in str(act)
    assert PEER not in str(act)
