"""In which country the other side's number is, as gateways write it."""

from __future__ import annotations

import random

import phonenumbers
import pytest

from simwarden.domain.zones import Zone, zone_of

CHINESE, AMERICAN, BRITISH, NOBODYS = "460000000000001", "310260000000001", "234150000000001", "901700000000001"


@pytest.mark.parametrize(
    ("text", "country", "prefix"),
    [
        ("8613715266978", "CN", "86137"),
        ("+8613715266978", "CN", "86137"),
        ("13715266978", "CN", "86137"),  # a mobile number at home, and a possible one in North America
        ("010-1234 5678", "CN", "86101"),
        ("12122222222", "US", "12122"),
        ("+12122222222", "US", "12122"),
        ("+12425551234", "BS", "12425"),
        ("+77012345678", "KZ", "77012"),
        ("+85291234567", "HK", "85291"),
        ("+886912345678", "TW", "88691"),
        ("0085291234567", "HK", "85291"),
        ("+882161234567", "001", "88216"),
        ("+870773111632", "001", "87077"),
        ("+23222123456", "SL", "23222"),  # nobody has this number
        ("0023222123456", "SL", "23222"),
        ("23222123456", "SL", "23222"),
        ("10086", "CN", ""),
        ("110", "CN", ""),
        ("106980001234", "CN", ""),
        ("+9991234567", "?", ""),  # no country's
        ("", "?", ""),
        (None, "?", ""),
        ("anonymous", "?", ""),
        ("unknown", "?", ""),
        ("MyBank", "?", ""),
        ("+", "?", ""),
        ("+86137\n15266978", "CN", "86137"),
        ("٣٤٥٦٧٨٩", "?", ""),  # digits, but none of a number
        ("9" * 40, "?", ""),
    ],
)
def test_the_country_of_a_number_that_a_chinese_sim_speaks_with(text: str | None, country: str, prefix: str) -> None:
    found = zone_of(text, CHINESE)
    assert (found.country, found.prefix) == (country, prefix)


@pytest.mark.parametrize(
    ("text", "imsi", "country"),
    [
        ("2122222222", AMERICAN, "US"),
        ("011442079460000", AMERICAN, "GB"),
        ("02079460000", BRITISH, "GB"),
        ("00442079460000", BRITISH, "GB"),
        ("911", AMERICAN, "US"),
        ("911", NOBODYS, "?"),
        ("8613715266978", NOBODYS, "CN"),
        ("+447797700123", BRITISH, "JE"),
    ],
)
def test_a_number_is_read_as_it_is_dialled_at_home(text: str, imsi: str, country: str) -> None:
    assert zone_of(text, imsi).country == country


def test_one_number_is_the_same_however_it_is_written() -> None:
    forms = ("13715266978", "8613715266978", "+86 137 1526 6978", "008613715266978")
    assert {zone_of(text, CHINESE) for text in forms} == {Zone("CN", "86137", "+8613715266978")}


def read_by_the_library(text: str) -> Zone:
    try:
        read = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return Zone("?", number=text)
    code = read.country_code or 0
    country = phonenumbers.region_code_for_number(read) or phonenumbers.region_code_for_country_code(code)
    if country == "ZZ":
        return Zone("?", number=text)
    number = phonenumbers.format_number(read, phonenumbers.PhoneNumberFormat.E164)
    return Zone(country, number[1:6], number)


def test_an_international_number_is_read_as_the_library_reads_it() -> None:
    """Most are not given to the library; among these are some of each calling code, with what may be dialled before a
    number at home, too short and too long ones."""
    chance = random.Random(7)
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        for before in ("", "0", "00", "1", "8", "0" + str(chance.randrange(100))):
            digits = "".join(
                chance.choice("0123456789") for _ in range(chance.choice((0, 1, 2, 6, 8, 9, 10, 11, 16, 18)))
            )
            text = f"+{code}{before}{digits}"
            assert zone_of(text, CHINESE) == read_by_the_library(text), text
