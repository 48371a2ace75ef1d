"""Models of devices by their type allocation code (TAC), as the operator's table has them. Pure."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from simwarden.domain.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 128
"""Characters of a manufacturer's or model's name."""
Text = Annotated[str, Meta(min_length=1, max_length=LONGEST, pattern=r"^[^\x00-\x1f]*\Z")]
COLUMNS = {
    "tac": ("tac",),
    "manufacturer": ("manufacturer", "brand", "brandname", "vendor"),
    "model": ("model", "modelname", "marketingname", "name"),
}
"""What a column may be called, without regard to case, blanks and underscores; the first that is there counts."""


class InvalidTacFile(InvalidValue):
    """This is no table of type allocation codes."""


class DeviceModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the table says of a TAC."""

    tac: Annotated[str, Meta(pattern=r"^[0-9]{8}\Z")]
    manufacturer: Text | None = None
    model: Text | None = None


class BadLine(msgspec.Struct, frozen=True):
    """A line of a table that cannot be used."""

    line: int
    """From 1, the header's."""
    reason: str


def read_table(lines: Iterable[str]) -> Iterator[DeviceModel | BadLine]:
    """The rows of a CSV table (comma, semicolon or tab) with a header that names `tac`, `manufacturer` and `model`.

    A TAC of seven digits gets the zero that spreadsheets drop. Raises InvalidTacFile when there is no such header.
    """
    rows = iter(lines)
    first = next(rows, "").lstrip("\ufeff")
    delimiter = max(",;\t", key=first.count)
    header = [_plain(name) for name in next(csv.reader([first], delimiter=delimiter), [])]
    places = {name: _place(header, known) for name, known in COLUMNS.items()}
    where = places["tac"]
    if where is None or (places["manufacturer"] is None and places["model"] is None):
        raise InvalidTacFile("The first line must name the columns tac, manufacturer and model")
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
            yield _read(row, {name: at for name, at in places.items() if at is not None}, reader.line_num + 1)


def _read(row: list[str], places: dict[str, int], line: int) -> DeviceModel | BadLine:
    given = {name: row[at].strip() or None for name, at in places.items() if at < len(row)}
    tac = given.get("tac")
    if tac is not None and len(tac) == 7:
        given["tac"] = f"0{tac}"
    try:
        model = msgspec.convert(given, DeviceModel)
    except msgspec.ValidationError as error:
        return BadLine(line, _reason(str(error), given))
    if model.manufacturer is None and model.model is None:
        return BadLine(line, "names neither a manufacturer nor a model")
    return model


def _reason(text: str, given: dict[str, str | None]) -> str:
    if "$.tac" in text or "`tac`" in text:
        tac = given.get("tac")
        return "has no TAC" if tac is None else f"{tac[:20]!r} is no TAC: 8 digits"
    return f"a name has more than {LONGEST} characters, or characters that cannot be printed"


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _place(header: list[str], known: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in known if name in header), None)
