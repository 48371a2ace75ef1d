"""retrieve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.standing import reachability
from simwarden.northbound.device_reachability_status import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.devices import counted
from simwarden.northbound.kernel.errors import ServiceNotApplicable
from simwarden.northbound.kernel.ports import NetworkView

if TYPE_CHECKING:
    from simwarden.northbound.kernel.services import Services

NAME = "device-reachability-status"
_NO_SOURCE = "No network element has shown this device yet"


class DeviceReachabilityStatus:
    """The one operation."""

    def __init__(self, services: Services, network: NetworkView) -> None:
        self._devices = services.devices
        self._network = network
        self._clock = services.edge.clock
        self._request = Decoder(schemas.ReachabilityRequest)

    async def retrieve(self, request: Request) -> Answer:
        """By what the device can be reached (getReachabilityStatus)."""
        wanted = decode(self._request, request.body, schemas.WORDING)
        ref = self._devices.name(request.caller, wanted.device)
        sim = await self._devices.find(request.caller, ref)
        found = reachability(sim, await self._network.shown(sim), self._clock())
        if found is None:
            raise ServiceNotApplicable(_NO_SOURCE)
        able = [name for name, is_so in (("DATA", found.data), ("SMS", found.sms)) if is_so]
        device = counted(wanted.device, ref)
        return Answer(200, schemas.ReachabilityResponse(found.at, bool(able), able or UNSET, device))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/device-reachability-status`; None where nothing tells how SIMs are shown."""
    if not isinstance(services.sims, NetworkView):
        return None
    served = DeviceReachabilityStatus(services, services.sims)
    endpoint = Endpoint("getReachabilityStatus", served.retrieve, has_body=True, reads=True)
    return Api(NAME, {"/v1/retrieve": {"POST": endpoint}}, of_operations(__package__), services.edge)
