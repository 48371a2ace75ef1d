"""How many of one key are inside at once."""

from __future__ import annotations

import asyncio

import pytest

from simwarden.kit.gate import Gate


async def test_so_many_of_one_key_are_inside_and_others_do_not_wait_for_them() -> None:
    gate = Gate(1)
    order: list[str] = []
    leave = asyncio.Event()

    async def visit(key: str, name: str) -> None:
        async with gate.enter(key):
            order.append(name)
            await leave.wait()

    visits = [asyncio.create_task(visit(key, name)) for key, name in (("a", "a1"), ("a", "a2"), ("b", "b1"))]
    for _ in range(5):
        await asyncio.sleep(0)
    assert order == ["a1", "b1"]
    leave.set()
    await asyncio.gather(*visits)
    assert order == ["a1", "b1", "a2"]


async def test_who_gives_up_or_fails_leaves_the_gate_open_and_nothing_is_kept() -> None:
    gate = Gate(1)
    async with gate.enter("a"):
        waiting = asyncio.create_task(gate.enter("a").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(ValueError, match="inside"):
        async with gate.enter("a"):
            raise ValueError("inside")
    async with asyncio.timeout(60), gate.enter("a"):
        pass
    assert (gate._gates, dict(gate._users)) == ({}, {})
