"""retrieve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.standing import serving
from simwarden.northbound.device_roaming_status import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.devices import counted
from simwarden.northbound.kernel.errors import ServiceNotApplicable
from simwarden.northbound.kernel.ports import NetworkView

if TYPE_CHECKING:
    from simwarden.northbound.kernel.services import Services

NAME = "device-roaming-status"
_NO_SOURCE = "No network element shows which network serves this device"


class DeviceRoamingStatus:
    """The one operation."""

    def __init__(self, services: Services, network: NetworkView) -> None:
        self._devices = services.devices
        self._accounts = services.accounts
        self._network = network
        self._request = Decoder(schemas.RoamingRequest)

    async def retrieve(self, request: Request) -> Answer:
        """Whether the device roams, and in which country (getRoamingStatus)."""
        wanted = decode(self._request, request.body, schemas.WORDING)
        ref = self._devices.name(request.caller, wanted.device)
        sim = await self._devices.find(request.caller, ref)
        shown = await self._network.shown(sim)
        found = serving(sim, shown)
        if found is not None and found.roaming:  # the account may say that it is at home there too
            found = serving(sim, shown, (await self._accounts.settings(sim.account_id)).home_networks)
        if found is None:
            raise ServiceNotApplicable(_NO_SOURCE)
        code, names = (int(found.mcc), found.countries) if found.roaming else (UNSET, UNSET)
        device = counted(wanted.device, ref)
        return Answer(200, schemas.RoamingResponse(found.at, found.roaming, code, names, device))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/device-roaming-status`; None where nothing tells how SIMs are shown."""
    if not isinstance(services.sims, NetworkView):
        return None
    served = DeviceRoamingStatus(services, services.sims)
    endpoint = Endpoint("getRoamingStatus", served.retrieve, has_body=True, reads=True)
    return Api(NAME, {"/v1/retrieve": {"POST": endpoint}}, of_operations(__package__), services.edge)
