"""bind, unbind, query and subscribe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import InvalidIdentifier, NotBound
from simwarden.domain.identifiers import parse_imei, parse_tac
from simwarden.domain.rules.device import Bind, Unbind
from simwarden.northbound.device_card_binding_mgmt import schemas
from simwarden.northbound.iot_sim_fraud_prevention_subscriptions.routes import CONTRACT, IMEI_CHANGE
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import InvalidArgument, ServiceNotApplicable
from simwarden.northbound.kernel.subscription_forms import DeviceConfig, DeviceDetail, DeviceRequest
from simwarden.northbound.kernel.subscriptions import SubscriptionOperations
from simwarden.northbound.kernel.writing import SimCommands

if TYPE_CHECKING:
    from msgspec import UnsetType

    from simwarden.domain.decision import Decision
    from simwarden.domain.sim import Sim, SimRef
    from simwarden.engine.subscriptions import Subscription
    from simwarden.northbound.kernel.devices import StrictDevice
    from simwarden.northbound.kernel.services import Services

NAME = "device-card-binding-mgmt"
_NO_AREAS = "Area limits are not available for this SIM"


class CardBinding:
    """The four operations. Subscriptions are those of CAMARA's own API, made and listed together with its others."""

    def __init__(self, services: Services) -> None:
        self._devices = services.devices
        self._commands = SimCommands(services)
        self._preferences = services.accounts
        self._subscriptions = SubscriptionOperations(CONTRACT, services, DeviceRequest)
        self._bind = Decoder(schemas.CardBindRequest)
        self._unbind = Decoder(schemas.CardUnbindRequest)
        self._subscribe = Decoder(schemas.CardSubscribeRequest)

    async def bind(self, request: Request) -> Answer:
        """Bind the SIM to the devices of bindInfo, or to the one that it is in (bindDeviceCard)."""
        wanted = decode(self._bind, request.body, schemas.WORDING)
        device = Bind() if wanted.bind_info is UNSET else _device(wanted.bind_info)
        ref = await self._named(request, wanted.device, wanted.bind_type)
        settings = await self._preferences.settings(request.caller.account_id)
        command = msgspec.structs.replace(device, new_policy=settings.policy, strict=settings.strict, again=True)
        return await self._commands.perform(request, ref, command, _bound)

    async def unbind(self, request: Request) -> Answer:
        """Remove the binding, and the block that it may have caused (unbindDeviceCard)."""
        wanted = decode(self._unbind, request.body, schemas.WORDING)
        ref = await self._named(request, wanted.device, wanted.bind_type)
        return await self._commands.perform(
            request,
            ref,
            Unbind(),
            lambda outcome: _answer("SUCCESS", "Unbound", outcome.sim),
            {NotBound: _not_bound},
        )

    async def query(self, request: Request) -> Answer:
        """Say how the SIM is bound (queryDeviceCard)."""
        wanted = decode(self._unbind, request.body, schemas.WORDING)
        ref = await self._named(request, wanted.device, wanted.bind_type)
        return _answer("SUCCESS", "Queried", await self._devices.find(request.caller, ref))

    async def subscribe(self, request: Request) -> Answer:
        """Have a sink told when the SIM is in another device (subscribeDeviceCard)."""
        wanted = decode(self._subscribe, request.body, schemas.WORDING)
        in_camaras_words = DeviceRequest(
            protocol="HTTP",
            sink=wanted.sink,
            types=[IMEI_CHANGE],
            config=DeviceConfig(subscription_detail=DeviceDetail(wanted.device)),
            sink_credential=wanted.sink_credential,
        )
        return await self._subscriptions.subscribe(request, in_camaras_words, _subscribed)

    async def _named(self, request: Request, device: StrictDevice | UnsetType, what: str) -> SimRef:
        """The name of the SIM that is meant. Raises ServiceNotApplicable for area limits, which no SIM has."""
        ref = self._devices.name(request.caller, device)
        if what == "AREALIMIT":
            await self._devices.find(request.caller, ref)
            raise ServiceNotApplicable(_NO_AREAS)
        return ref


def _device(info: schemas.BindInfo) -> Bind:
    """The device or devices that are meant. Raises InvalidArgument."""
    given = [name for name in ("imei", "tac", "imei_list") if getattr(info, name) is not UNSET]
    if len(given) != 1:
        raise InvalidArgument("bindInfo must carry one of imei, tac, imeiList")
    try:
        if info.imei is not UNSET:
            return Bind(imei=parse_imei(info.imei).key)
        if info.tac is not UNSET:
            return Bind(tac=parse_tac(info.tac))
        assert info.imei_list is not UNSET
        return Bind(imeis=tuple(parse_imei(text).key for text in info.imei_list))
    except InvalidIdentifier as error:
        raise InvalidArgument(f"Invalid format: bindInfo. {error.message}") from error


def _bound(outcome: Decision) -> Answer:
    if not outcome.events:
        kept = _answer("NO_CHANGE", "The SIM keeps the device that it was bound to by name", outcome.sim)
        return msgspec.structs.replace(kept, idle=True)
    return _answer("SUCCESS", "Bound", outcome.sim)


def _answer(code: schemas.Code, message: str, sim: Sim) -> Answer:
    return Answer(200, schemas.BindingResponse(code, message, schemas.status_of(sim)))


def _not_bound(error: NotBound) -> Answer:
    unbound = schemas.BindingStatus("IMEIBIND", "UNBOUND", "NEUTRAL")
    return Answer(200, schemas.BindingResponse("NO_CHANGE", error.message, unbound))


def _subscribed(made: Subscription) -> Answer:
    return Answer(200, schemas.SubscribeResponse("SUCCESS", "Subscribed", schemas.SubscriptionId(made.id)))


def build(services: Services) -> Api:
    """The API, to be mounted at `/device-card-binding-mgmt`."""
    served = CardBinding(services)
    endpoints = {}
    for path, handle in (
        ("bind", served.bind),
        ("unbind", served.unbind),
        ("query", served.query),
        ("subscribe", served.subscribe),
    ):
        asks = path == "query"
        endpoint = Endpoint(f"{path}DeviceCard", handle, has_body=True, once=not asks, reads=asks)
        endpoints[f"/v1/{path}"] = {"POST": endpoint}
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
