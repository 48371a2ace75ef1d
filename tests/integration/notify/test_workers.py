"""Several workers, crashes, and a database that goes away: at least once, in order, with the same ids."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

from aiohttp import web
from structlog.testing import capture_logs
from tests.integration.notify.gate import Gate
from tests.integration.notify.house import House
from tests.integration.notify.running import eventually, running
from tests.support.patience import PATIENCE

from simwarden.claim import claim
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Sim
from simwarden.engine.subscriptions import Subscriptions
from simwarden.store import deliveries
from simwarden.store.database import Database
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from tests.integration.notify.sink import Received, Sink

    from simwarden.notify.notifier import Notifier

TERM = timedelta(seconds=4)
LONG = timedelta(seconds=PATIENCE + 20)
"""Longer than a test waits: what a worker does not give away is not taken from it, however busy the machine is."""


async def vanish(notifier: Notifier) -> None:
    """End a notifier as `kill -9` does: nothing is finished, written or given back."""
    notifier._stopping = True
    for task in [notifier._loop, notifier._recorder._loop, notifier._upkeep._loop, *notifier._runs]:
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    notifier._recorder._results.clear()
    notifier._loop = None
    assert notifier._sender is not None
    await notifier._sender.close()


async def test_a_crash_between_sending_and_recording_repeats_the_same_id(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = await house.subscribe(sink.url)
    await house.publish(1)
    record = deliveries.record
    wrote = asyncio.Event()

    async def too_late(*_: object) -> bool:
        wrote.set()
        await asyncio.sleep(60)
        return False

    monkeypatch.setattr(deliveries, "record", too_late)
    async with running(house, worker="w1") as first:
        await wrote.wait()
        await vanish(first)
    assert sink.devices == [1]
    assert [row["status"] for row in await house.deliveries(made.id)] == ["PENDING", "PENDING"]
    monkeypatch.setattr(deliveries, "record", record)
    async with running(house, worker="w1"):  # the same name: no waiting for the lease
        await sink.until_received(4)
    ids = [one.id for one in sink.received]
    assert ids == [f"{made.id}-1", f"{made.id}-2"] * 2
    assert len({one.body for one in sink.received}) == 2


async def test_a_dead_worker_is_replaced_in_order(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    await house.publish(1, 2, 3, 4)

    async def hang_at_two(one: Received) -> web.StreamResponse:
        if one.kind == "imei-change" and one.device == 2 and sink.devices.count(2) == 1:
            await asyncio.sleep(60)
        return web.Response(status=204)

    sink.answer = hang_at_two
    async with running(house, worker="w1", lease=TERM) as first:
        await sink.until(lambda: 2 in sink.devices)
        await vanish(first)
        async with running(house, worker="w2", lease=TERM):
            await sink.until(lambda: 4 in sink.devices)

            async def done() -> bool:
                return all(row["status"] == "DELIVERED" for row in await house.deliveries(made.id))

            await eventually(done)
    assert sink.devices == [1, 2, 1, 2, 3, 4] or sink.devices == [1, 2, 2, 3, 4]


async def test_two_workers_share_the_work_and_keep_the_order(house: House, sink: Sink) -> None:
    sims = [Sim(bucket=bucket_of(f"46002{n:010}"), imsi=f"46002{n:010}", account_id="acme") for n in range(24)]
    made = []
    for sim in sims:
        await house.add_sim(sim)
        made.append((await house.subscribe(sink.url, sim=sim))[0])
    async with (
        running(house, worker="w1", lease=LONG, poll=0.2) as first,
        running(house, worker="w2", lease=LONG, poll=0.2) as second,
    ):

        async def shared() -> bool:
            return len(first.leases.owned()) == len(second.leases.owned()) == 128

        await eventually(shared)
        assert not first.leases.owned() & second.leases.owned()
        before = [one.metrics.attempts.labels("delivered")._value.get() for one in (first, second)]
        for number in range(1, 11):
            for sim in sims:
                await house.publish(number, sim=sim)
        await sink.until_received(24 * 11)
        after = [one.metrics.attempts.labels("delivered")._value.get() for one in (first, second)]
        assert all(now > then for now, then in zip(after, before, strict=True)), "both worked"
    for subscription in made:
        told = [one.id for one in sink.received if one.event["data"]["subscriptionId"] == subscription.id]
        assert told == [f"{subscription.id}-{n}" for n in range(1, 12)]


async def test_servers_whose_data_directory_was_copied_tell_every_event_once(
    house: House, sink: Sink, tmp_path: Path
) -> None:
    """Same host, same port, and files that name the other's worker as the one before."""
    made, _ = await house.subscribe(sink.url)
    with claim(tmp_path / "a") as one:
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        async with running(house, worker=one.name, heir_of=one.heir_of, lease=TERM, poll=0.2) as first:
            await sink.until_received(1)
            with claim(tmp_path / "b") as other:
                async with running(house, worker=other.name, heir_of=other.heir_of, lease=TERM, poll=0.2) as second:

                    async def shared() -> bool:
                        assert not first.leases.owned() & second.leases.owned()
                        return len(first.leases.owned()) == len(second.leases.owned()) == 128

                    await eventually(shared, limit=60)
                    await house.publish(*range(1, 11))
                    await sink.until_received(11, limit=60)
    assert [one.id for one in sink.received] == [f"{made.id}-{n}" for n in range(1, 12)]


async def test_nothing_is_sent_when_the_lease_is_about_to_run_out(house: House, sink: Sink) -> None:
    """The fence: a worker that cannot renew falls silent before another may begin."""
    made, _ = await house.subscribe(sink.url)
    async with running(house, lease=timedelta(seconds=1.5), poll=60.0) as notifier:
        notifier.wake()

        async def looked() -> bool:
            return notifier.leases.deadline(made.bucket) > 0

        await eventually(looked)
        await asyncio.sleep(0.2)  # time in which it would have been sent
        assert sink.received == []


async def test_stopping_gives_the_shares_back_at_once(house: House, sink: Sink) -> None:
    await house.subscribe(sink.url)
    async with running(house, worker="w1", lease=LONG):
        await sink.until_received(1)
    async with running(house, worker="w2", lease=LONG):
        await house.publish(1)
        await sink.until_received(2)


async def test_stopping_waits_for_what_is_under_way(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)

    async def slowly(_: Received) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.Response(status=204)

    sink.answer = slowly
    async with running(house):
        await sink.until_received(1)
    assert [row["status"] for row in await house.deliveries(made.id)] == ["DELIVERED"]


async def test_while_the_database_is_away_nothing_is_lost_and_little_is_logged(
    house: House, sink: Sink, database_url: str, vault: Vault
) -> None:
    made, _ = await house.subscribe(sink.url)
    answering = asyncio.Event()

    async def wait_for_outage(_: Received) -> web.StreamResponse:
        await answering.wait()
        return web.Response(status=204)

    sink.answer = wait_for_outage
    async with Gate(database_url) as gate:
        db = await Database.connect(gate.url, size=3)
        apart = House(db, vault, Subscriptions(db, vault, allow_private_sinks=True))
        with capture_logs() as logs:
            async with running(apart) as notifier:
                await sink.until_received(1)
                await gate.close()
                answering.set()  # delivered, but it cannot be written

                async def tried_in_vain() -> bool:
                    return gate.refused >= 5

                await eventually(tried_in_vain)
                assert notifier.metrics.outages._value.get() == 1
                await gate.open()

                async def written() -> bool:
                    return [row["status"] for row in await house.deliveries(made.id)] == ["DELIVERED"]

                await eventually(written)
                sink.answer = 204
                await house.publish(1)
                await sink.until_received(2)
        await db.close()
    assert sink.devices == [1]
    assert len(sink.received) == 2, "what was delivered is recorded when the database is back, not sent again"
    warnings = [(one["event"], one.get("worker")) for one in logs if one["log_level"] == "warning"]
    assert warnings.count(("notifications wait for the database", None)) == 1
    assert len(warnings) == len(set(warnings)), "each part of it says so once"
