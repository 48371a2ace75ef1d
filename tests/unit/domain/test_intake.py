from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.countries import Country, InvalidCountry, parse_country
from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import luhn_digit
from simwarden.domain.intake import PLURALS, CautionTally, Intake, range_cautions
from simwarden.domain.numbering import RangeBook, parse_range

HOME = Intake(Country("86"))
PLAIN = Intake()


@pytest.mark.parametrize(
    ("country", "written", "number"),
    [
        (None, "13811000002", "+13811000002"),
        ("CN", "13811000002", "+8613811000002"),
        ("86", "138 1100-0002", "+8613811000002"),
        ("CN", "01012345678", "+861012345678"),
        ("CN", "8613811000002", "+8613811000002"),
        ("CN", "+4915112345678", "+4915112345678"),
        ("CN", "004915112345678", "+4915112345678"),
        ("DE", "015112345678", "+4915112345678"),
        ("US", "2125550123", "+12125550123"),
        ("US", "12125550123", "+12125550123"),
        ("US", "0118613811000002", "+8613811000002"),
        ("RU", "89161234567", "+79161234567"),
        ("IT", "0612345678", "+390612345678"),
        ("HU", "06301234567", "+36301234567"),
    ],
)
def test_numbers_are_read_as_they_are_dialled_at_home(country: str | None, written: str, number: str) -> None:
    intake = Intake(None if country is None else parse_country(country))
    assert intake.number(written) == number


@pytest.mark.parametrize(("text", "code"), [("CN", "86"), ("cn", "86"), ("+86", "86"), ("86", "86"), ("1", "1")])
def test_countries(text: str, code: str) -> None:
    assert parse_country(text) == Country(code)


@pytest.mark.parametrize("text", ["XX", "", "0", "8613", "China"])
def test_what_is_no_country_is_refused(text: str) -> None:
    with pytest.raises(InvalidCountry):
        parse_country(text)


@pytest.mark.parametrize(
    ("intake", "given", "code"),
    [
        (PLAIN, {"imei": "123456789012345"}, "IMEI_CHECK_DIGIT"),
        (PLAIN, {"imei": "353689530707903"}, None),
        (PLAIN, {"imei": "35368953070790"}, None),
        (PLAIN, {"iccid": "8986011784124236478"}, "ICCID_CHECK_DIGIT"),
        (PLAIN, {"iccid": "8986011784124236470"}, None),
        (PLAIN, {"iccid": "89860042191782899541"}, None),
        (PLAIN, {"msisdn": "13811000002"}, "NUMBER_WITHOUT_PLUS"),
        (PLAIN, {"msisdn": "+13811000002"}, None),
        (HOME, {"msisdn": "13811000002"}, None),
        (HOME, {"msisdn": "8613811000002"}, "NUMBER_WITHOUT_PLUS"),
    ],
)
def test_what_looks_wrong_is_taken_with_a_caution_or_refused(
    intake: Intake, given: dict[str, str], code: str | None
) -> None:
    assert [caution.code for caution in intake.cautions(**given)] == ([code] if code else [])
    strict = Intake(intake.home, strict=True)
    if code is None:
        assert strict.cautions(**given) == ()
    else:
        with pytest.raises(InvalidIdentifier, match="strict_identifiers"):
            strict.cautions(**given)
    assert code is None or code in PLURALS


@given(st.text("0123456789", min_size=1, max_size=22), st.integers(0, 21), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(digits: str, place: int, more: int) -> None:
    right = digits + luhn_digit(digits)
    at = place % len(right)
    wrong = right[:at] + str((int(right[at]) + more) % 10) + right[at + 1 :]
    assert luhn_digit(wrong[:-1]) != wrong[-1]


def test_cautions_about_ranges_and_many_rows() -> None:
    book = RangeBook([("mine", parse_range("imsi", "46000")), ("other", parse_range("imsi", "46001"))])
    names = [("imsi", "460001"), ("imsi", "460011"), ("imsi", "310150"), ("msisdn", "+49151"), ("ipv4", "192.0.2.1")]
    tally = CautionTally(samples=1)
    found = [range_cautions(book, "mine", [name]) for name in names]
    assert [[caution.code for caution in cautions] for cautions in found] == [
        *([], ["RANGE_OF_ANOTHER_ACCOUNT"], ["OUTSIDE_RANGES"], [], []),
    ]
    for line, cautions in enumerate([*found, found[2]], start=2):
        tally.add(line, cautions)
    assert [(each["code"], each["count"]) for each in tally.told()] == [
        *(("RANGE_OF_ANOTHER_ACCOUNT", 1), ("OUTSIDE_RANGES", 2)),
    ]
    assert tally.lines()[0].startswith("line 3: The imsi 460011 lies in a number range of the account other")
    assert tally.lines()[1].startswith(
        "2 identifiers lie outside the account's number ranges; the first one is in line 4"
    )
