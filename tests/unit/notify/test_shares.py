"""Whose turn it is to send."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from simwarden.notify.shares import Shares
from simwarden.notify.sink_host import SinkHost, SinkLimits

LIMITS = SinkLimits(parallel=64, start=64)


def origin(account: str, host: str = "a.example", port: int = 443, queues: int = 1000) -> SinkHost:
    """An origin with queues that wait."""
    one = SinkHost(f"{account} https://{host}:{port}", LIMITS, account)
    one.waiting.extend(cast("Any", object()) for _ in range(queues))
    return one


def begin(shares: Shares) -> list[SinkHost]:
    """Begin whatever may begin."""
    begun = []
    while (turn := shares.take(0.0)) is not None:
        turn.waiting.popleft()
        turn.active += 1
        begun.append(turn)
    return begun


def end(shares: Shares, one: SinkHost) -> None:
    """One of its sends is over."""
    one.active -= 1
    shares.done(one)
    if one.can_start(0.0):
        shares.offer(one)


def test_an_account_alone_takes_half_and_a_host_of_it_half_of_that() -> None:
    shares = Shares(512)
    for port in range(150):
        shares.offer(origin("greedy", port=port))
    assert len(begin(shares)) == 128
    for host in range(150):
        shares.offer(origin("greedy", f"h{host}.example"))
    begin(shares)
    assert shares.active("greedy") == 256
    assert shares.free == 256


def test_who_comes_later_finds_room_and_the_first_one_shrinks() -> None:
    shares = Shares(512)
    first = [origin("first", f"h{n}.example") for n in range(100)]
    for one in first:
        shares.offer(one)
    begun = begin(shares)
    second = [origin("second", f"h{n}.example") for n in range(100)]
    for one in second:
        shares.offer(one)
    begin(shares)
    assert shares.active("second") == 128
    for one in begun:
        end(shares, one)
        begin(shares)
    assert abs(shares.active("first") - shares.active("second")) <= 2
    assert 512 // 3 - 2 <= shares.free <= 512 // 3 + 2


def test_accounts_hosts_and_origins_take_turns() -> None:
    shares = Shares(10_000)
    one, two, three = origin("a", "x.example", 1), origin("a", "x.example", 2), origin("a", "y.example")
    other = origin("b")
    for each in (one, two, three, other):
        shares.offer(each)
    first = [shares.take(0.0) for _ in range(8)]
    assert Counter(first) == {other: 4, three: 2, one: 1, two: 1}


def test_little_room_is_room_all_the_same() -> None:
    shares = Shares(1)
    one = origin("a")
    shares.offer(one)
    assert begin(shares) == [one]
    other = origin("b")
    shares.offer(other)
    assert begin(shares) == []
    turns: list[SinkHost] = []
    for _ in range(4):
        end(shares, turns[-1] if turns else one)
        turns += begin(shares)
    assert turns == [one, other, one, other]


def test_what_is_over_is_forgotten() -> None:
    shares = Shares(8)
    gone = origin("a", queues=2)
    shares.offer(gone)
    gone.waiting.clear()  # put back
    assert begin(shares) == []
    one = origin("b", queues=1)
    shares.offer(one)
    begin(shares)
    end(shares, one)
    assert begin(shares) == []
    assert shares._accounts == {}
    assert shares._ready == type(shares._ready)()


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=200),
)
def test_whatever_happens_slots_are_kept_and_none_waits_for_nothing(
    slots: int, steps: list[tuple[int, int, int, bool]]
) -> None:
    shares = Shares(slots)
    origins: dict[tuple[int, int, int], SinkHost] = {}
    under_way: list[SinkHost] = []
    for account, host, port, ends in steps:
        if ends and under_way:
            end(shares, under_way.pop(account % len(under_way)))
        else:
            one = origins.setdefault((account, host, port), origin(f"acc{account}", f"h{host}.example", port, queues=0))
            one.waiting.append(cast("Any", object()))
            if one.can_start(0.0):
                shares.offer(one)
        under_way += begin(shares)
        assert shares.free == slots - len(under_way) >= 0
        for name in {one.account for one in origins.values()}:
            assert shares.active(name) == sum(one.account == name for one in under_way)
        idle = {one.account for one in origins.values() if one.waiting and not shares.active(one.account)}
        assert not idle or shares.free == 0, "an account without a send under way waits only when all are taken"
