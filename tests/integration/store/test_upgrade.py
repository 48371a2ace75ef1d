"""The last migration, whichever it is: on data, under load, cut short at every statement, and by two at once."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import at_database
from tests.support.patience import PATIENCE

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.reports import PortObservation, Report
from simwarden.domain.rules.device import Bind
from simwarden.domain.sim import BindingState, IdentifierKind, SimRef
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.commands.command import SimCommand
from simwarden.engine.ingest import Ingest
from simwarden.store import migrate
from simwarden.store.database import Database
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SIMS = 40
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAUSE = Cause(CauseKind.OPERATOR, "test", START)
KNOWN = migrate.known()
BINDING = """{"kind": "IMEI", "values": ["35368953070790"], "learnt": "EXPLICIT", "since": "2026-03-01T12:00:00Z",
    "policy": {"on_mismatch": "ENFORCE", "unknown": "ALLOW", "resume": "AUTO"}}"""
FILL = f"""
insert into account (id, name) values ('acme', 'Acme');
insert into gateway (name, token_hash) values ('gw1', '\\x01');
insert into sim (bucket, imsi, account_id, iccid, binding, state, event_count)
select bucket, imsi, 'acme', '8986' || imsi, '{BINDING}', 'LOCKED', 2 from card;
insert into sim_identifier (kind, value, bucket, imsi, account_id) select 'imsi', imsi, bucket, imsi, 'acme' from card;
insert into event (bucket, imsi, n, type, at, cause, data)
select bucket, imsi, n, 'SIM_ADDED', now(), '{{"kind": "OPERATOR", "source": "x", "at": "2026-03-01T12:00:00Z"}}',
       '{{}}'
from card, generate_series(1, 2) as n;
insert into subscription (bucket, id, imsi, account_id, app_key, api, topic, type, protocol, sink, origin, config,
                          status, starts_at, delivery_count, lane_due_at)
select bucket, 'sub-' || imsi, imsi, 'acme', 'app', 'api', 'DEVICE_CHANGED', 't', 'HTTP', 'http://127.0.0.1:9/', 'o',
       '{{}}', 'ACTIVE', now(), 1, now() from card;
insert into delivery (bucket, subscription_id, n, imsi, event_id, type, time, data, status, created_at, queued_at)
select bucket, 'sub-' || imsi, 1, imsi, 'id-' || imsi, 't', now(), '{{"imei": "1"}}', 'PENDING', now(), now() from card;
"""
"""Data of the first migration: what every later one finds."""
TABLES = ("account", "gateway", "sim", "sim_identifier", "event", "subscription", "delivery")
SHAPE = """
select md5(string_agg(concat_ws('|', table_name, column_name, data_type, is_nullable, column_default), ','
                      order by table_name, column_name))
    || (select md5(string_agg(indexdef, ',' order by indexdef)) from pg_indexes where schemaname = 'public')
from information_schema.columns where table_schema = 'public'
"""
GATE = """
create table gate (closed_at integer);
insert into gate values (null);
create sequence gate_steps;
create function wait_at_gate() returns event_trigger language plpgsql as $$
begin
    if nextval('gate_steps') = (select closed_at from gate) then perform pg_sleep(60); end if;
end $$;
create event trigger at_gate on ddl_command_end execute function wait_at_gate();
"""
"""Lets a program stand still behind a statement of its migration, by number."""


def imsi(number: int) -> str:
    """The IMSI of card `number`."""
    return f"46000099{number:07}"


@pytest_asyncio.fixture
async def previous_url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A database at the migration before the last one, with data."""
    name = f"simwarden_upgrade_{uuid.uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"create database {name} template template0 encoding 'UTF8'")
    url = at_database(postgres_url, name)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "known", lambda: KNOWN[:-1])
        await migrate.migrate(url)
    async with connected(url) as connection:
        await connection.execute("create temporary table card (bucket smallint, imsi text)")
        rows = [(bucket_of(imsi(number)), imsi(number)) for number in range(SIMS)]
        await connection.copy_records_to_table("card", records=rows)
        await connection.execute(FILL)
    yield url
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


@contextlib.asynccontextmanager
async def connected(url: str) -> Any:
    """A plain connection."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def content(connection: asyncpg.Connection, columns: dict[str, list[str]]) -> dict[str, Any]:
    """All data in the columns that there were before."""
    return {
        table: await connection.fetch(f"select {', '.join(names)} from {table} order by 1, 2, 3")
        for table, names in columns.items()
    }


async def columns_of(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """The columns of the tables that hold data."""
    query = "select column_name from information_schema.columns where table_name = $1 order by ordinal_position"
    return {table: [row[0] for row in await connection.fetch(query, table)] for table in TABLES}


async def test_data_stays_and_can_be_worked_with(previous_url: str) -> None:
    async with connected(previous_url) as connection:
        columns = await columns_of(connection)
        before = await content(connection, columns)
        assert [migration.version for migration in await migrate.migrate(previous_url)] == [KNOWN[-1].version]
        kept = {table: set(names) for table, names in (await columns_of(connection)).items()}
        columns = {table: [name for name in names if name in kept[table]] for table, names in columns.items()}
        after = await content(connection, columns)
        assert {table: len(rows) for table, rows in after.items()} == {
            table: len(rows) for table, rows in before.items()
        }
    db = await Database.connect(previous_url)
    try:
        await report(Ingest(db), 1, "35368953070791")
        sim = await Sims(db).find("acme", SimRef(IdentifierKind.IMSI, imsi(1)))
        assert sim is not None
        assert sim.state is BindingState.DIFFERED
        there = Bind(imei="35368953070791", again=True)
        command = SimCommand(SimRef(IdentifierKind.IMSI, imsi(1)), there, CAUSE, "acme")
        bound = await CommandBatcher(db).submit(command)
        assert bound.sim.state is BindingState.LOCKED
    finally:
        await db.close()


async def report(ingest: Ingest, number: int, imei: str) -> None:
    """A gateway's report that a SIM is in a device."""
    port = PortObservation(port=number + 1, slot=1, imei=imei, imsi=imsi(number), locked=False, status=3)
    now = datetime.now(UTC)
    await ingest.submit(Report(gateway_id=1, gateway_name="gw1", received_at=now, message="port-status", ports=(port,)))


async def test_old_connections_go_on_while_it_is_applied(previous_url: str) -> None:
    """A server of the version before: it knows only the first tables' columns, and writes state and event together."""
    acknowledged: dict[str, int] = dict.fromkeys((imsi(number) for number in range(SIMS)), 2)
    stop = asyncio.Event()

    async def old_server(first: int) -> None:
        async with connected(previous_url) as connection:
            number = first
            while not stop.is_set():
                number = first + (number - first + 4) % (SIMS // 4 * 4)
                name = imsi(number % SIMS)
                with contextlib.suppress(asyncpg.InvalidCachedStatementError):
                    acknowledged[name] = await one_change(connection, name)

    async def more_changes() -> None:
        """Wait until every connection has committed more than it had."""
        before = sum(acknowledged.values())
        async with asyncio.timeout(PATIENCE):
            while sum(acknowledged.values()) < before + SIMS:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        for first in range(4):
            group.create_task(old_server(first))
        await more_changes()
        await migrate.migrate(previous_url)
        await more_changes()
        stop.set()
    async with connected(previous_url) as connection:
        rows = await connection.fetch(
            "select imsi, event_count, count(n), max(n) from sim join event using (bucket, imsi) group by 1, 2"
        )
    assert {row["imsi"]: row["event_count"] for row in rows} == acknowledged
    assert all(row["event_count"] == row["count"] == row["max"] for row in rows)


async def one_change(connection: asyncpg.Connection, name: str) -> int:
    """Lock a SIM, write its next event, count it: the number that was committed."""
    async with connection.transaction():
        row = await connection.fetchrow(
            "select * from sim where bucket = $1 and imsi = $2 for update", bucket_of(name), name
        )
        n: int = row["event_count"] + 1
        await connection.execute(
            """insert into event (bucket, imsi, n, type, at, cause, data)
               values ($1, $2, $3, 'DEVICE_SEEN', now(), '{}', '{}')""",
            row["bucket"],
            name,
            n,
        )
        await connection.execute(
            "update sim set event_count = $3 where bucket = $1 and imsi = $2", row["bucket"], name, n
        )
    return n


def with_one_more(sql: str) -> Callable[[], list[migrate.Migration]]:
    """The migrations of a version to come."""
    return lambda: [*KNOWN, migrate.Migration(KNOWN[-1].version + 1, "to_come", sql)]


async def test_this_server_goes_on_or_says_not_now_while_the_next_one_migrates(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(database_url) as connection:
        await connection.execute("insert into account (id, name) values ('acme', 'Acme')")
        await connection.execute("insert into gateway (name, token_hash) values ('gw1', '\\x01')")
        rows = [(bucket_of(imsi(number)), imsi(number), "acme") for number in range(SIMS)]
        await connection.copy_records_to_table("sim", records=rows, columns=["bucket", "imsi", "account_id"])
        await connection.copy_records_to_table(
            "sim_identifier",
            records=[("imsi", name, bucket, name, account) for bucket, name, account in rows],
            columns=["kind", "value", "bucket", "imsi", "account_id"],
        )
    db = await Database.connect(database_url, size=4)
    ingest, commands = Ingest(db), CommandBatcher(db)
    seen: dict[int, str] = {}
    bound: set[int] = set()
    stop = asyncio.Event()

    async def gateway(first: int) -> None:
        step = 0
        while not stop.is_set():
            step += 1
            number, imei = first + step % 10, f"353689{first:02}{step % 1000000:06}"
            with contextlib.suppress(StoreUnavailable):  # 503: the gateway sends again
                await report(ingest, number, imei)
                seen[number] = imei

    async def customer() -> None:
        number = 0
        while not stop.is_set():
            number = (number + 1) % SIMS
            with contextlib.suppress(StoreUnavailable):
                ref = SimRef(IdentifierKind.IMSI, imsi(number))
                await commands.submit(SimCommand(ref, Bind(again=True), CAUSE, "acme"))
                bound.add(number)

    sql = "alter table sim add to_come integer not null default 7; alter table event add to_come text;"
    monkeypatch.setattr(migrate, "known", with_one_more(sql + "create index to_come on sim (to_come)"))
    try:
        async with asyncio.TaskGroup() as group:
            for first in (0, 10, 20, 30):
                group.create_task(gateway(first))
            group.create_task(customer())
            await asyncio.sleep(0.3)
            await migrate.migrate(database_url)
            count = len(bound)
            await asyncio.sleep(0.3)
            stop.set()
        assert len(bound) >= count
        stored = {row["imsi"]: row for row in await db.fetch("select * from sim")}
        assert all(stored[imsi(number)]["seen_imei"] == imei for number, imei in seen.items())
        assert all(stored[imsi(number)]["binding"] for number in bound)
        gaps = await db.fetchval(
            "select count(*) from sim s where event_count <> (select count(*) from event e where e.imsi = s.imsi)"
        )
        assert gaps == 0
    finally:
        await db.close()


async def test_it_steps_back_from_a_table_that_is_in_use(previous_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "known", with_one_more("alter table sim add to_come integer"))
    monkeypatch.setattr(migrate, "_LOCK_WAIT_MS", 100)
    monkeypatch.setattr(migrate, "_LOCK_PAUSE", 0.2)
    async with connected(previous_url) as reader, connected(previous_url) as server:
        backup = reader.transaction()
        await backup.start()
        await reader.execute("lock table sim in access share mode")  # as pg_dump does, for as long as it takes
        task = asyncio.create_task(migrate.migrate(previous_url))
        end = asyncio.get_running_loop().time() + 1
        while asyncio.get_running_loop().time() < end:
            async with asyncio.timeout(PATIENCE):  # never behind a migration that waits for the backup
                await one_change(server, imsi(3))
        assert not task.done()
        await backup.rollback()
        assert [migration.name for migration in await task][-1] == "to_come"


async def test_two_at_once_apply_it_once(previous_url: str) -> None:
    done = await asyncio.gather(*(migrate.migrate(previous_url) for _ in range(3)))
    assert sorted(len(applied) for applied in done) == [0, 0, 1]


async def test_killed_behind_any_statement_it_leaves_the_old_state_and_can_be_done_again(previous_url: str) -> None:
    async with connected(previous_url) as connection:
        columns = await columns_of(connection)
        await connection.execute(GATE)
        shape, data = await connection.fetchval(SHAPE), await content(connection, columns)
        step = 0
        while True:
            step += 1
            await connection.execute(f"update gate set closed_at = {step}; select setval('gate_steps', 1, false)")
            if not await killed_at_the_gate(connection, previous_url):
                break
            assert await connection.fetchval(SHAPE) == shape
            assert await content(connection, columns) == data
            assert (await migrate.status(previous_url)).pending == [f"{KNOWN[-1].version:04}_{KNOWN[-1].name}"]
            await one_change(connection, imsi(0))
            data = await content(connection, columns)
        assert step > 1
        assert (await migrate.status(previous_url)).pending == []


async def killed_at_the_gate(connection: asyncpg.Connection, url: str) -> bool:
    """Migrate in a process of its own and kill it where the gate is; False when it came to its end before."""
    program = f"import asyncio; from simwarden.store import migrate; asyncio.run(migrate.migrate({url!r}))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        while process.returncode is None:
            waiting = await connection.fetch(
                "select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
            )
            if waiting:
                process.kill()
                await process.wait()
                # PostgreSQL itself notices the loss when it next speaks to the client.
                for row in waiting:
                    await connection.execute("select pg_terminate_backend($1, 5000)", row["pid"])
                return True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.02)
        assert process.returncode == 0
        return False
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
