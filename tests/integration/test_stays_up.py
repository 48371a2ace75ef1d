"""Only the end of the supervisor ends the server: whatever else dies, in whatever order, it serves again by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import pytest
from tests.conftest import at_database
from tests.integration.notify.gate import Gate
from tests.support import family
from tests.support.server import Program, program

from simwarden.demo.processes import free_port
from simwarden.store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

PATIENCE = 60.0
KEY = "11" * 32


class Server:
    """A server with processes of its own."""

    def __init__(self, running: Program, data: Path, port: int, session: aiohttp.ClientSession) -> None:
        self.running = running
        self.data = data
        self.url = f"http://127.0.0.1:{port}"
        self.session = session

    async def status(self, path: str = "/readyz", method: str = "GET", **given: Any) -> tuple[int, Any, Any]:
        """Status, body and headers of an answer; status 0 when there is none."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self.session.request(method, f"{self.url}{path}", **given) as answer:
                return answer.status, await answer.json(content_type=None), answer.headers
        return 0, None, {}

    async def until_ready(self) -> None:
        """Wait until it says so, and the server's own process never ended."""

        async def ready() -> bool:
            assert self.running.process.returncode is None, self.running.errors
            return (await self.status())[0] == 200

        await until(ready)

    async def worker(self, *, other_than: int = 0) -> int:
        """A worker's process id."""
        found: list[int] = []

        async def there() -> bool:
            assert self.running.process.returncode is None, self.running.errors
            found[:] = [pid for pid in family.workers(self.running.process.pid) if pid != other_than]
            return bool(found)

        await until(there)
        return found[0]

    def postmaster(self) -> int | None:
        """PostgreSQL's process id, when it lives."""
        process = EmbeddedPostgres(self.data).process_id()
        return process if process is not None and family.is_postgres(process) else None


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def server(directory: Path, **settings: str) -> AsyncIterator[Server]:
    """A server that may or may not be ready."""
    data, port = directory / "data", free_port()
    given = {"data_dir": str(data), "host": "127.0.0.1", "port": str(port), "log_format": "json", **settings}
    environment = {f"SIMWARDEN_{name.upper()}": value for name, value in given.items()}
    timeout = aiohttp.ClientTimeout(total=5)
    async with program(directory, environment, "serve") as running, aiohttp.ClientSession(timeout=timeout) as session:
        yield Server(running, data, port, session)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_workers_and_postgresql_killed_in_any_order_and_pace(tmp_path: Path, workers: str) -> None:
    async with server(tmp_path, workers=workers) as house:
        await house.until_ready()
        # A worker, and the postmaster before its successor has opened.
        family.kill(await house.worker())
        postmaster = house.postmaster()
        assert postmaster is not None
        family.kill(postmaster)
        await house.until_ready()
        # A worker, its successors as soon as they are there, and the postmaster between them.
        victim = await house.worker()
        for kill_postmaster in (False, True, False):
            family.kill(victim)
            victim = await house.worker(other_than=victim)
            if kill_postmaster and (postmaster := house.postmaster()) is not None:
                family.kill(postmaster)
        family.kill(victim)
        await house.until_ready()
        # All that there is.
        for child in family.children(house.running.process.pid):
            family.kill(child)
        if (postmaster := house.postmaster()) is not None:
            family.kill(postmaster)
        await house.until_ready()

        async def all_there() -> bool:
            return len(family.workers(house.running.process.pid)) == int(workers)

        await until(all_there)
        # An outage that is over by itself is a line in the log, no traceback.
        assert "Traceback" not in house.running.errors
        assert await house.running.stop() == 0


async def test_a_postmaster_killed_while_it_starts_is_started_again(tmp_path: Path) -> None:
    """Also in the very first start, before there is anybody to watch over it."""
    server_ = EmbeddedPostgres(tmp_path / "data")
    server_.acquire()
    server_.release()
    async with server(tmp_path) as house:

        async def starts() -> bool:
            process = house.postmaster()
            if process is not None:
                family.kill(process)
            return process is not None

        for _ in range(2):
            await until(starts)
        await house.until_ready()


async def test_a_server_that_starts_while_its_database_is_away_says_so_and_waits(
    tmp_path: Path, database_url: str
) -> None:
    async with Gate(database_url) as gate:
        await gate.close()
        async with server(tmp_path, database_url=gate.url, secret_key=KEY) as house:

            async def listens() -> bool:
                assert house.running.process.returncode is None, house.running.errors
                return (await house.status("/healthz"))[0] == 200

            await until(listens)
            status, body, _ = await house.status("/readyz")
            assert (status, body["status"]) == (503, "not ready")
            status, body, headers = await house.status(
                "/iot-sim-fraud-prevention/v0.1/query", "POST", json={}, headers={"x-correlator": "abc"}
            )
            assert (status, body["status"], body["code"], headers["x-correlator"]) == (503, 503, "UNAVAILABLE", "abc")
            status, body, headers = await house.status("/southbound/ejoin/token", "POST", json={})
            assert (status, body["code"], headers["retry-after"]) == (503, 503, "1")
            assert (await house.status("/oauth2/token", "POST"))[1]["error"] == "temporarily_unavailable"
            assert "Waiting for it at" in house.running.errors
            # Nor does a crash loop end it.
            for _ in range(3):
                family.kill(await house.worker())
            await until(listens)
            assert (await house.status())[0] == 503
            await gate.open()
            await house.until_ready()
            assert (await house.status("/oauth2/token", "POST"))[0] == 400
            assert "Traceback" not in house.running.errors


async def test_a_worker_of_a_running_server_waits_for_a_database_that_is_away(
    tmp_path: Path, database_url: str
) -> None:
    async with Gate(database_url) as gate, server(tmp_path, database_url=gate.url, secret_key=KEY) as house:
        await house.until_ready()
        await gate.close()
        for _ in range(3):
            victim = await house.worker()
            family.kill(victim)
            await house.worker(other_than=victim)

        async def waits() -> bool:
            assert house.running.process.returncode is None, house.running.errors
            return (await house.status("/healthz"))[0] == 200 and (await house.status())[0] == 503

        await until(waits)
        await gate.open()
        await house.until_ready()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("no_such_database", 'database "no_such_database" does not exist'),
        ("user=nobody_at_all", "nobody_at_all"),
        ("port=none", "none"),
    ],
)
async def test_what_waiting_does_not_mend_ends_the_start_with_advice(
    tmp_path: Path, database_url: str, wrong: str, reason: str
) -> None:
    if wrong.startswith("port") and "@127.0.0.1:" in database_url:  # what stands before the question mark counts
        url = re.sub(r":\d+/", ":none/", database_url)
    elif "=" in wrong:
        url = f"{database_url}{'&' if '?' in database_url else '?'}{wrong}"
        url = url.replace("postgres@", "") if wrong.startswith("user") else url
    else:
        url = at_database(database_url, wrong)
    async with server(tmp_path, database_url=url, secret_key=KEY) as house:
        assert await asyncio.wait_for(house.running.process.wait(), PATIENCE) == 1
        assert reason in house.running.errors
        assert "Check --database-url" in house.running.errors
        assert "Traceback" not in house.running.errors


async def test_a_second_server_with_another_master_key_is_refused_and_the_first_goes_on(
    tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "second").mkdir()
    async with server(tmp_path, database_url=database_url, secret_key=KEY) as first:
        await first.until_ready()
        async with server(tmp_path / "second", database_url=database_url, secret_key="22" * 32) as second:
            assert await asyncio.wait_for(second.running.process.wait(), PATIENCE) == 1
            assert "encrypted with another master key" in second.running.errors
        assert (await first.status())[0] == 200


async def test_two_servers_on_one_port_of_two_addresses_share_the_work(tmp_path: Path, database_url: str) -> None:
    """The same host name and port, and data directories of their own: no share is held twice, none by nobody."""
    (tmp_path / "second").mkdir()
    async with server(tmp_path, database_url=database_url, secret_key=KEY) as first:
        await first.until_ready()
        port = first.url.rpartition(":")[2]
        other = {"host": "127.0.0.2", "port": port, "secret_key": KEY}
        async with server(tmp_path / "second", database_url=database_url, **other) as second:
            second.url = f"http://127.0.0.2:{port}"
            await second.until_ready()
            connection = await asyncpg.connect(database_url)
            try:

                async def shared() -> bool:
                    rows = await connection.fetch(
                        "select role, owner, count(*) from lease"
                        " where until > now() and role in ('enforce', 'notify', 'operate') group by 1, 2 order by 1, 2"
                    )
                    return [row["count"] for row in rows] == [8] * 6

                await until(shared)
            finally:
                await connection.close()


async def test_a_worker_ends_with_its_supervisor_also_while_it_waits(tmp_path: Path, database_url: str) -> None:
    async with Gate(database_url) as gate:
        await gate.close()
        async with server(tmp_path, database_url=gate.url, secret_key=KEY) as house:
            worker = await house.worker()
            os.kill(house.running.process.pid, signal.SIGKILL)  # perhaps before the worker knows who its parent is

            async def gone() -> bool:
                return "spawn_main" not in family.command_line(worker)

            await until(gone)
