"""From a committed event to the sink, when all goes well and when the sink does not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from standardwebhooks import Webhook
from tests.integration.notify.house import API, DEVICE, FAMILY, device_changed
from tests.integration.notify.running import eventually, running
from tests.integration.notify.sink import Sink

from simwarden.domain.events import CauseKind
from simwarden.engine.publishing import publish
from simwarden.notify.request_preview import preview
from simwarden.notify.retry import Schedule
from simwarden.store import delivery_history
from simwarden.store.targets import MASK

if TYPE_CHECKING:
    from tests.integration.notify.house import House
    from tests.integration.notify.sink import Received


async def statuses(house: House, subscription_id: str) -> list[str]:
    return [row["status"] for row in await house.deliveries(subscription_id)]


async def finished(house: House, subscription_id: str, expected: list[str]) -> None:
    """Wait until the deliveries of a subscription have come to this."""

    async def there() -> bool:
        return await statuses(house, subscription_id) == expected

    try:
        await eventually(there)
    except TimeoutError:
        assert await statuses(house, subscription_id) == expected


async def test_events_arrive_as_signed_cloudevents_in_order(house: House, sink: Sink) -> None:
    made, secret = await house.subscribe(sink.url, headers={"x-tenant": "7"})
    async with running(house) as notifier:
        await house.publish(1, 2)
        notifier.wake()
        received = await sink.until_received(3)
        await finished(house, made.id, ["DELIVERED"] * 3)
    assert [one.kind for one in received] == ["subscription-started", "imei-change", "imei-change"]
    assert sink.devices == [1, 2]
    assert [one.id for one in received] == [f"{made.id}-{n}" for n in (1, 2, 3)]
    one = received[1]
    assert one.headers["content-type"] == "application/cloudevents+json"
    assert one.headers["x-tenant"] == "7"
    assert "authorization" not in one.headers
    assert one.event.keys() == {"id", "source", "specversion", "type", "time", "datacontenttype", "data"}
    assert one.event["type"] == f"{FAMILY}.imei-change"
    assert one.event["time"].endswith("Z")
    assert one.event["data"]["device"] == DEVICE
    assert one.event["data"]["subscriptionId"] == made.id
    for each in received:
        assert Webhook(secret).verify(each.body, dict(each.headers)) == each.event


async def test_another_process_is_woken_by_the_database(house: House, sink: Sink) -> None:
    await house.subscribe(sink.url)
    async with running(house, poll=3600.0):
        await sink.until_received(1)
        await house.publish(1)  # nobody calls wake()
        await sink.until_received(2)


async def test_token_and_correlator_are_sent(house: House, sink: Sink, now: datetime) -> None:
    await house.subscribe(sink.url, token="token-1", token_expires_at=now + timedelta(hours=1))
    event = device_changed(1, 1, kind=CauseKind.CALL, reference="corr-1")
    async with house.db.transaction() as connection:
        await publish(connection, [(house.sim, [event])])
    async with running(house):
        received = await sink.until_received(2)
    assert {one.headers["authorization"] for one in received} == {"Bearer token-1"}
    assert [one.headers.get("x-correlator") for one in received] == [None, "corr-1"]


async def test_failures_never_change_the_order_or_the_bytes(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    await house.publish(*range(1, 13))
    seen: dict[str, int] = {}

    def flaky(one: Received) -> int:
        seen[one.id] = seen.get(one.id, 0) + 1
        return 204 if seen[one.id] > hash_of(one.id) else 500

    def hash_of(event_id: str) -> int:
        return int(event_id.rpartition("-")[2]) % 3

    sink.answer = flaky
    async with running(house):
        await finished(house, made.id, ["DELIVERED"] * 13)
    firsts = list(dict.fromkeys(one.id for one in sink.received))
    assert firsts == [f"{made.id}-{n}" for n in range(1, 14)]
    assert [one.id for one in sink.received] == sorted(
        (one.id for one in sink.received), key=lambda id_: int(id_.rpartition("-")[2])
    ), "a later event was sent before an earlier one was taken"
    assert len(sink.received) == sum(1 + n % 3 for n in range(1, 14))
    for event_id in firsts:
        assert len({one.body for one in sink.received if one.id == event_id}) == 1


async def test_a_lane_goes_on_behind_a_dead_letter(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    await house.publish(1, 2, 3)
    sink.answer = lambda one: 400 if one.kind == "imei-change" and one.device == 2 else 200
    async with running(house):
        await finished(house, made.id, ["DELIVERED", "DELIVERED", "DEAD", "DELIVERED"])
    assert sink.devices == [1, 2, 3]
    dead, attempts = await delivery_history.show(house.db, f"{made.id}-3")
    assert (dead.last_status, dead.last_error, dead.attempts) == (400, "HTTP 400", 1)
    assert [one.status for one in attempts] == [400]


async def test_after_the_window_a_delivery_is_given_up(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    await house.publish(1)
    sink.answer = lambda one: 204 if one.kind == "imei-change" else 500
    schedule = Schedule(
        first=timedelta(milliseconds=10), longest=timedelta(milliseconds=20), window=timedelta(milliseconds=50), least=4
    )
    async with running(house, schedule=schedule):
        await finished(house, made.id, ["DEAD", "DELIVERED"])
    assert len([one for one in sink.received if one.kind == "subscription-started"]) >= 4


async def test_gone_ends_the_subscription_without_a_word(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    await house.publish(1, 2, 3)
    sink.answer = lambda one: 410 if one.kind == "imei-change" else 204
    async with running(house) as notifier:
        await finished(house, made.id, ["DELIVERED", "DEAD", "DROPPED", "DROPPED"])
        assert notifier.metrics.attempts.labels("ended")._value.get() == 1
    ended = await house.subscriptions.get("app-1", made.id)
    assert (ended.status, ended.ended_reason) == ("EXPIRED", "NETWORK_TERMINATED")
    assert await house.publish(4) == 0
    assert sink.devices == [1]
    assert await house.db.fetchval("select lane_due_at from subscription") is None


async def test_a_refused_token_ends_the_subscription_and_says_so(house: House, sink: Sink, now: datetime) -> None:
    made, _ = await house.subscribe(sink.url, token="old", token_expires_at=now + timedelta(hours=1))
    await house.publish(1, 2)
    sink.answer = lambda one: 401 if one.kind == "imei-change" else 204
    async with running(house):
        await finished(house, made.id, ["DELIVERED", "DEAD", "DROPPED", "DELIVERED"])
    assert (await house.queue(made.id))[-1] == ("subscription-ended", "ACCESS_TOKEN_EXPIRED")
    assert sink.received[-1].event["data"]["terminationReason"] == "ACCESS_TOKEN_EXPIRED"
    ended = await house.subscriptions.get("app-1", made.id)
    assert (ended.status, ended.ended_reason) == ("EXPIRED", "ACCESS_TOKEN_EXPIRED")


async def test_401_without_a_token_is_only_a_dead_letter(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    sink.answer = 401
    async with running(house):
        await finished(house, made.id, ["DEAD"])
    assert (await house.subscriptions.get("app-1", made.id)).status == "ACTIVE"


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_sink_that_asks_for_patience_gets_it(house: House, sink: Sink, form: str) -> None:
    made, _ = await house.subscribe(sink.url)
    times: list[float] = []

    async def busy(_: Received) -> web.StreamResponse:
        times.append(asyncio.get_running_loop().time())
        if len(times) > 1:
            return web.Response(status=204)
        at = datetime.now(UTC) + timedelta(seconds=2)
        text = "1" if form == "seconds" else at.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return web.Response(status=429, headers={"Retry-After": text})

    sink.answer = busy
    async with running(house):
        await finished(house, made.id, ["DELIVERED"])
    assert times[1] - times[0] > 0.95


async def test_redirects_are_failures_and_never_followed(house: House, sink: Sink) -> None:
    async with Sink() as elsewhere:
        made, _ = await house.subscribe(sink.url)

        async def redirect(_: Received) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": elsewhere.url})

        sink.answer = redirect
        async with running(house):
            await sink.until_received(2)
            sink.answer = 204
            await finished(house, made.id, ["DELIVERED"])
        assert elsewhere.received == []
    _, attempts = await delivery_history.show(house.db, f"{made.id}-1")
    assert attempts[0].error == "HTTP 307"


async def test_a_sink_that_hangs_is_left_after_the_time_limit(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)

    async def hang(one: Received) -> web.StreamResponse:
        if len(sink.received) == 1:
            await asyncio.sleep(60)
        return web.Response(status=204)

    sink.answer = hang
    async with running(house, total_timeout=2.0):
        await finished(house, made.id, ["DELIVERED"])
    _, attempts = await delivery_history.show(house.db, f"{made.id}-1")
    assert [one.status for one in attempts] == [None, 204]
    assert attempts[0].error
    assert attempts[0].duration_ms >= 1900
    assert sink.received[0].id == sink.received[1].id


async def test_answers_are_kept_truncated_and_harmless(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)

    async def talkative(_: Received) -> web.StreamResponse:
        return web.Response(status=403, body=b"no\x00\xff" + b"x" * 100_000)

    sink.answer = talkative
    async with running(house):
        await finished(house, made.id, ["DEAD"])
    _, (attempt,) = await delivery_history.show(house.db, f"{made.id}-1")
    assert attempt.answer is not None
    assert attempt.answer.startswith("no\ufffd\ufffdxx")
    assert len(attempt.answer) == 4096


async def test_an_endless_answer_does_not_undo_its_status(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)

    async def drip(one: Received) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(one.request)
        await response.write(b"ok")
        await asyncio.sleep(60)
        return response

    sink.answer = drip
    async with running(house, total_timeout=5.0):
        await finished(house, made.id, ["DELIVERED"])
    assert len(sink.received) == 1


async def test_a_subscription_ends_by_itself_after_its_last_event(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url, max_events=2)
    await house.publish(1)
    await house.publish(2, 3)
    async with running(house):
        await finished(house, made.id, ["DELIVERED"] * 4)
    assert sink.devices == [1, 2]
    assert sink.received[-1].event["data"] == {"subscriptionId": made.id, "terminationReason": "MAX_EVENTS_REACHED"}


async def test_a_subscription_ends_by_itself_when_its_time_is_over(house: House, sink: Sink, now: datetime) -> None:
    made, _ = await house.subscribe(sink.url, expires_at=now + timedelta(milliseconds=50))
    async with running(house):
        await finished(house, made.id, ["DELIVERED"] * 2)
    assert sink.received[-1].event["data"]["terminationReason"] == "SUBSCRIPTION_EXPIRED"
    (listed,) = await house.subscriptions.list("app-1", API)
    assert (listed.status, listed.ended_reason) == ("EXPIRED", "SUBSCRIPTION_EXPIRED")


async def test_before_its_token_expires_the_sink_is_told_with_it(house: House, sink: Sink, now: datetime) -> None:
    expires_at = now + timedelta(hours=1)
    made, _ = await house.subscribe(sink.url, token="short", token_expires_at=expires_at)
    await house.db.execute("update subscription set ends_at = now()")  # as a minute before the token expires
    async with running(house):
        await finished(house, made.id, ["DELIVERED"] * 2)
    last = sink.received[-1]
    assert last.event["data"]["terminationReason"] == "ACCESS_TOKEN_EXPIRED"
    assert last.headers["authorization"] == "Bearer short"


async def test_what_is_delivered_is_counted(house: House, sink: Sink) -> None:
    made, _ = await house.subscribe(sink.url)
    sink.answer = lambda _: 204 if len(sink.received) > 1 else 500
    async with running(house) as notifier:
        await finished(house, made.id, ["DELIVERED"])
        assert notifier.metrics.attempts.labels("delivered")._value.get() == 1
        assert notifier.metrics.attempts.labels("retried")._value.get() == 1
        assert notifier.metrics.delay._sum.get() > 0


async def test_what_is_shown_of_an_attempt_is_what_the_sink_got(house: House, sink: Sink, now: datetime) -> None:
    made, _ = await house.subscribe(
        sink.url, token="token-1", token_expires_at=now + timedelta(hours=1), headers={"x-api-key": "k-1"}
    )
    sink.answer = lambda one: 500 if len(sink.received) < 3 else 204
    async with running(house):
        await finished(house, made.id, ["DELIVERED"])
    event_id = f"{made.id}-1"
    _, attempts = await delivery_history.show(house.db, event_id)
    queue = await delivery_history.queue_of(house.db, event_id)
    assert len(attempts) == len(sink.received) == 3
    for attempt, received in zip(attempts, sink.received, strict=True):
        shown = preview(queue, attempt.at, house.vault, source="urn:simwarden")
        assert shown.url == sink.url
        assert shown.body.encode() == received.body
        masked = {"authorization": f"Bearer {MASK}", "x-api-key": MASK}
        assert shown.headers == {name: masked.get(name, received.headers[name]) for name in shown.headers}
        own = {"host", "accept", "accept-encoding", "content-length"}
        assert {name.lower() for name in received.headers} - shown.headers.keys() <= own
