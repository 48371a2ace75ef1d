"""check-status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.equipment import DeviceList
from simwarden.northbound.device_authenticity import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode

if TYPE_CHECKING:
    from simwarden.northbound.device_authenticity.part import DeviceLists
    from simwarden.northbound.kernel.services import Services

NAME = "device-authenticity"
_STATUSES = (
    (DeviceList.BLOCKED, "blocked"),
    (DeviceList.STOLEN, "stolen"),
    (DeviceList.ALLOWED, "allowed"),
)
"""In the order of CAMARA's "Status Determination Logic". That a device is tracked is the operator's own matter."""


class DeviceAuthenticity:
    """The one operation."""

    def __init__(self, services: Services, lists: DeviceLists) -> None:
        self._lists = lists
        self._clock = services.edge.clock
        self._request = Decoder(schemas.CheckImei)

    async def check_status(self, request: Request) -> Answer:
        """What the lists say of a device (checkImeiStatus)."""
        if request.caller.only is not None:  # it is about no SIM
            raise request.caller.only.otherwise
        imei = decode(self._request, request.body, schemas.WORDING).imei
        now = self._clock()
        entries = [each for each, _ in await self._lists.entries_of(imei[:14])]
        for name, status in _STATUSES:
            since = [each.since for each in entries if each.list is name]
            if since:
                known = [at for at in since if at is not None] if name is not DeviceList.ALLOWED else []
                return Answer(200, schemas.ImeiStatus(imei, status, now, min(known) if known else UNSET))
        return Answer(200, schemas.ImeiStatus(imei, "unknown", now))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/device-authenticity`; None where there are no lists of devices."""
    lists: DeviceLists | None = services.own.get(NAME)
    if lists is None:
        return None
    served = DeviceAuthenticity(services, lists)
    endpoint = Endpoint("checkImeiStatus", served.check_status, has_body=True, reads=True)
    return Api(NAME, {"/vwip/check-status": {"POST": endpoint}}, of_operations(__package__), services.edge)
