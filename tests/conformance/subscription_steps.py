"""The steps of subscriptions, of notifications to a mock sink, and of the consumer's side of the callback."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec
from standardwebhooks import Webhook
from tests.conformance import contract
from tests.conformance.steps import DEVICE, IMEI_CHANGE, FeatureWorld, send, step
from tests.integration.northbound.house import House, sim
from tests.integration.notify.running import QUICK
from tests.integration.notify.sink import Received
from tests.integration.notify.sink import Sink as MockSink
from tests.unit.northbound.asgi import Reply

from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.engine.publishing import publish
from simwarden.notify.notifier import Notifier
from simwarden.simulator.sink import Behaviour, SinkServer
from simwarden.store.listener import Listener

OUTSIDE = step
"""The library that these steps are in: the same one."""
SUBSCRIPTIONS = "iot-sim-fraud-prevention-subscriptions"
FAMILY = IMEI_CHANGE.rpartition(".")[0]
QUIET = 0.4
"""Seconds in which nothing more must come."""


class Outside:
    """What stands outside of the server in one scenario."""

    def __init__(self, sink: MockSink) -> None:
        self.sink = sink
        self.heard = 0
        self.events = 0
        self.secret = ""
        self.subscription = ""

    @property
    def last(self) -> Received:
        """The notification that was heard last."""
        return self.sink.received[self.heard - 1]


_outside: dict[int, Outside] = {}
_made: dict[int, str] = {}
"""The subscription that a scenario made."""


def outside(world: FeatureWorld) -> Outside:
    """The sink of a scenario."""
    return _outside[id(world)]


async def _another_house(
    world: FeatureWorld, *, allow_private_sinks: bool = False, subscriptions_async: bool = False
) -> None:
    """The same server with other settings."""
    old = world.house
    world.house = House(
        old.db, old.vault, allow_private_sinks=allow_private_sinks, subscriptions_async=subscriptions_async
    )
    world.house.issued, world.house.account = old.issued, old.account


@step("the implementation answers to subscribing asynchronously")
async def asynchronous(world: FeatureWorld) -> None:
    await _another_house(world, subscriptions_async=True)


@step("a sink that takes every notification")
async def listening_sink(world: FeatureWorld) -> None:
    await _another_house(world, allow_private_sinks=True)
    sink = await world.stack.enter_async_context(MockSink())
    house = world.house
    notifier = Notifier(house.db, house.vault, worker="feature", allow_private_sinks=True, settings=QUICK)
    listener = Listener(house.db.url, notifier.handlers)
    listener.start()
    world.stack.push_async_callback(listener.stop)
    notifier.start()
    world.stack.push_async_callback(notifier.stop)
    _outside[id(world)] = Outside(sink)
    world.stack.callback(_outside.pop, id(world))
    world.body["sink"] = sink.url


@step(r"the sink answers (\d+)")
def sink_answers(world: FeatureWorld, status: str) -> None:
    outside(world).sink.answer = int(status)


@step(r'the request body property "(\$\.[\w.]+)" is (\d+) seconds? from now')
def from_now(world: FeatureWorld, path: str, seconds: str) -> None:
    node, name = world.holder(path)
    node[name] = _from_now(seconds)


@step(r'the sink\'s access token "(.+)" expires (\d+) seconds? from now')
def sink_token(world: FeatureWorld, token: str, seconds: str) -> None:
    world.body["sinkCredential"] = {
        "credentialType": "ACCESSTOKEN",
        "accessToken": token,
        "accessTokenExpiresUtc": _from_now(seconds),
        "accessTokenType": "bearer",
    }


@step('the (?:HTTP )?(GET|DELETE) request "(?:getSubscription|deleteSubscription)" is sent for it')
async def send_for_it(world: FeatureWorld, method: str) -> None:
    if world.answer.status == 201:
        _made[id(world)] = world.property("$.id")
        world.stack.callback(_made.pop, id(world))
    whole = world.path
    world.path += f"/{_made[id(world)]}"
    await send(world, method)
    world.path = whole


@step(r"the response body is a list of (\d+)")
def listed(world: FeatureWorld, count: str) -> None:
    assert len(world.answer.json) == int(count), world.answer.json


@step('the device\'s IMEI changes to "(.+)"')
async def imei_changes(world: FeatureWorld, imei: str) -> None:
    found = outside(world)
    found.events += 1
    now = datetime.now(UTC)
    moved = msgspec.structs.replace(sim(DEVICE["phoneNumber"]), account_id=world.house.account.id)
    n = moved.event_count + found.events
    event = Event(n, EventType.DEVICE_CHANGED, now, Cause(CauseKind.REPORT, "gw-1", now), {"imei": imei})
    async with world.house.db.transaction() as connection:
        await publish(connection, [(moved, [event])])


@step('the sink receives "([a-z-]+)"(?: with "(\\w+)" "(.+)")?')
async def receives(world: FeatureWorld, kind: str, name: str | None, value: str | None) -> None:
    found = outside(world)
    if world.answer.status == 201 and not found.secret:
        found.secret = world.answer.headers["x-simwarden-webhook-secret"]
        found.subscription = world.property("$.id")
    await found.sink.until(lambda: len(found.sink.received) > found.heard)
    found.heard += 1
    assert found.last.event["type"] == f"{FAMILY}.{kind}"
    if name is not None:
        assert found.last.event["data"][name] == value


@step("the sink receives nothing more")
async def quiet(world: FeatureWorld) -> None:
    await asyncio.sleep(QUIET)
    assert len(outside(world).sink.received) == outside(world).heard


@step('the notification has the Content-Type "(.+)"')
def notified_as(world: FeatureWorld, value: str) -> None:
    assert outside(world).last.headers["content-type"] == value


@step("the notification names the subscription and the device")
def names_both(world: FeatureWorld) -> None:
    data = outside(world).last.event["data"]
    assert data["subscriptionId"] == outside(world).subscription
    assert data["device"] == DEVICE


@step('the notification complies with the schema defined by "#/components/schemas/(.+)"')
def notification_complies(world: FeatureWorld, name: str) -> None:
    for held in (contract.ours(SUBSCRIPTIONS), contract.camaras(SUBSCRIPTIONS)):
        if held is not None:
            errors = list(held.schema(name).iter_errors(outside(world).last.event))
            assert not errors, errors[0].message


@step("the notification is signed with the secret of the subscription")
def signed(world: FeatureWorld) -> None:
    last = outside(world).last
    Webhook(outside(world).secret).verify(last.body, dict(last.headers))


@step('the notification carries the access token "(.+)"')
def carries(world: FeatureWorld, token: str) -> None:
    assert outside(world).last.headers["authorization"] == f"Bearer {token}"


# -- the consumer's side ---------------------------------------------------------------------------------------------


_consumers: dict[int, SinkServer] = {}


@step('a consumer\'s endpoint that wants the access token "(.+)"')
async def consumer(world: FeatureWorld, token: str) -> None:
    sink = SinkServer(bearer=token)
    await sink.start()
    world.stack.push_async_callback(sink.close)
    _consumers[id(world)] = sink
    world.stack.callback(_consumers.pop, id(world))


@step(r"the consumer answers (\d+)")
def consumer_answers(world: FeatureWorld, status: str) -> None:
    _consumers[id(world)].behaviour = Behaviour(status=int(status))


@step('a valid "([a-z-]+)" event')
def valid_event(world: FeatureWorld, kind: str) -> None:
    world.body = {
        "id": "1",
        "source": "urn:simwarden",
        "specversion": "1.0",
        "type": f"{FAMILY}.{kind}",
        "time": "2026-11-21T12:00:00Z",
        "datacontenttype": "application/json",
        "data": {"subscriptionId": "1", "imei": "352099001761481", "device": DEVICE},
    }


@step('the callback "postNotification" is sent')
async def post(world: FeatureWorld) -> None:
    url = f"{_consumers[id(world)].url.rstrip('/')}/notifications"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=json.dumps(world.body).encode(), headers=world.headers) as answer,
    ):
        headers = {name.lower(): value for name, value in answer.headers.items()}
        world.reply = Reply(answer.status, headers, await answer.read())


def _from_now(seconds: str) -> str:
    return (datetime.now(UTC) + timedelta(seconds=int(seconds))).isoformat()
