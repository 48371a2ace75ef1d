"""Lists as CSV text in a body."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import TYPE_CHECKING, Any, TypeVar

from simwarden.engine.imports import delimiter_of
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

T = TypeVar("T")
MAX_ROWS = 200_000
"""Lines of one list."""
_SLICE = 200
"""Rows, of some 35 us each, between which other requests have their turn."""


class CsvList:
    """The rows of a list that are not blank, each with the number of its line.

    Columns are separated by commas, or by the semicolons or tabs that spreadsheets write in some countries. Making and
    reading it raise InvalidArgument for what is no CSV and for more than MAX_ROWS rows.
    """

    def __init__(self, text: str) -> None:
        text = text.lstrip("\ufeff")
        first = text[: text.find("\n")] if "\n" in text else text
        self._reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter_of(first))
        try:
            self.header = [name.strip() for name in next(self._reader, [])]
        except csv.Error as error:
            raise self._unreadable(error) from error

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        count = 0
        try:
            for row in self._reader:
                if any(value.strip() for value in row):
                    count += 1
                    if count > MAX_ROWS:
                        raise InvalidArgument(f"csv may have at most {MAX_ROWS} lines")
                    yield self._reader.line_num, [value.strip() for value in row]
        except csv.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: csv.Error) -> InvalidArgument:
        return InvalidArgument(f"csv cannot be read: line {self._reader.line_num}: {error}")


async def in_slices(rows: Iterable[T]) -> AsyncIterator[T]:
    """The rows, read so that other requests do not wait for the end of a long list."""
    for count, row in enumerate(rows, 1):
        yield row
        if count % _SLICE == 0:
            await asyncio.sleep(0)


def lines_in(text: str) -> int:
    """How many lines a text begins after its first one, however they end."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def csv_rows(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as CSV text; None is an empty value."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[_safe(value) for value in row] for row in rows])
    return text.getvalue().encode()


def _safe(value: object) -> object:
    """A text that a spreadsheet would take for a formula is quoted; a phone number is left as it is."""
    if isinstance(value, str) and value[:1] in ("=", "-", "@", "+", "\t", "\r") and not value[1:].isdigit():
        return f"'{value}"
    return value
