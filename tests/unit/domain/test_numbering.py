from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.numbering import InvalidRange, NumberRange, RangeBook, RangeKind, parse_range

ENDS = st.integers(1, 4).flatmap(lambda n: st.tuples(*[st.text("0123", min_size=n, max_size=n)] * 2).map(sorted))
RANGES = ENDS.map(lambda ends: NumberRange(RangeKind.IMSI, *ends))
NUMBERS = st.text("0123", min_size=4, max_size=6)


def within(each: NumberRange, number: str) -> bool:
    """What a range means, said without an order of texts."""
    return each.first <= number[: len(each.first)] <= each.last


@pytest.mark.parametrize(
    ("kind", "text", "first", "last", "shown"),
    [
        ("imsi", "46000099", "46000099", "46000099", "46000099"),
        ("IMSI", " 4600001 - 4600003 ", "4600001", "4600003", "4600001-4600003"),
        ("msisdn", "+8613800-+8613809", "8613800", "8613809", "+8613800-+8613809"),
        ("msisdn", "8613800", "8613800", "8613800", "+8613800"),
        ("iccid", "898600", "898600", "898600", "898600"),
        ("nai", "@IoT.example.org", "iot.example.org", "iot.example.org", "@iot.example.org"),
    ],
)
def test_ranges_are_read_and_written(kind: str, text: str, first: str, last: str, shown: str) -> None:
    found = parse_range(kind, text)
    assert (found.first, found.last, found.text) == (first, last, shown)
    assert parse_range(kind, found.text) == found


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("imsi", "46000x", "prefix of digits"),
        ("imsi", "", "prefix of digits"),
        ("imsi", "1-2-3", "prefix of digits"),
        ("imsi", "460-46000", "same length"),
        ("imsi", "461-460", "461 is behind 460"),
        ("iccid", "88", "begins with 89"),
        ("msisdn", "013800", "country code"),
        ("nai", "a@b", "realm"),
        ("imei", "35", "kinds imsi, iccid, msisdn, nai"),
    ],
)
def test_what_is_no_range_is_refused_with_the_reason(kind: str, text: str, says: str) -> None:
    with pytest.raises(InvalidRange, match=says):
        parse_range(kind, text)


@given(RANGES, NUMBERS)
def test_a_number_lies_within_by_its_first_digits(each: NumberRange, number: str) -> None:
    book = RangeBook([("mine", each)])
    assert (book.owner("imsi", number) == "mine") is within(each, number)


@given(RANGES, RANGES)
def test_ranges_overlap_when_a_number_lies_in_both(one: NumberRange, other: NumberRange) -> None:
    # All numbers of six digits that could tell the two apart.
    numbers = [each + tail for each in (one.first, one.last, other.first, other.last) for tail in ("000000", "333333")]
    both = any(within(one, number[:6]) and within(other, number[:6]) for number in numbers)
    assert one.overlaps(other) is other.overlaps(one) is both
    if one.covers(other):
        assert both
        assert all(within(one, n[:6]) for n in numbers if within(other, n[:6]))


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), RANGES), max_size=12), NUMBERS)
def test_a_book_finds_whose_number_it_is(wanted: list[tuple[str, NumberRange]], number: str) -> None:
    held: list[tuple[str, NumberRange]] = []
    for account, each in wanted:
        if not any(other.overlaps(each) for owner, other in held if owner != account):
            held.append((account, each))
    owners = {account for account, each in held if within(each, number)}
    book = RangeBook(held)
    assert book.owner("imsi", number) == (owners.pop() if owners else None)
    assert book.outside("a", [("imsi", number)]) == ([] if book.owner("imsi", number) == "a" else [("imsi", number)])


def test_a_realm_must_match_whole() -> None:
    book = RangeBook([("mine", parse_range("nai", "iot.example"))])
    assert book.owner("nai", "meter@iot.example") == "mine"
    for other in ("meter@iot.example.evil", "meter@eiot.example", "meter@example", "iot.example@evil"):
        assert book.owner("nai", other) is None
    assert book.limits("mine", "nai")
    assert not book.limits("mine", "imsi")


@given(st.data())
def test_what_is_cut_out_of_a_range_and_what_is_left_are_the_range(data: st.DataObject) -> None:
    first, last = sorted(data.draw(st.lists(st.integers(0, 99), min_size=2, max_size=2)))
    whole = parse_range("imsi", f"{first:02}-{last:02}")
    ends = st.integers(first * 100, last * 100 + 99)
    low, high = sorted((data.draw(ends), data.draw(ends)))
    part = parse_range("imsi", f"{low:04}-{high:04}")
    assert whole.covers(part)
    pieces = [part, *whole.without(part)]
    for number in range(first * 100, last * 100 + 100):
        of_number = parse_range("imsi", f"{number:04}")
        assert sum(piece.covers(of_number) for piece in pieces) == 1
    assert all(whole.covers(piece) for piece in pieces)
