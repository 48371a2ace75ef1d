"""What CAMARA wants checked of a subscription with an error code of its own, in this order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import UNSET

from simwarden.domain.sink import InvalidSink
from simwarden.engine.subscriptions import Credential
from simwarden.northbound.kernel.errors import (
    InvalidArgument,
    InvalidCredential,
    InvalidProtocol,
    InvalidToken,
    MultipleEventTypes,
    PrivateKeyJwtNotConfigured,
)

if TYPE_CHECKING:
    from simwarden.northbound.iot_sim_fraud_prevention_subscriptions.schemas import SinkCredential, SubscribeRequest

PREFIX = "org.camaraproject.iot-sim-fraud-prevention.v0."
IMEI_CHANGE = f"{PREFIX}imei-change"
AREA_CHANGE = f"{PREFIX}area-change"
_OWN_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-correlator",
    }
)
_OWN_PREFIXES = ("ce-", "content-", "proxy-", "webhook-", "x-forwarded-")
"""Headers that the delivery itself sets, or that would change its meaning."""


def check(wanted: SubscribeRequest, now: datetime, sinks: tuple[str, ...]) -> None:
    """Raise SimwardenError (400) for what is wrong with protocol, sink, types, protocol settings or expire time.

    `sinks`: what a sink may begin with, in lower case as CAMARA's pattern has it; the engine looks at the rest.
    """
    if wanted.protocol != "HTTP":
        raise InvalidProtocol
    if not wanted.sink.startswith(sinks):
        raise InvalidSink
    if not wanted.types:
        raise InvalidArgument("SubscriptionType must be specified")
    unknown = [name for name in wanted.types if name not in (IMEI_CHANGE, AREA_CHANGE)]
    if unknown:
        raise InvalidArgument(f"The value of types can only be {IMEI_CHANGE},{AREA_CHANGE}")
    if len(wanted.types) > 1:
        raise MultipleEventTypes
    if wanted.protocol_settings is not UNSET and wanted.protocol_settings.headers is not UNSET:
        for name in wanted.protocol_settings.headers:
            if name.lower() in _OWN_HEADERS or name.lower().startswith(_OWN_PREFIXES):
                raise InvalidArgument(f"protocolSettings.headers must not contain {name}")
    expires_at = wanted.config.subscription_expire_time
    if expires_at is not UNSET and in_utc(expires_at, "subscriptionExpireTime") <= now:
        raise InvalidArgument("subscriptionExpireTime must be in the future")


def credential(given: SinkCredential, now: datetime) -> Credential:
    """The access token for the sink. Raises CamaraError for every other kind of credential."""
    if given.credential_type == "PRIVATE_KEY_JWT":
        raise PrivateKeyJwtNotConfigured
    if given.credential_type != "ACCESSTOKEN":
        raise InvalidCredential
    if given.access_token_type is UNSET:
        raise InvalidArgument("accessTokenType must be specified")
    if given.access_token_type != "bearer":  # noqa: S105
        raise InvalidToken
    if given.access_token is UNSET:
        raise InvalidArgument("accessToken must be specified")
    if given.access_token_expires_utc is UNSET:
        raise InvalidArgument("accessTokenExpiresUtc must be specified")
    expires_at = in_utc(given.access_token_expires_utc, "accessTokenExpiresUtc")
    if expires_at <= now:
        raise InvalidArgument("accessTokenExpiresUtc must be in the future")
    return Credential(given.access_token, expires_at)


def in_utc(at: datetime, name: str) -> datetime:
    """The same time in UTC. Raises InvalidArgument at the ends of the calendar, where there is none."""
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidArgument(f"Invalid format: {name} lies outside the calendar") from error
