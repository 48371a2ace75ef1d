"""Tables that fit, can be copied, and can be piped."""

from __future__ import annotations

import datetime as dt
import os
import pty
import subprocess
import sys
from typing import Any

import click
import pytest

from simwarden.cli import printing
from simwarden.cli.printing import human, label
from simwarden.cli.times import Day, Moment, Seconds

PROGRAM = """
import json, sys
from simwarden.cli.printing import print_table
print_table(json.loads(sys.argv[1]), json.loads(sys.argv[2]), empty="nothing", wide=len(sys.argv) > 3)
"""
ROWS: list[dict[str, Any]] = [
    {
        "id": "0d3f7a1c-5f7c-4f6e-9d2e-3b1a2c3d4e5f",
        "at": "2026-01-01T00:00:00.5Z",
        "bars": [{"cause": "RISK"}, {"cause": "RISK"}, {"cause": "QUOTA"}],
        "sink": "https://events.example.com/a/long/path",
        "what": "The gateway does not answer its commands since an hour, and nothing can be locked there.",
    }
]
COLUMNS = ["id", "at", "why=bars.cause", "sink", "what"]


def on_terminal(columns: int, *more: str) -> str:
    """What is shown on a terminal of this width."""
    import json

    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(ROWS), json.dumps(COLUMNS), *more],
        stdout=slave,
        stderr=slave,
        env=environment,
    ):
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65_536)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(master)
    return shown.decode().replace("\r\n", "\n")


def test_a_table_on_a_terminal_fits_and_breaks_no_identifier() -> None:
    for width in (60, 80, 100, 132, 200):
        text = on_terminal(width)
        assert ROWS[0]["id"] in text
        table = text.split("Not shown")[0]
        assert max(map(len, table.splitlines())) <= width, text
    assert "Not shown for want of width: sink, what" in on_terminal(60)
    wide = on_terminal(60, "wide")
    assert "Not shown" not in wide
    assert "RISK, QUOTA" in wide
    long = on_terminal(132)
    assert "the gateway" in long.lower()
    assert str(ROWS[0]["sink"]) in long


def test_a_table_in_a_pipe_has_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    printing.print_table(ROWS, COLUMNS, empty="nothing")
    head, row, *rest = capsys.readouterr().out.splitlines()
    assert rest == []
    assert head.split() == ["ID", "AT", "WHY", "SINK", "WHAT"]
    for value in ("id", "sink", "what"):
        assert str(ROWS[0][value]) in row
    printing.print_table([], COLUMNS, empty="nothing")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "nothing\n")


def test_csv_has_all_columns(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [{"a": 'x,"y"', "b": None, "c": True, "d": {"e": 1}}]
    printing.print_csv(rows, ["a", "b", "c", "e=d.e"])
    assert capsys.readouterr().out.splitlines() == ["a,b,c,e", '"x,""y""",,true,1']


def test_values_as_people_read_them() -> None:
    assert human(None) == "-"
    assert human(True) == "yes"
    assert human({"gateway": "gw1", "port": 1, "slot": 2}) == "gw1 1.02"
    assert human(["A", "B"]) == "A, B"
    assert "ago)" in human("2026-01-01T00:00:00Z")
    assert human("2026-01-01") == "2026-01-01"
    assert human("not-a-time-but-2026T00:00:00Z") == "not-a-time-but-2026T00:00:00Z"
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(days=3, hours=1)).isoformat()
    assert human(soon, times="ago") == "in 3 d"
    assert [label(name) for name in ("createdAt", "appKey", "imsi", "commandUrl", "applied_at")] == [
        *("Created at", "APPKEY", "IMSI", "Command URL", "Applied at"),
    ]


NOON = dt.datetime(2026, 11, 21, 15, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30m", "2026-11-21T15:00:00Z"),
        ("2h", "2026-11-21T13:30:00Z"),
        ("1d", "2026-11-20T15:30:00Z"),
        ("12:00", "2026-11-21T12:00:00Z"),
        ("noon", "2026-11-21T12:00:00Z"),
        ("23:15", "2026-11-20T23:15:00Z"),
        ("today", "2026-11-21T00:00:00Z"),
        ("yesterday", "2026-11-20T00:00:00Z"),
        ("2026-11-20T08:00:00+01:00", "2026-11-20T07:00:00Z"),
    ],
)
def test_times_as_people_type_them(text: str, meant: str) -> None:
    assert Moment(lambda: NOON).convert(text, None, None) == meant


def test_what_is_no_time_is_refused() -> None:
    for kind, text in ((Moment(), "soon"), (Moment(), "25:00"), (Day(), "12:00"), (Seconds(), "long")):
        with pytest.raises(click.BadParameter):
            kind.convert(text, None, None)
    assert [Seconds().convert(text, None, None) for text in ("90", "30m", "24h", "7d")] == [90, 1800, 86400, 604800]
    assert Day().convert("2026-11-20", None, None) == "2026-11-20"
    assert Day().convert("today", None, None) == dt.datetime.now(dt.UTC).date().isoformat()
