"""Events that were given up: an alarm of the subscription, or of the host, until the sink takes events again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.integration.alarms.test_kinds import ended, raised
from tests.integration.notify.conftest import house, sink
from tests.integration.notify.running import eventually, running
from tests.integration.notify.sink import Sink

from simwarden.domain.alarm import AlarmKind
from simwarden.domain.alarm_words import payload
from simwarden.engine.watch import Watch, WatchSettings
from simwarden.notify.retry import Schedule
from simwarden.store import alarms, delivery_alarms, delivery_history
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from tests.integration.notify.house import House

__all__ = ["house", "sink"]
IMPATIENT = Schedule(
    first=timedelta(milliseconds=20), longest=timedelta(milliseconds=40), window=timedelta(milliseconds=200), least=2
)


async def test_a_sink_that_refuses_is_an_alarm_of_its_subscription(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    async with running(house) as notifier:
        await sink.until_received(1)
        sink.answer = 404
        await house.publish(1)
        notifier.wake()
        alarm = await raised(house.db, AlarmKind.DELIVERIES_DEAD)
        assert (alarm.subject, alarm.facts["account"]) == (made.id, "Acme")
        assert alarm.facts["reason"] == "HTTP 404"
        sink.answer = 204
        await house.publish(2)
        notifier.wake()
        over = await ended(house.db, alarm)
    assert over.cleared_because == "The sink takes events again"


async def test_a_host_that_does_not_answer_is_one_alarm_for_all_its_subscriptions(house: House) -> None:
    async with Sink() as gone:
        for _ in range(5):
            await house.subscribe(gone.url)
        async with running(house) as notifier:
            await gone.until_received(5)
            port = gone.port

            async def idle() -> bool:
                return bool(
                    await house.db.fetchval("select count(*) from subscription where lane_due_at is not null") == 0
                )

            await eventually(idle)
    async with running(house, schedule=IMPATIENT) as notifier:
        await house.publish(1)
        notifier.wake()
        alarm = await raised(house.db, AlarmKind.DELIVERIES_DEAD)
        assert alarm.facts["host"] == f"http://127.0.0.1:{port}"
        assert alarm.facts["answered"] is False


async def test_a_customer_whose_sinks_all_refuse_buries_nobody_under_alarms(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He may have a million subscriptions: the operator still has to find what else is wrong."""
    monkeypatch.setattr(delivery_alarms, "MOST_OF_ACCOUNT", 3)
    for _ in range(8):
        await house.subscribe(sink.url)
    async with running(house) as notifier:
        await sink.until_received(8)
        sink.answer = 404
        await house.publish(1)
        notifier.wake()

        async def all_given_up() -> bool:
            return bool(await house.db.fetchval("select count(*) from delivery where status = 'DEAD'") == 8)

        await eventually(all_given_up)
    found = await alarms.page(house.db, kind=AlarmKind.DELIVERIES_DEAD, is_open=True, limit=100)
    (rest,) = [alarm for alarm in found if alarm.subject.startswith("account ")]
    assert (len(found), rest.count) == (4, 5)
    assert "account Acme" in payload(rest).what
    await house.db.execute("delete from delivery where status = 'DEAD'")
    watch = Watch(house.db, Leases(house.db, "watch", "w1", shares=1), WatchSettings(every=timedelta(seconds=0.1)))
    await watch.look()
    assert await alarms.page(house.db, kind=AlarmKind.DELIVERIES_DEAD, is_open=True, limit=100) == []


async def test_what_is_sent_again_in_time_ends_the_alarm_and_moves_no_histogram(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    async with running(house) as notifier:
        await sink.until_received(1)
        sink.answer = 404
        await house.publish(1)
        notifier.wake()
        alarm = await raised(house.db, AlarmKind.DELIVERIES_DEAD)
        before = notifier.metrics.delay._sum.get(), [bucket.get() for bucket in notifier.metrics.delay._buckets]
        sink.answer = 204
        assert await delivery_history.replay(house.db, f"{made.id}-2") == 1
        await ended(house.db, alarm)
        assert await delivery_history.replay(house.db, f"{made.id}-1") == 1
        await sink.until_received(4)

        async def idle() -> bool:
            return bool(await house.db.fetchval("select count(*) from delivery where status <> 'DELIVERED'") == 0)

        await eventually(idle)
        after = notifier.metrics.delay._sum.get(), [bucket.get() for bucket in notifier.metrics.delay._buckets]
    assert after == before


@pytest.mark.parametrize("how", ["forgotten", "deleted"])
async def test_what_was_given_up_and_nobody_waits_for_is_no_alarm_any_more(house: House, sink: Sink, how: str) -> None:
    made, _ = await house.subscribe(sink.url)
    async with running(house) as notifier:
        await sink.until_received(1)
        sink.answer = 404
        await house.publish(1)
        notifier.wake()
        alarm = await raised(house.db, AlarmKind.DELIVERIES_DEAD)
    if how == "forgotten":
        await house.db.execute("delete from delivery where status = 'DEAD'")
    else:
        await house.subscriptions.delete("app-1", made.id)
    watch = Watch(house.db, Leases(house.db, "watch", "w1", shares=1), WatchSettings(every=timedelta(seconds=0.1)))
    await watch.look()
    assert (await alarms.show(house.db, alarm.id)).cleared_because == "Nothing that was given up is left"
