"""Keys of cells: what is written is read again, and what is none is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.cell import Cell, CellKind, InvalidCell, network_code, parse_cell

BITS = {
    CellKind.CGI: (16, 16),
    CellKind.SAI: (16, 16),
    CellKind.RAI: (16, 8),
    CellKind.ECGI: (28,),
    CellKind.NCGI: (36,),
}


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    kind = draw(st.sampled_from(CellKind))
    network = network_code(draw(st.integers(0, 999)), draw(st.integers(0, 999)))
    wide = kind is CellKind.TAI and draw(st.booleans())
    bits = BITS.get(kind, (24 if wide else 16,))
    return Cell(kind, network, tuple(draw(st.integers(0, (1 << size) - 1)) for size in bits), wide)


@given(cells())
def test_what_is_written_is_read_again(cell: Cell) -> None:
    assert parse_cell(cell.key) == cell
    assert parse_cell(f" {cell.key.upper()} ") == cell


@pytest.mark.parametrize(
    ("cell", "key"),
    [
        (Cell(CellKind.ECGI, "26201", (0x0123456,)), "ecgi:26201-0123456"),
        (Cell(CellKind.CGI, "310410", (0x1234, 0xAB)), "cgi:310410-1234-00ab"),
        (Cell(CellKind.RAI, "26201", (0x1234, 1)), "rai:26201-1234-01"),
        (Cell(CellKind.TAI, "26201", (0x12,)), "tai:26201-0012"),
        (Cell(CellKind.TAI, "26201", (0x12,), wide=True), "tai:26201-000012"),
        (Cell(CellKind.NCGI, "26201", (0x123456789,)), "ncgi:26201-123456789"),
    ],
)
def test_keys_are_as_documented(cell: Cell, key: str) -> None:
    assert cell.key == key


def test_a_network_has_one_form() -> None:
    """Public tables say the MNC as a number, a network says it with three digits."""
    assert network_code(310, 4) == "31004"
    assert parse_cell("ecgi:310004-0123456") == parse_cell("ecgi:31004-0123456")
    assert network_code(1, 410) == "001410"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "KIND one of cgi"),
        ("ecgi", "KIND one of"),
        ("lte:26201-0123456", "KIND one of"),
        ("ecgi:2620-0123456", "MCC and MNC"),
        ("ecgi:26a01-0123456", "MCC and MNC"),
        ("ecgi:26201", "7 hexadecimal digits"),
        ("ecgi:26201-123456", "7 hexadecimal digits"),
        ("ecgi:26201-012345g", "7 hexadecimal digits"),
        ("cgi:26201-1234", "4-4 hexadecimal digits"),
        ("tai:26201-12345", "4 or 6 hexadecimal digits"),
        ("ecgi:26201-٠١٢٣٤٥٦", "7 hexadecimal digits"),
    ],
)
def test_what_is_no_key_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidCell, match=reason):
        parse_cell(text)


@pytest.mark.parametrize(("mcc", "mnc"), [(1000, 1), (1, 1000), (-1, 1)])
def test_what_is_no_network_is_refused(mcc: int, mnc: int) -> None:
    with pytest.raises(InvalidCell):
        network_code(mcc, mnc)
