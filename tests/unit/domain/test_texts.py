"""Alphabets, segments, keywords and words that opt out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.texts import (
    BASIC,
    EXTENSION,
    STOP_WORDS,
    Encoding,
    OptOut,
    encoding_of,
    keyword_of,
    opt_out_of,
    parts_of,
)

BATTERY = "\N{BATTERY}"


def test_the_alphabet_has_128_places_each_once() -> None:
    assert (len(BASIC), len(set(BASIC))) == (128, 128)
    assert [BASIC.index(each) for each in "@\n\r\x1b Aaà"] == [0, 0x0A, 0x0D, 0x1B, 0x20, 0x41, 0x61, 0x7F]
    assert not set(EXTENSION) & set(BASIC)


@pytest.mark.parametrize(
    ("text", "encoding", "lengths"),
    [
        ("", Encoding.GSM7, [0]),
        ("a" * 160, Encoding.GSM7, [160]),
        ("a" * 161, Encoding.GSM7, [153, 8]),
        ("€" * 80, Encoding.GSM7, [80]),
        ("€" * 81, Encoding.GSM7, [76, 5]),  # a character of two places is not cut: 152 of 153 are used
        ("a" * 152 + "€" + "a" * 8, Encoding.GSM7, [152, 9]),
        ("я" * 70, Encoding.UCS2, [70]),
        ("я" * 71, Encoding.UCS2, [67, 4]),
        (BATTERY * 35, Encoding.UCS2, [35]),
        ("я" * 66 + BATTERY + "яяя", Encoding.UCS2, [66, 4]),  # nor is a surrogate pair
        ("`", Encoding.UCS2, [1]),
        ("\x1b", Encoding.UCS2, [1]),
    ],
)
def test_a_text_is_cut_at_the_places_of_its_alphabet(text: str, encoding: Encoding, lengths: list[int]) -> None:
    assert encoding_of(text) is encoding
    parts = parts_of(text)
    assert "".join(parts) == text
    assert [len(part) for part in parts] == lengths


@given(st.text(alphabet=st.sampled_from([*BASIC, *EXTENSION, "я", BATTERY]), max_size=700))
def test_nothing_is_lost_and_no_part_is_too_long(text: str) -> None:
    parts = parts_of(text)
    assert "".join(parts) == text
    if encoding_of(text) is Encoding.GSM7:
        sizes = [sum(2 if each in EXTENSION else 1 for each in part) for part in parts]
        assert max(sizes) <= (160 if len(parts) == 1 else 153)
    else:
        sizes = [len(part.encode("utf-16-be")) // 2 for part in parts]
        assert max(sizes) <= (70 if len(parts) == 1 else 67)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("stop", OptOut.STOP),
        (" Stop \r\n", OptOut.STOP),
        ("stop all", OptOut.STOP),
        ("ARRET", OptOut.STOP),
        ("STOP please", None),
        ("st op", None),
        ("", None),
        ("start", OptOut.START),
        ("UNSTOP", OptOut.START),
        ("help", OptOut.HELP),
    ],
)
def test_a_word_counts_when_it_is_the_whole_text(text: str, meaning: OptOut | None) -> None:
    assert opt_out_of(text) is meaning


def test_an_account_may_have_words_of_its_own() -> None:
    assert opt_out_of("halt", {"HALT"}) is OptOut.STOP
    assert opt_out_of("stop", {"HALT"}) is None
    assert {word.upper() for word in STOP_WORDS} == STOP_WORDS


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("temp 21.5", "temp"),
        ("\n Temp?\r\n", "Temp?"),
        ("", None),
        (" \t", None),
        ("a" * 30, "a" * 30),
        ("a" * 31 + " b", None),
    ],
)
def test_the_keyword_is_the_first_word(text: str, keyword: str | None) -> None:
    assert keyword_of(text) == keyword
