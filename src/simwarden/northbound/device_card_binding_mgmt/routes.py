"""bind, unbind, query and subscribe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import InvalidIdentifier, NotBound, NotLimited
from simwarden.domain.identifiers import parse_imei, parse_tac
from simwarden.domain.rules.area import LimitArea, UnlimitArea
from simwarden.domain.rules.device import Bind, Unbind
from simwarden.northbound.device_card_binding_mgmt import schemas
from simwarden.northbound.iot_sim_fraud_prevention_subscriptions.routes import CONTRACT, IMEI_CHANGE
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.area_limits import bare_limit
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.subscription_forms import DeviceConfig, DeviceDetail, DeviceRequest
from simwarden.northbound.kernel.subscriptions import SubscriptionOperations
from simwarden.northbound.kernel.writing import SimCommands

if TYPE_CHECKING:
    from simwarden.domain.command import Command
    from simwarden.domain.decision import Decision
    from simwarden.domain.sim import Sim
    from simwarden.engine.subscriptions import Subscription
    from simwarden.northbound.kernel.services import Services

NAME = "device-card-binding-mgmt"
AREA: Final = "AREALIMIT"


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
        """Bind the SIM to the devices of bindInfo, or to the one that it is in; with AREALIMIT limit it to the area of
        bindInfo, or to one around its place (bindDeviceCard)."""
        wanted = decode(self._bind, request.body, schemas.WORDING)
        ref = self._devices.name(request.caller, wanted.device)
        info, limits = wanted.bind_info, wanted.bind_type == AREA
        command: Bind | LimitArea | None = None
        if info is not UNSET:
            command = _limit(info) if limits else _device(info)
        settings = await self._preferences.settings(request.caller.account_id)
        if command is None:
            command = bare_limit(settings) if limits else Bind()
        command = msgspec.structs.replace(command, new_policy=settings.policy, strict=settings.strict, again=True)
        return await self._commands.perform(request, ref, command, _limited if limits else _bound, operation="bind")

    async def unbind(self, request: Request) -> Answer:
        """Remove the binding, or the area limit, and the block that it may have caused (unbindDeviceCard)."""
        wanted = decode(self._unbind, request.body, schemas.WORDING)
        ref = self._devices.name(request.caller, wanted.device)
        command: Command = UnlimitArea() if wanted.bind_type == AREA else Unbind()
        return await self._commands.perform(
            request,
            ref,
            command,
            lambda outcome: _answer("SUCCESS", "Unbound", outcome.sim, wanted.bind_type),
            {NotBound: _not_bound, NotLimited: _not_limited},
            operation="unbind",
        )

    async def query(self, request: Request) -> Answer:
        """Say how the SIM is bound, or to which area it is limited (queryDeviceCard)."""
        wanted = decode(self._unbind, request.body, schemas.WORDING)
        found = await self._devices.find(request.caller, self._devices.name(request.caller, wanted.device))
        return _answer("SUCCESS", "Queried", found, wanted.bind_type)

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


def _limit(info: schemas.BindInfo) -> LimitArea:
    """The area that is meant. Raises InvalidArgument."""
    given = _given(info)
    if len(given) != 1 or given[0] not in ("area", "area_name"):
        raise InvalidArgument("bindInfo must carry one of area, areaName")
    if info.area_name is not UNSET:
        return LimitArea(named=info.area_name)
    assert info.area is not UNSET
    return LimitArea(area=info.area.parsed())


def _given(info: schemas.BindInfo) -> list[str]:
    return [name for name in info.__struct_fields__ if getattr(info, name) is not UNSET]


def _device(info: schemas.BindInfo) -> Bind:
    """The device or devices that are meant. Raises InvalidArgument."""
    given = _given(info)
    if len(given) != 1 or given[0] in ("area", "area_name"):
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


def _limited(outcome: Decision) -> Answer:
    if not outcome.events:
        kept = _answer("NO_CHANGE", "The SIM keeps the area that it was given", outcome.sim, AREA)
        return msgspec.structs.replace(kept, idle=True)
    return _answer("SUCCESS", "Bound", outcome.sim, AREA)


def _answer(code: schemas.Code, message: str, sim: Sim, what: schemas.What = "IMEIBIND") -> Answer:
    status = schemas.limit_of(sim) if what == AREA else schemas.status_of(sim)
    return Answer(200, schemas.BindingResponse(code, message, status))


def _not_limited(error: NotLimited) -> Answer:
    unbound = schemas.BindingStatus("AREALIMIT", "UNBOUND", "NEUTRAL")
    return Answer(200, schemas.BindingResponse("NO_CHANGE", error.message, unbound))


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
        asks, subscribes = path == "query", path == "subscribe"
        name = f"{path}DeviceCard"
        endpoint = Endpoint(name, handle, has_body=True, once=not asks, reads=asks, subscribes=subscribes)
        endpoints[f"/v1/{path}"] = {"POST": endpoint}
    return Api(NAME, endpoints, of_operations(__package__), services.edge, takes_signatures=True)
