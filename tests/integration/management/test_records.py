"""Messages, calls and counters by the management API, from what a gateway reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.integration.management.house import House, imsi

from simwarden.domain.counters import Amounts, Reading
from simwarden.domain.reports import CallRecord, PortObservation, Report, SmsRecord
from simwarden.engine.ingest import Ingest

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime.now(UTC).replace(microsecond=0)
OTHER, UNKNOWN = "+85291234567", "460009999999999"
STRANGER = imsi(1_000_000)


class Shown(msgspec.Struct, frozen=True):
    """What a slot shows of its SIM."""

    reading: Reading

    @property
    def counter_mark(self) -> object:
        return self.reading

    def read_counters(self) -> Reading:
        return self.reading


@pytest.fixture
async def told(house: House) -> House:
    """A gateway has reported what SIMs 0 and 1, a stranger's and an unknown card did."""
    id_, _ = await house.gateways.add("gw1", kind="ejoin", command_url=None, username=None, password=None)
    ingest = Ingest(house.db, house.parts.vault, clock=lambda: NOW)
    sms = [
        SmsRecord(
            key=b"%s %d" % (holder.encode(), n),
            direction="inbound" if n % 2 else "outbound",
            at=NOW - timedelta(minutes=n),
            imsi=holder,
            port=1,
            slot=2,
            sender=OTHER,
            receiver="10086",
            content=f"code {n}",
            status=0,
            status_text="OK",
            sent_at=NOW - timedelta(minutes=n, seconds=1),
            smsc="+8613800",
            task=n,
            took_ms=330,
            encoding="UTF-8",
            detail={"src_type": 2},
        )
        for holder in (imsi(0), STRANGER, UNKNOWN)
        for n in range(5)
    ]
    remote = SmsRecord(
        key=b"remote", direction="report", at=NOW, iccid="898600", port=1, pool="sp128", pool_slot=16, status=70
    )
    call = CallRecord(
        call_id="c-1",
        imsi=imsi(0),
        direction="outbound",
        caller="",
        callee=OTHER,
        begin_at=NOW - timedelta(minutes=9),
        alert_at=NOW - timedelta(minutes=8),
        answer_at=NOW - timedelta(minutes=7),
        end_at=NOW - timedelta(minutes=5),
        reason_code=201,
        reason="Caller Hangup",
        cause_code=16,
        cause="Normal call clearing",
    )
    live = CallRecord(call_id="c-2", imsi=imsi(1), direction="inbound", caller=OTHER, begin_at=NOW)

    def report(minutes: int, **what: Any) -> Report:
        at = NOW + timedelta(minutes=minutes)
        return Report(gateway_id=id_, gateway_name="gw1", received_at=at, message="cdr", **what)

    await ingest.submit(report(0, sms=(*sms, remote), calls=(call, live)))
    for minutes, sent in ((0, 3), (1, 5), (2, 1), (1440, 2)):
        shown = Shown(
            Reading(messages=Amounts(total=sent, total_limit=9), megabytes=Amounts(total=sent / 4), balance=-1.5)
        )
        ports = tuple(PortObservation(port=1, slot=n, status=3, imsi=imsi(n), counters=shown) for n in (1, 2))
        for port in ports:
            await ingest.submit(report(minutes, ports=(port,)))
    return house


async def rows(house: House, kind: str, query: str, **more: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        reply = await house.manage("GET", f"/{kind}?{query}&limit=3{cursor}", **more)
        assert reply.status == 200, reply.json
        found += reply.json[{"sms": "messages"}.get(kind, kind)]
        if "nextCursor" not in reply.json:
            return found
        cursor = f"&cursor={reply.json['nextCursor']}"


def when(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


async def test_messages(told: House) -> None:
    first = (await rows(told, "sms", f"sim={imsi(0)}"))[0]
    assert first == {
        "at": when(NOW),
        "direction": "outbound",
        "sender": "*" * 10 + "67",
        "receiver": "***86",
        "content": "(6 characters)",
        "status": 0,
        "statusText": "OK",
        "sentAt": when(NOW - timedelta(seconds=1)),
        "smsc": "+8613800",
        "task": 0,
        "tookMs": 330,
        "encoding": "UTF-8",
        "gateway": "gw1",
        "port": 1,
        "slot": 2,
        "imsi": imsi(0),
        "account": told.account.id,
        "receivedAt": when(NOW),
    }
    clear = (await rows(told, "sms", f"sim={imsi(0)}&reveal=true"))[0]
    assert (clear["sender"], clear["content"], clear["detail"]) == (OTHER, "code 0", {"src_type": 2})

    async def tasks(query: str) -> list[int | None]:
        return [row.get("task") for row in await rows(told, "sms", query)]

    assert await tasks("account=meters") == [0, 1, 2, 3, 4]
    assert await tasks("account=meters&gateway=gw1&direction=inbound") == [1, 3]
    assert await tasks(f"sim={UNKNOWN}") == [0, 1, 2, 3, 4], "a card that is not registered"
    assert len(await tasks("gateway=gw1")) == 16
    assert sorted(await tasks("gateway=gw1&unknown=true"), key=str) == [0, 1, 2, 3, 4, None]
    since, until = (when(NOW - timedelta(minutes=n)) for n in (3, 1))
    assert await tasks(f"account=meters&from={since}&to={until}") == [2, 3]
    assert await tasks(f"sim={imsi(0)}&otherParty=10086") == [0, 2, 4]
    assert await tasks(f"sim={imsi(0)}&otherParty=%2B85291234567") == [1, 3]
    (remote,) = await rows(told, "sms", "gateway=gw1&direction=report")
    assert (remote["pool"], remote["poolSlot"], remote["iccid"]) == ("sp128", 16, "898600")
    assert "imsi" not in remote


async def test_calls(told: House) -> None:
    live, ended = await rows(told, "calls", "account=meters")
    assert (live["state"], live["caller"]) == ("DIALLING", "*" * 10 + "67")
    assert {name: ended[name] for name in ("state", "seconds", "ringingSeconds", "reason", "reasonCode", "cause")} == {
        "state": "ENDED",
        "seconds": 120,
        "ringingSeconds": 60,
        "reason": "Caller Hangup",
        "reasonCode": 201,
        "cause": "Normal call clearing",
    }
    assert len(await rows(told, "calls", "gateway=gw1&direction=outbound")) == 1
    (again,) = await rows(told, "calls", f"sim={imsi(0)}&otherParty=0085291234567&reveal=true")
    assert again["callee"] == OTHER
    shown = (await told.manage("GET", f"/sims/{imsi(0)}/records")).json
    assert shown["calls"] == [ended]


async def test_counters(told: House) -> None:
    reply = await told.manage("GET", f"/counters?sim={imsi(1)}")
    newest, first = reply.json["counters"]
    assert (newest["used"], newest["resets"]) == ({"messages": 1, "megabytes": 0.25}, 0)
    assert (first["used"], first["resets"]) == ({"messages": 3, "megabytes": 0.75}, 2)
    assert first["readings"] == {
        "messages": {"total": 1, "totalLimit": 9},
        "megabytes": {"total": 0.25},
        "balance": -1.5,
    }
    assert reply.json["current"] == [
        {"gateway": "gw1", "at": when(NOW + timedelta(days=1)), "readings": newest["readings"]}
    ]
    assert [(row["imsi"], row["day"]) for row in await rows(told, "counters", "account=meters")] == sorted(
        [(imsi(n), (NOW + timedelta(days=d)).date().isoformat()) for n in (1, 2) for d in (0, 1)],
        key=lambda each: (each[1], told_order(each[0])),
        reverse=True,
    )
    today = NOW.date().isoformat()
    assert len(await rows(told, "counters", f"sim={imsi(1)}&from={today}&to={today}")) == 1
    assert await rows(told, "counters", "account=stranger") == []


def told_order(number: str) -> tuple[int, str]:
    from simwarden.domain.identifiers import bucket_of

    return bucket_of(number), number


BAD: Sequence[tuple[str, int]] = [
    ("sms", 400),
    ("sms?sim=1&account=meters", 400),
    (f"sms?sim={imsi(0)}&gateway=gw1", 400),
    ("sms?account=meters&otherParty=1", 400),
    ("sms?account=meters&unknown=true", 400),
    ("sms?account=meters&direction=sideways", 400),
    ("sms?account=meters&from=yesterday", 400),
    ("sms?account=meters&from=2026-11-21T10:00:00", 400),
    ("sms?account=meters&to=%00", 400),
    ("sms?account=meters&colour=red", 400),
    ("sms?account=meters&limit=0", 400),
    ("sms?account=meters&cursor=x", 400),
    ("sms?account=none", 404),
    ("sms?gateway=none", 404),
    ("sms?sim=none", 404),
    ("calls?account=meters&direction=report", 400),
    ("calls", 400),
    ("counters", 400),
    ("counters?sim=1&account=meters", 400),
    ("counters?account=meters&from=2026-13-01", 400),
    ("counters?sim=none", 404),
]


async def test_bad_questions(told: House) -> None:
    for question, status in BAD:
        assert (await told.manage("GET", f"/{question}")).status == status, question
    cursor = (await told.manage("GET", "/sms?account=meters&limit=1")).json["nextCursor"]
    for question in (f"sms?account=stranger&limit=1&cursor={cursor}", f"calls?account=meters&cursor={cursor}"):
        assert (await told.manage("GET", f"/{question}")).status == 400, "it belongs to another list"
    for kind in ("sms", "calls"):
        assert (await told.manage("GET", f"/{kind}?account=meters&reveal=true", token=told.reader)).status == 403
        assert (await told.manage("GET", f"/{kind}?account=meters", token=told.reader)).status == 200
        assert (await told.manage("GET", f"/{kind}?account=meters", token=told.customer)).status == 403
