"""Who is on whose bill: nothing twice, and nothing left out, whoever sells to whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simwarden.billing.bills import users_of


@st.composite
def houses(draw: st.DrawFn) -> tuple[dict[str, str | None], set[str]]:
    """Accounts with the one above each, and which of them a plan charges."""
    above: dict[str, str | None] = {}
    for n in range(draw(st.integers(1, 12))):
        above[f"a{n:02}"] = draw(st.sampled_from([None, *above])) if above else None
    return above, set(draw(st.lists(st.sampled_from(sorted(above)), unique=True)))


def below(above: dict[str, str | None], of: set[str]) -> list[tuple[str, str]]:
    """As the database finds them: those further up first."""
    found: list[tuple[str, str]] = []
    level = sorted(of)
    while level:
        reached = [(each, parent) for each, parent in above.items() if parent is not None and parent in level]
        found += reached
        level = [each for each, _ in reached]
    return list(dict.fromkeys(reversed(found)))[::-1]  # the deepest place of each, as `max(depth)`


@given(houses())
def test_each_use_is_on_one_bill_of_a_seller_where_a_plan_charges_it_or_one_above(
    house: tuple[dict[str, str | None], set[str]],
) -> None:
    above, charged = house
    found = users_of(sorted(charged), below(above, charged), charged)
    users = [each for ids in found.values() for each in ids]
    assert len(users) == len(set(users))
    for account in above:
        at: str | None = account
        while at is not None and at not in charged:
            at = above[at]
        assert [payer for payer, ids in found.items() if account in ids] == ([] if at is None else [at])


@given(houses())
def test_a_bill_that_is_asked_for_alone_has_the_same_accounts(house: tuple[dict[str, str | None], set[str]]) -> None:
    above, charged = house
    together = users_of(sorted(charged), below(above, charged), charged)
    for each in charged:
        assert sorted(users_of([each], below(above, {each}), charged)[each]) == sorted(together[each])
