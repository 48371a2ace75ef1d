"""Records: what the caller's SIMs did, by the contract."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.unit.northbound.world import NOW, SCOPES, Caller, Client, World, sim

from simwarden import northbound
from simwarden.domain.counters import Amounts, CounterDay, LastReading, Meter, Reading
from simwarden.domain.records import StoredCallRecord, StoredMessage
from simwarden.domain.usage import Usage
from simwarden.northbound.kernel.devices import Devices
from simwarden.northbound.records.routes import CONTENT
from simwarden.sandbox.ports import VirtualSims
from simwarden.sandbox.records import VirtualRecords

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGES, CALLS, COUNTERS = (f"/records/v1/retrieve-{what}" for what in ("messages", "calls", "counters"))
KINDS = {MESSAGES: "messages", CALLS: "calls", COUNTERS: "counters"}
NUMBER, OTHER_SIM, FOREIGN = "+8613800000001", "+8613800000002", "+8613800000009"
DEVICE = {"device": {"phoneNumber": NUMBER}}
PEER = "+85291234567"
TODAY = NOW.date()


def common(number: str, n: int, account: str) -> dict[str, Any]:
    made = sim(number, account)
    return {
        "bucket": made.bucket,
        "gateway_id": 1,
        "key": b"%d" % n,
        "received_at": NOW,
        "imsi": made.imsi,
        "iccid": None,
        "account_id": account,
        "port": 1,
        "slot": 2,
    }


def message(n: int, number: str = NUMBER, account: str = "acc_meters", **fields: Any) -> StoredMessage:
    given: dict[str, Any] = dict.fromkeys(
        ("pool", "pool_slot", "status", "status_text", "sent_at", "smsc", "task", "took_ms", "encoding")
    )
    given |= {"direction": "inbound", "at": NOW - timedelta(minutes=n), "sender": PEER, "content": f"code {n}"}
    return StoredMessage(**common(number, n, account), **(given | fields))


def call(n: int, number: str = NUMBER, account: str = "acc_meters", **fields: Any) -> StoredCallRecord:
    begun = NOW - timedelta(minutes=n)
    names = ("reason_code", "reason", "cause_code", "cause", "alert_at", "answer_at", "update_at", "end_at")
    given: dict[str, Any] = dict.fromkeys(names)
    given |= {"direction": "outbound", "at": begun, "begin_at": begun, "callee": PEER}
    return StoredCallRecord(**common(number, n, account), **(given | fields))


def used(days_ago: int, number: str = NUMBER, account: str = "acc_meters") -> CounterDay:
    made = sim(number, account)
    return CounterDay(
        imsi=made.imsi,
        day=TODAY - timedelta(days=days_ago),
        element_id=1,
        account_id=account,
        bucket=made.bucket,
        at=NOW,
        used={Meter.MESSAGES: Decimal(3), Meter.MEGABYTES: Decimal("0.5")},
        resets=1,
        reading=Reading(messages=Amounts(total=9, total_limit=20), balance=-1.0),
    )


@pytest.fixture
def world() -> World:
    """SIMs that did things, a stranger's too."""
    made = World()
    made.callers["blind"] = Caller("swk_blind", "acc_meters", SCOPES - {CONTENT})
    made.recorded.of_messages = [
        *(message(n) for n in range(5)),
        message(5, direction="outbound", sender=None, receiver=PEER, status=0, status_text="OK"),
        message(6, direction="report", content=None, receiver=PEER, status=70, status_text="Validity period expired"),
        message(7, OTHER_SIM, direction="task", status=6),
        message(8, FOREIGN, "acc_stranger"),
    ]
    made.recorded.of_calls = [
        call(0, alert_at=NOW),
        call(
            9,
            alert_at=NOW - timedelta(seconds=500),
            answer_at=NOW - timedelta(seconds=490),
            end_at=NOW - timedelta(seconds=400),
            reason_code=201,
            reason="Caller Hangup",
            cause_code=16,
        ),
        call(10, direction=None, at=None),
        call(11, FOREIGN, "acc_stranger"),
    ]
    made.recorded.of_days = [*(used(n) for n in range(3)), used(0, OTHER_SIM), used(0, FOREIGN, "acc_stranger")]
    made.recorded.of_readings = [LastReading(1, NOW, Reading(balance=2.5))]
    return made


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


async def rows(client: Client, path: str, body: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    asked = {**body, "limit": 2}
    while True:
        reply = await client("POST", path, asked, **more)
        assert reply.status == 200, reply.json
        assert reply.headers["cache-control"] == "no-store"
        found += reply.json[KINDS[path]]
        if "cursor" not in reply.json:
            return found
        asked["cursor"] = reply.json["cursor"]


async def test_messages(client: Client) -> None:
    found = await rows(client, MESSAGES, DEVICE)
    assert [row["kind"] for row in found] == ["RECEIVED"] * 5 + ["SENT", "DELIVERY_REPORT"]
    assert len({row["recordId"] for row in found}) == 7
    first, sent, report = found[0], found[5], found[6]
    assert {name: first[name] for name in first if name != "recordId"} == {
        "kind": "RECEIVED",
        "device": {"phoneNumber": NUMBER},
        "from": PEER,
        "time": "2026-11-21T12:00:00Z",
        "text": "code 0",
        "textLength": 6,
    }
    assert (sent["to"], sent["status"]) == (PEER, {"code": 0, "text": "OK"})
    assert report["status"] == {"code": 70, "text": "Validity period expired"}
    assert await rows(client, MESSAGES, {}) == [
        *found,
        *(await rows(client, MESSAGES, {"device": {"phoneNumber": OTHER_SIM}})),
    ]


async def test_which_messages(client: Client) -> None:
    async def times(**more: Any) -> list[str]:
        return [row["time"][14:16] for row in await rows(client, MESSAGES, DEVICE | more)]

    assert await times(kind="SENT") == ["55"]
    assert await times(**{"from": "2026-11-21T11:58:00Z"}) == ["00", "59", "58"]
    assert await times(**{"from": "2026-11-21T12:57:00+01:00", "to": "2026-11-21T11:59:00Z"}) == ["58", "57"]
    assert await times(otherParty=PEER, kind="DELIVERY_REPORT") == ["54"]
    assert await times(otherParty="10086") == []


async def test_calls(client: Client) -> None:
    ringing, ended, nameless = await rows(client, CALLS, {})
    assert (ringing["state"], ringing["to"], "seconds" in ringing) == ("RINGING", PEER, False)
    assert {name: ended[name] for name in ("state", "seconds", "ringingSeconds", "reason", "networkCause")} == {
        "state": "ENDED",
        "seconds": 90,
        "ringingSeconds": 10,
        "reason": {"code": 201, "text": "Caller Hangup"},
        "networkCause": {"code": 16},
    }
    assert "direction" not in nameless
    assert len(await rows(client, CALLS, DEVICE | {"direction": "OUTBOUND"})) == 2


async def test_counters(client: Client) -> None:
    reply = await client("POST", COUNTERS, DEVICE)
    first = reply.json["counters"][0]
    assert first == {
        "device": {"phoneNumber": NUMBER},
        "day": TODAY.isoformat(),
        "used": {"messages": 3, "megabytes": 0.5},
        "resets": 1,
        "readings": {"messages": {"total": 9, "totalLimit": 20}, "balance": -1.0},
    }
    assert reply.json["current"] == [{"at": "2026-11-21T12:00:00Z", "readings": {"balance": 2.5}}]
    assert len(await rows(client, COUNTERS, {})) == 4
    since = (TODAY - timedelta(days=1)).isoformat()
    assert len(await rows(client, COUNTERS, DEVICE | {"from": since, "to": since})) == 1
    assert "current" not in (await client("POST", COUNTERS, {})).json


async def test_texts_and_numbers_need_their_own_scope(client: Client) -> None:
    for path in (MESSAGES, CALLS):
        for row in await rows(client, path, {}, token="blind"):
            assert not {"text", "from", "to"} & row.keys()
    assert (await rows(client, MESSAGES, DEVICE, token="blind"))[0]["textLength"] == 6
    reply = await client("POST", MESSAGES, DEVICE | {"otherParty": PEER}, token="blind")
    assert (reply.status, reply.json["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("path", list(KINDS))
@pytest.mark.parametrize(
    ("body", "token", "status", "code"),
    [
        ({"device": {"phoneNumber": FOREIGN}}, "good", 404, "IDENTIFIER_NOT_FOUND"),
        ({"device": {"phoneNumber": "+8613899999999"}}, "good", 404, "IDENTIFIER_NOT_FOUND"),
        (DEVICE, "device", 422, "UNNECESSARY_IDENTIFIER"),
        ({}, "lost-device", 404, "IDENTIFIER_NOT_FOUND"),
        ({}, "narrow", 403, "PERMISSION_DENIED"),
        ({}, None, 401, "UNAUTHENTICATED"),
        ({"device": {}}, "good", 400, "INVALID_ARGUMENT"),
        ({"device": {"phoneNumber": "1"}}, "good", 400, "INVALID_ARGUMENT"),
        ({"limit": 0}, "good", 400, "INVALID_ARGUMENT"),
        ({"limit": 101}, "good", 400, "INVALID_ARGUMENT"),
        ({"limit": "1"}, "good", 400, "INVALID_ARGUMENT"),
        ({"cursor": "x"}, "good", 400, "INVALID_ARGUMENT"),
        ({"cursor": "WzEsMiwzLDRd"}, "good", 400, "INVALID_ARGUMENT"),
        ({"from": "yesterday"}, "good", 400, "INVALID_ARGUMENT"),
        ({"to": "2026-11-21T12:00:00"}, "good", 400, "INVALID_ARGUMENT"),
        ({"colour": "red"}, "good", 400, "INVALID_ARGUMENT"),
        ([], "good", 400, "INVALID_ARGUMENT"),
    ],
)
async def test_refusals(client: Client, path: str, body: Any, token: str | None, status: int, code: str) -> None:
    reply = await client("POST", path, body, token=token)
    assert (reply.status, reply.json["code"]) == (status, code)


BAD: Sequence[tuple[str, dict[str, Any]]] = [
    (MESSAGES, {"kind": "inbound"}),
    (MESSAGES, {"direction": "INBOUND"}),
    (MESSAGES, {"otherParty": PEER}),
    (MESSAGES, DEVICE | {"otherParty": "\0"}),
    (MESSAGES, DEVICE | {"otherParty": ""}),
    (MESSAGES, {"from": "2026-11-21T12:00:00Z", "to": "2026-11-21T12:00:00Z"}),
    (MESSAGES, {"from": "0001-01-01T00:00:00+14:00"}),
    (CALLS, {"direction": "SENT"}),
    (COUNTERS, {"from": "2026-11-22", "to": "2026-11-21"}),
    (COUNTERS, {"otherParty": PEER}),
]


async def test_bad_questions(client: Client) -> None:
    for path, body in BAD:
        reply = await client("POST", path, body)
        assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT"), body


async def test_a_token_of_a_device_sees_that_device_and_is_counted(client: Client, world: World) -> None:
    assert len(await rows(client, COUNTERS, {}, token="device")) == 3
    assert len(await rows(client, MESSAGES, {}, token="other-device")) == 1
    assert world.read_only[0] == Usage("acc_meters", "swk_meters", "records", "retrieveCounters")


async def test_a_stranger_sees_its_own(client: Client) -> None:
    for path in KINDS:
        assert len(await rows(client, path, {}, token="stranger")) == 1
        cursor = (await client("POST", path, {"limit": 1})).json["cursor"]
        reply = await client("POST", path, {"cursor": cursor}, token="stranger")
        assert all(row["device"] == {"phoneNumber": FOREIGN} for row in reply.json[KINDS[path]])


@pytest.mark.parametrize(("digit", "found"), [("0", (3, 2, 3)), ("1", (3, 2, 3)), ("5", (0, 0, 0)), ("8", (0, 0, 0))])
async def test_the_sandbox_goes_by_the_last_digit(world: World, digit: str, found: tuple[int, int, int]) -> None:
    virtual = VirtualSims(lambda: datetime(2026, 11, 21, 12, 34, tzinfo=UTC))
    records = VirtualRecords(lambda: datetime(2026, 11, 21, 12, 34, tzinfo=UTC))
    services = msgspec.structs.replace(world.services, sims=virtual, devices=Devices(virtual), records=records)
    world.app.apis = northbound.apis(services)
    client = Client(world.app)
    number = f"+861380000001{digit}"
    counts = []
    for path in KINDS:
        listed = await rows(client, path, {"device": {"phoneNumber": number}})
        assert all(row["device"] == {"phoneNumber": number} for row in listed)
        counts.append(len(listed))
    assert tuple(counts) == found
    assert len(await rows(client, MESSAGES, {})) == 3
    today = date(2026, 11, 21).isoformat()
    asked = {"device": {"phoneNumber": number}, "from": today}
    assert len(await rows(client, COUNTERS, asked)) == min(found[2], 1)
