"""Several workers and one quota: never more than it, all of it, whoever is killed."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.usage import OverQuota, Quota, first_day, until_next, window
from simwarden.engine.quota import Quotas
from simwarden.store.call_limits import CallLimit
from simwarden.store.quotas import Reservation, Reserved, divide

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TERM = 10.0


class Who:
    """Who calls."""

    app_key, account_id, daily_quota = "swk_meters", "acc_meters", 7


class Ledger:
    """What is counted, and who holds what."""

    def __init__(self) -> None:
        self.counted = 0
        self.at = 0.0
        self.holds: dict[int, tuple[int, float]] = {}


class Process:
    """A worker: what it answers is in the ledger at once, or when it is flushed."""

    def __init__(self, ledger: Ledger, number: int) -> None:
        self.ledger = ledger
        self.number = number
        self.unwritten = 0
        self.open = 0
        self.quotas = Quotas(self, clock=lambda: NOW, monotonic=lambda: ledger.at)

    async def reserve(self, held: Any, today: date, ahead: int) -> Reserved:
        ledger = self.ledger
        others = sum(held for each, (held, until) in ledger.holds.items() if each != self.number and until > ledger.at)
        wanted = Reservation(held.quota, today, 0, self.unwritten, held.open + held.left, held.waiting, ahead, 8)
        found = divide(wanted, ledger.counted, others)
        await asyncio.sleep(0)
        kept = wanted.unwritten + wanted.taken + found.got
        ledger.holds[self.number] = (kept, ledger.at + TERM)
        return found

    def flush(self) -> None:
        self.ledger.counted += self.unwritten
        self.unwritten = 0

    async def begin(self, quota: Quota) -> bool:
        try:
            await self.quotas.take([self.quotas._of(quota)])
        except OverQuota:
            return False
        self.open += 1
        return True

    def end(self, quota: Quota, kind: str) -> None:
        """The call changed something, only read, or came to nothing."""
        if self.open:
            self.open -= 1
            self.ledger.counted += kind == "change"
            self.quotas.settle([self.quotas._of(quota)], counted=kind != "nothing")
            self.unwritten += kind == "read"


ACTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(
            ["begin"] * 6 + ["change", "change", "read", "read", "nothing", "flush", "turn", "kill", "wait"]
        ),
        st.sampled_from([0.0, 0.2, 1.1]),
    ),
    max_size=120,
)


@settings(max_examples=60)
@given(st.integers(1, 60), ACTS)
def test_the_ledger_never_exceeds_the_quota_and_reaches_it(most: int, acts: list[tuple[int, str, float]]) -> None:
    asyncio.run(_play(most, acts))


async def _play(most: int, acts: list[tuple[int, str, float]]) -> None:
    ledger, quota = Ledger(), Quota("acc", "swk", "daily", most)
    processes = [Process(ledger, number) for number in range(3)]
    for which, act, seconds in acts:
        ledger.at += seconds
        process = processes[which]
        if act == "begin":
            await process.begin(quota)
        elif act == "flush":
            process.flush()
        elif act == "turn":
            await process.quotas.turn()
        elif act == "kill":  # what it has not written down is lost, its open calls come to nothing
            processes[which] = Process(ledger, max(ledger.holds, default=3) + 3)
        elif act == "wait":
            for each in processes:
                await each.quotas.turn()
            ledger.at += 1
        else:
            process.end(quota, act)
        assert ledger.counted + sum(each.unwritten + each.open for each in processes) <= most
    for each in processes:
        while each.open:
            each.end(quota, "change")
        each.flush()
    ledger.at += TERM
    while await processes[0].begin(quota):
        processes[0].end(quota, "change")
    assert ledger.counted == most


async def test_many_that_wait_share_one_look_and_get_all_there_is() -> None:
    process, quota = Process(Ledger(), 0), Quota("acc", "", "monthly", 10)
    assert sorted(await asyncio.gather(*(process.begin(quota) for _ in range(30)))) == [False] * 20 + [True] * 10


async def test_a_changed_quota_holds_with_the_next_call() -> None:
    process = Process(Ledger(), 0)
    small, large = (Quota("acc", "swk", "daily", most) for most in (2, 5))
    assert [await process.begin(small) for _ in range(3)] == [True, True, False]
    assert [await process.begin(large) for _ in range(4)] == [True, True, True, False]
    assert not await process.begin(small)


async def test_a_call_is_held_against_all_quotas_that_are_set() -> None:
    process = Process(Ledger(), 0)
    limits = [CallLimit(rate=1.0, burst=2), CallLimit(app_key="swk_meters", monthly=9), CallLimit(daily=8, monthly=90)]
    process.quotas._limits = lambda _app_key: limits
    assert [str(each.quota) for each in process.quotas.of(Who())] == [
        "7 calls a day of this application",
        "9 calls a month of this application",
        "8 calls a day of this account",
        "90 calls a month of this account",
    ]
    quotas = process.quotas.of(Who())
    for _ in range(7):
        await process.quotas.take(quotas)
    with pytest.raises(OverQuota, match="7 calls a day of this application") as caught:
        await process.quotas.take(quotas)
    assert caught.value.retry_after == 1, "calls are under way that may come to nothing"
    shown = {each.name: (each.policy, each.left) for each in process.quotas.shown(quotas)}
    assert shown["application-daily"] == ('"application-daily";q=7;w=86400', 0)
    assert shown["account-monthly"][0] == f'"account-monthly";q=90;w={30 * 86400}'


def test_days_and_months_are_those_of_utc() -> None:
    last = datetime(2026, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)
    assert (until_next("daily", last), until_next("monthly", last)) == (2, 2)
    assert until_next("monthly", datetime(2028, 2, 1, tzinfo=UTC)) == window("monthly", date(2028, 2, 3)) == 29 * 86400
    assert first_day("monthly", date(2026, 11, 21)) == date(2026, 11, 1)


async def test_who_waits_hears_of_an_outage_and_the_next_call_is_let_through() -> None:
    process, quota = Process(Ledger(), 0), Quota("acc", "swk", "daily", 10)
    reserve = process.reserve

    async def away(*_: Any) -> Reserved:
        raise StoreUnavailable

    process.reserve = away  # type: ignore[method-assign, assignment]
    found = await asyncio.gather(*(process.begin(quota) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [StoreUnavailable] * 3
    process.reserve = reserve  # type: ignore[method-assign]
    assert await process.begin(quota)


async def test_a_caller_that_goes_away_takes_nothing_and_spoils_nothing() -> None:
    process, quota = Process(Ledger(), 0), Quota("acc", "swk", "daily", 1)
    gone = asyncio.create_task(process.begin(quota))
    await asyncio.sleep(0)
    gone.cancel()
    assert await process.begin(quota)
    assert not await process.begin(quota)


async def test_who_calls_no_more_is_forgotten_and_holds_nothing() -> None:
    ledger = Ledger()
    process, quota = Process(ledger, 0), Quota("acc", "swk", "daily", 100)
    assert await process.begin(quota)
    process.end(quota, "change")
    for _ in range(4):
        await process.quotas.turn()
    assert (process.quotas._held, ledger.holds[0][0]) == ({}, 0)


async def test_who_comes_while_others_are_reserved_for_is_not_refused() -> None:
    process, quota = Process(Ledger(), 0), Quota("acc", "swk", "daily", 100)
    calls = [asyncio.create_task(process.begin(quota))]
    for _ in range(4):  # the first one is being reserved for, without these
        await asyncio.sleep(0)
        calls.append(asyncio.create_task(process.begin(quota)))
    assert await asyncio.gather(*calls) == [True] * 5


async def test_a_quota_that_is_forgotten_while_a_call_waits_for_another_one_counts_the_call() -> None:
    process = Process(Ledger(), 0)
    daily, monthly = Quota("acc", "swk", "daily", 100), Quota("acc", "", "monthly", 1000)
    assert await process.begin(monthly)
    process.end(monthly, "change")
    while process.quotas._held[monthly.key].day is not None:
        await process.quotas.turn()
    both = [process.quotas._of(each) for each in (daily, monthly)]
    call = asyncio.create_task(process.quotas.take(both))
    await asyncio.sleep(0)
    await process.quotas.turn()
    await call
    process.quotas.settle(both, counted=True)
    assert [process.quotas._held[each.key].open for each in (daily, monthly)] == [0, 0]


async def test_a_call_that_meets_a_reservation_under_way_waits_for_its_own() -> None:
    process, quota = Process(Ledger(), 0), Quota("acc", "swk", "daily", 100)
    assert await process.begin(quota)
    process.end(quota, "change")
    await process.quotas.turn()  # nobody has called since: the next one gives back what is held
    under_way = asyncio.create_task(process.quotas.turn())
    while process.quotas._of(quota).asking is None:  # noqa: ASYNC110 - it is begun in the next turn of the loop
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await process.begin(quota)
    await under_way


async def test_a_reservation_that_is_done_is_waited_for_once() -> None:
    """Who comes between its end and its callback would wait for it for ever, and let nothing else run."""
    process = Process(Ledger(), 0)
    held = process.quotas._of(Quota("acc", "", "daily", 10))
    first = process.quotas._ask(held)
    while not first.done():  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0)
    held.asking = first  # as it is before its callback
    assert process.quotas._ask(held) is not first
    await process.quotas._ask(held)
