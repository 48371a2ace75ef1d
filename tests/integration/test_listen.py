"""`simwarden listen` as a developer runs it, against a server in a process of its own."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest_asyncio
from standardwebhooks import Webhook
from tests.integration.notify.sink import Sink
from tests.support.server import Program, program, serving

from simwarden.accounts import applications
from simwarden.accounts.applications import Issued
from simwarden.demo.processes import free_port
from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.domain.identifiers import full_imei
from simwarden.domain.sim import Sim
from simwarden.engine import provision
from simwarden.engine.publishing import publish
from simwarden.kit.clock import now_utc
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from simwarden.store.database import Database

PHONE = "+8613800000001"
IMEI_CHANGE = "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"


class Customer:
    """A customer with one SIM at a running server."""

    def __init__(self, url: str, database: Database, issued: Issued, sim: Sim, directory: Path) -> None:
        self.url = url
        self.issued = issued
        self.directory = directory
        self._database = database
        self._sim = sim
        self._events = 1

    def listener(self, *options: str) -> Any:
        """`simwarden listen --json …`, with the credentials in its environment."""
        keys = {
            "SIMWARDEN_APP_KEY": self.issued.application.app_key,
            "SIMWARDEN_APP_SECRET": self.issued.app_secret,
        }
        return program(self.directory, keys, "listen", "--url", self.url, "--json", *options)

    async def subscribe(self, sink: str) -> tuple[int, dict[str, Any], str]:
        """Subscribe to the SIM's changes of device: status, body, signing secret."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.issued.application.app_key,
            "client_secret": self.issued.app_secret,
        }
        body = {
            "protocol": "HTTP",
            "sink": sink,
            "types": [IMEI_CHANGE],
            "config": {"subscriptionDetail": {"device": {"phoneNumber": PHONE}}},
        }
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{self.url}/oauth2/token", data=form) as answer:
                token = (await answer.json())["access_token"]
            path = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
            headers = {"authorization": f"Bearer {token}"}
            async with session.post(self.url + path, json=body, headers=headers) as answer:
                return answer.status, await answer.json(), answer.headers.get("x-simwarden-webhook-secret", "")

    async def change(self, number: int) -> None:
        """The SIM is in another device, as a gateway would have told."""
        self._events += 1
        now = now_utc()
        cause = Cause(CauseKind.REPORT, "gw-1", now)
        event = Event(self._events, EventType.DEVICE_CHANGED, now, cause, {"imei": full_imei(f"35209900{number:06}")})
        async with self._database.transaction() as connection:
            await publish(connection, [(self._sim, [event])])


async def said(listener: Program) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await listener.line())
    return found


@pytest_asyncio.fixture
async def customer(tmp_path: Path, database_url: str, database: Database) -> AsyncIterator[Customer]:
    accounts = Accounts(database)
    account = await applications.open_account(accounts, "ACME")
    issued = await applications.issue(accounts, "ACME", "meters")
    sim = provision.new_sim(account.id, imsi="460000990123698", msisdn=PHONE)
    await provision.add(database, sim, Cause(CauseKind.OPERATOR, "test", now_utc()))
    async with serving(tmp_path, database_url) as url:
        yield Customer(url, database, issued, sim, tmp_path)


async def test_events_reach_the_local_program_as_the_server_would_have_posted_them(customer: Customer) -> None:
    async with Sink() as local:
        async with customer.listener("--forward-to", local.url) as listener:
            inbox = (await said(listener))["inbox"]
            status, subscription, secret = await customer.subscribe(inbox["sink"])
            assert (status, secret) == (201, inbox["secret"])
            await customer.change(1)
            await local.until(lambda: local.devices == [1])
            lines = [await said(listener), await said(listener)]
            assert await listener.stop(signal.SIGINT) == 0
            assert "Traceback" not in listener.errors
        for one in local.received:
            Webhook(secret).verify(one.body, dict(one.headers))
            assert one.headers["content-type"] == "application/cloudevents+json"
            assert one.headers["user-agent"].startswith("Simwarden/")
            assert one.id == one.headers["webhook-id"]
        assert [line["local"]["status"] for line in lines] == [204, 204]
        assert [line["event"] for line in lines] == [one.event for one in local.received]
        assert lines[1]["event"]["data"]["subscriptionId"] == subscription["id"]

        await customer.change(2)  # nobody listens
        await customer.change(3)
        async with customer.listener("--forward-to", local.url) as listener:
            assert (await said(listener))["inbox"] == inbox
            await local.until(lambda: local.devices == [1, 2, 3])


async def test_a_local_program_that_is_down_gets_its_event_when_it_is_up(customer: Customer) -> None:
    local = Sink()
    local.port = free_port()
    async with customer.listener("--forward-to", local.url) as listener:
        inbox = (await said(listener))["inbox"]
        await customer.subscribe(inbox["sink"])
        first = await said(listener)
        assert first["local"]["status"] is None
        assert "refused" in first["local"]["error"]
        assert first["outcome"]["verdict"] == "RETRY"
        async with local:
            await local.until_received(1)
            assert local.received[0].kind == "subscription-started"


async def test_print_only(customer: Customer) -> None:
    async with customer.listener("--print-only") as listener:
        inbox = (await said(listener))["inbox"]
        await customer.subscribe(inbox["sink"])
        await customer.change(4)
        kinds = [(await said(listener))["event"]["type"].rpartition(".")[2] for _ in range(2)]
        assert kinds == ["subscription-started", "imei-change"]


async def test_wrong_credentials_are_told(customer: Customer) -> None:
    customer.issued = Issued(customer.issued.application, "sws_wrong")
    async with customer.listener("--print-only") as listener:
        assert await listener.process.wait() == 1
        assert "Unknown APPKEY, wrong APPSECRET" in listener.errors
