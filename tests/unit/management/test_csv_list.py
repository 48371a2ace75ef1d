"""CSV lists in bodies of /manage."""

from __future__ import annotations

import asyncio
import csv
import io

import pytest

from simwarden.management import csv_list
from simwarden.management.csv_list import CsvList, csv_rows, in_slices
from simwarden.northbound.kernel.errors import InvalidArgument


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_separated_by_what_separates_the_header(separator: str) -> None:
    listed = CsvList(f"\ufeff name{separator}radius \r\n\r\n a {separator} 1\r\n")
    assert listed.header == ["name", "radius"]
    assert list(listed) == [(3, ["a", "1"])]


def test_an_empty_text_has_no_columns_and_no_rows() -> None:
    listed = CsvList("")
    assert (listed.header, list(listed)) == ([], [])


@pytest.mark.parametrize("text", ['"name\n1', 'name\n"a" b\n', 'na"me"x,"a"b\n'])
def test_what_is_no_csv_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(InvalidArgument, match="csv cannot be read: line"):
        list(CsvList(text))


def test_a_list_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_list, "MAX_ROWS", 2)
    assert len(list(CsvList("name\n1\n\n2\n"))) == 2
    with pytest.raises(InvalidArgument, match="at most 2 lines"):
        list(CsvList("name\n1\n2\n3\n"))


async def test_others_have_their_turn_while_a_long_list_is_read() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    rows = [row async for row in in_slices(CsvList("name\n" + "1\n" * 2000))]
    task.cancel()
    assert (len(rows), turns) == (2000, 10)


@pytest.mark.parametrize("first", ["=", "-", "@", "+", "\t", "\r"])
def test_no_cell_begins_as_a_formula(first: str) -> None:
    ((cell, number, none),) = csv.reader(
        io.StringIO(csv_rows([[f"{first}SUM(A1)", "+8613800000001", None]]).decode(), newline="")
    )
    assert cell == f"'{first}SUM(A1)"
    assert (number, none) == ("+8613800000001", "")
