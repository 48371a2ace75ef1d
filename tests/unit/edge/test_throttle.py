"""Failed attempts are bounded; right ones are not."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.sleeps import with_sleep

from simwarden.edge import throttle
from simwarden.edge.fresh import Fresh
from simwarden.edge.throttle import Allowance, Guard, HeldBack, Turns


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(guard: Guard, times: int, client: str = "victim", address: str = "192.0.2.66") -> int:
    """How many of so many wrong attempts are let through."""
    let = 0
    for number in range(times):
        if not guard.wait(client, f"wrong-{number}", address):
            guard.failed(client, f"wrong-{number}", address)
            let += 1
    return let


def test_failures_of_a_client_from_an_address_are_bounded_and_come_back_with_time() -> None:
    clock = Clock()
    guard = Guard(6, 100, clock=clock)
    assert fail(guard, 1000) == 6
    assert guard.wait("victim", "wrong", "192.0.2.66") == 10
    clock.now += 10
    assert fail(guard, 1000) == 1
    clock.now += 3600
    assert fail(guard, 1000) == 6


def test_nobody_is_shut_out_by_failures_from_elsewhere() -> None:
    guard = Guard(6, 100, clock=Clock())
    fail(guard, 1000)
    assert guard.wait("victim", "right", "192.0.2.1") == 0
    assert guard.wait("other", "right", "192.0.2.66") == 0


def test_an_address_that_tries_many_clients_is_bounded_too() -> None:
    guard = Guard(6, 100, clock=Clock())
    assert sum(fail(guard, 1, client=f"guess-{n}") for n in range(1000)) == 100


def test_credentials_that_were_right_before_pass_from_the_attackers_own_address() -> None:
    guard = Guard(6, 100, clock=Clock())
    guard.succeeded("victim", "right")
    fail(guard, 1000)
    assert guard.wait("victim", "right", "192.0.2.66") == 0
    guard.failed("victim", "right", "192.0.2.66")  # revoked meanwhile
    assert guard.wait("victim", "right", "192.0.2.66") > 0


def test_memory_is_bounded() -> None:
    guard = Guard(6, 100, kept=50, clock=Clock())
    for number in range(500):
        guard.failed(f"client-{number}", "wrong", f"192.0.{number % 200}.1")
        guard.succeeded(f"client-{number}", "right")
    assert len(guard._clients._used) == len(guard._addresses._used) == len(guard._right) == 50


def test_a_clock_that_is_set_back_gives_nothing_and_takes_nothing() -> None:
    clock = Clock()
    allowance = Allowance(2, clock=clock)
    allowance.use("a")
    clock.now -= 500
    assert allowance.wait("a") == 0
    allowance.use("a")
    assert allowance.wait("a") == pytest.approx(30)


async def test_a_fresh_fact_is_looked_up_once_for_all_who_ask() -> None:
    clock, looks, go = Clock(), 0, asyncio.Event()

    async def look() -> int:
        nonlocal looks
        looks += 1
        await go.wait()
        if looks == 2:
            raise OSError("gone")
        return looks

    fact = Fresh(look, 1.0, clock=clock)
    asked = [asyncio.create_task(fact.get()) for _ in range(100)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*asked) == [1] * 100
    assert await fact.get() == 1
    clock.now += 1.1
    with pytest.raises(OSError, match="gone"):
        await fact.get()
    assert await fact.get() == 3
    assert looks == 3


def test_beyond_the_burst_turns_are_evenly_spaced_and_the_wait_is_bounded() -> None:
    clock = Clock()
    turns = Turns(rate=10, burst=3, patience=0.25, clock=clock)
    found = [turns.take("a") for _ in range(6)]
    assert found[:5] == pytest.approx([0, 0, 0, 0.1, 0.2])
    assert found[5] is None
    assert turns.take("b") == 0.0, "another key has turns of its own"
    clock.now += 0.1
    assert turns.take("a") == pytest.approx(0.2), "what was refused took no turn"
    clock.now += 3600
    assert [turns.take("a") for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_turns_forget_the_key_that_has_not_come_for_longest() -> None:
    turns = Turns(rate=1, burst=1, patience=0, kept=2, clock=Clock())
    assert [turns.take(key) for key in ("a", "b", "a", "c", "b")] == [0.0, 0.0, None, 0.0, None]
    assert len(turns._next) == 2


async def test_refusals_beyond_the_burst_are_held_back_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(throttle, "asyncio", with_sleep(sleep))
    held_back = HeldBack(rate=0.001, burst=2, patience=5.0)
    for key in ("a", "a", "a", "b"):
        await held_back.wait(key)
    assert slept == [0.0, 0.0, 5.0, 0.0]
