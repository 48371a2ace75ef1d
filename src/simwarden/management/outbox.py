"""Subscriptions and deliveries of all tenants: list, show, end, pause, test, hand over, send again."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec.json import Decoder

from simwarden.domain.errors import SubscriptionNotFound
from simwarden.domain.subscription_ids import stored
from simwarden.engine.subscriptions import bucket_of_id
from simwarden.management import schemas, views
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text, Time
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.store import care, delivery_history, listing

Place = tuple[Time, Text]
"""Time and id of the last row of a page."""
_NEWEST: Place = (datetime(9999, 1, 1, tzinfo=UTC), "")


class OutboxRoutes:
    """The operations under `/subscriptions` and `/deliveries`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._replay = Decoder(schemas.ReplayRequest)
        self._hand_over = Decoder(schemas.HandOver)

    async def subscriptions(self, request: Request) -> Answer:
        """listSubscriptions: the newest first, those that ended included."""
        query = Query(request.query, ("account", "status", "sim", "failing", "health"), "subscriptions")
        found = await listing.subscriptions(
            self._house.db,
            before=query.cursor(Place) or _NEWEST,
            account_id=await self._house.account_id(query.text("account")),
            status=query.choice("status", ("ACTIVE", "EXPIRED", "DELETED")),
            imsi=await self._house.imsi(query.text("sim")),
            is_failing=query.choice("failing", ("true",)) is not None,
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        has_health = query.choice("health", ("true",)) is not None
        health = await delivery_history.health(self._house.db, [each.id for each in shown]) if has_health else {}
        rows = [views.subscription(each, health.get(each.id)) for each in shown]
        answer: dict[str, object] = {"subscriptions": rows}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next((shown[-1].created_at, shown[-1].id))
        return Answer(200, answer)

    async def subscription(self, request: Request) -> Answer:
        """getSubscription."""
        id_ = stored(request.parameter)
        found = await listing.subscription(self._house.db, bucket_of_id(id_), id_)
        if found is None:
            raise SubscriptionNotFound("No subscription has this id")
        health = await delivery_history.health(self._house.db, [id_])
        return Answer(200, views.subscription(found, health[id_]))

    async def end(self, request: Request) -> Answer:
        """endSubscription: NETWORK_TERMINATED."""
        ended = await care.end(self._house.db, stored(request.parameter), self._house.clock())
        return Answer(200, views.subscription(ended))

    async def pause(self, request: Request) -> Answer:
        """pauseSubscription."""
        return Answer(200, views.subscription(await care.pause(self._house.db, stored(request.parameter))))

    async def resume(self, request: Request) -> Answer:
        """resumeSubscription."""
        return Answer(200, views.subscription(await care.resume(self._house.db, stored(request.parameter))))

    async def test(self, request: Request) -> Answer:
        """testSubscription: a delivery like any other, to be looked at by its id."""
        made = await care.test(self._house.db, stored(request.parameter), self._house.clock())
        found, attempts = await delivery_history.show(self._house.db, made)
        return Answer(200, views.delivery(found, attempts))

    async def hand_over(self, request: Request) -> Answer:
        """handOverSubscription: to another application of the same account."""
        wanted: schemas.HandOver = read(self._hand_over, request)
        to = await self._house.accounts.named(wanted.application)
        return Answer(200, views.subscription(await care.hand_over(self._house.db, stored(request.parameter), to)))

    async def deliveries(self, request: Request) -> Answer:
        """listDeliveries: the newest first."""
        query = Query(request.query, ("account", "status", "sim", "subscription", "since"), "deliveries")
        found = await listing.deliveries(
            self._house.db,
            before=query.cursor(Place) or _NEWEST,
            account_id=await self._house.account_id(query.text("account")),
            status=query.choice("status", ("PENDING", "DELIVERED", "DEAD", "DROPPED")),
            imsi=await self._house.imsi(query.text("sim")),
            subscription_id=stored(query.text("subscription") or "") or None,
            since=query.time("since"),
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        answer: dict[str, object] = {"deliveries": [views.delivery(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next((shown[-1].created_at, shown[-1].event_id))
        return Answer(200, answer)

    async def delivery(self, request: Request) -> Answer:
        """getDelivery, with its attempts and the request of the last one."""
        found, attempts = await delivery_history.show(self._house.db, request.parameter)
        shown = views.delivery(found, attempts)
        if attempts:
            queue = await delivery_history.queue_of(self._house.db, request.parameter)
            shown = msgspec.structs.replace(shown, last_request=self._house.preview(queue, attempts[-1].at))
        return Answer(200, shown)

    async def replay(self, request: Request) -> Answer:
        """replayDelivery: under the same id."""
        return Answer(200, {"replayed": await delivery_history.replay(self._house.db, request.parameter)})

    async def replay_since(self, request: Request) -> Answer:
        """replayDeliveries: all since a time, in order per subscription."""
        wanted: schemas.ReplayRequest = read(self._replay, request)
        count = await delivery_history.replay_since(
            self._house.db,
            wanted.since,
            subscription_id=stored(wanted.subscription_id or "") or None,
            only_dead=not wanted.delivered_too,
        )
        return Answer(200, {"replayed": count})
