"""One line in the log for each call of an API: who, what, what came of it, how long it took."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TextIO

import msgspec
import structlog

if TYPE_CHECKING:
    from simwarden.northbound.kernel.ports import Answered

_log = structlog.get_logger("simwarden.access")
_encoder = msgspec.json.Encoder()
KEPT_SECONDS = 0.02
"""For so long lines are kept, to be written together: a write for each takes longer than to make the line, and lets go
of the interpreter in the middle of a call."""
KEPT = 500
"""Lines that are kept at most."""


class _Line(msgspec.Struct, frozen=True):
    """A line as JSON, with the names and in the order that structlog gives them."""

    api: str
    operation: str | None
    status: int
    code: str | None
    account: str | None
    app_key: str | None
    correlator: str
    ms: float
    event: str
    level: str
    timestamp: datetime


class AccessLog:
    """`what`: all calls, those with an error (400 and more), or none. No line holds a body, a token or a query."""

    def __init__(self, what: Literal["all", "errors", "off"], stream: TextIO | None = None) -> None:
        """`stream`: where lines of JSON go (`logs.json_stream`); None: to structlog, which takes many times as long."""
        self._least = {"all": 0, "errors": 400, "off": 1000}[what]
        self._stream = stream
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, call: Answered) -> None:
        """Write the line, soon."""
        if call.status < self._least:
            return
        who = call.account_id, call.app_key, call.correlator
        said = (call.api, call.operation, call.status, call.code, *who, round(call.seconds * 1000, 1))
        if self._stream is None:
            _log.info("call", **dict(zip(_Line.__struct_fields__, said, strict=False)))
            return
        self._lines.append(_encoder.encode(_Line(*said, "call", "info", datetime.now(UTC))))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEPT_SECONDS, self.flush)
        elif len(self._lines) >= KEPT:
            self.flush()

    def flush(self) -> None:
        """Write the lines that are kept."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines and self._stream is not None:
            lines, self._lines = self._lines, []
            self._stream.write(b"\n".join(lines).decode() + "\n")
