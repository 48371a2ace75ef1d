"""One slow or dead sink delays nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web
from tests.integration.notify.running import eventually, running
from tests.integration.notify.sink import Sink
from tests.support.patience import PATIENCE

from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Sim
from simwarden.notify import notifier as notifier_module
from simwarden.notify.sink_host import SinkLimits
from simwarden.store import deliveries

if TYPE_CHECKING:
    import pytest
    from tests.integration.notify.house import House
    from tests.integration.notify.sink import Received


async def fleet(house: House, count: int) -> list[Sim]:
    """More SIMs of the account."""
    sims = [Sim(bucket=bucket_of(f"46001{n:010}"), imsi=f"46001{n:010}", account_id="acme") for n in range(count)]
    for sim in sims:
        await house.add_sim(sim)
    return sims


async def test_a_sink_that_hangs_delays_no_other(house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty queues hang for as long as they may, with few slots in all; the other sink is served at once.

    They are more than one claim takes, so they would also stand before the other's queue in every claim.
    """
    monkeypatch.setattr(notifier_module, "BATCH", 16)

    released = asyncio.Event()

    async def hang(_: Received) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with Sink() as slow:
        slow.answer = hang
        for sim in await fleet(house, 60):
            await house.subscribe(slow.url, sim=sim)
        few = SinkLimits(parallel=8, start=8)
        async with running(house, total_timeout=3600.0, limits=few, in_flight=64, held=40) as notifier:
            await slow.until_received(8)
            await house.subscribe(sink.url)
            for number in range(1, 11):
                await house.publish(number)
                notifier.wake()
                await sink.until(lambda number=number: sink.devices[-1:] == [number])  # type: ignore[misc]
            assert slow.most_open == len(slow.received) == 8, "an origin takes no more than its share"
            released.set()
    assert sink.devices == list(range(1, 11))


async def test_a_dead_origin_costs_one_probe_at_a_time_and_comes_back(house: House, sink: Sink) -> None:
    sims = await fleet(house, 40)
    dead = Sink()
    async with dead:
        port = dead.port
    for sim in sims:
        await house.subscribe(f"http://127.0.0.1:{port}/sink", sim=sim)
    limits = SinkLimits(start=8, first_open=0.1, longest_open=0.2)
    async with running(house, limits=limits) as notifier:

        async def probing() -> bool:
            return any(origin.probing for origin in notifier._origins.values())

        await eventually(probing)
        begun, retried = time.monotonic(), notifier.metrics.attempts.labels("retried")._value.get()
        await house.subscribe(sink.url)
        await sink.until_received(1)
        await asyncio.sleep(0.5)
        asked = notifier.metrics.attempts.labels("retried")._value.get() - retried
        pauses = (time.monotonic() - begun) / limits.first_open
        assert asked <= 2 + pauses, "one probe after each pause, not forty queues"
        back = Sink()
        back.port = port
        async with back:
            await back.until(lambda: len({one.id for one in back.received}) == 40, limit=20)


async def test_tenants_behind_one_host_are_apart(house: House, sink: Sink) -> None:
    """The unit of isolation is the account at a host: one tenant cannot use up another's share of it."""
    await house.db.execute("insert into sim (bucket, imsi, account_id) values (1, '99901', 'other')")
    await house.subscribe(sink.url)
    await house.subscribe(sink.url, sim=Sim(bucket=1, imsi="99901", account_id="other"), account_id="other")
    origins = {row["origin"] for row in await house.db.fetch("select origin from subscription")}
    assert origins == {f"acme http://127.0.0.1:{sink.port}", f"other http://127.0.0.1:{sink.port}"}


async def test_one_account_with_many_slow_sinks_leaves_half_to_the_others(house: House, sink: Sink) -> None:
    """It has more ports of one host, and more queues, than there are sends and places; another tenant is served."""
    await house.db.execute("insert into sim (bucket, imsi, account_id) values (1, '99901', 'other')")
    theirs = Sim(bucket=1, imsi="99901", account_id="other")
    released = asyncio.Event()

    async def fail_late(_: Received) -> int:
        await released.wait()
        return 500

    async with contextlib.AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(Sink()) for _ in range(30)]
        for one in slow:
            one.answer = fail_late  # type: ignore[assignment]
        sims = await fleet(house, 15)
        for number, sim in enumerate(sims):
            for one in slow[number % 2 :: 2]:
                await house.subscribe(one.url, sim=sim)
        async with running(house, total_timeout=3600.0, in_flight=32, held=64) as notifier:

            async def crowded() -> bool:
                return notifier._shares.active("acme") >= 8

            await eventually(crowded, limit=60)
            await house.subscribe(sink.url, sim=theirs, account_id="other")
            for number in range(1, 11):
                await house.publish(number, sim=theirs)
                await sink.until(lambda number=number: sink.devices[-1:] == [number], limit=60)  # type: ignore[misc]
            assert 8 <= notifier._shares.active("acme") <= 16
            released.set()
    assert sink.devices == list(range(1, 11))


async def test_a_slow_sink_of_an_account_leaves_the_same_account_its_other_sinks(house: House, sink: Sink) -> None:
    released = asyncio.Event()

    async def hang(_: Received) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with Sink() as slow:
        slow.answer = hang
        for sim in await fleet(house, 60):
            await house.subscribe(slow.url.replace("127.0.0.1", "localhost"), sim=sim)
        async with running(house, total_timeout=3600.0, in_flight=16, held=64) as notifier:
            await slow.until_received(4, limit=60)
            await house.subscribe(sink.url)
            await house.publish(*range(1, 11))
            notifier.wake()
            await sink.until(lambda: sink.devices == list(range(1, 11)), limit=60)
            assert len(slow.received) <= 8, "of what the account may have a host leaves a half"
            released.set()


async def test_errors_that_come_late_open_the_circuit(house: House, sink: Sink) -> None:
    sims = await fleet(house, 8)
    bad = Sink()
    bad.answer = 500
    async with bad:
        for sim in sims:
            await house.subscribe(bad.url, sim=sim)
        async with running(house, limits=SinkLimits(quick=0.0, first_open=30.0)) as notifier:  # any error is a late one

            async def opened() -> bool:
                return bool(notifier.metrics.circuits_opened._value.get() == 1)

            await eventually(opened, limit=60)
            await house.subscribe(sink.url)
            await sink.until_received(1, limit=60)
    assert len(bad.received) <= 8 + 5


async def test_one_origin_with_many_lanes_is_served_in_parallel_within_its_share(house: House, sink: Sink) -> None:
    sims = await fleet(house, 80)
    for sim in sims:
        await house.subscribe(sink.url, sim=sim)

    async def together(_: Received) -> web.StreamResponse:
        """After the first four, answer none before more than four are open at once."""
        if len(sink.received) > 4:
            await sink.until(lambda: sink.most_open > 4)
        return web.Response(status=204)

    sink.answer = together
    async with running(house, limits=SinkLimits(parallel=16, start=4, quick=PATIENCE)):
        await sink.until_received(80)
    assert 4 < sink.most_open <= 16


async def test_lanes_are_asked_for_again_when_sends_end_while_others_are_claimed(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An origin got as many as it had room for when they were asked for; it had more by then, and nobody asked."""
    claim = deliveries.claim

    async def slow_claim(*args: Any, **options: Any) -> Any:
        found = await claim(*args, **options)
        await asyncio.sleep(0.1)  # what is under way ends meanwhile
        return found

    monkeypatch.setattr(deliveries, "claim", slow_claim)
    for sim in await fleet(house, 60):
        await house.subscribe(sink.url, sim=sim)
    async with running(house, poll=3600.0, lease=timedelta(hours=3), limits=SinkLimits(start=2)):
        await sink.until_received(60)


async def test_never_two_at_once_for_one_subscription(house: House, sink: Sink) -> None:
    await house.subscribe(sink.url)

    async def slowly(_: Received) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        return web.Response(status=204)

    sink.answer = slowly
    async with running(house, burst=3) as notifier:
        for number in range(1, 31):
            await house.publish(number)
            notifier.wake()
        await sink.until_received(31)
    assert sink.most_open == 1
    assert sink.devices == list(range(1, 31))
