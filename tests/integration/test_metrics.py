"""The page of metrics of a real server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.support.server import serving

from simwarden.accounts import applications
from simwarden.accounts.scopes import SETS
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from pathlib import Path

    from simwarden.store.database import Database

QUERY = "/iot-sim-fraud-prevention/v0.1/query"
CALLS = 20


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_calls_are_counted_whichever_worker_answers(database: Database, tmp_path: Path, workers: str) -> None:
    accounts = Accounts(database)
    await applications.open_account(accounts, "meters")
    issued = await applications.issue(accounts, "meters", "billing", SETS["all"])
    form = {
        "grant_type": "client_credentials",
        "client_id": issued.application.app_key,
        "client_secret": issued.app_secret,
    }
    async with (
        serving(tmp_path, database.url, workers=workers) as url,
        # A connection each, so that both workers get some.
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        async with session.post(f"{url}/oauth2/token", data=form) as answer:
            headers = {"authorization": f"Bearer {(await answer.json())['access_token']}"}
        body = {"device": {"phoneNumber": "+8613800000001"}, "queryType": "IMEIBIND"}
        for _ in range(CALLS):
            async with session.post(url + QUERY, json=body, headers=headers) as answer:
                assert answer.status == 404
        async with session.get(f"{url}/metrics") as answer:
            page = await answer.text()
    found = re.findall(r'simwarden_api_requests_total{.*status="404".*} ([0-9.]+)', page)
    assert sum(map(float, found)) == CALLS
