"""Short messages from SIMs: what sending would do, sending, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.json import Decoder

from simwarden.domain.messages import MOST_TEXT
from simwarden.domain.texts import encoding_of, parts_of
from simwarden.engine.sending import NewMessage, QueuedMessage
from simwarden.management.house import House, read
from simwarden.management.query import Number, Query, Text, Time
from simwarden.management.record_views import masked
from simwarden.management.records import reveals
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.devices import PhoneNumber
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.writing import execute
from simwarden.store import sent_messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.store.sent_messages import SentMessage

Place = tuple[Time, Text, Number]
"""Where a page ended."""
_NO_STORE = [(b"cache-control", b"no-store")]


class SendText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SendText."""

    receiver: PhoneNumber
    text: Annotated[str, Meta(min_length=1, max_length=MOST_TEXT)]


class SendingRoutes:
    """The operations `/sims/{simId}/messages` and `/sent-messages`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._text = Decoder(SendText)

    async def preview(self, request: Request) -> Answer:
        """previewMessage: what sendMessage with this body would do now; nothing changes."""
        new = await self._wanted(request)
        route = await self._house.sending.preview(new)
        carrier = await self._house.gateways.access(route.element_id)
        sim, text = new.sim, new.text
        answer: dict[str, Any] = {
            "imsi": sim.imsi,
            "carrier": carrier.name,
            "carrierKind": carrier.kind,
            "ownSlot": not route.is_centre,
            "parts": len(parts_of(text)),
            "encoding": str(encoding_of(text)),
        }
        if sim.msisdn is not None:
            answer["from"] = sim.msisdn
        if not route.is_centre and sim.seen is not None and sim.seen.slot is not None:
            answer |= {"port": sim.seen.slot.port, "slot": sim.seen.slot.slot}
        return Answer(200, answer, _NO_STORE)

    async def send(self, request: Request) -> Answer:
        """sendMessage: queued when this returns; once for each Idempotency-Key."""
        new = await self._wanted(request)
        return await execute(request, lambda once: self._house.sending.submit(new, once), _queued)

    async def page(self, request: Request) -> Answer:
        """listSentMessages: the newest first."""
        query = Query(request.query, ("sim", "account", "reveal"), "sent-messages")
        reveal = reveals(request, query)
        name, account = query.text("sim", 320), query.text("account")
        if (name is None) == (account is None):
            raise InvalidArgument("Give one of sim and account")
        before, limit, house = query.cursor(Place), query.limit + 1, self._house
        if name is not None:
            found = await sent_messages.of_sim(house.db, house.vault, await house.sim(name), before, limit)
        else:
            id_ = (await house.account(str(account))).id
            found = await sent_messages.of_account(house.db, house.vault, id_, before, limit)
        shown = found[: query.limit]
        answer: dict[str, Any] = {"messages": await self._views(shown, reveal=reveal)}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1].place)
        return Answer(200, answer, _NO_STORE)

    async def show(self, request: Request) -> Answer:
        """getSentMessage: by receiver."""
        reveal = reveals(request, Query(request.query, ("reveal",), "sent-messages"))
        found = await sent_messages.one(self._house.db, self._house.vault, request.parameter)
        return Answer(200, {"id": found[0].key.id, "messages": await self._views(found, reveal=reveal)}, _NO_STORE)

    async def _wanted(self, request: Request) -> NewMessage:
        """Raises InvalidArgument, SimNotFound."""
        wanted: SendText = read(self._text, request)
        sim = await self._house.sim(request.parameter)
        return NewMessage(sim=sim, app_key=request.caller.app_key, to=(wanted.receiver,), text=wanted.text)

    async def _views(self, rows: list[SentMessage], *, reveal: bool) -> list[dict[str, Any]]:
        names = await self._house.gateways.names({row.gateway_id for row in rows if row.gateway_id is not None})
        return [_view(row, names, reveal=reveal) for row in rows]


def _view(row: SentMessage, names: Mapping[int, str], *, reveal: bool) -> dict[str, Any]:
    text = row.content.text
    shown = {
        "id": row.key.id,
        "recipient": row.key.recipient,
        "imsi": row.imsi,
        "account": row.account_id,
        "receiver": masked(row.content.to, reveal=reveal),
        "text": text if reveal else f"({len(text)} characters)",
        "parts": len(parts_of(text)),
        "state": row.stage.name,
        "reason": row.reason,
        "carrier": None if row.gateway_id is None else names.get(row.gateway_id),
        "target": row.target,
        "attempts": row.attempts,
        "queuedAt": row.queued_at,
        "stateSince": row.moved_at,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _queued(message: QueuedMessage) -> Answer:
    return Answer(200, {"id": message.id, "queuedAt": message.at})
