"""One commit for one cause: wherever a write fails, nothing of the cause stays (promise 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.subscribing import wish
from tests.support.world import World, device, imsi

from simwarden.domain.events import EventType
from simwarden.domain.reports import CallRecord
from simwarden.engine import publishing
from simwarden.engine.subscriptions import Subscriptions
from simwarden.store import attachments, gateways, ports, records, sims

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TABLES = ("sim", "event", "attachment", "delivery", "subscription", "gateway", "gateway_port", "sms", "call_record")


class Injected(Exception):
    """The statement that fails."""


async def stored(world: World) -> dict[str, list[str]]:
    """Everything a cause can write, as text."""
    return {
        table: sorted(row["r"] for row in await world.db.fetch(f"select t::text as r from {table} t"))
        for table in TABLES
    }


async def theft(world: World) -> Callable[[], Awaitable[Any]]:
    """A SIM that somebody subscribed to, and the report that it is in another device."""
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.dev_status())
    await world.bind(1)
    waiting = Subscriptions(world.db, world.vault, allow_private_sinks=True)
    sim = await world.sim(1)
    await waiting.create(wish(sim))
    box.put(1, 2)
    report = box.dev_status()
    return lambda: world.take(report)


WRITES = [
    (gateways, "lock"),
    (gateways, "heard"),
    (ports, "changed_ports"),
    (sims, "lock"),
    (sims, "save"),
    (sims, "add_events"),
    (attachments, "save"),
    (attachments, "drop"),
    (ports, "remember_locks"),
    (publishing, "publish"),
    (ports, "save_ports"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "name"), WRITES, ids=[f"{m.__name__.rpartition('.')[2]}.{n}" for m, n in WRITES])
async def test_a_report_is_taken_in_whole_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, when: str
) -> None:
    act = await theft(world)
    before = await stored(world)
    real, called = getattr(module, name), []

    async def broken(*args: Any, **more: Any) -> Any:
        called.append(name)
        if when == "before":
            raise Injected
        await real(*args, **more)
        raise Injected

    with monkeypatch.context() as patch:
        patch.setattr(module, name, broken)
        with pytest.raises(Injected):
            await act()
    assert called
    assert await stored(world) == before
    await act()
    after = await stored(world)
    assert after["event"] != before["event"]
    assert len(after["delivery"]) == len(before["delivery"]) + 1
    assert await world.count(1, EventType.BAR_RAISED) == 1


BINDING_WRITES = [
    (sims, "save"),
    (sims, "add_events"),
    (attachments, "save"),
    (ports, "remember_locks"),
    (publishing, "publish"),
]


@pytest.mark.parametrize(("module", "name"), BINDING_WRITES, ids=[n for _, n in BINDING_WRITES])
async def test_a_bind_is_done_whole_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    await theft(world)
    before = await stored(world)
    real = getattr(module, name)

    async def broken(*args: Any, **more: Any) -> Any:
        await real(*args, **more)
        raise Injected

    with monkeypatch.context() as patch:
        patch.setattr(module, name, broken)
        with pytest.raises(Injected):
            await world.bind(1, imei=device(77))
    assert await stored(world) == before
    await world.bind(1, imei=device(77))
    assert await world.barred(1)


async def test_records_stand_or_fall_with_the_sighting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:

    await theft(world)
    before = await stored(world)
    (box,) = world.boxes
    call = CallRecord(call_id="abc", imsi=imsi(1), begin_at=world.clock())
    report = box.evidence(1, device(66), world.clock(), calls=(call,))
    real = records.save_calls

    async def broken(*args: Any) -> None:
        await real(*args)
        raise Injected

    with monkeypatch.context() as patch:
        patch.setattr(records, "save_calls", broken)
        with pytest.raises(Injected):
            await world.take(report)
    assert await stored(world) == before
