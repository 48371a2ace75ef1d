"""A call's line in the log: the same in JSON whether structlog writes it or we do."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys

import pytest
import structlog

from simwarden import access
from simwarden.access import AccessLog
from simwarden.logs import json_stream
from simwarden.northbound.kernel.ports import Answered
from simwarden.settings import Settings

CALL = Answered("api", "query", 404, "NOT_FOUND", "acme", None, "c-<1>", 0.0012)


async def test_a_line_of_json_is_as_structlog_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    direct, through = io.StringIO(), io.StringIO()
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(),
    ]
    log = structlog.wrap_logger(structlog.PrintLogger(through), processors=processors)
    monkeypatch.setattr(access, "_log", log)
    written = AccessLog("all", direct)
    written(CALL)
    written.flush()
    AccessLog("all")(CALL)
    lines = [list(json.loads(each.getvalue()).items()) for each in (direct, through)]
    assert lines[0][:-1] == lines[1][:-1]
    assert [each.getvalue().count("\n") for each in (direct, through)] == [1, 1]
    times = [line[-1][1] for line in lines]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", each) for each in times)


class _Writes(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.written = asyncio.Event()

    def write(self, text: str) -> int:
        self.texts.append(text)
        self.written.set()
        return super().write(text)


async def test_lines_that_come_together_are_written_together_and_soon() -> None:
    stream = _Writes()
    log = AccessLog("all", stream)
    for _ in range(3):
        log(CALL)
    assert stream.texts == []
    await asyncio.wait_for(stream.written.wait(), 30)
    assert [json.loads(line)["status"] for line in stream.getvalue().splitlines()] == [404] * 3
    log(CALL)
    log.flush()
    assert len(stream.texts) == 2
    log.flush()
    assert len(stream.texts) == 2


async def test_no_more_lines_are_kept_than_the_limit() -> None:
    stream = _Writes()
    log = AccessLog("all", stream)
    for _ in range(access.KEPT + 1):
        log(CALL)
    assert [text.count("\n") for text in stream.texts] == [access.KEPT]


def test_lines_are_written_past_structlog_where_they_are_json_and_wanted() -> None:
    assert json_stream(Settings(log_format="json")) is sys.stderr
    assert json_stream(Settings(log_format="json", log_level="warning")) is None
    assert json_stream(Settings(log_format="console")) is None
