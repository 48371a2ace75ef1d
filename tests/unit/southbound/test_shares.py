"""Shares of the requests in work: one more element always finds as many places as the greediest has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simwarden.southbound.shares import WorkShares


def _filled(shares: WorkShares, *elements: int) -> dict[int, int]:
    """Take all that each gets, one after the other."""
    got = dict.fromkeys(elements, 0)
    for element in elements:
        while shares.take(element):
            got[element] += 1
    return got


def test_each_greedy_element_leaves_as_much_for_the_next_as_it_has() -> None:
    shares = WorkShares(12)
    assert _filled(shares, 1, 2, 3) == {1: 6, 2: 3, 3: 2}
    assert not shares.has_room(1)
    assert shares.has_room(4), "elements that keep their places keep nobody else out"
    assert shares.taken == 11


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=80), st.integers(1, 20))
def test_places_are_neither_lost_nor_made(steps: list[tuple[int, bool]], most: int) -> None:
    shares = WorkShares(most)
    held = dict.fromkeys(range(1, 5), 0)
    for element, wants in steps:
        if wants:
            room = shares.has_room(element)
            assert room == (held[element] < most - sum(held.values()))
            assert shares.take(element) == room
            held[element] += room
        elif held[element]:
            shares.give_back(element)
            held[element] -= 1
        assert shares.taken == sum(held.values()) <= most
