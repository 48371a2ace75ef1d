"""retrieve-identifier, retrieve-type, retrieve-ppid; and match-identifier, which is not released yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.identifiers import full_imei
from simwarden.domain.standing import confirmed_at
from simwarden.northbound.device_identifier import schemas
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.devices import counted
from simwarden.northbound.kernel.errors import InvalidArgument, ServiceNotApplicable
from simwarden.northbound.kernel.ports import NetworkView

if TYPE_CHECKING:
    from datetime import datetime

    from msgspec import UnsetType

    from simwarden.northbound.kernel.devices import Device
    from simwarden.northbound.kernel.services import Services

NAME = "device-identifier"
LONGEST = 32
"""Characters of a name in an answer (main branch; 0.3.0 has no limit)."""
_NO_DEVICE = "It is not known in which device this SIM is"
_NO_SOFTWARE = "It is that device, but its software version is not known: give the IMEI"


class Known(msgspec.Struct, frozen=True):
    """A SIM's device."""

    imei: str
    """14 digits."""
    svn: str | None
    """Its software version, where something reports it."""
    common: dict[str, Any]
    """What every answer holds."""


class DeviceIdentifier:
    """The four operations."""

    def __init__(self, services: Services, network: NetworkView) -> None:
        self._devices = services.devices
        self._models = services.models
        self._pseudonyms = services.pseudonyms
        self._network = network
        self._request = Decoder(schemas.IdentifierRequest)
        self._match = Decoder(schemas.MatchRequest)

    async def retrieve_identifier(self, request: Request) -> Answer:
        """IMEI and model (retrieveIdentifier)."""
        known = await self._known(request, decode(self._request, request.body, schemas.WORDING).device)
        serial = UNSET if known.svn is None else known.imei + known.svn
        named = await self._named(known.imei[:8])
        return Answer(
            200, schemas.IdentifierResponse(imei=full_imei(known.imei), imeisv=serial, **named, **known.common)
        )

    async def retrieve_type(self, request: Request) -> Answer:
        """The model alone (retrieveType)."""
        known = await self._known(request, decode(self._request, request.body, schemas.WORDING).device)
        return Answer(200, schemas.TypeResponse(**await self._named(known.imei[:8]), **known.common))

    async def retrieve_ppid(self, request: Request) -> Answer:
        """A name that means something to the calling application alone (retrievePPID)."""
        known = await self._known(request, decode(self._request, request.body, schemas.WORDING).device)
        ppid = self._pseudonyms.of(request.caller.app_key, known.imei)
        return Answer(200, schemas.PpidResponse(ppid=ppid, **known.common))

    async def match_identifier(self, request: Request) -> Answer:
        """Whether the SIM is in a given device (matchIdentifier). A software version that is not known is no match, and
        no mismatch either."""
        wanted = decode(self._match, request.body, schemas.WORDING)
        given, kind = wanted.provided_identifier, wanted.provided_identifier_type
        if len(given) != schemas.DIGITS[kind]:
            raise InvalidArgument(f"providedIdentifier must have {schemas.DIGITS[kind]} digits as {kind}")
        known = await self._known(request, wanted.device)
        match = known.imei.startswith(given[:14])
        if match and kind == "IMEISV":
            if known.svn is None:
                raise ServiceNotApplicable(_NO_SOFTWARE)
            match = given[14:] == known.svn
        return Answer(200, schemas.MatchResponse(match=match, **known.common))

    async def _known(self, request: Request, device: Device | UnsetType) -> Known:
        """Raises SimNotFound, ServiceNotApplicable, and what Devices.name raises."""
        ref = self._devices.name(request.caller, device)
        sim = await self._devices.find(request.caller, ref)
        shown = await self._network.shown(sim)
        at: datetime | None = confirmed_at(sim, shown)
        if at is None or sim.seen is None or sim.seen.imei is None:
            raise ServiceNotApplicable(_NO_DEVICE)
        session = shown.session
        svn = session.svn if session is not None and session.imei == sim.seen.imei else None
        return Known(sim.seen.imei, svn, {"last_checked": at, "device": counted(device, ref)})

    async def _named(self, tac: str) -> dict[str, Any]:
        model = await self._models.find(tac)
        if model is None:
            return {"tac": tac}
        names = {"model": model.model, "manufacturer": model.manufacturer}
        return {"tac": tac, **{key: name[:LONGEST] for key, name in names.items() if name is not None}}


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/device-identifier`; None where nothing tells how SIMs are shown."""
    if not isinstance(services.sims, NetworkView):
        return None
    served = DeviceIdentifier(services, services.sims)
    operations = {
        "retrieve-identifier": Endpoint("retrieveIdentifier", served.retrieve_identifier, has_body=True, reads=True),
        "retrieve-type": Endpoint("retrieveType", served.retrieve_type, has_body=True, reads=True),
        "retrieve-ppid": Endpoint("retrievePPID", served.retrieve_ppid, has_body=True, reads=True),
        "match-identifier": Endpoint("matchIdentifier", served.match_identifier, has_body=True, reads=True),
    }
    paths = {f"/{version}/{path}": each for version in ("v0.3", "vwip") for path, each in operations.items()}
    endpoints = {path: {"POST": each} for path, each in paths.items()}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
