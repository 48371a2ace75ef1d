"""A server that is killed in the middle of an operation goes on with it when it is back: each SIM once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.integration.operations.house import House, imsi
from tests.support.server import Program, program

from simwarden.accounts.applications import issue_operator
from simwarden.demo.processes import free_port
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SIMS = 3000


class Client:
    """The management API over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: tuple[str, str]) -> None:
        self._session = session
        self._url = url
        self._key = key
        self._token = ""

    async def log_in(self) -> None:
        app_key, secret = self._key
        form = {"grant_type": "client_credentials", "client_id": app_key, "client_secret": secret}
        async with self._session.post(f"{self._url}/oauth2/token", data=form) as answer:
            self._token = (await answer.json())["access_token"]

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {self._token}"}
        async with self._session.request(method, f"{self._url}/manage/v1{path}", json=body, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def until(self, path: str, wanted: Any) -> Any:
        async with asyncio.timeout(90):
            while True:
                found = await self("GET", path)
                if wanted(found):
                    return found
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def server(directory: Path, database_url: str, port: int) -> AsyncIterator[Program]:
    environment = {
        "SIMWARDEN_DATA_DIR": str(directory / "data"),
        "SIMWARDEN_DATABASE_URL": database_url,
        "SIMWARDEN_HOST": "127.0.0.1",
        "SIMWARDEN_PORT": str(port),
        "SIMWARDEN_LOG_FORMAT": "json",
    }
    async with program(directory, environment, "serve") as running, aiohttp.ClientSession() as session:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        if answer.status == 200:
                            break
                assert running.process.returncode is None, running.errors
                await asyncio.sleep(0.05)
        yield running


async def test_a_killed_server_goes_on_where_it_was(database_url: str, database: Database, tmp_path: Path) -> None:
    house = House(database)
    await house.furnish(SIMS)
    made = await issue_operator(Accounts(database), "ops")
    port = free_port()
    async with aiohttp.ClientSession() as session:
        client = Client(session, f"http://127.0.0.1:{port}", (made.application.app_key, made.app_secret))
        async with server(tmp_path, database_url, port) as running:
            await client.log_in()
            wanted = {"action": "close", "functions": ["DATA"], "filter": {"account": "meters"}}
            begun = await client("POST", "/bulk", wanted)
            path = f"/operations/{begun['id']}"
            ready = await client.until(path, lambda found: found["state"] == "READY")
            await client("POST", f"{path}/confirm", {"confirmToken": ready["confirmToken"]})
            before = await client.until(path, lambda found: found["counts"]["done"] > 100)
            os.killpg(running.process.pid, signal.SIGKILL)
            await running.process.wait()
        assert before["state"] == "RUNNING", "it was over before the kill: nothing is proven"
        left = await house.operations.get(begun["id"])
        assert 0 < left.left < SIMS
        counted = await database.fetchval("select count(*) from event where type = 'FUNCTION_CLOSED'")
        assert counted == left.done, "what is counted as done is what was done"
    async with aiohttp.ClientSession() as session, server(tmp_path, database_url, port):
        client = Client(session, f"http://127.0.0.1:{port}", (made.application.app_key, made.app_secret))
        await client.log_in()
        done = await client.until(path, lambda found: found["state"] == "COMPLETED")
    assert done["counts"] == {"total": SIMS, "requested": 0, "done": SIMS, "unchanged": 0, "refused": 0}
    rows = await database.fetch(
        "select imsi, count(*) as times from event where type = 'FUNCTION_CLOSED' group by imsi order by imsi"
    )
    assert {row["imsi"]: row["times"] for row in rows} == {imsi(number): 1 for number in range(SIMS)}
