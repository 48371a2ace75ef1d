"""The page of metrics of a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import aiohttp
import pytest
from structlog.testing import capture_logs
from tests.support.patience import PATIENCE
from tests.support.server import serving
from tests.support.world import World, device

from simwarden import __version__
from simwarden.access import AccessLog
from simwarden.accounts import applications
from simwarden.accounts.scopes import SETS
from simwarden.domain.alarm import AlarmKind, Trouble
from simwarden.kit.clock import now_utc
from simwarden.northbound.kernel.ports import Answered
from simwarden.store import alarms
from simwarden.store.accounts import Accounts
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

    from simwarden.store.database import Database

QUERY = "/iot-sim-fraud-prevention/v0.1/query"
CALLS = 20


async def _customer(database: Database, session: aiohttp.ClientSession, url: str) -> dict[str, str]:
    """The headers of a customer's calls."""
    accounts = Accounts(database)
    await applications.open_account(accounts, "meters")
    issued = await applications.issue(accounts, "meters", "billing", SETS["all"])
    form = {
        "grant_type": "client_credentials",
        "client_id": issued.application.app_key,
        "client_secret": issued.app_secret,
    }
    async with session.post(f"{url}/oauth2/token", data=form) as answer:
        return {"authorization": f"Bearer {(await answer.json())['access_token']}"}


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_calls_are_counted_whichever_worker_answers(database: Database, tmp_path: Path, workers: str) -> None:
    async with (
        serving(tmp_path, database.url, workers=workers) as url,
        # A connection each, so that both workers get some.
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        headers = await _customer(database, session, url)
        body = {"device": {"phoneNumber": "+8613800000001"}, "queryType": "IMEIBIND"}
        for _ in range(CALLS):
            async with session.post(url + QUERY, json=body, headers=headers) as answer:
                assert answer.status == 404
        counted = 0.0
        async with asyncio.timeout(PATIENCE):
            while counted < CALLS:  # what another worker answered is there a moment later
                page = await page_of(session, url)
                found = re.findall(r'simwarden_api_requests_total{.*status="404".*} ([0-9.]+)', page)
                counted = sum(map(float, found))
    assert counted == CALLS


async def page_of(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(f"{url}/metrics") as answer:
        return await answer.text()


async def furnish(database: Database) -> None:
    """Gateways, SIMs, a slot that cannot be locked, and an open alarm."""
    world = World(database, Vault(bytes(range(32))))
    await world.db.execute("insert into account (id, name) values ('acme', 'Acme')")
    await world.card(1, 2, 3)
    await world.bind(1, imei=device(7))
    for name, age in (("new", None), ("here", 1), ("gone", 10_000), ("elsewhere", 10_000)):
        await world.gateways.add(name, kind="ejoin", command_url=None, username=None, password=None)
        if age:
            await database.execute(
                "update gateway set reported_at = now() - make_interval(secs => $2) where name = $1", name, float(age)
            )
    gateway = await world.gateways.id_of("here")
    await database.execute(
        "insert into attachment (bucket, imsi, element_id, target, current, desired, status, since,"
        " next_attempt_at)"
        " values (0, '1', $1, '1.00', true, 7, 'FAILED', now() - interval '1 hour', now() + interval '1 hour')",
        gateway,
    )
    trouble = Trouble(kind=AlarmKind.ENFORCEMENT_FAILED, subject="x")
    async with database.transaction() as connection:
        await alarms.raise_all(connection, [trouble], now_utc())


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_the_installation_is_counted_and_shown_by_whichever_worker_answers(
    database: Database, tmp_path: Path, workers: str
) -> None:
    await furnish(database)
    async with (
        serving(tmp_path, database.url, workers=workers) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        expected = (
            'simwarden_gateways{state="ONLINE"} 1.0',
            'simwarden_gateways{state="OFFLINE"} 2.0',
            'simwarden_gateways{state="NEVER_REPORTED"} 1.0',
            'simwarden_sims{binding="LOCKED",lifecycle="ACTIVE"} 1.0',
            'simwarden_sims{binding="NEUTRAL",lifecycle="ACTIVE"} 2.0',
            'simwarden_enforcements_open{status="FAILED"} 1.0',
            'simwarden_enforcements_open{status="PENDING"} 0.0',
            'simwarden_alarms_open{kind="ENFORCEMENT_FAILED",severity="CRITICAL"} 1.0',
            'simwarden_alarms_open{kind="WORK_BACKLOG",severity="MAJOR"} 0.0',
            f'simwarden_build_info{{version="{__version__}"}} 1.0',
        )
        good = 0
        async with asyncio.timeout(PATIENCE):
            while good < 10:  # what a worker has read it keeps for a few seconds
                page = await page_of(session, url)
                good = 0 if set(expected) - set(page.splitlines()) else good + 1
                await asyncio.sleep(0.1)
    (age,) = re.findall(r'^simwarden_enforcements_oldest_seconds{status="FAILED"} (\S+)$', page, re.MULTILINE)
    assert float(age) >= 3600
    assert len(re.findall(r"^simwarden_gateways{", page, re.MULTILINE)) == 3, "one series a state, not one a worker"


def test_connections_of_a_worker_that_was_killed_are_not_counted(tmp_path: Path) -> None:
    code = (
        "from simwarden.telemetry import Metrics; from simwarden.store.database import PoolUsage; import os, sys\n"
        "metrics = Metrics(); metrics.sample('calls', PoolUsage(3, 2, 1))\n"
        "metrics.alarm_pushes.labels('log', 'sent').inc(5)\n"
        "sys.stdout.write(metrics.page().decode()) if sys.argv[1] == 'show' else os._exit(9)\n"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for action in ("die", "die", "show"):
        done = subprocess.run(
            [sys.executable, "-c", code, action], env=environment, capture_output=True, text=True, check=False
        )
    assert 'simwarden_database_connections{pool="calls",state="in_use"} 3.0' in done.stdout, done.stderr
    assert 'simwarden_alarm_pushes_total{channel="log",result="sent"} 15.0' in done.stdout, "what it did is kept"


async def test_calls_are_timed_by_api_and_operation(database: Database, tmp_path: Path) -> None:
    async with serving(tmp_path, database.url) as url, aiohttp.ClientSession() as session:
        headers = await _customer(database, session, url)
        body = {"device": {"phoneNumber": "+8613800000001"}, "queryType": "IMEIBIND"}
        async with session.post(url + QUERY, json=body, headers=headers) as answer:
            assert answer.status == 404
        async with session.post(url + QUERY, json=body) as answer:
            assert answer.status == 401
        page = await page_of(session, url)
    assert 'simwarden_api_seconds_count{api="iot-sim-fraud-prevention",operation="query"} 1.0' in page
    assert 'simwarden_api_requests_total{api="iot-sim-fraud-prevention",operation="",status="401"} 1.0' in page


def written(folder: Path) -> str:
    """What servers wrote to their logs."""
    return "".join(file.read_text() for file in folder.glob("serve-*.log"))


async def test_each_call_is_one_line_in_the_log_without_secrets(database: Database, tmp_path: Path) -> None:
    async with serving(tmp_path, database.url) as url, aiohttp.ClientSession() as session:
        headers = await _customer(database, session, url) | {"x-correlator": "my-call-1"}
        body = {"device": {"phoneNumber": "+8613800000001"}, "queryType": "IMEIBIND"}
        for _ in range(2):
            async with session.post(url + QUERY, json=body, headers=headers) as answer:
                assert answer.status == 404
        async with session.post(url + QUERY, json=body, headers={"authorization": "Bearer wrong-token"}) as answer:
            assert answer.status == 401
    text = written(tmp_path)
    lines = [json.loads(line) for line in text.splitlines() if '"event": "call"' in line or '"event":"call"' in line]
    assert [(line["status"], line["operation"], line["code"]) for line in lines] == [
        (404, "query", "IDENTIFIER_NOT_FOUND"),
        (404, "query", "IDENTIFIER_NOT_FOUND"),
        (401, None, "UNAUTHENTICATED"),
    ]
    assert lines[0]["correlator"] == "my-call-1"
    assert lines[0]["api"] == "iot-sim-fraud-prevention"
    assert lines[0]["app_key"]
    assert lines[0]["ms"] >= 0
    for secret in ("wrong-token", headers["authorization"].partition(" ")[2], "13800000001"):
        assert secret not in text


async def test_the_log_of_calls_can_be_that_of_errors_or_off() -> None:
    answered = [
        Answered("api", "query", status, None, "acme", "app-1", "c", 0.001) for status in (200, 204, 400, 404, 503)
    ]
    for what, expected in (("all", [200, 204, 400, 404, 503]), ("errors", [400, 404, 503]), ("off", [])):
        with capture_logs() as lines:
            log = AccessLog(what)  # type: ignore[arg-type]
            for call in answered:
                log(call)
        assert [line["status"] for line in lines] == expected
