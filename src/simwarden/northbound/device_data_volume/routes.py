"""retrieve and check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.allowance import MIB, remaining
from simwarden.northbound.device_data_volume import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.devices import counted
from simwarden.northbound.kernel.errors import ServiceNotApplicable

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim
    from simwarden.northbound.device_data_volume.part import Volumes
    from simwarden.northbound.kernel.services import Services

NAME = "device-data-volume"
_NO_ALLOWANCE = "This device has no data allowance"
_NO_SOURCE = "No network element has counted data of this device"
_CATEGORIES = ((200 * MIB, "<200MiB"), (1024 * MIB, "<1GiB"), (5 * 1024 * MIB, "<5GiB"))
_MOST = ">=5GiB"


class DeviceDataVolume:
    """The two operations."""

    def __init__(self, services: Services, volumes: Volumes) -> None:
        self._devices = services.devices
        self._volumes = volumes
        self._clock = services.edge.clock
        self._retrieve = Decoder(schemas.RetrieveVolumeRequest)
        self._check = Decoder(schemas.CheckVolumeRequest)

    async def retrieve(self, request: Request) -> Answer:
        """How much is left, roughly (retrieveDataVolume)."""
        wanted = decode(self._retrieve, request.body, schemas.WORDING)
        ref = self._devices.name(request.caller, wanted.device)
        left = await self._left(await self._devices.find(request.caller, ref))
        category = next((name for bound, name in _CATEGORIES if left < bound), _MOST)
        return Answer(200, schemas.VolumeCategoryResponse(category, counted(wanted.device, ref)))

    async def check(self, request: Request) -> Answer:
        """Whether more is left than a volume (checkDataVolume)."""
        wanted = decode(self._check, request.body, schemas.WORDING)
        ref = self._devices.name(request.caller, wanted.device)
        left = await self._left(await self._devices.find(request.caller, ref))
        return Answer(
            200, schemas.CheckVolumeResponse(left > wanted.volume_to_check.octets, counted(wanted.device, ref))
        )

    async def _left(self, sim: Sim) -> int:
        """Octets that are left of this month's allowance. Raises ServiceNotApplicable where that is not known."""
        if sim.limits.data_allowance is None:
            raise ServiceNotApplicable(_NO_ALLOWANCE)
        used = await self._volumes.used(sim, self._clock())
        if used is None:
            raise ServiceNotApplicable(_NO_SOURCE)
        return remaining(sim.limits.data_allowance, used)


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/device-data-volume`; None where nobody counts data."""
    volumes: Volumes | None = services.own.get(NAME)
    if volumes is None:
        return None
    served = DeviceDataVolume(services, volumes)
    endpoints = {
        "/v0.1/retrieve": {"POST": Endpoint("retrieveDataVolume", served.retrieve, has_body=True, reads=True)},
        "/v0.1/check": {"POST": Endpoint("checkDataVolume", served.check, has_body=True, reads=True)},
    }
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
