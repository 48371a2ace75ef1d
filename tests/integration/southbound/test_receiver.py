"""What a gateway pushes, over HTTP calls to the receiver on a real database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import string
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from tests.support.fixtures import world, world_database
from tests.support.world import ACCOUNT, CALLER, World, device, iccid, imsi
from tests.unit.northbound.asgi import Reply, call

from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.identifiers import full_imei
from simwarden.domain.rates import RateLimit
from simwarden.domain.sim import BindingState
from simwarden.engine import provision
from simwarden.engine.buckets import Buckets
from simwarden.engine.element_rates import ElementLimits, ElementRates
from simwarden.engine.gateways import remove
from simwarden.engine.ingest import Ingest
from simwarden.kit.clock import now_utc
from simwarden.southbound.ejoin.receiver import MAX_BODY, Receiver
from simwarden.southbound.quarantine import BURST, PER_SECOND, Quarantine
from simwarden.store import gateways as gateway_store
from simwarden.store import records
from simwarden.store.database import Database
from simwarden.store.gateways import Gateways

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["world", "world_database"]

JSON = (("Content-Type", "application/json;charset=utf-8"),)
CARD = ("460000990123698", "89860042191782899541", "35368953070790")
"""The card and the device of the samples."""


class Door:
    """The receiver as a gateway sees it."""

    def __init__(self, world: World, token: str, rates: ElementRates | None = None) -> None:
        self.world = world
        self.token = token
        self.counted: list[tuple[str, str]] = []
        self.refused: list[str] = []
        self.receiver = Receiver(
            world.gateways,
            world.ingest,
            counted=lambda outcome, type_: self.counted.append((outcome, type_)),
            rates=rates,
            refused=self.refused.append,
        )
        self.app = Starlette(routes=self.receiver.routes())

    async def push(
        self,
        body: object,
        *,
        token: str | None = None,
        query: str = "",
        headers: Sequence[tuple[str, str]] = JSON,
    ) -> Reply:
        raw = body if isinstance(body, bytes | list) else json.dumps(body).encode()
        return await call(self.app, "POST", f"/southbound/ejoin/{token or self.token}{query}", raw, headers)

    async def kept(self) -> list[dict[str, Any]]:
        return await self.world.gateways.rejects("gw1", 5000)


@pytest.fixture
async def door(world: World) -> Door:
    await world.box()
    return Door(world, world.tokens["gw1"])


PLENTY = RateLimit(1e6, 10**7)


def limits(
    world: World,
    worker: str = "w",
    *,
    requests: RateLimit = PLENTY,
    kib: RateLimit = PLENTY,
    at_once: int = 100,
    patience: float = 0.0,
) -> ElementRates:
    """What a gateway may send, as one worker sees it."""
    chosen = ElementLimits(requests=requests, kib=kib, at_once=at_once, patience=patience)
    return ElementRates(Buckets(world.db, worker), chosen)


async def test_workers_together_take_no_more_reports_of_a_gateway_than_one(world: World) -> None:
    await world.box()
    doors = [
        Door(world, world.tokens["gw1"], limits(world, f"w{n}", requests=RateLimit(0.01, 24), patience=0.0))
        for n in range(3)
    ]
    report = port(1, 1, "35" + "0" * 12)
    # With fewer of each, one whose reports were all taken would keep what it had drawn ahead.
    replies = await asyncio.gather(*(door.push(report) for door in doors for _ in range(24)))
    assert sum(reply.status == 200 for reply in replies) == 24
    assert sum(len(door.refused) for door in doors) == 48


async def test_a_gateway_beyond_its_bytes_is_refused_until_they_are_made_up_for(world: World) -> None:
    await world.box()
    await world.box("gw2")
    door = Door(world, world.tokens["gw1"], limits(world, kib=RateLimit(0.01, 64)))
    report = port(1, 1, "35" + "0" * 12)
    large = report | {"more": "x" * 100 * 1024}
    assert (await door.push(large)).status == 200, "how large it is is known when it has been read"
    refused = await door.push(report)
    assert refused.status == 429
    assert "report_kib_per_gateway" in refused.json["reason"]
    assert door.refused == ["bytes_of_gateway"]
    elsewhere = Door(world, world.tokens["gw1"], limits(world, "other", kib=RateLimit(0.01, 64)))
    assert (await elsewhere.push(report)).status == 429, "what was owed is taken from what all workers have"
    assert (await door.push(report, token=world.tokens["gw2"])).status == 200


async def test_a_gateway_with_too_many_reports_at_once_is_refused(world: World) -> None:
    await world.box()
    await world.box("gw2")
    door = Door(world, world.tokens["gw1"], limits(world, at_once=2))
    report = port(1, 1, "35" + "0" * 12)
    replies = await asyncio.gather(*(door.push(report) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [200, 200, 429, 429, 429]
    assert "open_reports_per_gateway" in next(r for r in replies if r.status == 429).json["reason"]
    assert door.refused == ["open_reports_of_gateway"] * 3
    assert (await door.push(report)).status == 200


async def test_a_deleted_gateway_leaves_no_limits_behind(world: World) -> None:
    await world.box()
    door = Door(world, world.tokens["gw1"], limits(world))
    assert (await door.push(port(1, 1, "35" + "0" * 12))).status == 200
    assert await world.db.fetchval("select count(*) from call_hold") == 2
    cause = Cause(CauseKind.OPERATOR, "test", now_utc())
    await remove(world.db, "gw1", cause, force=True)
    assert await world.db.fetchval("select count(*) from call_hold") == 0
    assert await world.db.fetchval("select count(*) from call_allowance") == 0


async def test_a_gateway_beyond_its_rate_is_refused_and_others_are_not(world: World) -> None:
    await world.box()
    await world.box("gw2")
    door = Door(world, world.tokens["gw1"], limits(world, requests=RateLimit(0.01, 2)))
    report = port(1, 1, "35" + "0" * 12)
    replies = [await door.push(report) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 429, 429]
    assert "reports_per_gateway" in replies[2].json["reason"]
    assert replies[2].headers["retry-after"] == "1"
    assert door.refused == ["reports_of_gateway"] * 2
    assert (await door.push(report, token=world.tokens["gw2"])).status == 200


async def test_a_report_that_waits_for_its_turn_is_taken_in(world: World) -> None:
    await world.box()
    door = Door(world, world.tokens["gw1"], limits(world, requests=RateLimit(50.0, 2), patience=60.0))
    replies = await asyncio.gather(*(door.push(port(1, 1, f"35{number:012}")) for number in range(5)))
    assert [reply.status for reply in replies] == [200] * 5
    assert door.refused == []


def port(number: int, card: int | None, imei: str, **more: Any) -> dict[str, Any]:
    who = {"imsi": "", "iccid": ""} if card is None else {"imsi": imsi(card), "iccid": iccid(card)}
    return {"type": "port-status", "port": f"{number}.01", "st": 3, "imei": full_imei(imei), **who} | more


async def test_every_printed_sample_is_taken_in(door: Door, shared: Path) -> None:
    folder = shared / "fixtures" / "ejoin"
    if not folder.is_dir():
        pytest.skip("the message samples are not beside this checkout")

    await provision.add(door.world.db, provision.new_sim(ACCOUNT, imsi=CARD[0], iccid=CARD[1]), CALLER, imei=CARD[2])
    samples = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".txt"))
    assert len(samples) >= 13
    for sample in samples:
        reply = await door.push(sample.read_bytes())
        assert (reply.status, reply.json) == (200, {"code": 200, "reason": "OK"}), sample.name
    types = {type_ for outcome, type_ in door.counted if outcome == "accepted"}
    assert types == {"port-status", "dev-status", "recv-sms", "cdr", "sent-sms", "sms-sent-status"}
    assert [row["reason"] for row in await door.kept()] == ["Read after one repair of its quotes or commas"]
    found = await door.world.sims.find_any(CARD[0])
    assert found is not None
    assert found.state is BindingState.LOCKED
    assert found.seen is not None
    assert found.seen.imei == CARD[2]
    assert await records.calls_of(door.world.db, door.world.vault, found)
    assert {row["content"] for row in await records.sms_of(door.world.db, door.world.vault, found)} >= {"yaq"}
    counted = await door.world.db.fetchval("select count(*) from sms")
    for sample in samples:
        assert (await door.push(sample.read_bytes())).status == 200
    assert await door.world.db.fetchval("select count(*) from sms") == counted, "the same again is not more"
    assert await door.world.db.fetchval("select count(*) from call_record") == 1


async def test_a_report_is_answered_after_it_is_committed(door: Door) -> None:
    await door.world.card(1, imei=device(77))
    reply = await door.push(port(1, 1, device(66), seq=1))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert await door.world.state(1) is BindingState.DIFFERED
    assert door.counted == [("accepted", "port-status")]


async def test_a_wrong_token_finds_no_gateway_and_the_body_is_not_looked_at(door: Door) -> None:
    for token in ("wrong", door.token[:-1], door.token + "x", "%00", "%ff", "ä", "."):
        reply = await door.push(b"\xff", token=token)
        assert reply.status == 404, token
    assert await door.kept() == []
    assert {outcome for outcome, _ in door.counted} <= {"unknown_token"}


async def test_a_renewed_token_is_the_only_one(door: Door) -> None:
    new = await door.world.gateways.renew_token("gw1")
    fresh = Door(door.world, new)
    assert (await fresh.push(port(1, None, device(1)))).status == 200
    assert (await fresh.push(port(1, None, device(1)), token=door.token)).status == 404


async def test_a_body_that_says_it_is_too_large_is_refused(door: Door) -> None:
    reply = await door.push(b"{}", headers=[*JSON, ("Content-Length", str(MAX_BODY + 1))])
    assert reply.status == 413
    (row,) = await door.kept()
    assert (row["size"], row["body"]) == (0, b"")


async def test_a_body_that_turns_out_too_large_is_refused_without_reading_on(door: Door) -> None:
    pieces = [b" " * 65_536] * 16
    assert (await door.push([*pieces, b'{"type":"x"}'])).status == 413
    assert (await door.push([*pieces[1:], b'{"type":"x"}'.rjust(65_536)])).status == 200, "1 MiB exactly is read"
    assert ("too_large", "") in door.counted


@pytest.mark.parametrize("length", ["-1", "x", "", "0", "9" * 30 + "x"])
async def test_a_content_length_that_makes_no_sense_is_not_believed(door: Door, length: str) -> None:
    body = json.dumps(port(1, None, device(1))).encode()
    assert (await door.push(body, headers=[*JSON, ("Content-Length", length)])).status == 200


async def test_a_chinese_name_in_gb18030_is_read(door: Door) -> None:
    body = json.dumps(port(1, None, device(1), opr="46000 中国移动"), ensure_ascii=False).encode("gb18030")
    assert (await door.push(body)).status == 200
    (row,) = await door.world.ports(door.world.boxes[0])
    assert row["operator"] == "中国移动"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"x"',
        b"{",
        b"[]]",
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b"<xml/>",
        b"[" * 5000,
    ],
)
async def test_what_cannot_be_read_is_told_and_kept(door: Door, body: bytes) -> None:
    reply = await door.push(body)
    assert reply.status == 400
    assert reply.json["code"] == 400
    assert reply.json["reason"]
    (row,) = await door.kept()
    assert (row["body"], row["size"]) == (body, len(body))
    assert row["reason"] == reply.json["reason"]
    assert await door.world.db.fetchval("select rejected from gateway") == 1
    assert door.counted == [("undecodable", "")]


async def test_what_is_kept_is_bounded_in_length_and_number(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_store, "KEPT_REJECTS", 5)
    await door.push(b"\xff" * 200_000)
    (row,) = await door.kept()
    assert (row["size"], len(row["body"])) == (200_000, gateway_store.KEPT_BYTES)
    for number in range(12):
        await door.push(b"{%d" % number)
    kept = await door.kept()
    assert [row["body"] for row in kept] == [b"{%d" % number for number in (11, 10, 9, 8, 7)]
    assert await door.world.db.fetchval("select rejected from gateway") == 13


@pytest.mark.parametrize("type_", ["brand-new", "中", "x" * 5000, "nul\x00", "\ud800"])
async def test_an_unknown_type_is_kept_and_answered_kindly(door: Door, type_: str) -> None:
    body = json.dumps({"type": type_, "port": "1.01"}).encode()
    reply = await door.push(body)
    assert reply.status == 200
    (row,) = await door.kept()
    assert row["reason"].startswith("Unknown message type")
    assert row["body"] == body
    assert ("accepted", "unknown") in door.counted


async def test_a_repaired_body_is_taken_in_and_flagged(door: Door) -> None:
    await door.world.card(1)
    body = json.dumps(port(1, 1, device(66), seq=1)).replace('"', "”").encode()
    assert (await door.push(body)).status == 200
    assert EventType.DEVICE_SEEN in await door.world.types(1)
    (row,) = await door.kept()
    assert (row["reason"], row["body"]) == ("Read after one repair of its quotes or commas", body)
    assert ("repaired", "") in door.counted


async def test_an_array_of_messages_is_taken_in_together(door: Door) -> None:
    await door.world.card(1, imei=device(66))
    body = json.dumps([port(1, 1, device(66), seq=4), port(2, 1, device(55), seq=5)]).encode()
    assert (await door.push(body)).status == 200
    assert await door.world.state(1) is BindingState.DIFFERED


async def test_a_plain_text_message_of_an_old_device_is_stored(door: Door) -> None:
    reply = await door.push(
        "hello ä".encode(), query=f"?sender=10086&port=1.01&iccid={iccid(1)}", headers=[("Content-Type", "text/plain")]
    )
    assert reply.status == 200
    row = await door.world.db.fetchrow("select * from sms")
    assert row is not None
    opened = door.world.vault.open(row["sealed"], f"sms:{row['gateway_id']}:{row['key'].hex()}")
    assert json.loads(opened)[:3] == ["10086", None, "hello ä"]


@pytest.mark.parametrize("begin", [1, 2**31, 2**33, 253402300799, 253402300800, 2**62, -5, "x", 1e300])
async def test_no_time_breaks_a_call_record(door: Door, begin: object) -> None:
    body = {"type": "cdr", "port": "1.01", "imei": full_imei(device(66)), "imsi": imsi(1), "cid": "c", "begin": begin}
    assert (await door.push(body)).status == 200


async def test_without_a_database_the_gateway_is_asked_to_send_again(door: Door, database_url: str) -> None:
    """On a database of its own, which goes away."""
    db = await Database.connect(database_url)
    gateways = Gateways(db, door.world.vault)
    _, token = await gateways.add("gw9", kind="ejoin", command_url=None, username=None, password=None)
    receiver = Receiver(gateways, Ingest(db, door.world.vault))
    app = Starlette(routes=receiver.routes())
    body = json.dumps(port(1, 1, device(66))).encode()
    assert (await call(app, "POST", f"/southbound/ejoin/{token}", body, JSON)).status == 200
    await db.close()
    for path, sent in ((token, body), (token, b"{"), ("never-heard-of", body)):
        reply = await call(app, "POST", f"/southbound/ejoin/{path}", sent, JSON)
        assert reply.status == 503
        assert reply.headers["retry-after"] == "1"
        assert reply.json["code"] == 503


async def test_a_gateway_that_hangs_up_in_the_middle_changes_nothing(door: Door) -> None:
    sent: list[Any] = []
    messages = [
        {"type": "http.request", "body": b'{"type":', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/southbound/ejoin/{door.token}",
        "raw_path": b"",
        "query_string": b"",
        "headers": [],
        "root_path": "",
    }
    with contextlib.suppress(Exception):
        await door.app(scope, receive, send)
    assert all(message.get("status") != 200 for message in sent)
    assert await door.kept() == []


texts = st.text(max_size=20) | st.sampled_from(["", "1.01", "3 OK", imsi(1), iccid(1), full_imei(device(66)), "0" * 15])
values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, st.lists(texts, max_size=3))
keys = st.sampled_from(
    ["port", "seq", "st", "imei", "iccid", "imsi", "sn", "opr", "sig", "bal", "begin", "end", "cid", "sms", "status"]
)
types = st.sampled_from(["port-status", "dev-status", "recv-sms", "cdr", "sent-sms", "status-report", "received-sms"])
NO_SIM = st.sampled_from(["imei", "sn", "sig", "opr", "bal", "x"])


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.builds(lambda data: b'{"type":"port-status",' + data, st.binary(max_size=100)),
        st.builds(
            lambda type_, fields: json.dumps({"type": type_} | fields).encode(),
            types,
            st.dictionaries(NO_SIM | keys.filter(lambda key: key not in ("imsi", "iccid")), values, max_size=8),
        ),
    )
)
async def test_no_bytes_raise_or_change_a_sim(door: Door, body: bytes) -> None:
    world = door.world
    if not await world.db.fetchval("select count(*) from sim"):
        await world.card(1, imei=device(77))
        await door.push(port(9, 1, device(66), seq=1))
    before = await world.sim(1)
    reply = await door.push(body)
    assert reply.status in (200, 400)
    assert await world.sim(1) == before


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(type_=types, fields=st.dictionaries(keys, values, max_size=10))
async def test_no_fields_raise_and_every_history_stays_whole(door: Door, type_: str, fields: dict[str, Any]) -> None:
    world = door.world
    if not await world.db.fetchval("select count(*) from sim"):
        await world.card(1, imei=device(77))
    reply = await door.push({"type": type_} | fields)
    assert reply.status in (200, 400)
    await world.events(1)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**53, 2**63 - 1, 2**64, 10**30, "9007199254740992", 9e15])
@pytest.mark.parametrize("name", ["sig", "st", "network", "seq"])
async def test_a_number_that_cannot_be_stored_costs_itself_only(door: Door, name: str, number: object) -> None:
    """Sequence numbers have 64 bits; a signal strength of 2^53 is nonsense. The card is in its slot all the same."""
    if name == "seq" and isinstance(number, int) and abs(number) < 2**63:
        return
    body = {
        "type": "port-status",
        "port": "1.01",
        "seq": 5,
        "st": 3,
        "sig": 20,
        "imsi": CARD[0],
        "iccid": CARD[1],
        "imei": full_imei(CARD[2]),
    }
    reply = await door.push(body | {name: number})
    assert (reply.status, reply.json["code"]) == (200, 200), reply.body
    rows = await door.world.db.fetch("select imsi, signal, status, detail from gateway_port where port = 1")
    [row] = [row for row in rows if row["imsi"] == CARD[0]]
    assert row["signal"] == (None if name == "sig" else 20)
    assert row["status"] == (None if name == "st" else 3)


async def test_a_dropped_number_is_counted(door: Door) -> None:
    await door.push({"type": "port-status", "port": "1.01", "seq": 5, "st": 3, "sig": 2**53, "imsi": CARD[0]})
    assert door.counted == [("accepted", "port-status"), ("number_dropped", "sig")]
    ports = [{"port": "1.01", "seq": 6, "st": 3, "sig": 2**53}, {"port": "2.01", "seq": 7, "st": 3, "sig": 17}]
    whole = {"type": "dev-status", "seq": 9, "expires": 60, "max-ports": 2**40, "max-slot": 1, "status": ports}
    assert (await door.push(whole)).status == 200
    assert door.counted[2:] == [("accepted", "dev-status"), ("number_dropped", "max-ports"), ("number_dropped", "sig")]
    rows = await door.world.db.fetch("select port, signal from gateway_port where port < 3 order by port")
    assert [tuple(row) for row in rows] == [(1, None), (2, 17)]


@pytest.mark.parametrize("length", [512, 513, 4000, 5000])
async def test_a_caller_may_choose_any_call_id(door: Door, length: int) -> None:
    """A Call-ID over 2,700 bytes does not fit an index: this used to answer 500, to others in the same batch too."""
    generator = random.Random(length)
    call_id = "".join(generator.choices(string.ascii_letters + string.digits, k=length))
    cdr = {"type": "cdr", "port": "1.02", "imsi": imsi(1), "cid": call_id, "cdir": "MT", "begin": 1548407333}
    for more in ({}, {"end": 1548407399}):
        assert (await door.push(cdr | more)).json == {"code": 200, "reason": "OK"}
    assert (await door.push(cdr | {"cid": call_id[:-1] + "-"})).status == 200
    rows = await door.world.db.fetch("select * from call_record order by end_at nulls last")
    assert [row["end_at"] is not None for row in rows] == [True, False], "one call twice, and another one"
    assert all(len(row["call_id"]) <= 512 for row in rows)


async def test_what_the_database_refuses_is_kept_and_answered_in_the_vendors_form(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusing(*_: Any) -> None:
        raise asyncpg.ProgramLimitExceededError("index row size 4016 exceeds btree version 4 maximum 2704")

    monkeypatch.setattr("simwarden.store.records.save_calls", refusing)
    reply = await door.push({"type": "cdr", "port": "1.02", "imsi": imsi(1), "cid": "x", "begin": 1548407333})
    assert (reply.status, reply.json["code"]) == (400, 400)
    assert ("unacceptable", "") in door.counted
    (row,) = await door.kept()
    assert b'"cid": "x"' in row["body"]


async def test_a_fault_of_ours_is_answered_in_the_vendors_form_too(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("simwarden.store.ports.changed_ports", broken)
    reply = await door.push(port(1, 1, device(66), seq=1))
    assert (reply.status, reply.json["code"]) == (500, 500)
    assert ("failed", "") in door.counted
    (row,) = await door.kept()
    assert row["reason"] == "Not taken in: ZeroDivisionError"


async def test_of_a_flood_some_bodies_are_kept_and_all_are_counted(world: World) -> None:
    now = [0.0]
    box = await world.box()
    quarantine = Quarantine(world.gateways, monotonic=lambda: now[0])
    for _ in range(BURST + 50):
        await quarantine.keep(box.ref, "Not JSON", None, b"{")
    rows = await world.gateways.rejects("gw1", 5000)
    assert len(rows) == BURST
    now[0] = 10 / PER_SECOND
    for _ in range(20):
        await quarantine.keep(box.ref, "Not JSON", None, b"{")
    assert len(await world.gateways.rejects("gw1", 5000)) == BURST + 10
    now[0] = 1000
    await quarantine.keep(box.ref, "Not JSON", None, b"{")
    assert await world.db.fetchval("select rejected from gateway") == BURST + 50 + 20 + 1


@pytest.mark.parametrize(
    ("networks", "status"),
    [
        ((), 200),
        (("192.0.2.1",), 200),
        (("10.0.0.0/8", "192.0.2.0/24"), 200),
        (("10.0.0.0/8",), 403),
        (("2001:db8::/32",), 403),
    ],
)
async def test_reports_are_taken_from_the_gateways_networks_alone(
    world: World, networks: tuple[str, ...], status: int
) -> None:
    await world.box(source_addresses=networks)
    await world.card(1, imei=device(77))
    door = Door(world, world.tokens["gw1"])
    reply = await door.push(port(1, 1, device(66), seq=1))
    assert (reply.status, reply.json["code"]) == (status, status)
    assert await world.barred(1) is (status == 200)
    assert door.counted[0][0] == ("accepted" if status == 200 else "wrong_address")
