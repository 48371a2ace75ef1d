"""Requests and answers of `openapi.yaml`, with the property names of CAMARA.

Requests are read more loosely than the document says where CAMARA wants an error of its own for what is wrong
(protocol, types, credential): `checks.py` looks at those.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.sink import InvalidSink
from simwarden.northbound.kernel.bodies import Wording, device_wording
from simwarden.northbound.kernel.devices import Device, StrictDevice
from simwarden.northbound.kernel.errors import (
    InvalidArgument,
    InvalidCredential,
    InvalidProtocol,
    InvalidToken,
)

if TYPE_CHECKING:
    from simwarden.engine.subscriptions import Subscription

MAX_EVENTS = 1_000_000
"""Most events that one subscription may ask for (Commonalities 0.8; 0.1.0 names no limit)."""
DateTime = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with a time zone; a naive time is refused."""
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")]
HeaderValue = Annotated[str, Meta(max_length=512, pattern=r"^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?\Z")]


class SubscriptionDetail(msgspec.Struct, frozen=True, rename="camel"):
    """SubscriptionDetail; the device is left out with a 3-legged token."""

    device: Device | UnsetType = UNSET


class Config(msgspec.Struct, frozen=True, rename="camel"):
    """Config."""

    subscription_detail: SubscriptionDetail
    subscription_expire_time: DateTime | UnsetType = UNSET
    subscription_max_events: Annotated[int, Meta(ge=1, le=MAX_EVENTS)] | UnsetType = UNSET
    initial_event: bool | UnsetType = UNSET


class HttpSettings(msgspec.Struct, frozen=True, rename="camel"):
    """HTTPSettings."""

    headers: Annotated[dict[HeaderName, HeaderValue], Meta(max_length=20)] | UnsetType = UNSET
    method: Literal["POST"] | UnsetType = UNSET


class SinkCredential(msgspec.Struct, frozen=True, rename="camel"):
    """SinkCredential and all its kinds in one."""

    credential_type: str
    access_token: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,4096}\Z")] | UnsetType = UNSET
    access_token_expires_utc: DateTime | UnsetType = UNSET
    access_token_type: str | UnsetType = UNSET
    identifier: str | UnsetType = UNSET
    secret: str | UnsetType = UNSET


class SubscribeRequest(msgspec.Struct, frozen=True, rename="camel"):
    """SubscribeFraudPreventionRequest."""

    protocol: str
    sink: str
    types: list[str]
    config: Config
    protocol_settings: HttpSettings | UnsetType = UNSET
    sink_credential: SinkCredential | UnsetType = UNSET


class StrictSubscriptionDetail(SubscriptionDetail, frozen=True, forbid_unknown_fields=True):
    """SubscriptionDetail without unknown properties."""

    device: StrictDevice | UnsetType = UNSET


class StrictConfig(Config, frozen=True, forbid_unknown_fields=True):
    """Config without unknown properties."""

    subscription_detail: StrictSubscriptionDetail


class StrictHttpSettings(HttpSettings, frozen=True, forbid_unknown_fields=True):
    """HTTPSettings without unknown properties."""


class StrictSinkCredential(SinkCredential, frozen=True, forbid_unknown_fields=True):
    """SinkCredential without unknown properties."""


class StrictSubscribeRequest(SubscribeRequest, frozen=True, forbid_unknown_fields=True):
    """SubscribeFraudPreventionRequest without unknown properties."""

    config: StrictConfig
    protocol_settings: StrictHttpSettings | UnsetType = UNSET
    sink_credential: StrictSinkCredential | UnsetType = UNSET


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


class CreatedLater(msgspec.Struct, frozen=True, rename="camel"):
    """SubscribeFraudPreventionResponseAsync."""

    subscription_id: str


class DeletedLater(msgspec.Struct, frozen=True):
    """SubscriptionAsync."""

    id: str


class RotateRequest(msgspec.Struct, frozen=True):
    """RotateSecretRequest: nothing is to be said."""


class StrictRotateRequest(RotateRequest, frozen=True, forbid_unknown_fields=True):
    """RotateSecretRequest without unknown properties."""


class RotatedSecret(msgspec.Struct, frozen=True, rename="camel"):
    """RotateSecretResponse."""

    webhook_secret: str
    previous_secret_until: datetime


WORDING = Wording(
    missing={"types": "SubscriptionType must be specified", "sink": InvalidSink.text},
    invalid={
        "protocol": (InvalidProtocol, None),
        "sink": (InvalidSink, None),
        "types": (InvalidArgument, "SubscriptionType must be specified"),
        "config.subscriptionMaxEvents": (InvalidArgument, "Invalid format: subscriptionMaxEvents must be an integer"),
        "config.subscriptionExpireTime": (
            InvalidArgument,
            "Invalid format: subscriptionExpireTime must be a date-time by RFC 3339 with a time zone",
        ),
        "sinkCredential.credentialType": (InvalidCredential, None),
        "sinkCredential.accessTokenType": (InvalidToken, None),
        "sinkCredential.accessToken": (InvalidArgument, "Invalid format: accessToken"),
        "sinkCredential.accessTokenExpiresUtc": (
            InvalidArgument,
            "Invalid format: accessTokenExpiresUtc must be a date-time by RFC 3339 with a time zone",
        ),
        **device_wording("config.subscriptionDetail.device"),
    },
    limits={"config.subscriptionMaxEvents": "The value of SubscriptionMaxEvents out of range"},
)


def shown(found: Subscription) -> SubscriptionResponse:
    """A subscription as its client sees it."""
    return SubscriptionResponse(
        id=found.id,
        protocol=found.protocol,
        sink=found.sink,
        types=[found.type],
        config=found.config,
        starts_at=found.starts_at,
        status=str(found.status) if found.paused_at is None or found.ended_at is not None else "INACTIVE",
        expires_at=UNSET if found.expires_at is None else found.expires_at,
        protocol_settings=UNSET if found.protocol_settings is None else found.protocol_settings,
    )
