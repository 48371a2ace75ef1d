"""Subscription APIs of CAMARA (Event Guide 2): create, list, get and delete. A `Contract` says what differs.

The folder of such an API holds its `openapi.yaml`, its contract with the forms of its requests, and no operation.
"""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from simwarden.accounts.scopes import of_operations
from simwarden.domain import subscription_ids
from simwarden.domain.errors import SubscriptionNotFound
from simwarden.engine.new_subscription import whole_account
from simwarden.engine.subscriptions import NewSubscription
from simwarden.northbound.kernel import paging, sinks
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import Wording, decode
from simwarden.northbound.kernel.devices import as_written, counted
from simwarden.northbound.kernel.errors import (
    InvalidArgument,
    MultipleEventTypes,
    PermissionDenied,
    ServiceNotApplicable,
    SubscriptionMismatch,
)
from simwarden.northbound.kernel.subscription_forms import (
    RotatedSecret,
    RotateRequest,
    StrictRotateRequest,
    SubscriptionAsync,
    SubscriptionResponse,
    shown,
)
from simwarden.northbound.kernel.writing import execute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simwarden.domain.events import EventType
    from simwarden.domain.geofence import Geofence
    from simwarden.domain.hotzone import HotzoneWatch
    from simwarden.domain.sim import Sim
    from simwarden.engine.subscriptions import Subscription
    from simwarden.northbound.kernel.ports import TokenHolder
    from simwarden.northbound.kernel.services import Services
    from simwarden.northbound.kernel.subscription_forms import AnyRequest

PER_PAGE = 1000
"""Most subscriptions of a page, and as many as there are unless fewer are asked for (CAMARA up to 0.7 has no pages)."""
Place = tuple[bool, Annotated[datetime, Meta(tz=True)], Annotated[str, Meta(pattern=r"^[0-9a-f]{34}\Z")]]
"""Whether the last subscription of a page has ended, when it was made, and its id."""
SECRET_HEADER = b"x-simwarden-webhook-secret"
_NAMES_OF_SIMS = ("device", "phoneNumber")
"""Properties of `subscriptionDetail` that name the SIM."""


class Operations(msgspec.Struct, frozen=True):
    """The operationIds, which every document of CAMARA chooses anew."""

    create: str
    list: str
    get: str
    delete: str
    rotate: str = "rotateWebhookSecret"
    """An extension."""


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from one subscription API to the other."""

    name: str
    """Of the API."""
    requests: Mapping[str, type[AnyRequest]]
    """By version: the form of a request that creates a subscription. A struct that forbids unknown properties makes
    the whole version strict (Commonalities 0.8)."""
    kinds: Mapping[str, EventType | None]
    """Event type (CloudEvents) to the events of the SIM that it is about; None: there are none here."""
    operations: Operations
    wording: Wording
    subscribe: str | None = None
    """Scope of the document that allows all event types, beside `<api>:<event type>:create` for each."""
    unavailable: str = "There are no such events of this SIM"
    """Answered to event types that nothing here is about."""
    applies_to: Callable[[Sim], bool] = lambda _sim: True
    """Whether there can be such events of a SIM; where not, the answer is the same."""
    private_key_jwt: bool = False
    """The document knows PRIVATE_KEY_JWT as a kind of credential."""
    follows_number: bool = False
    """Subscriptions go on with the next SIM of the account that is given the phone number (`engine.following`)."""
    one_identifier: bool = False
    """Answers and events name the SIM by one identifier alone: of several the one that was used (DeviceResponse)."""
    names_sim_of_token: bool = False
    """Events name the SIM of a 3-legged token, because their schema demands it."""
    created_later: Callable[[str], Any] = SubscriptionAsync
    """Makes the answer 202 of create from the subscription's id."""

    def scope(self, kind: str) -> str:
        """The scope for one event type (Design Guide 6.6)."""
        return f"{self.name}:{kind}:create"


class SubscriptionOperations:
    """The operations, for one version of a contract."""

    def __init__(self, contract: Contract, services: Services, request: type[AnyRequest]) -> None:
        """`request`: the form of one that creates a subscription."""
        self._contract = contract
        self._devices = services.devices
        self._subscriptions = services.subscriptions
        schemes = ("https://", "http://") if services.allow_private_sinks else ("https://",)
        self._sinks = (*schemes, services.inboxes.root)
        self._asynchronous = services.subscriptions_async
        self._clock = services.edge.clock
        self._decoder = msgspec.json.Decoder(request)
        config: Any = getattr(request, "__struct_config__")  # noqa: B009 - of a protocol's class
        self._rotate = msgspec.json.Decoder(StrictRotateRequest if config.forbid_unknown_fields else RotateRequest)

    async def create(self, request: Request) -> Answer:
        """Subscribe. The signing secret goes into a header, once.

        With the scopes of Commonalities a token allows single event types. Raises SubscriptionMismatch.
        """
        wanted = decode(self._decoder, request.body, self._contract.wording)
        scopes, contract = request.caller.scopes, self._contract
        if contract.subscribe not in scopes and any(
            kind in contract.kinds and contract.scope(kind) not in scopes for kind in wanted.types
        ):
            raise SubscriptionMismatch
        return await self.subscribe(request, wanted, self._created)

    async def subscribe(
        self, request: Request, wanted: AnyRequest, created: Callable[[Subscription], Answer]
    ) -> Answer:
        """Check what is wanted and subscribe; `created` says how that is answered."""
        contract, now = self._contract, self._clock()
        self.check(wanted, now)
        credential = None
        if wanted.sink_credential is not UNSET:
            credential = sinks.credential(wanted.sink_credential, now, private_key_jwt=contract.private_key_jwt)
        config = wanted.config
        device = config.subscription_detail.named()
        ref, all_devices = None, getattr(config.subscription_detail, "all_devices", UNSET) is True
        if all_devices:
            sim = self._every_sim(request.caller)
        else:
            ref = self._devices.name(request.caller, device)
            sim = await self._devices.find(request.caller, ref)
        [kind] = wanted.types
        topic = contract.kinds[kind]
        if topic is None or not contract.applies_to(sim):
            raise ServiceNotApplicable(contract.unavailable)
        named, written = as_written(device), msgspec.to_builtins(config)
        if contract.one_identifier and ref is not None and (used := as_written(counted(device, ref))) is not None:
            named = written["subscriptionDetail"]["device"] = used
        of_token = request.caller.device if contract.names_sim_of_token else None
        settings = wanted.protocol_settings
        expires_at = config.subscription_expire_time
        new = NewSubscription(
            sim=sim,
            number=sim.msisdn if contract.follows_number else None,
            account_id=request.caller.account_id,
            app_key=request.caller.app_key,
            api=contract.name,
            topic=topic,
            type=kind,
            protocol=wanted.protocol,
            sink=wanted.sink,
            protocol_settings=None if settings is UNSET else msgspec.to_builtins(settings),
            device=named if of_token is None else {"phoneNumber": of_token},
            config=written,
            credential=credential,
            expires_at=None if expires_at is UNSET else sinks.in_utc(expires_at, "subscriptionExpireTime"),
            max_events=None if config.subscription_max_events is UNSET else config.subscription_max_events,
            initial_event=getattr(config, "initial_event", False) is True,
            fence=self.fence(wanted),
            all_devices=all_devices,
            watch=self.watch(wanted, now),
            usage=request.usage,
        )

        def answered(outcome: tuple[Subscription, str]) -> Answer:
            made, secret = outcome
            return msgspec.structs.replace(created(made), headers=[(SECRET_HEADER, secret.encode("ascii"))])

        return await execute(request, lambda once: self._subscriptions.create(new, once), answered)

    def _every_sim(self, caller: TokenHolder) -> Sim:
        """What stands for all SIMs of the account. Raises PermissionDenied, or `OneSim.otherwise`, for a caller who may
        see a single one."""
        if caller.only is not None:
            raise caller.only.otherwise
        if caller.device is not None:
            raise PermissionDenied
        return whole_account(caller.account_id)

    def watch(self, wanted: AnyRequest, now: datetime) -> HotzoneWatch | None:
        """The traffic that a subscription is about: none here."""
        return None

    def fence(self, wanted: AnyRequest) -> Geofence | None:
        """The circle that a subscription is about: none here."""
        return None

    def check(self, wanted: AnyRequest, now: datetime) -> None:
        """Raise SimwardenError for what is wrong with protocol, sink, types, settings or expire time, in this order."""
        sinks.check_target(wanted.protocol, wanted.sink, self._sinks)
        if not wanted.types:
            raise InvalidArgument("SubscriptionType must be specified")
        if any(kind not in self._contract.kinds for kind in wanted.types):
            raise InvalidArgument(f"The value of types can only be {','.join(self._contract.kinds)}")
        if len(wanted.types) > 1:
            raise MultipleEventTypes
        sinks.check_settings(wanted.protocol_settings)
        expires_at = wanted.config.subscription_expire_time
        if expires_at is not UNSET and sinks.in_utc(expires_at, "subscriptionExpireTime") <= now:
            raise InvalidArgument("subscriptionExpireTime must be in the future")

    def _created(self, made: Subscription) -> Answer:
        if not self._asynchronous:
            return Answer(201, shown(made))
        return Answer(202, self._contract.created_later(subscription_ids.told(made.type, made.id)))

    async def list(self, request: Request) -> Answer:
        """The client's own subscriptions; more than a page of them by cursor, an extension."""
        page = paging.read(request.query, PER_PAGE, Place)
        subject = await self._subject(request.caller)
        found = await self._subscriptions.list(
            request.caller.app_key, self._contract.name, imsi=subject, after=page.after, limit=page.rows + 1
        )
        these = found[: page.rows]
        links = []
        if len(found) > len(these):
            last = these[-1]
            links = page.next((last.ended_at is not None, last.created_at, last.id))
        return Answer(200, [_shown_to(request.caller, each) for each in these], links)

    async def get(self, request: Request) -> Answer:
        """One of the client's own subscriptions."""
        return Answer(200, _shown_to(request.caller, await self._own(request)))

    async def delete(self, request: Request) -> Answer:
        """End one of the client's own subscriptions."""
        found = await self._own(request)
        await self._subscriptions.delete(request.caller.app_key, found.id)
        if not self._asynchronous:
            return Answer(204)
        return Answer(202, SubscriptionAsync(subscription_ids.told(found.type, found.id)))

    async def rotate_secret(self, request: Request) -> Answer:
        """Make a new signing secret, an extension."""
        decode(self._rotate, request.body, Wording())
        found = await self._own(request)
        secret, until = await self._subscriptions.rotate_secret(request.caller.app_key, found.id)
        return Answer(200, RotatedSecret(secret, until))

    async def _own(self, request: Request) -> Subscription:
        """The subscription of the path, if it is this client's, and with a 3-legged token this device's."""
        id_ = subscription_ids.stored(request.parameter)
        found = await self._subscriptions.get(request.caller.app_key, id_)
        if found.api != self._contract.name or await self._subject(request.caller) not in (None, found.imsi):
            raise SubscriptionNotFound
        return found

    async def _subject(self, caller: TokenHolder) -> str | None:
        """The SIM, or the number, to which a 3-legged token limits its bearer (Design Guide 6.7)."""
        if caller.device is None:
            return None
        sim = await self._devices.find(caller, self._devices.name(caller, UNSET))
        return sim.msisdn if self._contract.follows_number else sim.imsi


def _shown_to(caller: TokenHolder, found: Subscription) -> SubscriptionResponse:
    """A 3-legged token never gets to see how the SIM is named (Event Guide 2.2.2)."""
    answer = shown(found)
    if caller.device is None:
        return answer
    detail = {name: value for name, value in answer.config["subscriptionDetail"].items() if name not in _NAMES_OF_SIMS}
    return msgspec.structs.replace(answer, config={**answer.config, "subscriptionDetail": detail})


def build(
    contract: Contract,
    services: Services,
    package: str,
    operations: type[SubscriptionOperations] = SubscriptionOperations,
    more: Mapping[str, dict[str, Endpoint]] = MappingProxyType({}),
) -> Api:
    """The API of a contract, to be mounted at its name. `package`: the folder that holds its `openapi.yaml`; `more`:
    operations of its own, by path and method."""
    endpoints: dict[str, dict[str, Endpoint]] = dict(more)
    names = contract.operations
    for version, request in contract.requests.items():
        served = operations(contract, services, request)
        endpoints[f"/{version}/subscriptions"] = {
            "POST": Endpoint(names.create, served.create, has_body=True, once=True, subscribes=True),
            "GET": Endpoint(names.list, served.list, has_body=False, about_sim=False),
        }
        endpoints[f"/{version}/subscriptions/{{}}"] = {
            "GET": Endpoint(names.get, served.get, has_body=False, about_sim=False),
            "DELETE": Endpoint(names.delete, served.delete, has_body=False, about_sim=False),
        }
        endpoints[f"/{version}/subscriptions/{{}}/rotate-secret"] = {
            "POST": Endpoint(names.rotate, served.rotate_secret, has_body=True, about_sim=False)
        }
    return Api(contract.name, endpoints, of_operations(package), services.edge)
