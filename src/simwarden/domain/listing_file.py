"""CSV files of listed devices: stolen, blocked, tracked or allowed ones. Pure."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.device_model import BadLine
from simwarden.domain.equipment import DeviceList, InvalidListing, ListedDevice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLUMNS = {
    "imei": ("imei", "imeisv", "device"),
    "tac": ("tac", "tacfirst", "firsttac"),
    "tacLast": ("taclast", "lasttac"),
    "list": ("list", "colour", "color", "status"),
    "reason": ("reason", "remark"),
    "since": ("since", "date", "reportedat"),
    "source": ("source", "reporter", "reportedby"),
}
"""What a column may be called, without regard to case, blanks and underscores; the first that is there counts."""
_WORDS = {
    "stolen": DeviceList.STOLEN,
    "lost": DeviceList.STOLEN,
    "blocked": DeviceList.BLOCKED,
    "black": DeviceList.BLOCKED,
    "blacklisted": DeviceList.BLOCKED,
    "tracked": DeviceList.TRACKED,
    "grey": DeviceList.TRACKED,
    "gray": DeviceList.TRACKED,
    "greylisted": DeviceList.TRACKED,
    "allowed": DeviceList.ALLOWED,
    "white": DeviceList.ALLOWED,
    "whitelisted": DeviceList.ALLOWED,
}


def read_listing(lines: Iterable[str], otherwise: DeviceList | None = None) -> Iterator[ListedDevice | BadLine]:
    """The rows of a CSV table (comma, semicolon or tab) with a header that names `imei` or `tac`, and perhaps more.

    `otherwise`: the list of rows that name none. A TAC may be a range (35368953-35368960); a date without a time is
    midnight in UTC. Raises InvalidListing when there is no such header, or neither a column `list` nor `otherwise`.
    """
    rows = iter(lines)
    first = next(rows, "").lstrip("\ufeff")
    delimiter = max(",;\t", key=first.count)
    header = ["".join(filter(str.isalnum, name.lower())) for name in next(csv.reader([first], delimiter=delimiter), [])]
    places = {
        name: next((header.index(each) for each in known if each in header), None) for name, known in COLUMNS.items()
    }
    if places["imei"] is None and places["tac"] is None:
        raise InvalidListing("The first line must name a column imei or tac")
    if places["list"] is None and otherwise is None:
        raise InvalidListing("The first line names no column list: say which list the file is")
    reader = csv.reader(rows, delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadLine(reader.line_num + 1, f"cannot be read: {error}")
            continue
        if any(value.strip() for value in row):
            given = {name: row[at].strip() for name, at in places.items() if at is not None and at < len(row)}
            yield _read({name: value for name, value in given.items() if value}, otherwise, reader.line_num + 1)


def _read(given: dict[str, str], otherwise: DeviceList | None, line: int) -> ListedDevice | BadLine:
    word = given.pop("list", None)
    which = otherwise if word is None else _WORDS.get(word.lower())
    if which is None:
        return BadLine(line, "names no list" if word is None else f"{word[:20]!r} is no list")
    if "imei" in given:
        given["imei"] = given["imei"].replace("-", "").replace(" ", "")
    if "tac" in given and "-" in given["tac"]:
        given["tac"], _, given["tacLast"] = (part.strip() for part in given["tac"].partition("-"))
    if len(given.get("since", "")) == len("2026-11-21"):
        given["since"] += "T00:00:00Z"
    try:
        device = msgspec.convert({**given, "list": which}, ListedDevice)
    except msgspec.ValidationError as error:
        return BadLine(line, _reason(str(error), given))
    if device.since is not None and device.since.tzinfo is None:
        return BadLine(line, "since has no time zone")
    return device


def _reason(text: str, given: dict[str, str]) -> str:
    for name, what in (
        ("imei", "no IMEI: 14 to 16 digits"),
        ("tacLast", "no TAC: 8 digits"),
        ("tac", "no TAC: 8 digits"),
    ):
        if text.endswith(f"`$.{name}`"):
            return f"{given[name][:20]!r} is {what}"
    if text.endswith("`$.since`"):
        return f"{given['since'][:30]!r} is no date (2026-11-21), and no time with its zone (RFC 3339)"
    return text.partition(" - at")[0]
