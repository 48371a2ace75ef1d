"""From a committed event to the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standardwebhooks import Webhook
from tests.integration.notify.house import DEVICE, FAMILY
from tests.integration.notify.running import running

if TYPE_CHECKING:
    from tests.integration.notify.house import House
    from tests.integration.notify.sink import Sink


async def test_events_arrive_as_signed_cloudevents_in_order(house: House, sink: Sink) -> None:
    made, secret = await house.subscribe(sink.url, headers={"x-tenant": "7"})
    async with running(house) as notifier:
        await house.publish(1, 2)
        notifier.wake()
        received = await sink.until_received(3)
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
    assert [row["status"] for row in await house.deliveries(made.id)] == ["DELIVERED"] * 3
