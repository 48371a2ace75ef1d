"""The server as it runs, killed in the middle of a packet."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.integration.southbound.radius.mobile import HOME, OTHER, seconds, until
from tests.support.nas import SECRET, TestNas, accounting
from tests.support.patience import PATIENCE
from tests.support.server import Program, program
from tests.support.world import World, imsi

from simwarden.demo.processes import free_port
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import full_imei
from simwarden.southbound.radius.accounting import AccountingStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault


WAITS = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock' and query like '%gateway%'
"""


async def eventually(what: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await what():  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def serving(
    directory: Path, database_url: str, radius_port: int
) -> AsyncIterator[tuple[Program, dict[str, str]]]:
    """A server that takes accounting, ready; and its settings."""
    port = free_port()
    environment = {
        "SIMWARDEN_DATA_DIR": str(directory / "data"),
        "SIMWARDEN_DATABASE_URL": database_url,
        "SIMWARDEN_SECRET_KEY": bytes(range(32)).hex(),
        "SIMWARDEN_PORT": str(port),
        "SIMWARDEN_RADIUS_PORT": str(radius_port),
        "SIMWARDEN_WORKERS": "2",  # they share the port
    }
    async with program(directory, environment, "serve") as server, aiohttp.ClientSession() as session:
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        if answer.status == 200:
                            break
                assert server.process.returncode is None, server.errors
                await asyncio.sleep(0.05)
        yield server, environment


async def register(directory: Path, environment: dict[str, str], nas: TestNas) -> None:
    """As the operator does it."""
    secret = directory / "secret"
    secret.write_text(SECRET.decode())
    arguments = ("--name", "pgw-1", "--kind", "radius", "--source", "127.0.0.1", "--password-file", str(secret))
    address = f"radius://127.0.0.1:{nas.disconnect_port}"
    async with program(directory, environment, *("gateway", "add", *arguments, "--command-url", address)) as command:
        assert await command.process.wait() == 0, command.errors
        assert command.process.stdout is not None
        output = (await command.process.stdout.read()).decode()
    assert "pgw-1" in output
    assert "URL" not in output


async def test_a_packet_outlives_the_server_that_was_killed_before_its_answer(
    database: Database, database_url: str, vault: Vault, tmp_path: Path
) -> None:
    world = World(database, vault)
    await world.prepare()
    await world.card(1, imei=HOME)
    radius_port = free_port()
    async with TestNas() as nas:
        await nas.connect(radius_port)
        packet = nas.packet(
            accounting(AccountingStatus.START, "S1", imsi=imsi(1), imei=full_imei(OTHER) + "1", at=seconds())
        )
        nas.live.add("S1")
        async with serving(tmp_path, database_url, radius_port) as (server, environment):
            await register(tmp_path, environment, nas)
            id_ = await world.gateways.id_of("pgw-1")
            async with database.transaction() as connection:
                # Whoever takes in this NAS's packet waits for us, and so does its answer.
                await connection.execute("select from gateway where id = $1 for update", id_)
                asking = asyncio.create_task(nas.ask(packet, patience=5 * PATIENCE))  # beyond the next start
                await eventually(lambda: database.fetchval(WAITS))
                os.killpg(server.process.pid, signal.SIGKILL)
                await server.process.wait()
            assert not asking.done()
            assert not await world.barred(1)
        async with serving(tmp_path, database_url, radius_port):
            await asking
            await nas.ask(packet)
            assert await world.barred(1)
            await until(lambda: not nas.live)
        types = await world.types(1)
    assert types.count(EventType.BINDING_DIFFERED) == 1
    assert await database.fetchval("select count(*) from session") == 1
