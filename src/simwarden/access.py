"""One line in the log for each call of an API: who, what, what came of it, how long it took."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TextIO

import structlog

if TYPE_CHECKING:
    from simwarden.northbound.kernel.ports import Answered

_log = structlog.get_logger("simwarden.access")


class AccessLog:
    """`what`: all calls, those with an error (400 and more), or none. No line holds a body, a token or a query."""

    def __init__(self, what: Literal["all", "errors", "off"], stream: TextIO | None = None) -> None:
        """`stream`: where lines of JSON go (`logs.json_stream`); None: to structlog, which takes ten times as long."""
        self._least = {"all": 0, "errors": 400, "off": 1000}[what]
        self._stream = stream

    def __call__(self, call: Answered) -> None:
        """Write the line."""
        if call.status < self._least:
            return
        line = {
            "api": call.api,
            "operation": call.operation,
            "status": call.status,
            "code": call.code,
            "account": call.account_id,
            "app_key": call.app_key,
            "correlator": call.correlator,
            "ms": round(call.seconds * 1000, 1),
        }
        if self._stream is None:
            _log.info("call", **line)
            return
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        self._stream.write(json.dumps(line | {"event": "call", "level": "info", "timestamp": f"{now}Z"}) + "\n")
