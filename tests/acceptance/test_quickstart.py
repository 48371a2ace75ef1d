"""`simwarden quickstart` at work: what it prints can be pasted, again and again, and all of it can be removed."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.support.server import serving
from tests.support.terminal import PATIENCE, Terminal, terminal

from simwarden.cli.remote import read_key
from simwarden.demo.processes import free_port
from simwarden.quickstart import env, sample
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simwarden.store.database import Database

PATH = f"{sys.prefix}/bin:{os.environ['PATH']}"
QUICKSTART = "simwarden quickstart"


@pytest.fixture
async def environment(tmp_path: Path, database_url: str) -> AsyncIterator[dict[str, str]]:
    """A running server's settings."""
    async with serving(tmp_path, database_url) as url:
        yield {
            "PATH": PATH,
            "SIMWARDEN_DATA_DIR": str(tmp_path / "data"),
            "SIMWARDEN_DATABASE_URL": database_url,
            "SIMWARDEN_PORT": url.rpartition(":")[2],
        }


def printed(text: str) -> list[str]:
    """The numbered parts of what is to be pasted, comments and all."""
    story = text.rpartition("line by line:\n")[2].partition("Here you see")[0]
    parts = ["# " + part for part in story.split("\n# ")]
    assert len(parts) == 6, story
    return parts[1:]


async def started(shell: Terminal, times: int = 1) -> list[str]:
    """Start the quickstart in a terminal; returns what it says to paste."""
    shell.type(f"{QUICKSTART}\n")
    await shell.shows("Ctrl-C ends.", times)
    return printed(shell.text)


async def explained(shell: Terminal, **wanted: Any) -> None:
    """Wait until `sim explain` says so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            text = await shell.paste('simwarden sim explain "$IMSI" --json')
            found = json.loads(text[text.index("{") : text.rindex("}") + 1])
            if {name: found[name] for name in wanted} == wanted:
                return
            await asyncio.sleep(0.2)


async def test_what_it_prints_works_when_pasted_and_again_after_a_restart_in_the_middle_of_a_theft(
    tmp_path: Path, environment: dict[str, str], database: Database
) -> None:
    async with (
        terminal(tmp_path, "quickstart", environment) as quickstart,
        terminal(tmp_path, "customer", environment) as customer,
    ):
        token, bind, steal, explain, put_back = await started(quickstart)
        before = env.read(tmp_path / "quickstart.env")
        assert stat.S_IMODE((tmp_path / "quickstart.env").stat().st_mode) == 0o600
        await customer.paste(token)
        answers = await customer.paste(bind)
        assert '{"bound":true}' in answers
        assert '"status":"ACTIVE"' in answers
        await customer.paste(steal)
        await quickstart.shows("sink receives imei-change")
        await quickstart.shows("is commanded: lock 6.01")
        assert "DIFFERED" in await customer.paste(explain)

        await quickstart.interrupt()
        assert "The sample data stays" in quickstart.text
        await started(quickstart, 2)  # a fresh simulator: the card is in its first device again
        assert env.read(tmp_path / "quickstart.env") == before
        assert "are still good" in quickstart.text
        assert "registered already" in quickstart.text
        await explained(customer, bindingState="LOCKED")

        async with terminal(tmp_path, "second", environment) as second:
            second.type(f"{QUICKSTART}\n")
            await second.shows("A quickstart is running already")

        async with operator(environment) as manage:
            away = {"imsi": before["IMSI"], "gateway": "virtual2", "port": 6}
            async with manage.post("simulator/moves", json=away) as answer:
                assert answer.status == 200, await answer.text()
            await explained(customer, bindingState="DIFFERED")
            await customer.paste(put_back)
        await explained(customer, bindingState="LOCKED")
        await quickstart.interrupt()
        async with operator(environment) as manage, manage.get("simulator") as answer:
            assert answer.status == 404
        assert "its 8 SIMs" in await customer.paste(f"{QUICKSTART} --remove")
        assert "There is no sample data" in await customer.paste(f"{QUICKSTART} --remove")
    assert not (tmp_path / "quickstart.env").exists()
    assert await Accounts(database).list() == []
    assert await left_behind(database) == []


@asynccontextmanager
async def operator(environment: dict[str, str]) -> AsyncIterator[aiohttp.ClientSession]:
    """The management API, with the key that the server made for its own machine."""
    url = f"http://127.0.0.1:{environment['SIMWARDEN_PORT']}"
    key = read_key(Path(environment["SIMWARDEN_DATA_DIR"]) / "operator.key")
    async with aiohttp.ClientSession() as session:
        form = {"grant_type": "client_credentials", "client_id": key.app_key, "client_secret": key.app_secret}
        async with session.post(f"{url}/oauth2/token", data=form) as answer:
            token = (await answer.json())["access_token"]
    async with aiohttp.ClientSession(f"{url}/manage/v1/", headers={"Authorization": f"Bearer {token}"}) as session:
        yield session


async def left_behind(database: Database) -> list[str]:
    """Tables that still hold something of an account, a SIM or a gateway."""
    columns = (
        "select table_name from information_schema.columns where table_schema = 'public' and column_name = any ($1)"
    )
    of_somebody = ["account_id", "app_key", "gateway_id", "subscription_id", "imsi"]
    tables = {row["table_name"] for row in await database.fetch(columns, of_somebody)} | {"account", "gateway"}
    tables -= {"sim_deleted", "event"}  # the SIMs' history stays, as of every SIM that is deleted
    tables -= {"operator_act", "request_log"}  # and what operators did
    operator = " where {} <> 'operator'"
    found = []
    for table in sorted(tables):
        only = {"account": operator.format("id"), "application": operator.format("account_id")}.get(table, "")
        if await database.fetchval(f"select exists (select 1 from {table}{only})"):
            found.append(table)
    return found


async def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    port = str(free_port())
    environment = {"PATH": PATH, "SIMWARDEN_DATA_DIR": str(tmp_path / "data"), "SIMWARDEN_PORT": port}
    async with terminal(tmp_path, "quickstart", environment) as shell:
        shell.type(f"{QUICKSTART} --wait 0\necho ended with $?\n")
        await shell.shows("ended with 1")
        assert "Start it in another terminal with `simwarden serve`" in shell.text
        assert "Traceback" not in shell.text
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "quickstart.env").exists()


async def test_a_server_on_another_database_is_noticed(tmp_path: Path, environment: dict[str, str]) -> None:
    elsewhere = {**environment, "SIMWARDEN_DATA_DIR": str(tmp_path / "other")}
    del elsewhere["SIMWARDEN_DATABASE_URL"]
    async with terminal(tmp_path, "quickstart", elsewhere) as shell:
        shell.type(f"{QUICKSTART}\necho ended with $?\n")
        await shell.shows("ended with 1")
        assert "another database" in shell.text or "no database" in shell.text.lower()


async def test_it_removes_nothing_that_it_did_not_make(
    tmp_path: Path, environment: dict[str, str], database: Database
) -> None:
    async with terminal(tmp_path, "shell", environment) as shell:
        await shell.paste(
            f"simwarden account create {sample.ACCOUNT}\n"
            f"simwarden sim add --account {sample.ACCOUNT} --imsi 460000990123698"
        )
        shell.type(f"{QUICKSTART} --remove\necho ended with $?\n")
        await shell.shows("ended with 1")
        assert "460000990123698" in shell.text
    assert await database.fetchval("select count(*) from sim") == 1
