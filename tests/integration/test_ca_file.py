"""Who has a certificate of the operator's own authority is trusted by the setting `ca_file`, and not without it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from tests.support.certificates import self_signed
from tests.support.patience import PATIENCE
from tests.support.server import serving

from simwarden.accounts import applications
from simwarden.domain.alarm import AlarmKind, Trouble
from simwarden.domain.doubt import Doubt, DoubtKind
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.engine import provision
from simwarden.engine.subscriptions import NewSubscription, Subscriptions
from simwarden.kit.clock import now_utc
from simwarden.store import alarms, doubts
from simwarden.store.accounts import Accounts
from simwarden.store.gateways import Gateways

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

FAMILY = "org.camaraproject.iot-sim-fraud-prevention.v0"


class Peer:
    """An HTTPS server of the operator's network; keeps the path of each request."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        self._came = asyncio.Condition()
        self.paths: set[str] = set()
        self.url = ""

    async def until(self, path: str) -> None:
        """Wait for a request whose path begins so."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: any(one.startswith(path) for one in self.paths))

    async def __aenter__(self) -> Peer:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context).start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        async with self._came:
            self.paths.add(request.path)
            self._came.notify_all()
        return web.json_response({"code": 200})


async def alarm(database: Database, _vault: Vault, _url: str) -> str:
    """Something is wrong; returns the path that is posted to."""
    async with database.transaction() as connection:
        trouble = Trouble(kind=AlarmKind.DATABASE_SLOW, subject="database", facts={"milliseconds": 1500})
        await alarms.raise_all(connection, [trouble], now_utc())
    return "/alarms"


async def subscription(database: Database, vault: Vault, url: str) -> str:
    """A customer subscribes, of which the sink is told."""
    accounts = Accounts(database)
    account = await applications.open_account(accounts, "meters")
    issued = await applications.issue(accounts, "meters", "app")
    sim = provision.new_sim(account.id, imsi="460000990000001")
    await provision.add(database, sim, Cause(CauseKind.OPERATOR, "tester", now_utc()))
    new = NewSubscription(
        sim=sim,
        account_id=account.id,
        app_key=issued.application.app_key,
        api="iot-sim-fraud-prevention-subscriptions",
        topic=EventType.DEVICE_CHANGED,
        type=f"{FAMILY}.imei-change",
        protocol="HTTP",
        sink=f"{url}/sink",
        protocol_settings=None,
        device=None,
        config={},
        credential=None,
        expires_at=None,
        max_events=None,
        initial_event=False,
    )
    await Subscriptions(database, vault, allow_private_sinks=True).create(new)
    return "/sink"


async def question(database: Database, vault: Vault, url: str) -> str:
    """A gateway is to be asked for its status."""
    id_, _ = await Gateways(database, vault).add("gw1", kind="ejoin", command_url=url, username="root", password="root")
    async with database.transaction() as connection:
        doubt = Doubt(gateway_id=id_, kind=DoubtKind.JUMP, at=now_utc(), message="dev-status seq 9")
        await doubts.add(connection, [(doubt, 1)])
        await doubts.ask(connection, [id_], now_utc())
    return "/goip"


@pytest.mark.parametrize("cause", [alarm, subscription, question])
async def test_gateways_sinks_and_the_webhook_of_alarms_may_have_certificates_of_an_own_authority(
    database: Database, vault: Vault, tmp_path: Path, cause: Callable[[Database, Vault, str], Awaitable[str]]
) -> None:
    certificate, key = self_signed(tmp_path)
    async with (
        Peer(certificate, key) as peer,
        serving(
            tmp_path,
            database.url,
            ca_file=str(certificate),
            secret_key=bytes(range(32)).hex(),
            allow_private_sinks="true",
            alarm_webhook_url=f"{peer.url}/alarms",
            alarm_check_seconds="0.2",
        ),
    ):
        await peer.until(await cause(database, vault, peer.url))


async def test_without_it_they_are_not_trusted(database: Database, vault: Vault, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    async with (
        Peer(certificate, key) as peer,
        serving(
            tmp_path,
            database.url,
            secret_key=bytes(range(32)).hex(),
            alarm_webhook_url=f"{peer.url}/alarms",
            alarm_check_seconds="0.2",
        ),
    ):
        await alarm(database, vault, peer.url)
        async with asyncio.timeout(PATIENCE):
            while not (state := await alarms.channel_state(database, "webhook", now_utc())).failures:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert "certificate" in str(state.last_error).lower()
        assert peer.paths == set()


@contextlib.asynccontextmanager
async def mail_server(certificate: Path, key: Path) -> AsyncIterator[tuple[int, asyncio.Queue[bytes]]]:
    """An SMTP server that speaks TLS from the start: its port, and the mails that it takes."""
    from aiosmtpd.smtp import SMTP

    mails: asyncio.Queue[bytes] = asyncio.Queue()

    class Keeper:
        async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:  # noqa: N802
            mails.put_nowait(envelope.content)  # type: ignore[attr-defined]
            return "250 OK"

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Keeper(), loop=loop), "127.0.0.1", 0, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1]), mails
    finally:
        server.close()
        await server.wait_closed()


async def test_the_mail_server_too(database: Database, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    async with (
        mail_server(certificate, key) as (port, mails),
        serving(
            tmp_path,
            database.url,
            ca_file=str(certificate),
            alarm_mail_host="127.0.0.1",
            alarm_mail_port=str(port),
            alarm_mail_security="tls",
            alarm_mail_from="warden@example.com",
            alarm_mail_to="noc@example.com",
            alarm_check_seconds="0.2",
        ),
    ):
        async with database.transaction() as connection:
            trouble = Trouble(kind=AlarmKind.DATABASE_SLOW, subject="database", facts={"milliseconds": 1500})
            await alarms.raise_all(connection, [trouble], now_utc())
        mail = await asyncio.wait_for(mails.get(), PATIENCE)
    assert b"1500 ms" in mail
