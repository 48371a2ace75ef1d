"""send-sms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import ResourceNotFound
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine.sending import NewMessage, QueuedMessage
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import InvalidArgument, InvalidTokenContext, ServiceNotApplicable
from simwarden.northbound.kernel.ports import MessageReader, MessageSender
from simwarden.northbound.kernel.writing import execute
from simwarden.northbound.sms import schemas

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Services

NAME = "sms"


class ShortMessages:
    """The one operation."""

    def __init__(self, services: Services, messages: MessageReader, sender: MessageSender) -> None:
        self._devices = services.devices
        self._messages = messages
        self._sender = sender
        self._decoder = Decoder(schemas.MessageForm)

    async def send(self, request: Request) -> Answer:
        """Send a text from a SIM to one or more numbers (send-sms)."""
        wanted = decode(self._decoder, request.body, schemas.WORDING)
        sim, to = await self._reply(request, wanted) if wanted.in_reply_to else await self._named(request, wanted)
        new = NewMessage(
            sim=sim,
            app_key=request.caller.app_key,
            to=tuple(dict.fromkeys(to)),
            text=wanted.message,
            category=None if wanted.category is UNSET else str(wanted.category),
            usage=request.usage,
        )
        return await execute(request, lambda once: self._sender.submit(new, once), _taken)

    async def _named(self, request: Request, wanted: schemas.MessageForm) -> tuple[Sim, list[str]]:
        """Raises InvalidArgument, InvalidTokenContext, SimNotFound."""
        caller, number = request.caller, wanted.from_
        if wanted.to is UNSET:
            raise InvalidArgument("to must be specified")
        if caller.device is not None:
            if number not in (UNSET, caller.device):
                raise InvalidTokenContext
            number = caller.device
        if number is UNSET:
            raise InvalidArgument("from must be specified, for the access token names no device")
        ref = self._devices.covered(caller, SimRef(IdentifierKind.MSISDN, number))
        return await self._devices.find(caller, ref), wanted.to

    async def _reply(self, request: Request, wanted: schemas.MessageForm) -> tuple[Sim, list[str]]:
        """Raises InvalidArgument, ResourceNotFound, ServiceNotApplicable, SimNotFound."""
        caller = request.caller
        if wanted.to is not UNSET or wanted.from_ is not UNSET:
            raise InvalidArgument("inReplyTo stands in the place of to and from")
        assert wanted.in_reply_to is not UNSET
        found = await self._messages.origin(caller.account_id, wanted.in_reply_to)
        if found is None:
            raise ResourceNotFound
        sim = await self._devices.find(caller, self._devices.covered(caller, found.sim))
        if caller.device not in (None, sim.msisdn):
            raise ResourceNotFound
        if not found.sender.startswith("+"):
            raise ServiceNotApplicable("The sender of that message has no phone number to reply to")
        return sim, [found.sender]


def _taken(queued: QueuedMessage) -> Answer:
    return Answer(200, schemas.MessageTaken(queued.id, queued.at))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/sms`; None where nothing is sent."""
    if services.messages is None or services.sending is None:
        return None
    served = ShortMessages(services, services.messages, services.sending)
    endpoints = {"/v0alpha1/short-message": {"POST": Endpoint("send-sms", served.send, has_body=True, once=True)}}
    return Api(NAME, endpoints, of_operations(__package__), services.edge, with_detail=True)
