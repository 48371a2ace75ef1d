"""Create, list, get and delete."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import UNSET, Meta

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import SubscriptionNotFound
from simwarden.domain.events import EventType
from simwarden.engine.subscriptions import NewSubscription
from simwarden.northbound.iot_sim_fraud_prevention_subscriptions import checks, schemas
from simwarden.northbound.kernel import paging
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import Wording, decode
from simwarden.northbound.kernel.devices import as_written
from simwarden.northbound.kernel.errors import ServiceNotApplicable, SubscriptionMismatch
from simwarden.northbound.kernel.writing import execute

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.engine.subscriptions import Subscription
    from simwarden.northbound.kernel.ports import TokenHolder
    from simwarden.northbound.kernel.services import Services

NAME = "iot-sim-fraud-prevention-subscriptions"
PER_PAGE = 1000
"""Most subscriptions of a page, and as many as there are unless fewer are asked for (CAMARA 0.1.0 knows no pages)."""
Place = tuple[bool, Annotated[datetime, Meta(tz=True)], Annotated[str, Meta(pattern=r"^[0-9a-f]{34}\Z")]]
"""Whether the last subscription of a page has ended, when it was made, and its id."""
SECRET_HEADER = b"x-simwarden-webhook-secret"
SUBSCRIBE = f"{NAME}:subscribe"
"""Scope of the document: any event type."""
CREATE = {kind: f"{NAME}:{kind}:create" for kind in (checks.IMEI_CHANGE, checks.AREA_CHANGE)}
"""Event type to its own scope (Commonalities 0.8, Design Guide 6.6)."""


class FraudPreventionSubscriptions:
    """The four operations, for one version of the contract."""

    def __init__(self, services: Services, *, strict: bool = True) -> None:
        """`strict`: refuse unknown properties (Commonalities 0.8)."""
        self._devices = services.devices
        self._subscriptions = services.subscriptions
        schemes = ("https://", "http://") if services.allow_private_sinks else ("https://",)
        self._sinks = (*schemes, services.inboxes.root)
        self._asynchronous = services.subscriptions_async
        self._clock = services.edge.clock
        self._decoder = msgspec.json.Decoder(schemas.StrictSubscribeRequest if strict else schemas.SubscribeRequest)
        self._rotate = msgspec.json.Decoder(schemas.StrictRotateRequest if strict else schemas.RotateRequest)

    async def create(self, request: Request) -> Answer:
        """Subscribe (subscribeFraudPrevention). The signing secret goes into a header, once.

        With the scopes of Commonalities a token allows single event types. Raises SubscriptionMismatch.
        """
        wanted = decode(self._decoder, request.body, schemas.WORDING)
        scopes = request.caller.scopes
        if SUBSCRIBE not in scopes and any(kind in CREATE and CREATE[kind] not in scopes for kind in wanted.types):
            raise SubscriptionMismatch
        return await self.subscribe(request, wanted, self._created)

    async def subscribe(
        self, request: Request, wanted: schemas.SubscribeRequest, created: Callable[[Subscription], Answer]
    ) -> Answer:
        """Check what is wanted and subscribe; `created` says how that is answered."""
        now = self._clock()
        checks.check(wanted, now, self._sinks)
        credential = None if wanted.sink_credential is UNSET else checks.credential(wanted.sink_credential, now)
        config = wanted.config
        device = config.subscription_detail.device
        sim = await self._devices.find(request.caller, self._devices.name(request.caller, device))
        if wanted.types == [checks.AREA_CHANGE]:
            raise ServiceNotApplicable("Area limits are not available for this SIM")
        settings = wanted.protocol_settings
        expires_at = config.subscription_expire_time
        new = NewSubscription(
            sim=sim,
            account_id=request.caller.account_id,
            app_key=request.caller.app_key,
            api=NAME,
            topic=EventType.DEVICE_CHANGED,
            type=wanted.types[0],
            protocol=wanted.protocol,
            sink=wanted.sink,
            protocol_settings=None if settings is UNSET else msgspec.to_builtins(settings),
            device=as_written(device) if request.caller.device is None else {"phoneNumber": request.caller.device},
            config=msgspec.to_builtins(config),
            credential=credential,
            expires_at=None if expires_at is UNSET else checks.in_utc(expires_at, "subscriptionExpireTime"),
            max_events=None if config.subscription_max_events is UNSET else config.subscription_max_events,
            initial_event=config.initial_event is True,
            usage=request.usage,
        )

        def answered(outcome: tuple[Subscription, str]) -> Answer:
            made, secret = outcome
            return msgspec.structs.replace(created(made), headers=[(SECRET_HEADER, secret.encode("ascii"))])

        return await execute(request, lambda once: self._subscriptions.create(new, once), answered)

    def _created(self, made: Subscription) -> Answer:
        return Answer(202, schemas.CreatedLater(made.id)) if self._asynchronous else Answer(201, schemas.shown(made))

    async def list(self, request: Request) -> Answer:
        """The client's own subscriptions (listSubscriptions); more than a page of them by cursor, an extension."""
        page = paging.read(request.query, PER_PAGE, Place)
        imsi = await self._imsi(request.caller)
        found = await self._subscriptions.list(
            request.caller.app_key, NAME, imsi=imsi, after=page.after, limit=page.rows + 1
        )
        shown = found[: page.rows]
        links = []
        if len(found) > len(shown):
            last = shown[-1]
            links = page.next((last.ended_at is not None, last.created_at, last.id))
        return Answer(200, [self._shown(each, request.caller) for each in shown], links)

    async def get(self, request: Request) -> Answer:
        """One of the client's own subscriptions (getSubscription)."""
        return Answer(200, self._shown(await self._own(request), request.caller))

    async def delete(self, request: Request) -> Answer:
        """End one of the client's own subscriptions (deleteSubscription)."""
        found = await self._own(request)
        await self._subscriptions.delete(request.caller.app_key, found.id)
        return Answer(202, schemas.DeletedLater(found.id)) if self._asynchronous else Answer(204)

    async def rotate_secret(self, request: Request) -> Answer:
        """Make a new signing secret (rotateWebhookSecret, an extension)."""
        decode(self._rotate, request.body, Wording())
        found = await self._own(request)
        secret, until = await self._subscriptions.rotate_secret(request.caller.app_key, found.id)
        return Answer(200, schemas.RotatedSecret(secret, until))

    async def _own(self, request: Request) -> Subscription:
        """The subscription of the path, if it is this client's, and with a 3-legged token this device's."""
        found = await self._subscriptions.get(request.caller.app_key, request.parameter)
        if found.api != NAME or await self._imsi(request.caller) not in (None, found.imsi):
            raise SubscriptionNotFound
        return found

    async def _imsi(self, caller: TokenHolder) -> str | None:
        """The SIM to which a 3-legged token limits its bearer (Design Guide 6.7)."""
        if caller.device is None:
            return None
        return (await self._devices.find(caller, self._devices.name(caller, UNSET))).imsi

    def _shown(self, found: Subscription, caller: TokenHolder) -> schemas.SubscriptionResponse:
        """A 3-legged token never gets to see how the device is named (Event Guide 2.2.2)."""
        answer = schemas.shown(found)
        if caller.device is None:
            return answer
        return msgspec.structs.replace(answer, config={**answer.config, "subscriptionDetail": {}})


def build(services: Services) -> Api:
    """The API, to be mounted at `/iot-sim-fraud-prevention-subscriptions`."""
    endpoints: dict[str, dict[str, Endpoint]] = {}
    for version, strict in (("v0.1", False), ("vwip", True)):
        served = FraudPreventionSubscriptions(services, strict=strict)
        endpoints[f"/{version}/subscriptions"] = {
            "POST": Endpoint("subscribeFraudPrevention", served.create, has_body=True, once=True),
            "GET": Endpoint("listSubscriptions", served.list, has_body=False),
        }
        endpoints[f"/{version}/subscriptions/{{}}"] = {
            "GET": Endpoint("getSubscription", served.get, has_body=False),
            "DELETE": Endpoint("deleteSubscription", served.delete, has_body=False),
        }
        endpoints[f"/{version}/subscriptions/{{}}/rotate-secret"] = {
            "POST": Endpoint("rotateWebhookSecret", served.rotate_secret, has_body=True)
        }
    return Api(NAME, endpoints, of_operations(__package__), services.edge)
