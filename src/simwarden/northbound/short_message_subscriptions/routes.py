"""The contract; operations are those of all subscription APIs (`kernel.subscriptions`), and retrieveReceived."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import UNSET, Meta

from simwarden.domain.events import EventType
from simwarden.domain.opt_outs import ANY_NUMBER, OptOutSource
from simwarden.northbound.kernel import paging, sinks, subscriptions
from simwarden.northbound.kernel.api import Answer, Endpoint
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.ports import MessageReader, OptOutBook, TokenHolder
from simwarden.northbound.short_message_subscriptions import schemas

if TYPE_CHECKING:
    from msgspec import UnsetType

    from simwarden.domain.opt_outs import OptOutEntry
    from simwarden.northbound.kernel.api import Api, Request
    from simwarden.northbound.kernel.devices import StrictDevice
    from simwarden.northbound.kernel.services import Services

NAME = "short-message-subscriptions"
SMS_RECEIVED = f"org.camaraproject.{NAME}.v0.sms-received"
NO_STORE = [(b"cache-control", b"no-store")]
Text = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00]*\Z")]
Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
OptOutPlace = tuple[Annotated[datetime, Meta(tz=True)], Text, Key]
"""Where a page ended."""
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
        if wanted.device is not UNSET or caller.device is not None or caller.only is not None:
            sim = await self._devices.find(caller, self._devices.name(caller, wanted.device))
        since = None if wanted.since is UNSET else sinks.in_utc(wanted.since, "since")
        found = await self._messages.received(caller.account_id, sim, since=since, after=after, limit=wanted.limit)
        cursor = paging.cursor(found[-1][0]) if found else wanted.cursor
        return Answer(200, schemas.ReceivedPage([message for _, message in found], cursor))


class OptOuts:
    """Who wants no messages from the account's SIMs."""

    def __init__(self, services: Services, book: OptOutBook) -> None:
        self._devices = services.devices
        self._book = book
        self._query = msgspec.json.Decoder(schemas.OptOutQuery)
        self._change = msgspec.json.Decoder(schemas.OptOutChange)

    async def retrieve(self, request: Request) -> Answer:
        """The newest first (retrieveOptOuts)."""
        wanted = decode(self._query, request.body, schemas.OPT_OUT_WORDING)
        behind = None if wanted.cursor is UNSET else paging.place(wanted.cursor, OptOutPlace)
        number = await self._number(request.caller, wanted.device)
        account_id = request.caller.account_id
        found = await self._book.page(account_id, number, behind=behind, limit=wanted.limit + 1)
        rows = found[: wanted.limit]
        cursor = paging.cursor(rows[-1].place) if len(found) > len(rows) else UNSET
        return Answer(200, schemas.OptOutPage([_shown(row) for row in rows], cursor), NO_STORE)

    async def add(self, request: Request) -> Answer:
        """Without a device from all SIMs of the account (addOptOut)."""
        wanted, number = await self._changed(request)
        await self._book.add(request.caller.account_id, number, wanted.receiver, OptOutSource.CUSTOMER)
        return Answer(204)

    async def remove(self, request: Request) -> Answer:
        """What was added without a device is removed without one (removeOptOut)."""
        wanted, number = await self._changed(request)
        await self._book.remove(request.caller.account_id, number, wanted.receiver)
        return Answer(204)

    async def _changed(self, request: Request) -> tuple[schemas.OptOutChange, str]:
        wanted = decode(self._change, request.body, schemas.OPT_OUT_WORDING)
        return wanted, await self._number(request.caller, wanted.device) or ANY_NUMBER

    async def _number(self, caller: TokenHolder, device: StrictDevice | UnsetType) -> str | None:
        """The number that messages come from; None: any SIM's."""
        if device is UNSET and caller.device is None and caller.only is None:
            return None
        sim = await self._devices.find(caller, self._devices.name(caller, device))
        return sim.msisdn or sim.imsi


def _shown(row: OptOutEntry) -> schemas.ShownOptOut:
    return schemas.ShownOptOut(
        since=row.since,
        source=row.source,
        device={"phoneNumber": row.number} if row.number.startswith("+") else UNSET,
        all_devices=True if row.number == ANY_NUMBER else UNSET,
        receiver=UNSET if row.receiver is None else row.receiver,
    )


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/short-message-subscriptions`; None where no messages are kept."""
    if services.messages is None:
        return None
    served = Received(services, services.messages)
    retrieve = Endpoint("retrieveReceivedShortMessages", served.retrieve, has_body=True, reads=True)
    more = {"/vwip/retrieve-received": {"POST": retrieve}}
    if services.opt_outs is not None:
        kept = OptOuts(services, services.opt_outs)
        listed = Endpoint("retrieveOptOuts", kept.retrieve, has_body=True, reads=True)
        more["/vwip/retrieve-opt-outs"] = {"POST": listed}
        more["/vwip/add-opt-out"] = {"POST": Endpoint("addOptOut", kept.add, has_body=True)}
        more["/vwip/remove-opt-out"] = {"POST": Endpoint("removeOptOut", kept.remove, has_body=True)}
    return subscriptions.build(CONTRACT, services, __package__, more=more)
