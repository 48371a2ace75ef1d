"""retrieve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.northbound.connected_network_type import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.devices import counted
from simwarden.northbound.kernel.errors import ServiceNotApplicable

if TYPE_CHECKING:
    from simwarden.northbound.connected_network_type.part import Connections
    from simwarden.northbound.kernel.services import Services

NAME = "connected-network-type"
_NO_SOURCE = "No network element has reported a data session of this device"


class ConnectedNetworkType:
    """The one operation."""

    def __init__(self, services: Services, connections: Connections) -> None:
        self._devices = services.devices
        self._connections = connections
        self._request = Decoder(schemas.NetworkTypeRequest)

    async def retrieve(self, request: Request) -> Answer:
        """By which generation the device is connected (getConnectedNetworkType)."""
        wanted = decode(self._request, request.body, schemas.WORDING)
        ref = self._devices.name(request.caller, wanted.device)
        sim = await self._devices.find(request.caller, ref)
        found = await self._connections.of(sim)
        if found is None:
            raise ServiceNotApplicable(_NO_SOURCE)
        return Answer(200, schemas.NetworkTypeResponse(found.at, found.generation, counted(wanted.device, ref)))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/connected-network-type`; None where nobody knows of sessions."""
    connections: Connections | None = services.own.get(NAME)
    if connections is None:
        return None
    served = ConnectedNetworkType(services, connections)
    endpoint = Endpoint("getConnectedNetworkType", served.retrieve, has_body=True, reads=True)
    return Api(NAME, {"/v0.2/retrieve": {"POST": endpoint}}, of_operations(__package__), services.edge)
