"""Tables of type allocation codes, as operators have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.device_model import BadLine, DeviceModel, InvalidTacFile, read_table


def rows(text: str) -> list[DeviceModel | BadLine]:
    return list(read_table(text.splitlines(keepends=True)))


@pytest.mark.parametrize(
    "text",
    [
        "tac,manufacturer,model\n35209900,Quectel,BG96\n",
        "\ufeffTAC;Manufacturer;Model\r\n35209900;Quectel;BG96\r\n",
        "Model Name\tBrand\tTAC\tBands\nBG96\tQuectel\t35209900\tLTE\n",
        'tac,manufacturer,model\n"35209900"," Quectel ","BG96"\n\n,,\n',
    ],
)
def test_columns_are_found_by_their_names(text: str) -> None:
    assert rows(text) == [DeviceModel("35209900", "Quectel", "BG96")]


def test_bad_lines_have_their_numbers_and_spoil_no_others() -> None:
    long = "x" * 129
    text = (
        "tac,manufacturer,model\n"
        "1234567,Quectel,BG95\n"
        "3520990,,\n"
        "35209900,,BG96\n"
        "352099001,Quectel,BG96\n"
        ",Quectel,BG96\n"
        f"35209901,{long},BG96\n"
        "35209902\n"
        "35209903,Quectel,\n"
    )
    assert rows(text) == [
        DeviceModel("01234567", "Quectel", "BG95"),  # a spreadsheet dropped the zero
        BadLine(3, "names neither a manufacturer nor a model"),
        DeviceModel("35209900", None, "BG96"),
        BadLine(5, "'352099001' is no TAC: 8 digits"),
        BadLine(6, "has no TAC"),
        BadLine(7, "a name has more than 128 characters, or characters that cannot be printed"),
        BadLine(8, "names neither a manufacturer nor a model"),
        DeviceModel("35209903", "Quectel", None),
    ]


@pytest.mark.parametrize("text", ["", "\n", "a,b,c\n1,2,3\n", "tac\n35209900\n", "35209900,Quectel,BG96\n"])
def test_a_table_must_name_its_columns(text: str) -> None:
    with pytest.raises(InvalidTacFile):
        rows(text)


@given(st.text(max_size=200))
def test_whatever_a_table_holds_is_a_row_or_a_bad_line(text: str) -> None:
    for row in rows(f"tac,manufacturer,model\n{text}"):
        assert isinstance(row, DeviceModel | BadLine)
