"""Alarms by mail: at most one mail a minute, which holds all that changed, the worst first."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING, Literal

import msgspec
import structlog

from simwarden.domain.alarm import Severity
from simwarden.domain.alarm_words import payload
from simwarden.notify.alarms.pusher import PushFailed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from simwarden.domain.alarm import Alarm
    from simwarden.domain.alarm_words import AlarmPayload
    from simwarden.store.alarms import ChannelName

SHOWN = 50
"""Alarms of a mail that are there in words; the rest are counted."""
_TIMEOUT = 30.0
_log = structlog.get_logger(__name__)
_ORDER = list(Severity)


class MailServer(msgspec.Struct, frozen=True):
    """Who takes the mail, and to whom it goes."""

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    user: str | None = None
    password: str | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"

    def __repr__(self) -> str:
        return f"MailServer({self.host!r}, {self.port})"  # never the password


class MailPush:
    """Sends by SMTP."""

    name: ChannelName = "mail"
    most = 10_000

    def __init__(
        self,
        server: MailServer,
        *,
        clock: Callable[[], datetime],
        pause: timedelta = timedelta(seconds=60),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls`: which certificates of the server are trusted; None: those of the system's authorities."""
        self._server = server
        self._tls = tls
        self._clock = clock
        self.pause = pause

    async def push(self, changed: Sequence[Alarm]) -> None:
        """Raises PushFailed unless the server took it for one at least of those who are to get it."""
        import aiosmtplib  # only where mail is set up

        server = self._server
        try:
            refused, _ = await aiosmtplib.send(
                self.message(changed),
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                start_tls=server.security == "starttls",
                use_tls=server.security == "tls",
                tls_context=self._tls,
                timeout=_TIMEOUT,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise PushFailed(f"{server.host}:{server.port}: {type(error).__name__} {error}") from error
        if refused:  # the others have it; sending it to them again would not help
            _log.warning("mail about alarms refused for some", server=server.host, refused=sorted(refused))

    def message(self, changed: Sequence[Alarm]) -> EmailMessage:
        """The mail about these."""
        rows = sorted(
            map(payload, changed), key=lambda one: (one.state != "OPEN", _ORDER.index(Severity(one.severity)))
        )
        message = EmailMessage()
        message["From"] = self._server.sender
        message["To"] = ", ".join(self._server.to)
        message["Subject"] = _subject(rows)
        message["Date"] = format_datetime(self._clock())
        message["Message-ID"] = make_msgid(domain="simwarden.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_body(rows))
        return message


def _subject(rows: Sequence[AlarmPayload]) -> str:
    raised = Counter(row.severity for row in rows if row.state == "OPEN")
    parts = [f"{raised[severity]} {severity}" for severity in _ORDER if raised[severity]]
    cleared = sum(row.state == "CLEARED" for row in rows)
    parts += [f"{cleared} cleared"] if cleared else []
    text = f"[Simwarden] {', '.join(parts)}: {rows[0].what}"
    return " ".join(text.split())[:200]  # what a gateway said may hold line ends, which no header may


def _body(rows: Sequence[AlarmPayload]) -> str:
    parts = [_part(row) for row in rows[:SHOWN]]
    rest = Counter((row.state, row.severity, row.kind) for row in rows[SHOWN:])
    if rest:
        lines = [f"  {count:>6}  {severity} {kind}, {state.lower()}" for (state, severity, kind), count in rest.items()]
        parts.append(f"And {rest.total()} more:\n" + "\n".join(lines) + "\n`simwarden alarm list` shows them.")
    return "\n\n".join(parts) + "\n"


def _part(row: AlarmPayload) -> str:
    head = f"{row.severity} {row.kind} (alarm {row.id})"
    if row.state == "CLEARED":
        assert row.cleared_at is not None
        return f"CLEARED {head}\n{row.what}\nOver since {_at(row.cleared_at)}: {row.cleared_because}."
    times = f", {row.count} times" if row.count > 1 else ""
    return f"{head}\n{row.what}\nSince {_at(row.first_at)}{times}. {row.why}\n{row.todo}"


def _at(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z")
