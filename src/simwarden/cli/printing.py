"""Output: tables and fields for people, JSON and CSV for programs.

A table on a terminal has as many columns as fit, the first ones first; a value that names something is never broken.
In a pipe it has all of them, and each row is one line.
"""

from __future__ import annotations

import csv
import io
import shutil
import sys
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2
LEAST_TEXT = 24
"""Characters that a column of text needs at least."""
TEXTS = frozenset({"what", "message", "reason", "error", "description", "detail"})
"""Columns of sentences: wrapped on a terminal, where they are the last ones."""


class Column:
    """`label=path` or `path`: which part of a row stands under which head. `a.b` looks into objects and lists."""

    def __init__(self, text: str) -> None:
        label, _, path = text.rpartition("=")
        self.path = path.split(".")
        self.label = label or self.path[-1]

    def of(self, row: Any) -> Any:
        """The value in a row; None where there is none."""
        return _within(row, self.path)


def print_json(value: Any) -> None:
    """One JSON document."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    click.echo(text.decode())


def print_csv(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """CSV with a head (RFC 4180)."""
    wanted = [Column(each) for each in columns]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([each.label for each in wanted])
    writer.writerows([[_plain(each.of(row)) for each in wanted] for row in rows])
    click.echo(text.getvalue(), nl=False)


def print_fields(fields: dict[str, Any]) -> None:
    """Names and values below each other; what is empty is left out."""
    shown = {name: value for name, value in fields.items() if value not in (None, "", [], (), {})}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        click.echo(f"{name:<{width}}  {human(value)}")


def print_table(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, empty: str, wide: bool = False) -> None:
    """A table; `empty` is printed to standard error when there are no rows. `wide`: all columns, whatever the width."""
    if not rows:
        click.echo(empty, err=True)
        return
    terminal = sys.stdout.isatty()
    wanted = [Column(each) for each in columns]
    cells = [[human(each.of(row), times="ago" if terminal and not wide else "at") for each in wanted] for row in rows]
    widths = [max(len(label(each.label)), *(len(row[n]) for row in cells)) for n, each in enumerate(wanted)]
    kept = len(wanted)
    if terminal and not wide:
        kept = _fitting(wanted, widths, shutil.get_terminal_size().columns)
    wraps = terminal and not wide and wanted[kept - 1].label in TEXTS
    if wraps:
        widths[kept - 1] = max(
            shutil.get_terminal_size().columns - sum(widths[: kept - 1]) - GAP * (kept - 1), LEAST_TEXT
        )
    _line([label(each.label).upper() for each in wanted[:kept]], widths)
    for row in cells:
        if not wraps:
            _line([cell.replace("\n", " ") for cell in row[:kept]], widths)
            continue
        *first, last = row[:kept]
        parts = textwrap.wrap(last, widths[kept - 1]) or [""]
        _line([*first, parts[0]], widths)
        for part in parts[1:]:
            _line([*([""] * len(first)), part], widths)
    if kept < len(wanted):
        left = ", ".join(each.label for each in wanted[kept:])
        click.echo(f"Not shown for want of width: {left} (--wide, --columns)", err=True)


def human(value: Any, *, times: str = "both") -> str:
    """A value as people read it. `times`: when it was (`at`), how long it is ago (`ago`), or `both`."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        time = parse_time(value)
        if time is None:
            return value
        return {"ago": _ago(time), "at": _stamp(time)}.get(times, f"{_stamp(time)} ({_ago(time)})")
    if isinstance(value, datetime):
        return _stamp(value)
    if isinstance(value, dict):
        if value.keys() == {"gateway", "port", "slot"}:
            return f"{value['gateway']} {value['port']}" + (f".{value['slot']:02}" if value["slot"] else "")
        return " ".join(f"{name}={human(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(human(item) for item in value) or "-"
    return str(value)


def parse_time(text: str) -> datetime | None:
    """A time with its zone as the API writes it (RFC 3339); None for any other text."""
    if len(text) < 20 or text[4:5] != "-" or text[10:11] != "T":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def label(name: str) -> str:
    """A property's name as a person reads it: `createdAt` is "Created at"."""
    words = name.replace("_", " ")
    if words == name:
        words = "".join(f" {char.lower()}" if char.isupper() else char for char in name)
    known = {"imsi": "IMSI", "iccid": "ICCID", "app key": "APPKEY", "app secret": "APPSECRET"}
    return known.get(words) or words[:1].upper() + words[1:].replace(" url", " URL")


def _fitting(wanted: Sequence[Column], widths: Sequence[int], room: int) -> int:
    """How many columns fit, at least two."""
    taken = 0
    for n, (column, width) in enumerate(zip(wanted, widths, strict=True)):
        taken += (LEAST_TEXT if column.label in TEXTS else width) + (GAP if n else 0)
        if taken > room and n >= 2:
            return n
    return len(wanted)


def _line(cells: Sequence[str], widths: Sequence[int]) -> None:
    click.echo((" " * GAP).join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False)).rstrip())


def _within(node: Any, path: Sequence[str]) -> Any:
    for n, name in enumerate(path):
        if isinstance(node, list):
            return list(dict.fromkeys(human(_within(each, path[n:])) for each in node))
        if not isinstance(node, dict):
            return None
        node = node.get(name)
    return node


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return "" if value is None else str(value).lower() if isinstance(value, bool) else value
    return human(value)


def _stamp(time: datetime) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S%z")


def _ago(time: datetime) -> str:
    seconds = int((datetime.now(UTC) - time).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= size:
            text = f"{abs(seconds) // size} {unit}"
            break
    else:
        text = f"{abs(seconds)} s"
    return f"{text} ago" if seconds >= 0 else f"in {text}"
