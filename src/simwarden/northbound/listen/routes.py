"""Open an inbox, take events from it, acknowledge them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.edge import errors
from simwarden.edge.bodies import BodyRefused, read_body
from simwarden.kit.clock import now_utc
from simwarden.northbound.kernel.api import MAX_BODY, Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.listen import schemas
from simwarden.notify.retry import SendOutcome

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from simwarden.northbound.kernel.services import Services
    from simwarden.notify.inbox import Inboxes

NAME = "listen"
MAX_WAIT = 30
MAX_EVENTS = 100
_QUERY = {"wait": (0, MAX_WAIT, 0), "limit": (1, MAX_EVENTS, 20)}
"""Least, most, and what it is when it is not given."""


class Listen:
    """The three operations."""

    def __init__(self, inboxes: Inboxes) -> None:
        self._inboxes = inboxes
        self._open = Decoder(schemas.OpenInboxRequest)
        self._acknowledge = Decoder(schemas.Acknowledgement)

    async def open(self, request: Request) -> Answer:
        """The client's inbox of this name, made if need be (openInbox)."""
        wanted = decode(self._open, request.body, schemas.OPEN)
        caller = request.caller
        inbox = await self._inboxes.open(caller.account_id, caller.app_key, wanted.name)
        return Answer(201 if inbox.created else 200, schemas.opened(inbox))

    async def take(self, request: Request) -> Answer:
        """The next events (takeEvents)."""
        query = _query(request.query)
        taken = await self._inboxes.take(
            request.caller.app_key, request.parameter, wait=query["wait"], limit=query["limit"]
        )
        return Answer(200, schemas.events(taken))

    async def acknowledge(self, request: Request) -> Answer:
        """Say what became of an event (acknowledgeEvent)."""
        said = decode(self._acknowledge, request.body, schemas.ACKNOWLEDGE)
        if said.status is UNSET and said.error is UNSET:
            raise InvalidArgument("status or error must be specified")
        duration = timedelta(milliseconds=said.duration_ms)
        outcome = SendOutcome(
            at=now_utc() - duration,
            duration=duration,
            status=None if said.status is UNSET else said.status,
            error=None if said.error is UNSET else _printable(said.error),
            retry_after=None if said.retry_after_seconds is UNSET else timedelta(seconds=said.retry_after_seconds),
            answer=None if said.answer is UNSET else _printable(said.answer),
        )
        decision = await self._inboxes.settle(request.caller.app_key, request.parameter, said.event_id, outcome)
        return Answer(200, schemas.verdict(decision))


def _query(text: str) -> dict[str, int]:
    """`wait` and `limit`. Raises InvalidArgument."""
    given = dict(parse_qsl(text, keep_blank_values=True))
    found = {}
    for name, (least, most, default) in _QUERY.items():
        value = given.get(name, str(default))
        if not (value.isascii() and value.isdecimal() and len(value) < 5 and least <= int(value) <= most):
            raise InvalidArgument(f"{name} must be a whole number from {least} to {most}")
        found[name] = int(value)
    return found


def _printable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


class PatientApi(Api):
    """Gives up a poll whose client has hung up, so that it takes no events that nobody would get."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, if somebody still waits for it."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await super().__call__(scope, receive, send)
            return
        # A body means nothing here, and whoever waits for the end of the connection must not take it.
        try:
            await read_body(receive, None, MAX_BODY)
        except BodyRefused as refused:
            await errors.of_body(scope["headers"], refused)(scope, receive, send)
            return
        call, gone = asyncio.create_task(super().__call__(scope, receive, send)), asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((call, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            call.cancel()
            gone.cancel()
            await asyncio.gather(call, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def build(services: Services) -> Api:
    """The API, to be mounted at `/listen`."""
    served = Listen(services.inboxes)
    return PatientApi(
        NAME,
        {
            "/v1/inboxes": {"POST": Endpoint("openInbox", served.open, has_body=True, about_sim=False)},
            "/v1/inboxes/{}/events": {"GET": Endpoint("takeEvents", served.take, has_body=False, about_sim=False)},
            "/v1/inboxes/{}/acknowledgements": {
                "POST": Endpoint("acknowledgeEvent", served.acknowledge, has_body=True, about_sim=False)
            },
        },
        of_operations(__package__),
        services.edge,
    )
