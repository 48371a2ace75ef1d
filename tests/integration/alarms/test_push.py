"""Alarms reach the operator: by a signed webhook and by mail, at least once, and few mails for many alarms."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email
import email.policy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from standardwebhooks import Webhook
from structlog.testing import capture_logs
from tests.integration.notify.sink import Sink
from tests.support.patience import PATIENCE
from tests.support.server import serving

from simwarden.domain.alarm import AlarmKind, Trouble, of_gateway
from simwarden.kit.clock import now_utc
from simwarden.notify.alarms.log import LogPush
from simwarden.notify.alarms.mail import SHOWN, MailPush, MailServer
from simwarden.notify.alarms.pusher import Pusher
from simwarden.notify.alarms.webhook import WebhookPush
from simwarden.notify.sender import Sender
from simwarden.store import alarms
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from email.message import EmailMessage
    from pathlib import Path

    from simwarden.notify.alarms.pusher import Push
    from simwarden.store.database import Database

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
SLOW = Trouble(kind=AlarmKind.DATABASE_SLOW, subject="database", facts={"milliseconds": 1500, "limit": 1000})


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = now_utc()

    def __call__(self) -> datetime:
        return self.now


class PostOffice:
    """A real SMTP server that keeps what it takes."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.mails: list[EmailMessage] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.refuse = ""
        self.came = asyncio.Event()

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        del server, session
        if self.refuse:
            return self.refuse
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append(mail)
        self.came.set()
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        del server, session, envelope, mechanism
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right")

    async def __aenter__(self) -> PostOffice:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, loop=loop, **self._options), "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def at(self, **changes: Any) -> MailServer:
        values: dict[str, Any] = {"sender": "warden@example.com", "to": ("noc@example.com",), "security": "none"}
        return MailServer(host="127.0.0.1", port=self.port, **(values | changes))


@pytest.fixture
async def post() -> AsyncIterator[PostOffice]:
    async with PostOffice() as office:
        yield office


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as listening:
        yield listening


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    made = Sender(allow_private=True)
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def pushing(
    database: Database, *channels: Push, clock: Callable[[], datetime] = now_utc
) -> AsyncIterator[Pusher]:
    """Someone who pushes when told to."""
    leases = Leases(database, "alarm-push", "w1", shares=1)
    await leases.refresh()
    yield Pusher(database, leases, channels, clock=clock)
    await leases.close()


async def raise_(database: Database, *troubles: Trouble) -> None:
    async with database.transaction() as connection:
        await alarms.raise_all(connection, troubles or [SLOW], now_utc())


async def clear(database: Database, trouble: Trouble = SLOW) -> None:
    async with database.transaction() as connection:
        await alarms.clear_all(connection, [trouble.key], now_utc(), "Commits are quick again")


async def test_a_webhook_is_told_of_the_alarm_and_of_its_end_signed(
    database: Database, sink: Sink, sender: Sender
) -> None:
    async with pushing(database, WebhookPush(sink.url, SECRET, lambda: sender, clock=now_utc)) as pusher:
        await raise_(database)
        await pusher.look()
        await pusher.look()
        await raise_(database)
        await pusher.look()
        await clear(database)
        await pusher.look()
    first, second = sink.received
    (alarm,) = Webhook(SECRET).verify(first.body, dict(first.headers))["alarms"]
    assert (alarm["kind"], alarm["state"]) == ("DATABASE_SLOW", "OPEN")
    assert alarm["todo"]
    (over,) = Webhook(SECRET).verify(second.body, dict(second.headers))["alarms"]
    assert (over["id"], over["state"], over["count"]) == (alarm["id"], "CLEARED", 2)
    assert over["clearedBecause"] == "Commits are quick again"


async def test_a_webhook_that_is_down_gets_it_later_under_the_same_id(
    database: Database, sink: Sink, sender: Sender
) -> None:
    clock = Clock()
    sink.answer = 503
    async with pushing(database, WebhookPush(sink.url, SECRET, lambda: sender, clock=now_utc), clock=clock) as pusher:
        await raise_(database)
        await pusher.look()
        await pusher.look()
        assert len(sink.received) == 1, "not at once again"
    async with pushing(
        database, WebhookPush(sink.url, SECRET, lambda: sender, clock=now_utc), clock=clock
    ) as restarted:
        await restarted.look()
        assert len(sink.received) == 1, "not after a restart either"
        clock.now += timedelta(seconds=60)
        await restarted.look()
        sink.answer = 204
        clock.now += timedelta(seconds=60)
        await restarted.look()
        await restarted.look()
    assert len({request.headers["webhook-id"] for request in sink.received}) == 1
    assert len(sink.received) == 3
    assert (await alarms.channel_state(database, "webhook", clock())).failures == 0


async def test_a_mail_says_what_is_wrong_and_what_to_do(database: Database, post: PostOffice) -> None:
    async with pushing(
        database, MailPush(post.at(to=("noc@example.com", "boss@example.com")), clock=now_utc)
    ) as pusher:
        await raise_(database, SLOW)
        await pusher.look()
    (mail,) = post.mails
    assert mail["Subject"] == "[Simwarden] 1 MINOR: The database takes 1500 ms for one small commit."
    assert mail["To"] == "noc@example.com, boss@example.com"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "pg_stat_activity" in mail.get_content()


async def test_what_a_gateway_says_cannot_break_a_mail(database: Database, post: PostOffice) -> None:
    evil = of_gateway(AlarmKind.REPORTS_UNPARSED, 1, gateway="gw\r\nBcc: all@example.com", reason="\r\n.\r\nQUIT\u2028")
    async with pushing(database, MailPush(post.at(), clock=now_utc)) as pusher:
        await raise_(database, evil)
        await pusher.look()
    (mail,) = post.mails
    assert mail["Bcc"] is None
    assert "QUIT" in mail.get_content()


async def test_ten_thousand_alarms_are_a_few_mails(database: Database, post: PostOffice) -> None:
    clock = Clock()
    many = [of_gateway(AlarmKind.GATEWAY_SILENT, n, gateway=f"gw{n}") for n in range(10_000)]
    stolen = Trouble(kind=AlarmKind.ENFORCEMENT_FAILED, subject="s", facts={"imsi": "460000990123698"})
    async with pushing(database, MailPush(post.at(), clock=clock), clock=clock) as pusher:
        await raise_(database, *many, stolen)
        for _ in range(10):
            await pusher.look()
            clock.now += timedelta(seconds=10)
        async with database.transaction() as connection:
            await alarms.clear_all(connection, [one.key for one in many], now_utc(), "The gateway reports again")
        for _ in range(13):
            await pusher.look()
            clock.now += timedelta(seconds=10)
    assert len(post.mails) <= 5
    text = "".join(mail.get_content() for mail in post.mails)
    assert "460000990123698" in text
    assert post.mails[0].get_content().count("What to do") == 0
    assert f"And {10_000 - SHOWN} more" in post.mails[0].get_content()
    assert await alarms.unsent(database, "mail", 1) == []


async def test_a_mail_server_that_refuses_gets_it_again(database: Database, post: PostOffice) -> None:
    clock = Clock()
    post.refuse = "451 not now"
    async with pushing(database, MailPush(post.at(), clock=clock), clock=clock) as pusher:
        await raise_(database)
        await pusher.look()
        post.refuse = ""
        clock.now += timedelta(seconds=60)
        await pusher.look()
    assert len(post.mails) == 1


async def test_mail_with_a_login(database: Database) -> None:
    async with PostOffice(auth_require_tls=False) as office:
        office._options["authenticator"] = office.authenticate
        async with pushing(database, MailPush(office.at(user="w", password="right"), clock=now_utc)) as pusher:
            await raise_(database)
            await pusher.look()
    assert len(office.mails) == 1
    assert office.logins == [(b"w", b"right")]
    assert "right" not in repr(office.at(password="right"))


async def test_starttls_is_not_given_up_when_the_server_has_none(database: Database, post: PostOffice) -> None:
    async with pushing(database, MailPush(post.at(security="starttls"), clock=now_utc)) as pusher:
        await raise_(database)
        await pusher.look()
    assert post.mails == [], "not in clear"
    assert (await alarms.channel_state(database, "mail", now_utc())).failures == 1


async def test_the_log_names_gateway_and_sim_once(database: Database) -> None:
    async with pushing(database, LogPush()) as pusher:
        with capture_logs() as lines:
            await raise_(database)
            await pusher.look()
            await raise_(database)
            await pusher.look()
            await clear(database)
            await pusher.look()
    assert [(line["event"], line["kind"]) for line in lines if "kind" in line] == [
        ("alarm raised", "DATABASE_SLOW"),
        ("alarm cleared", "DATABASE_SLOW"),
    ]


async def test_what_happened_before_a_channel_was_set_up_is_not_pushed(
    database: Database, sink: Sink, sender: Sender
) -> None:
    async with pushing(database, LogPush()) as pusher:
        await raise_(database)
        await pusher.look()
    async with pushing(database, WebhookPush(sink.url, None, lambda: sender, clock=now_utc)) as later:
        await later.look()
        assert sink.received == []
        await clear(database)
        await later.look()
    (request,) = sink.received
    assert [alarm["state"] for alarm in msgspec.json.decode(request.body)["alarms"]] == ["CLEARED"]


async def test_a_server_tells_webhook_and_mail(
    database: Database, tmp_path: Path, sink: Sink, post: PostOffice
) -> None:
    async with serving(
        tmp_path,
        database.url,
        alarm_webhook_url=sink.url,
        alarm_webhook_secret=SECRET,
        alarm_mail_host="127.0.0.1",
        alarm_mail_port=str(post.port),
        alarm_mail_security="none",
        alarm_mail_from="warden@example.com",
        alarm_mail_to="noc@example.com, boss@example.com",
        alarm_check_seconds="0.2",
    ):
        await raise_(database)
        await sink.until_received(1)
        async with asyncio.timeout(PATIENCE):
            await post.came.wait()
    assert post.mails[0]["To"] == "noc@example.com, boss@example.com"
