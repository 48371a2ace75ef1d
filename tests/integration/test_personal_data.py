"""Personal data and sinks' secrets: no file holds them in clear, old rows are sealed, old records are deleted."""

from __future__ import annotations

import base64
import json
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.support.fixtures import world, world_database
from tests.support.world import START, World, imsi

from simwarden.demo.story import IMEI_CHANGE, SUBSCRIPTIONS
from simwarden.demo.world import World as Server
from simwarden.demo.world import until
from simwarden.domain.locating import Site
from simwarden.domain.reports import CallRecord, Report, SmsRecord
from simwarden.domain.session import Phase, SessionNote
from simwarden.engine.keeping import Keeping
from simwarden.engine.subscriptions import Subscriptions
from simwarden.store import personal, places, postgres_programs, records, sims, sites

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simwarden.store.database import Database

__all__ = ["world", "world_database"]

CARD, ICCID, PHONE = "460000990000001", "89860042191782899541", "+8613900000001"
SECRETS = {
    "text of a message": "Your code is 81549027",
    "sender of a message": "+8613911112222",
    "text that could not be read": "unreadable 55512345 text",
    "caller": "+8613733334444",
    "callee": "+8613755556666",
    "query of a sink": "sink-query-6f1c2d",
    "header of a sink": "sink-header-9a8b7c",
    "access token of a sink": "sink-token-4d5e6f",
}


def forms(secret: str) -> list[bytes]:
    """How a secret might lie in a file."""
    plain = secret.encode()
    return [plain, plain.hex().encode(), base64.b64encode(plain).rstrip(b"=")[:-1], secret.encode("utf-16-le")]


def found_in(content: bytes) -> set[str]:
    """Which of the secrets are there in clear."""
    return {name for name, secret in SECRETS.items() if any(form in content for form in forms(secret))}


def found_under(folder: Path) -> dict[str, set[str]]:
    """Files below this folder that hold secrets."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path): found for path in files if (found := found_in(path.read_bytes()))}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        made = Server(session, tmp_path)
        try:
            yield made
        finally:
            await made.processes.stop()


async def test_no_file_of_an_installation_holds_them(server: Server, tmp_path: Path) -> None:
    """Tables, write-ahead log, logs: the whole data directory, after all of it went through."""
    await server.start_server()
    sink = await server.processes.start("sink", "simulate", "sink", "--json")
    line = await server.processes.ready_line(sink, "sink")
    server.sink = line["sink"]
    await server.processes.command("account", "create", "ACME")
    app = await server.processes.command("app", "create", "--account", "ACME", "--name", "meters")
    await server.log_in(app["appKey"], app["appSecret"])
    await server.processes.command(
        "sim", "add", "--account", "ACME", "--imsi", CARD, "--iccid", ICCID, "--msisdn", PHONE
    )
    url = (await server.processes.command("gateway", "add", "--name", "gw1"))["reportUrl"]
    subscription = {
        "protocol": "HTTP",
        "sink": f"{server.sink}?key={SECRETS['query of a sink']}",
        "protocolSettings": {"headers": {"X-Api-Key": SECRETS["header of a sink"]}},
        "sinkCredential": {
            "credentialType": "ACCESSTOKEN",
            "accessToken": SECRETS["access token of a sink"],
            "accessTokenType": "bearer",
            "accessTokenExpiresUtc": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        },
        "types": [IMEI_CHANGE],
        "config": {"subscriptionDetail": {"device": {"phoneNumber": PHONE}}},
    }
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {server.token}", "Idempotency-Key": "once-1"}
        bodies = []
        for _ in range(2):
            async with session.post(
                f"{server.url}{SUBSCRIPTIONS}/subscriptions", json=subscription, headers=headers
            ) as answer:
                assert answer.status == 201, await answer.text()
                bodies.append((await answer.read(), answer.headers["x-simwarden-webhook-secret"]))
        assert bodies[0] == bodies[1], "the kept answer is given again"
        message = base64.b64encode(SECRETS["text of a message"].encode()).decode()
        now = int(datetime.now(UTC).timestamp())
        row = {"is_report": False, "port": 1, "slot": 1, "ts": now, "from": SECRETS["sender of a message"], "to": ""}
        row |= {"iccid": ICCID, "imsi": CARD, "sms": message}
        call = {"type": "cdr", "port": "1.01", "imsi": CARD, "cid": "call-1", "cdir": "MT", "begin": now}
        call |= {"caller": SECRETS["caller"], "callee": SECRETS["callee"]}
        whole = json.dumps({"type": "received-sms", "mac": "00-30-f1-00-6d-b1", "smses": [row]})
        broken = json.dumps({"type": "recv-sms", "sms": SECRETS["text that could not be read"]})[:-1]
        for body in (whole, json.dumps(call), broken):
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                await answer.read()

    async def delivered() -> bool:
        listed = await server.processes.command("delivery", "list")
        return [item["status"] for item in listed] == ["DELIVERED"]

    await until(delivered, "the sink has its first event")
    found = await server.read(f"{SUBSCRIPTIONS}/subscriptions/{json.loads(bodies[0][0])['id']}")
    assert found["sink"] == subscription["sink"]
    assert found["protocolSettings"]["headers"] == {"X-Api-Key": SECRETS["header of a sink"]}
    async with aiohttp.ClientSession() as session, session.get(line["events"]) as answer:
        (event,) = (await answer.json())["events"]
    assert event["headers"]["x-api-key"] == SECRETS["header of a sink"]
    assert SECRETS["query of a sink"] in event["path"]

    listed = await server.processes.command("delivery", "list")
    shown = [
        *[await server.processes.command("subscription", "list"), listed],
        await server.processes.command("delivery", "show", listed[0]["id"]),
        await server.processes.command("sim", "show", CARD),
    ]
    assert found_in(json.dumps(shown).encode()) == set()
    revealed = await server.processes.command("sim", "show", CARD, "--reveal")
    assert found_in(json.dumps(revealed).encode()) == {"text of a message", "sender of a message", "caller", "callee"}
    rejects = await server.processes.command("gateway", "rejects")
    assert found_in(json.dumps(rejects).encode()) == {"text that could not be read"}

    dump = tmp_path / "plain.dump"
    await server.processes.command("db", "backup", str(dump))
    assert found_in(as_text(dump)) == set()
    await server.processes.stop()
    (tmp_path / "sink.log").unlink()  # the customer's own
    assert found_under(tmp_path) == {}


def as_text(dump: Path) -> bytes:
    """All rows of a backup."""
    programs = postgres_programs.find(0)
    done = subprocess.run(
        [programs.path("pg_restore"), "--data-only", "--file=-", str(dump)], capture_output=True, check=True
    )
    assert b"call-1" in done.stdout or b"sub-" in done.stdout, "these are the rows"
    return done.stdout


def keeping(world: World) -> Keeping:
    return Keeping(world.db, world.vault, timedelta(days=30), clock=world.clock)


SMS = SmsRecord(
    key=b"k" * 32,
    direction="inbound",
    at=START,
    imsi=imsi(1),
    sender=SECRETS["sender of a message"],
    content=SECRETS["text of a message"],
)
CALL = CallRecord(
    call_id="call-1", imsi=imsi(1), begin_at=START, caller=SECRETS["caller"], callee=SECRETS["callee"], detail={"n": 1}
)
OLD_ROWS = """
insert into sms (bucket, gateway_id, key, direction, imsi, at, sender, content, received_at)
select $1, 1, case n when 0 then $2 else sha256(convert_to(n::text, 'UTF8')) end, 'inbound', $3, $4, $5, $6, $4
from generate_series(0, 449) as n
"""


async def plant(world: World) -> None:
    """Rows as the version before wrote them."""
    bucket = records.bucket_for(imsi(1), 1)
    await world.db.execute(
        OLD_ROWS, bucket, SMS.key, imsi(1), START, SECRETS["sender of a message"], SECRETS["text of a message"]
    )
    await world.db.execute(
        "insert into call_record (bucket, gateway_id, key, call_id, imsi, begin_at, caller, callee, detail,"
        " received_at) values ($1, 1, $2, 'call-1', $3, $4, $5, $6, '{\"n\": 1}', $4)",
        *(bucket, records.call_key("call-1"), imsi(1), START, SECRETS["caller"], SECRETS["callee"]),
    )
    await world.db.execute(
        "insert into gateway_reject (gateway_id, received_at, reason, size, body) values ($1, $2, 'r', 1, $3)",
        *(world.boxes[0].id, START, SECRETS["text that could not be read"].encode()),
    )
    await world.db.execute(
        "insert into subscription (bucket, id, imsi, account_id, app_key, api, topic, type, protocol, sink, origin,"
        " protocol_settings, config, signing_secrets, status, starts_at,"
        " delivery_count) values (0, $1, $2, 'acme', 'app', 'api', 'DEVICE_CHANGED', 't', 'HTTP', $3, 'o', $4, '{}',"
        " $5, 'ACTIVE', $6, 0)",
        *(f"00{uuid.UUID(int=1).hex}", imsi(1), f"https://sink.example/in?key={SECRETS['query of a sink']}"),
        *({"headers": {"X-Api-Key": SECRETS["header of a sink"]}}, b"", START),
    )


async def in_clear(db: Database) -> set[str]:
    """Secrets in any row of any table."""
    found: set[str] = set()
    for (table,) in await db.fetch("select tablename from pg_tables where schemaname = 'public'"):
        for (row,) in await db.fetch(f"select t::text from {table} t"):
            found |= found_in(row.encode())
    return found


async def test_rows_from_before_are_sealed_bit_by_bit_and_can_be_read(world: World) -> None:
    await world.box()
    await world.card(1)
    await plant(world)
    assert await in_clear(world.db) == set(SECRETS) - {"access token of a sink"}
    assert await personal.seal_some(world.db, world.vault, 100) == 103
    left = await world.db.fetchval("select count(*) from sms where sealed is null")
    assert left == 350, "no more at once than asked for"
    while await keeping(world).step():
        pass
    assert await in_clear(world.db) == set()

    found = await records.sms_of(world.db, world.vault, await world.sim(1), limit=1000)
    assert {(row["sender"], row["content"]) for row in found} == {(SMS.sender, SMS.content)}
    assert len(found) == 450
    (call,) = await records.calls_of(world.db, world.vault, await world.sim(1))
    assert (call["caller"], call["callee"], call["detail"]) == (CALL.caller, CALL.callee, {"n": 1})
    (reject,) = await world.gateways.rejects(None, 10)
    assert reject["body"] == SECRETS["text that could not be read"].encode()
    id_ = f"00{uuid.UUID(int=1).hex}"
    got = await Subscriptions(world.db, world.vault, allow_private_sinks=True).get("app", id_)
    assert SECRETS["query of a sink"] in got.sink
    assert got.protocol_settings == {"headers": {"X-Api-Key": SECRETS["header of a sink"]}}


async def test_a_message_that_came_before_is_known_in_either_form(world: World) -> None:
    await world.box()
    await world.card(1)
    await plant(world)

    async def take(record: SmsRecord) -> int:
        async with world.db.transaction() as connection:
            await records.add_sms(connection, world.vault, [(1, record, START)])
            await records.save_calls(connection, world.vault, [(1, CALL, START)])
        count: int = await world.db.fetchval("select count(*) from sms")
        return count

    assert await take(SMS) == 450
    while await keeping(world).step():
        pass
    assert await take(SMS) == 450
    await world.db.execute(  # a server of the version before stores it once more, while both run
        "insert into sms (bucket, gateway_id, key, direction, imsi, at, received_at)"
        " values ($1, 1, $2, 'inbound', $3, $4, $4)",
        *(records.bucket_for(imsi(1), 1), SMS.key, imsi(1), START),
    )
    assert await personal.seal_some(world.db, world.vault, 100) == 1
    assert await take(SMS) == 450
    assert await in_clear(world.db) == set()


async def test_old_records_are_deleted_bit_by_bit_and_younger_ones_stay(world: World) -> None:
    await world.box()
    await world.card(1)
    await plant(world)
    await personal.seal_some(world.db, world.vault, 1000)
    world.clock.turn(timedelta(days=31).total_seconds())
    async with world.db.transaction() as connection:
        await records.add_sms(connection, world.vault, [(1, SMS, START)])
        young = SmsRecord(key=b"young", direction="inbound", at=START, imsi=imsi(1))
        await records.add_sms(connection, world.vault, [(1, young, world.clock())])
    assert await personal.Pruning(world.db).step(world.clock() - timedelta(days=30), 100) == 102
    assert await world.db.fetchval("select count(*) from sms") == 351
    while await keeping(world).step():
        pass
    (left,) = await world.db.fetch("select * from sms")
    assert left["key"] == records.sms_key(world.vault, b"young")
    for table in ("call_record", "gateway_reject"):
        assert await world.db.fetch(f"select * from {table}") == []


async def test_what_somebody_works_on_is_deleted_in_the_next_round(world: World) -> None:
    async with world.db.transaction() as connection:
        for n in range(5):
            message = SmsRecord(key=b"%d" % n, direction="inbound", at=START, imsi=imsi(1))
            await records.add_sms(connection, world.vault, [(1, message, START + timedelta(seconds=n))])
    pruning, late = personal.Pruning(world.db), START + timedelta(days=1)
    async with world.db.transaction() as connection:
        await connection.fetch("select 1 from sms where received_at = $1 for update", START)
        assert [await pruning.step(late, 2) for _ in range(3)] == [2, 2, 0]
    assert [await pruning.step(late, 2) for _ in range(2)] == [1, 0]


async def test_where_a_sim_was_goes_with_it_and_with_time(world: World) -> None:
    """Its coordinates stand in no row of any table then, but in those of its gateway and cell."""
    box, nas = await world.box("gw1"), await world.box("nas-1")
    await world.card(1, 2)
    latitudes = {"site": 52.123457, "cell": 48.765431, "address": 50.505051}
    cell = "ecgi:26201-0000001"
    async with world.db.transaction() as connection:
        await sites.set_sites(connection, {"gw1": Site(latitudes["site"], 1.0, 10.0)}, world.clock())
        await sites.add_cells(connection, [(cell, latitudes["cell"], 1.0, 10.0)], world.clock())
        await places.set_address(connection, await world.sim(1), Site(latitudes["address"], 1.0, 10.0))
    for number in (1, 2):
        box.put(number, number)
    await world.take(box.dev_status())
    world.clock.turn(120)
    begun = world.clock()
    notes = [
        SessionNote(key="S", phase=Phase.BEGAN, at=begun, began_at=begun, imsi=imsi(n), imei=None, cells=(cell,))
        for n in (1, 2)
    ]
    await world.take(
        Report(gateway_id=nas.id, gateway_name="nas-1", received_at=begun, message="start", sessions=tuple(notes))
    )

    async def found(number: int) -> set[str]:
        known = set()
        for table in ("sim", "sim_place", "place_change", "place_review", "session", "event", "sim_deleted"):
            for (row,) in await world.db.fetch(f"select t::text from {table} t where imsi = $1", imsi(number)):
                known |= {name for name, latitude in latitudes.items() if str(latitude) in row}
                known |= {"cell"} if cell in row else set()
        return known

    assert await found(1) == {"site", "cell", "address"}
    assert await found(2) == {"site", "cell"}
    async with world.db.transaction() as connection:
        await sims.delete(connection, [await world.sim(1)], world.clock())
    assert await found(1) == set()
    world.clock.turn(timedelta(days=31).total_seconds())
    await keeping(world).turn()
    assert await found(2) == set()
