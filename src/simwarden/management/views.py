"""What the management API shows. Property names are those of `openapi.yaml`; nothing here is a secret."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.identifiers import full_imei
from simwarden.domain.intake import Caution
from simwarden.domain.sim import Function, Policy
from simwarden.domain.traffic import TrafficLimits
from simwarden.engine.explain import readable
from simwarden.management import area_forms
from simwarden.management.shapes import Camel, EventView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.domain.events import Event
    from simwarden.domain.sim import CardSlot, Sim
    from simwarden.store.accounts import Account, Application
    from simwarden.store.delivery_history import Attempt, Health, Listed
    from simwarden.store.ranges import HeldRange
    from simwarden.store.subscriptions import Subscription
    from simwarden.store.usage import Used


class SimBarView(Camel, frozen=True):
    """Bar."""

    cause: str
    functions: list[str]
    since: datetime
    until: datetime | None = None


class LimitsView(Camel, frozen=True):
    """TrafficLimits."""

    sms_per_hour: int | None = None
    calls_per_hour: int | None = None
    data_allowance: int | None = None


class GatewaySlot(Camel, frozen=True):
    """GatewaySlot."""

    gateway: str
    port: int
    slot: int


class SimView(Camel, frozen=True):
    """Sim."""

    imsi: str
    account: str
    lifecycle: str
    lifecycle_since: datetime | None
    binding_state: str
    off: list[str]
    """Functions that do not work."""
    bars: list[SimBarView]
    closed_apns: list[str]
    tags: list[str]
    event_count: int
    iccid: str | None = None
    phone_number: str | None = None
    network_access_identifier: str | None = None
    bound_to: list[str] | None = None
    policy: dict[str, str] | None = None
    device: str | None = None
    device_unknown: bool = False
    seen_at: datetime | None = None
    place: GatewaySlot | None = None
    limits: LimitsView | None = None
    area: dict[str, Any] | None = None
    """Where it may be."""
    warnings: list[Caution] | None = None
    """Of the identifiers that the request gave."""


class HealthView(Camel, frozen=True):
    """SubscriptionHealth."""

    waiting: int
    retrying: int
    delivered: int
    failed: int
    delivered_at: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None


class SubscriptionView(Camel, frozen=True):
    """Subscription."""

    id: str
    imsi: str
    account: str
    app_key: str
    api: str
    type: str
    sink: str
    status: str
    starts_at: datetime
    created_at: datetime
    event_count: int
    expires_at: datetime | None = None
    max_events: int | None = None
    ended_at: datetime | None = None
    ended_reason: str | None = None
    paused_at: datetime | None = None
    health: HealthView | None = None


class ApplicationView(Camel, frozen=True):
    """Application."""

    app_key: str
    account: str
    name: str
    scopes: list[str]
    created_at: datetime
    sandbox: bool
    daily_quota: int | None = None
    revoked_at: datetime | None = None
    previous_secret_until: datetime | None = None
    role: str | None = None
    manages: str | None = None


class AccountView(Camel, frozen=True, omit_defaults=False):
    """Account."""

    id: str
    name: str
    strict: bool
    home_networks: tuple[str, ...]
    policy: dict[str, str]
    area: str | None
    """Name of the area that a bind without one takes."""
    area_radius: int
    """Metres around the SIM's place that it takes where there is none."""
    created_at: datetime
    parent: str | None = None


class AttemptView(Camel, frozen=True):
    """Attempt."""

    at: datetime
    duration_ms: int
    status: int | None = None
    error: str | None = None
    answer: str | None = None


class DeliveryView(Camel, frozen=True):
    """Delivery."""

    id: str
    subscription_id: str
    imsi: str
    type: str
    time: datetime
    status: str
    sink: str
    created_at: datetime
    attempts: int
    data: dict[str, Any]
    attempted_at: datetime | None = None
    finished_at: datetime | None = None
    last_status: int | None = None
    last_error: str | None = None
    attempt_log: list[AttemptView] | None = None
    last_request: object | None = None
    """As it was sent, without the sink's secrets."""


class UsageView(Camel, frozen=True):
    """Usage."""

    day: date | None
    account: str
    app_key: str
    api: str
    operation: str
    count: int


def functions(mask: int) -> list[str]:
    """The names of a set of functions."""
    return [str(function.name) for function in Function if function & mask]


def sim(found: Sim, tags: Sequence[str], gateways: Mapping[int, str]) -> SimView:
    """A SIM. `gateways`: names by number."""
    binding, seen = found.binding, found.seen
    slot = seen.slot if seen else None
    limits = found.limits
    return SimView(
        imsi=found.imsi,
        iccid=found.iccid,
        phone_number=found.msisdn,
        network_access_identifier=found.nai,
        account=found.account_id,
        lifecycle=str(found.lifecycle),
        lifecycle_since=found.lifecycle_since,
        binding_state=str(found.state),
        bound_to=None if binding is None else [v if len(v) == 8 else full_imei(v) for v in binding.values],
        policy=None if binding is None else policy(binding.policy),
        device=full_imei(seen.imei) if seen and seen.imei else None,
        device_unknown=bool(seen and seen.unknown),
        seen_at=seen.at if seen else None,
        place=None if slot is None else _place(slot, gateways),
        off=functions(found.functions_off),
        bars=[
            SimBarView(cause=str(b.cause), functions=functions(b.functions), since=b.since, until=b.until)
            for b in found.bars
        ],
        limits=None if limits == TrafficLimits() else LimitsView(**msgspec.structs.asdict(limits)),
        area=None if found.area is None else area_forms.limit(found.area, gateways),
        closed_apns=[closed.apn for closed in found.closed_apns],
        tags=list(tags),
        event_count=found.event_count - found.first_event + 1,
    )


def _place(slot: CardSlot, gateways: Mapping[int, str]) -> GatewaySlot:
    name = gateways.get(slot.gateway_id, f"number {slot.gateway_id} (deleted)")
    return GatewaySlot(gateway=name, port=slot.port, slot=slot.slot)


def policy(found: Policy) -> dict[str, str]:
    """A binding's policy."""
    return {"onMismatch": str(found.on_mismatch), "unknown": str(found.unknown), "resume": str(found.resume)}


def event(found: Event, gateways: Mapping[int, str]) -> EventView:
    """An event. `gateways`: their names by id."""
    return EventView(
        n=found.n,
        type=str(found.type),
        at=found.at,
        cause=msgspec.to_builtins(found.cause),
        data=readable(found.data, gateways),
        caused_by=found.parent,
    )


def number_range(held: HeldRange) -> dict[str, Any]:
    """A number range."""
    return {"kind": str(held.range.kind), "range": held.range.text, "since": held.created_at}


def subscription(found: Subscription, health: Health | None = None) -> SubscriptionView:
    """A subscription."""
    return SubscriptionView(
        id=found.id,
        imsi=found.imsi,
        account=found.account_id,
        app_key=found.app_key,
        api=found.api,
        type=found.type,
        sink=found.sink,
        status=found.status,
        starts_at=found.starts_at,
        created_at=found.created_at,
        event_count=found.event_count,
        expires_at=found.expires_at,
        max_events=found.max_events,
        ended_at=found.ended_at,
        ended_reason=found.ended_reason,
        paused_at=found.paused_at,
        health=None if health is None else HealthView(**msgspec.structs.asdict(health)),
    )


def account(found: Account) -> AccountView:
    """An account."""
    return AccountView(
        id=found.id,
        name=found.name,
        strict=found.settings.strict,
        home_networks=found.settings.home_networks,
        policy=policy(found.settings.policy),
        area=found.settings.area,
        area_radius=found.settings.area_radius,
        created_at=found.created_at,
        parent=found.parent,
    )


def application(found: Application, now: datetime) -> ApplicationView:
    """An application, without its secret."""
    until = found.previous_until
    return ApplicationView(
        app_key=found.app_key,
        account=found.account_id,
        name=found.name,
        scopes=list(found.scopes),
        created_at=found.created_at,
        sandbox=found.sandbox,
        daily_quota=found.daily_quota,
        revoked_at=found.revoked_at,
        previous_secret_until=until if until is not None and until > now else None,
    )


def delivery(found: Listed, attempts: Sequence[Attempt] | None = None) -> DeliveryView:
    """A delivery, with its attempts where they were asked for."""
    return DeliveryView(
        id=found.event_id,
        subscription_id=found.subscription_id,
        imsi=found.imsi,
        type=found.type,
        time=found.time,
        status=found.status,
        sink=found.sink,
        created_at=found.created_at,
        attempts=found.attempts,
        data=found.data,
        attempted_at=found.attempted_at,
        finished_at=found.finished_at,
        last_status=found.last_status,
        last_error=found.last_error,
        attempt_log=None
        if attempts is None
        else [
            AttemptView(at=a.at, duration_ms=a.duration_ms, status=a.status, error=a.error, answer=a.answer)
            for a in attempts
        ],
    )


def usage(found: Used) -> UsageView:
    """How often something was done in a day."""
    return UsageView(
        day=found.day,
        account=found.account_id,
        app_key=found.app_key,
        api=found.api,
        operation=found.operation,
        count=found.count,
    )
