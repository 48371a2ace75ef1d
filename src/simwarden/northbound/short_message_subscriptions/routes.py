"""The contract; operations are those of all subscription APIs (`kernel.subscriptions`), and retrieveReceived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from simwarden.domain.events import EventType
from simwarden.northbound.kernel import paging, sinks, subscriptions
from simwarden.northbound.kernel.api import Answer, Endpoint
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.ports import MessageReader
from simwarden.northbound.short_message_subscriptions import schemas

if TYPE_CHECKING:
    from simwarden.northbound.kernel.api import Api, Request
    from simwarden.northbound.kernel.services import Services

NAME = "short-message-subscriptions"
SMS_RECEIVED = f"org.camaraproject.{NAME}.v0.sms-received"
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"vwip": schemas.MessageRequest},
    kinds={SMS_RECEIVED: EventType.SMS_RECEIVED},
    operations=subscriptions.Operations(
        "createShortMessageSubscription",
        "retrieveShortMessageSubscriptionList",
        "retrieveShortMessageSubscription",
        "deleteShortMessageSubscription",
    ),
    wording=schemas.WORDING,
)


class Received:
    """Asking for received messages, for callers without a sink."""

    def __init__(self, services: Services, messages: MessageReader) -> None:
        self._devices = services.devices
        self._messages = messages
        self._decoder = msgspec.json.Decoder(schemas.ReceivedQuery)

    async def retrieve(self, request: Request) -> Answer:
        """Messages in the order in which they were stored, behind the cursor (retrieveReceivedShortMessages)."""
        wanted, caller = decode(self._decoder, request.body, schemas.RETRIEVE_WORDING), request.caller
        after = 0 if wanted.cursor is UNSET else paging.place(wanted.cursor, paging.Number)
        sim = None
        if wanted.device is not UNSET or caller.device is not None or caller.sims is not None:
            sim = await self._devices.find(caller, self._devices.name(caller, wanted.device))
        since = None if wanted.since is UNSET else sinks.in_utc(wanted.since, "since")
        found = await self._messages.received(caller.account_id, sim, since=since, after=after, limit=wanted.limit)
        cursor = paging.cursor(found[-1][0]) if found else wanted.cursor
        return Answer(200, schemas.ReceivedPage([message for _, message in found], cursor))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/short-message-subscriptions`; None where no messages are kept."""
    if services.messages is None:
        return None
    served = Received(services, services.messages)
    retrieve = Endpoint("retrieveReceivedShortMessages", served.retrieve, has_body=True, reads=True)
    return subscriptions.build(CONTRACT, services, __package__, more={"/vwip/retrieve-received": {"POST": retrieve}})
