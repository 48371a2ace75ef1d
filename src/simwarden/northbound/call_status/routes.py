"""retrieve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.live_call import in_call
from simwarden.northbound.call_status import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.numbers import Callers
from simwarden.northbound.kernel.ports import NetworkView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.live_call import SeenCall
    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.services import Services

NAME = "call-status"


@runtime_checkable
class CallView(NetworkView, Protocol):
    """Knows the newest calls of SIMs."""

    async def calls(self, sim: Sim) -> Sequence[SeenCall]:
        """Of this SIM."""


class CallStatus:
    """The one operation."""

    def __init__(self, services: Services, view: CallView) -> None:
        self._callers = Callers(services)
        self._view = view
        self._clock = services.edge.clock
        self._retrieve = Decoder(schemas.CallStatusRequest)

    async def retrieve(self, request: Request) -> Answer:
        """Whether a phone number is in a call now (retrieveCallStatus). Who the other side is is never told."""
        wanted = decode(self._retrieve, request.body, schemas.WORDING)
        sim = await self._callers.sim(request, wanted.phone_number)
        found = in_call(await self._view.calls(sim), (await self._view.shown(sim)).slot, self._clock())
        since = UNSET if found.since is None else found.since
        return Answer(200, schemas.CallStatusResponse(found.in_call, found.at, since))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/call-status`; None where nobody knows calls."""
    if not isinstance(services.sims, CallView):
        return None
    served = CallStatus(services, services.sims)
    endpoints = {"/vwip/retrieve": {"POST": Endpoint("retrieveCallStatus", served.retrieve, has_body=True, reads=True)}}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
