"""Backup and restore as an operator types them: everything comes back, and a restore happens whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result
from tests.conftest import at_database
from tests.support.server import program

from simwarden.accounts.keys import SigningKeys
from simwarden.cli import main
from simwarden.domain.identifiers import bucket_of
from simwarden.store import backup as backups
from simwarden.store import migrate, postgres_programs
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.vault import Vault

KEY = bytes(range(32)).hex()
OTHER_KEY = bytes(range(1, 33)).hex()
SIMS = 30
Run = Callable[..., Coroutine[Any, Any, Result]]
FILL = """
insert into account (id, name) values ('acme', 'Acme');
insert into gateway (name, token_hash) values ('gw1', '\\x01');
insert into sim (bucket, imsi, account_id, event_count, seen_at)
select bucket, imsi, 'acme', 1, '2026-03-01 12:00Z' from card;
insert into event (bucket, imsi, n, type, at, cause, data)
select bucket, imsi, 1, 'SIM_ADDED', now(), '{}', jsonb_build_object('text', repeat(E'\\t\\\\\n" ü', 3000)) from card;
insert into subscription (bucket, id, imsi, account_id, app_key, api, topic, type, protocol, sink, origin, config,
                          status, starts_at, delivery_count, lane_due_at)
select bucket, 'sub-' || imsi, imsi, 'acme', 'app', 'api', 'DEVICE_CHANGED', 't', 'HTTP', 'http://127.0.0.1:9/', 'o',
       '{}', 'ACTIVE', now(), 1, now() from card;
insert into delivery (bucket, subscription_id, n, imsi, event_id, type, time, data, status, created_at, queued_at)
select bucket, 'sub-' || imsi, 1, imsi, 'sub-' || imsi || '-1', 't', now(), '{}', 'PENDING', now(), now() from card;
insert into lease (role, share, owner, until) values ('enforce', 1, 'somebody', now() + interval '1 minute');
"""


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def fill(url: str) -> None:
    """Some SIMs with what belongs to them, and a signing key."""
    async with connected(url) as connection:
        await connection.execute("create temporary table card (bucket smallint, imsi text)")
        names = [f"46000099{number:07}" for number in range(SIMS)]
        await connection.copy_records_to_table("card", records=[(bucket_of(name), name) for name in names])
        await connection.execute(FILL)
    db = await Database.connect(url, size=1)
    await SigningKeys(Accounts(db), Vault(bytes.fromhex(KEY))).signer()
    await db.close()


async def everything(url: str) -> dict[str, list[str]]:
    """All rows of all tables as text, but for what a restore changes on purpose, the operator's key among it."""
    async with connected(url) as connection:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
        found = {}
        for (table,) in tables:
            rows = await connection.fetch(
                f"select to_jsonb(t) - 'delivery_count' from {table} t "
                "where to_jsonb(t) ->> 'account_id' is distinct from 'operator' "
                "and to_jsonb(t) ->> 'id' is distinct from 'operator' order by 1"
            )
            found[table] = [row[0] for row in rows]
    return {table: rows for table, rows in found.items() if table not in ("lease", "lease_worker")}


def mode(file: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(file.stat().st_mode)


def parts(folder: Path) -> list[Path]:
    """Files that are not whole."""
    return [file for file in folder.iterdir() if file.name.endswith(".part")]


def content(file: Path) -> bytes:
    """What is in a file."""
    return file.read_bytes()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`simwarden --database-url URL <arguments>`, in a thread since commands have loops of their own."""
    monkeypatch.setenv("SIMWARDEN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SIMWARDEN_SECRET_KEY", KEY)

    async def invoke(url: str | None, *arguments: str | Path, **environment: str | None) -> Result:
        where = [] if url is None else ["--database-url", url]
        command = [*where, *(str(argument) for argument in arguments)]
        return await asyncio.to_thread(CliRunner().invoke, main, command, env=environment)

    return invoke


@pytest_asyncio.fixture
async def filled(database_url: str) -> str:
    """A database with data."""
    await fill(database_url)
    return database_url


@pytest_asyncio.fixture
async def empty(postgres_url: str) -> AsyncIterator[str]:
    """A database with nothing in it, not even tables."""
    name = f"simwarden_restored_{uuid.uuid4().hex[:8]}"
    async with connected(postgres_url) as admin:
        await admin.execute(f"create database {name} template template0 encoding 'UTF8'")
        yield at_database(postgres_url, name)
        await admin.execute(f"drop database {name} with (force)")


@pytest_asyncio.fixture
async def dump(run: Run, filled: str, tmp_path: Path) -> Path:
    """A backup of the filled database."""
    file = tmp_path / "simwarden.dump"
    done = await run(filled, "db", "backup", file)
    assert done.exit_code == 0, done.output
    return file


async def test_everything_comes_back(run: Run, filled: str, empty: str, dump: Path) -> None:
    done = await run(empty, "db", "restore", dump)
    assert done.exit_code == 0, done.output
    assert f"Restored {SIMS} SIMs of 1 accounts" in done.output
    assert await everything(empty) == await everything(filled)
    async with connected(empty) as connection:
        assert await connection.fetchval("select count(*) from lease") == 0
        added = await connection.fetchval("insert into gateway (name, token_hash) values ('gw2', '\\x02') returning id")
        assert added == 2
        assert await connection.fetchval("select bool_and(home <> numbering_home()) from invoice_series"), (
            "numbers of invoices are in doubt"
        )


async def test_the_ids_of_events_that_came_after_the_backup_are_not_used_again(
    run: Run, empty: str, dump: Path
) -> None:
    """A receiver that keeps to CloudEvents drops an event whose id it has seen."""
    highest = 1
    for _ in range(2):
        assert (await run(empty, "db", "restore", dump, "--force")).exit_code == 0
        async with connected(empty) as connection:
            lowest = await connection.fetchval("select min(delivery_count) from subscription")
        assert lowest > highest + 100
        highest = lowest
        await asyncio.sleep(1)  # numbers are seconds: a restore takes longer than one where there is anything to lose
        highest -= 101


async def test_the_file_is_the_owners_alone_and_says_that_the_key_is_not_in_it(
    run: Run, filled: str, dump: Path, tmp_path: Path
) -> None:
    assert mode(dump) == 0o600
    whole = content(dump)
    assert bytes.fromhex(KEY) not in whole
    assert KEY.encode() not in whole
    again = await run(filled, "db", "backup", dump)
    assert again.exit_code == 1
    assert "exists" in again.output
    again = await run(filled, "db", "backup", dump, "--force", "--with-key")
    assert again.exit_code == 0, again.output
    kept = tmp_path / "simwarden.dump.key"
    assert kept.read_text().strip() == KEY
    assert mode(kept) == 0o600
    plain = await run(filled, "db", "backup", tmp_path / "second.dump")
    assert "NOT in the backup" in plain.output
    assert not parts(tmp_path)


async def test_a_backup_is_of_one_moment_while_the_server_works(
    run: Run, filled: str, empty: str, tmp_path: Path
) -> None:
    stop = asyncio.Event()
    written = 0

    async def work() -> None:
        nonlocal written
        async with connected(filled) as connection:
            while not stop.is_set():
                async with connection.transaction():
                    await connection.execute(
                        "update sim set event_count = event_count + 1 where imsi in"
                        " (select imsi from sim order by imsi limit 5)"
                    )
                    await connection.execute(
                        "insert into event select bucket, imsi, event_count, 'T', now(), null, '{}', '{}' from sim"
                        " order by imsi limit 5"
                    )
                written += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        done = await run(filled, "db", "backup", tmp_path / "live.dump")
        stop.set()
    assert done.exit_code == 0, done.output
    assert written > 1
    assert (await run(empty, "db", "restore", tmp_path / "live.dump")).exit_code == 0
    async with connected(empty) as connection:
        rows = await connection.fetch(
            "select imsi, event_count, count(n) from sim join event using (bucket, imsi) group by 1, 2"
        )
    assert len(rows) == SIMS
    assert all(row["event_count"] == row["count"] for row in rows)


async def test_data_is_overwritten_only_by_force(run: Run, filled: str, dump: Path) -> None:
    before = await everything(filled)
    async with connected(filled) as connection:
        await connection.execute("delete from event")
        await connection.execute("create table of_a_newer_version (id integer primary key)")
        await connection.execute("create function of_a_newer_version() returns integer language sql as 'select 1'")
    refused = await run(filled, "db", "restore", dump)
    assert refused.exit_code == 1
    assert f"holds {SIMS} SIMs" in refused.output
    done = await run(filled, "db", "restore", dump, "--force")
    assert done.exit_code == 0, done.output
    assert await everything(filled) == before


async def test_another_key_or_none_is_refused_before_anything_is_done(
    run: Run, empty: str, dump: Path, tmp_path: Path
) -> None:
    wrong = await run(empty, "db", "restore", dump, SIMWARDEN_SECRET_KEY=OTHER_KEY)
    assert wrong.exit_code == 1
    assert "not the one that this backup was made under" in wrong.output
    none = await run(empty, "db", "restore", dump, SIMWARDEN_SECRET_KEY=None)
    assert none.exit_code == 1
    assert "needs the master key" in none.output
    assert await everything(empty) == {}
    assert not (tmp_path / "data" / "master.key").exists()


async def test_the_key_comes_with_the_restore(run: Run, empty: str, dump: Path, tmp_path: Path) -> None:
    given = tmp_path / "kept.key"
    given.write_text(KEY)
    home = tmp_path / "data" / "master.key"
    done = await run(empty, "db", "restore", dump, "--key-file", given, SIMWARDEN_SECRET_KEY=None)
    assert done.exit_code == 0, done.output
    assert home.read_text().strip() == KEY
    assert mode(home) == 0o600
    home.write_text(OTHER_KEY)
    refused = await run(empty, "db", "restore", dump, "--key-file", given, SIMWARDEN_SECRET_KEY=None)
    assert refused.exit_code == 1
    assert home.read_text() == OTHER_KEY
    forced = await run(empty, "db", "restore", dump, "--key-file", given, "--force", SIMWARDEN_SECRET_KEY=None)
    assert forced.exit_code == 0, forced.output
    assert home.read_text().strip() == KEY
    assert [file.read_text() for file in home.parent.glob("master.key.*")] == [OTHER_KEY]


async def test_what_is_no_whole_backup_is_refused(run: Run, filled: str, dump: Path, tmp_path: Path) -> None:
    before = await everything(filled)
    whole = content(dump)
    for name, data in {"cut": whole[: len(whole) * 3 // 4], "text": b"hello", "nothing": b""}.items():
        file = tmp_path / name
        file.write_bytes(data)
        refused = await run(filled, "db", "restore", file, "--force")
        assert refused.exit_code == 1, (name, refused.output)
        assert "Traceback" not in refused.output
    assert await everything(filled) == before


async def test_a_database_of_somebody_else_is_left_alone(run: Run, empty: str, dump: Path) -> None:
    async with connected(empty) as connection:
        await connection.execute("create table theirs (id integer)")
    for command in (("backup", dump.with_name("x.dump")), ("restore", dump, "--force")):
        refused = await run(empty, "db", *command)
        assert refused.exit_code == 1
        assert "not Simwarden's" in refused.output
    assert list(await everything(empty)) == ["theirs"]


async def test_a_database_in_use_is_left_alone(run: Run, filled: str, dump: Path) -> None:
    async with connected(filled):
        refused = await run(filled, "db", "restore", dump, "--force")
    assert refused.exit_code == 1
    assert "stop every Simwarden" in refused.output


async def test_an_older_backup_is_migrated_a_newer_one_refused(
    run: Run, filled: str, empty: str, dump: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = migrate.known()
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "known", lambda: known[:-1])
        refused = await run(empty, "db", "restore", dump)
        assert refused.exit_code == 1
        assert "use a newer Simwarden" in refused.output
        await migrate.migrate(empty)
        await fill(empty)
        assert (await run(empty, "db", "backup", tmp_path / "older.dump")).exit_code == 0
    done = await run(filled, "db", "restore", tmp_path / "older.dump", "--force")
    assert done.exit_code == 0, done.output
    assert (await migrate.status(filled)).version == known[-1].version


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
async def test_a_restore_that_is_ended_half_way_never_was(
    how: signal.Signals, filled: str, dump: Path, tmp_path: Path
) -> None:
    async with connected(filled) as connection:
        await connection.execute("update account set name = 'Before'")
        await connection.execute("""
            create schema gate;
            create sequence gate.steps;
            create function gate.wait() returns event_trigger language plpgsql as $$
                begin if nextval('gate.steps') = 5 then perform pg_sleep(12); end if; end $$;
            create event trigger at_gate on ddl_command_end when tag in ('CREATE TABLE') execute function gate.wait();
        """)
    before = await everything(filled)
    environment = {"SIMWARDEN_DATABASE_URL": filled, "SIMWARDEN_SECRET_KEY": KEY}
    admin_url = at_database(filled, "postgres")
    waiting = "select count(*) from pg_stat_activity where datname = $1 and backend_type = 'client backend'"
    name = filled.partition("?")[0].rpartition("/")[2]
    async with (
        connected(admin_url) as admin,
        program(tmp_path, environment, "db", "restore", str(dump), "--force") as restoring,
    ):
        async with asyncio.timeout(60):
            while not await admin.fetchval(f"{waiting} and wait_event = 'PgSleep'", name):
                assert restoring.process.returncode is None, restoring.errors
                await asyncio.sleep(0.05)
        restoring.process.send_signal(how)
        await asyncio.wait_for(restoring.process.wait(), 60)
        async with asyncio.timeout(60):
            while await admin.fetchval(waiting, name):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    assert restoring.process.returncode != 0
    assert await everything(filled) == before


async def test_a_key_that_was_put_in_place_goes_again_when_the_restore_fails(
    run: Run, empty: str, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "data" / "master.key"
    home.parent.mkdir()
    home.write_text(OTHER_KEY)
    given = tmp_path / "kept.key"
    given.write_text(KEY)
    monkeypatch.setattr(backups, "_AFTER", "this is no SQL;\n")
    failed = await run(empty, "db", "restore", dump, "--key-file", given, "--force", SIMWARDEN_SECRET_KEY=None)
    assert failed.exit_code == 1
    assert "as it was" in failed.output
    assert home.read_text() == OTHER_KEY
    assert list(home.parent.iterdir()) == [home]
    assert await everything(empty) == {}


async def test_the_embedded_database_into_an_empty_folder(run: Run, dump: Path, filled: str, tmp_path: Path) -> None:
    new = tmp_path / "new"
    nothing = await run(None, "--data-dir", new, "db", "backup", tmp_path / "x.dump")
    assert nothing.exit_code == 1
    assert not new.exists(), "a backup makes no database"
    done = await run(None, "--data-dir", new, "db", "restore", dump)
    assert done.exit_code == 0, done.output
    server = EmbeddedPostgres(new)
    try:
        url = await asyncio.to_thread(server.acquire, serve=True)
        assert await everything(url) == await everything(filled)
        live = await run(None, "--data-dir", new, "db", "backup", tmp_path / "live.dump")
        assert live.exit_code == 0, live.output
        refused = await run(None, "--data-dir", new, "db", "restore", dump, "--force")
        assert refused.exit_code == 1
        assert "Another Simwarden server" in refused.output
    finally:
        await asyncio.to_thread(server.release)


def test_a_pg_dump_that_is_too_old_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pg_dump", "pg_restore", "psql"):
        file = tmp_path / name
        file.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.6 (Debian)'\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    assert postgres_programs.find(18).major >= 18
    with pytest.raises(postgres_programs.NoPrograms, match="postgresql-client-99"):
        postgres_programs.find(99)


def test_a_password_is_on_no_command_line() -> None:
    dsn, environment = postgres_programs.arguments(
        "postgresql://wa%40rden:s%3Acret@db:5433/sim?sslmode=require&search_path=a b&password=x"
    )
    assert dsn == "postgresql://wa%40rden@db:5433/sim?sslmode=require"
    assert environment["PGPASSWORD"] == "s:cret"
    assert environment["PGOPTIONS"].endswith("-c search_path=a\\ b")
