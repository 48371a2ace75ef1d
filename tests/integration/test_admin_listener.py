"""A listener of its own for administrators, and who may read /metrics elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from tests.support.server import program, serving

from simwarden.accounts import applications
from simwarden.accounts.scopes import SETS
from simwarden.demo.processes import free_port
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from pathlib import Path

    from simwarden.accounts.applications import Issued
    from simwarden.store.database import Database

ADMINISTRATION = ("/metrics", "/manage/v1/gateways", "/docs", "/", "/openapi/manage.yaml")


async def token(session: aiohttp.ClientSession, url: str, issued: Issued) -> dict[str, str]:
    form = {
        "grant_type": "client_credentials",
        "client_id": issued.application.app_key,
        "client_secret": issued.app_secret,
    }
    async with session.post(f"{url}/oauth2/token", data=form) as answer:
        return {"authorization": f"Bearer {(await answer.json())['access_token']}"}


async def test_administration_is_served_on_its_own_port_only(database: Database, tmp_path: Path) -> None:
    operator = await applications.issue_operator(Accounts(database), "ops")
    port = free_port()
    async with (
        serving(tmp_path, database.url, admin_port=str(port), workers="2") as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        admin = f"http://127.0.0.1:{port}"
        headers = await token(session, admin, operator)
        for path in ADMINISTRATION:
            async with session.get(url + path, headers=headers, allow_redirects=False) as answer:
                assert (path, answer.status, (await answer.json())["code"]) == (path, 404, "NOT_FOUND")
            async with session.get(admin + path, headers=headers) as answer:
                assert (path, answer.status) == (path, 200)
        async with session.get(f"{url}/openapi/") as answer:
            assert "manage" not in [each["name"] for each in (await answer.json())["documents"]]
        for path in ("/healthz", "/readyz", "/openapi/iot-sim-fraud-prevention.yaml"):
            for where in (url, admin):
                async with session.get(where + path) as answer:
                    assert answer.status == 200
        # bodies, chunked ones too, and errors come through
        async with session.post(f"{admin}/manage/v1/gateways", json={"name": "gw9"}, headers=headers) as answer:
            assert answer.status == 201, await answer.text()

        async def pieces() -> object:
            yield b'{"name":'
            yield b' "gw9"}'

        kind = {"content-type": "application/json", **headers}
        async with session.post(f"{admin}/manage/v1/gateways", data=pieces(), headers=kind) as answer:
            assert answer.status == 409
        # the operator's commands find it
        environment = {"SIMWARDEN_PORT": url.rpartition(":")[2], "SIMWARDEN_ADMIN_PORT": str(port)}
        environment |= {"SIMWARDEN_DATA_DIR": str(tmp_path / "data"), "SIMWARDEN_DATABASE_URL": database.url}
        async with program(tmp_path, environment, "operation", "list", "--json") as command:
            assert await command.process.wait() == 0, command.errors


async def test_away_from_loopback_metrics_ask_for_an_operators_token(database: Database, tmp_path: Path) -> None:
    accounts = Accounts(database)
    operator = await applications.issue_operator(accounts, "ops")
    await applications.open_account(accounts, "meters")
    customer = await applications.issue(accounts, "meters", "app", SETS["all"])
    async with serving(tmp_path, database.url, host="0.0.0.0") as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/metrics") as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "UNAUTHENTICATED")
        for issued, status in ((customer, 401), (operator, 200)):
            async with session.get(f"{url}/metrics", headers=await token(session, url, issued)) as answer:
                assert answer.status == status
