"""Whose a phone number is and was: what a new assignment takes over from the one before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from simwarden.domain import numbers
from simwarden.domain.numbers import ON_ITS_WAY, Assignment

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NUMBER = "+8613800000001"
LONG_AGO = NOW - timedelta(days=400)


def begun(imsi: str = "A", account: str = "acc_1", at: datetime = LONG_AGO) -> Assignment:
    """The first assignment of the record."""
    return numbers.assign(None, number=NUMBER, imsi=imsi, account_id=account, now=at)


def over(assignment: Assignment, until: datetime) -> Assignment:
    """The same, taken away."""
    fields = {name: getattr(assignment, name) for name in Assignment.__struct_fields__}
    return Assignment(**{**fields, "until": until})


def then(before: Assignment, imsi: str, account: str = "acc_1", now: datetime = NOW) -> Assignment:
    """What follows it."""
    return numbers.assign(before, number=NUMBER, imsi=imsi, account_id=account, now=now)


def test_the_first_assignment_begins_all_and_says_nothing_of_the_time_before() -> None:
    first = begun()
    assert (first.since, first.sim_since, first.owner_since, first.begin_known) == (LONG_AGO, LONG_AGO, LONG_AGO, False)
    assert not numbers.is_swap(None, first)
    assert numbers.owned_since(first, LONG_AGO) is True
    assert numbers.owned_since(first, LONG_AGO - timedelta(seconds=1)) is None


def test_a_card_that_is_replaced_is_a_swap_and_no_change_of_owner() -> None:
    before = over(begun("A"), NOW - timedelta(minutes=5))
    after = then(before, "B")
    assert numbers.is_swap(before, after)
    assert (after.since, after.sim_since, after.owner_since) == (NOW, NOW, LONG_AGO)
    assert not after.begin_known, "what the record does not know it does not learn by a swap"


def test_back_in_the_same_sim_it_never_was_in_another() -> None:
    before = over(begun("A"), NOW - timedelta(minutes=5))
    after = then(before, "A")
    assert not numbers.is_swap(before, after)
    assert (after.since, after.sim_since) == (NOW, LONG_AGO)


def test_back_from_another_sim_is_a_second_swap() -> None:
    there = over(then(over(begun("A"), NOW - timedelta(hours=9)), "B", now=NOW - timedelta(hours=8)), NOW)
    back = then(there, "A")
    assert numbers.is_swap(there, back)
    assert back.sim_since == NOW


@pytest.mark.parametrize(
    ("account", "free", "same"),
    [("acc_1", ON_ITS_WAY, True), ("acc_1", ON_ITS_WAY + timedelta(seconds=1), False), ("acc_2", timedelta(0), False)],
)
def test_a_number_changes_hands_when_another_account_has_it_or_nobody_for_long(
    account: str, free: timedelta, same: bool
) -> None:
    before = over(begun("A"), NOW - free)
    after = then(before, "B", account)
    assert after.owner_since == (LONG_AGO if same else NOW)
    assert after.begin_known is not same
    assert numbers.owned_since(after, NOW - timedelta(seconds=1)) is same


def test_what_is_imported_says_since_when() -> None:
    since = NOW - timedelta(days=900)
    found = numbers.assign(None, number=NUMBER, imsi="A", account_id="acc_1", now=NOW, activated=since)
    assert (found.since, found.sim_since, found.owner_since, found.begin_known) == (since, since, since, True)
    assert numbers.owned_since(found, since - timedelta(seconds=1)) is False


def test_what_is_imported_can_neither_lie_in_the_future_nor_before_what_the_record_says() -> None:
    tomorrow = NOW + timedelta(days=1)
    first = numbers.assign(None, number=NUMBER, imsi="A", account_id="acc_1", now=NOW, activated=tomorrow)
    assert first.since == NOW
    before = over(begun("A"), NOW - timedelta(days=9))
    found = numbers.assign(before, number=NUMBER, imsi="B", account_id="acc_2", now=NOW, activated=LONG_AGO)
    assert found.since == NOW - timedelta(days=9)
