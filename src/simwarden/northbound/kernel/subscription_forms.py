"""Requests and answers that CAMARA's subscription APIs share, with its property names. An API adds its own."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.sink import InvalidSink
from simwarden.domain.subscription_ids import told
from simwarden.northbound.kernel import sinks
from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.devices import Device, PhoneNumber, StrictDevice
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.sinks import DateTime, HttpSettings, SinkCredential

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.engine.subscriptions import Subscription
    from simwarden.northbound.kernel.bodies import Problem

MAX_EVENTS = 1_000_000
"""Most events that one subscription may ask for (Commonalities 0.8; earlier documents name no limit)."""


class Detail(Protocol):
    """What is subscribed to, as a request has it: `config.subscriptionDetail`."""

    def named(self) -> Device | UnsetType:
        """How the client names the SIM."""


class DeviceDetail(msgspec.Struct, frozen=True, rename="camel"):
    """SubscriptionDetail of a device, which is left out with a 3-legged token."""

    device: Device | UnsetType = UNSET

    def named(self) -> Device | UnsetType:
        """Detail."""
        return self.device


class StrictDeviceDetail(DeviceDetail, frozen=True, forbid_unknown_fields=True):
    """SubscriptionDetail of a device without unknown properties."""

    device: StrictDevice | UnsetType = UNSET


class PhoneDetail(msgspec.Struct, frozen=True, rename="camel"):
    """SubscriptionDetail of a phone number, which is left out with a 3-legged token."""

    phone_number: PhoneNumber | UnsetType = UNSET

    def named(self) -> Device | UnsetType:
        """Detail."""
        return UNSET if self.phone_number is UNSET else Device(phone_number=self.phone_number)


class BareConfig(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the Config of every API has; each adds its `subscription_detail`."""

    subscription_expire_time: DateTime | UnsetType = UNSET
    subscription_max_events: Annotated[int, Meta(ge=1, le=MAX_EVENTS)] | UnsetType = UNSET


class DeviceConfig(BareConfig, frozen=True, kw_only=True):
    """Config of a subscription to a device."""

    subscription_detail: DeviceDetail
    initial_event: bool | UnsetType = UNSET


class StrictDeviceConfig(DeviceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Config of a subscription to a device without unknown properties."""

    subscription_detail: StrictDeviceDetail


class PhoneConfig(BareConfig, frozen=True, kw_only=True):
    """Config of a subscription to a phone number."""

    subscription_detail: PhoneDetail


class BareRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the SubscriptionRequest of every API has; each adds its `config`."""

    protocol: str
    sink: str
    types: list[str]
    protocol_settings: HttpSettings | UnsetType = UNSET
    sink_credential: SinkCredential | UnsetType = UNSET


class DeviceRequest(BareRequest, frozen=True, kw_only=True):
    """SubscriptionRequest of the APIs that subscribe to a device."""

    config: DeviceConfig


class StrictDeviceRequest(DeviceRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SubscriptionRequest of the APIs that subscribe to a device, without unknown properties."""

    config: StrictDeviceConfig
    protocol_settings: sinks.StrictHttpSettings | UnsetType = UNSET
    sink_credential: sinks.StrictSinkCredential | UnsetType = UNSET


class NamedDeviceDetail(DeviceDetail, frozen=True, rename="camel"):
    """SubscriptionDetail of a device without unknown properties, in a request that may have some."""

    device: StrictDevice | UnsetType = UNSET


class NamedDeviceConfig(DeviceConfig, frozen=True, kw_only=True):
    """Config of a subscription to such a device."""

    subscription_detail: NamedDeviceDetail


class NamedDeviceRequest(DeviceRequest, frozen=True, kw_only=True):
    """SubscriptionRequest of the APIs that subscribe to such a device."""

    config: NamedDeviceConfig


class PhoneRequest(BareRequest, frozen=True, kw_only=True):
    """SubscriptionRequest of the APIs that subscribe to a phone number."""

    config: PhoneConfig


class AnyConfig(Protocol):
    """A Config, whichever API's."""

    @property
    def subscription_detail(self) -> Detail:
        """What is subscribed to."""

    @property
    def subscription_expire_time(self) -> datetime | UnsetType:
        """When it ends."""

    @property
    def subscription_max_events(self) -> int | UnsetType:
        """Behind how many events it ends."""


class AnyRequest(Protocol):
    """A SubscriptionRequest, whichever API's."""

    @property
    def protocol(self) -> str:
        """How events are sent."""

    @property
    def sink(self) -> str:
        """Where to."""

    @property
    def types(self) -> list[str]:
        """Which."""

    @property
    def config(self) -> AnyConfig:
        """Of what, and how long."""

    @property
    def protocol_settings(self) -> HttpSettings | UnsetType:
        """Headers to send with them."""

    @property
    def sink_credential(self) -> SinkCredential | UnsetType:
        """What the sink wants to see."""


class SubscriptionResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Subscription. There is no place for credentials in it."""

    id: str
    protocol: str
    sink: str
    types: list[str]
    config: dict[str, Any]
    starts_at: datetime
    status: str
    expires_at: datetime | UnsetType = UNSET
    protocol_settings: dict[str, Any] | UnsetType = UNSET


class SubscriptionAsync(msgspec.Struct, frozen=True):
    """SubscriptionAsync: the answer 202."""

    id: str


class RotateRequest(msgspec.Struct, frozen=True):
    """RotateSecretRequest: nothing is to be said."""


class StrictRotateRequest(RotateRequest, frozen=True, forbid_unknown_fields=True):
    """RotateSecretRequest without unknown properties."""


class RotatedSecret(msgspec.Struct, frozen=True, rename="camel"):
    """RotateSecretResponse."""

    webhook_secret: str
    previous_secret_until: datetime


def wording(subject: Mapping[str, Problem]) -> Wording:
    """The texts for a subscription request; `subject`: those for what names the SIM in `config.subscriptionDetail`."""
    return Wording(
        missing={"types": "SubscriptionType must be specified", "sink": InvalidSink.text},
        invalid={
            **sinks.INVALID,
            "types": (InvalidArgument, "SubscriptionType must be specified"),
            "config.subscriptionMaxEvents": (
                InvalidArgument,
                "Invalid format: subscriptionMaxEvents must be an integer",
            ),
            "config.subscriptionExpireTime": (
                InvalidArgument,
                "Invalid format: subscriptionExpireTime must be a date-time by RFC 3339 with a time zone",
            ),
            **subject,
        },
        limits={"config.subscriptionMaxEvents": "The value of SubscriptionMaxEvents out of range"},
    )


def shown(found: Subscription) -> SubscriptionResponse:
    """A subscription as its client sees it."""
    return SubscriptionResponse(
        id=told(found.type, found.id),
        protocol=found.protocol,
        sink=found.sink,
        types=[found.type],
        config=found.config,
        starts_at=found.starts_at,
        status=str(found.status) if found.paused_at is None or found.ended_at is not None else "INACTIVE",
        expires_at=UNSET if found.expires_at is None else found.expires_at,
        protocol_settings=UNSET if found.protocol_settings is None else found.protocol_settings,
    )
