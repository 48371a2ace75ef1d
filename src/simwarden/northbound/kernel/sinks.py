"""Where the events of a subscription go: protocol, sink, its settings and its credential, alike in all APIs.

Requests are read more loosely than the documents say where CAMARA wants an error of its own for what is wrong
(protocol, credential): `check_target` and `credential` look at those.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.sink import InvalidSink, is_own_header
from simwarden.engine.subscriptions import Credential
from simwarden.northbound.kernel.errors import (
    InvalidArgument,
    InvalidCredential,
    InvalidProtocol,
    InvalidToken,
    PrivateKeyJwtNotConfigured,
)

if TYPE_CHECKING:
    from simwarden.northbound.kernel.bodies import Problem

DateTime = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with a time zone; a naive time is refused."""
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")]
HeaderValue = Annotated[str, Meta(max_length=512, pattern=r"^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?\Z")]


class HttpSettings(msgspec.Struct, frozen=True, rename="camel"):
    """HTTPSettings."""

    headers: Annotated[dict[HeaderName, HeaderValue], Meta(max_length=20)] | UnsetType = UNSET
    method: Literal["POST"] | UnsetType = UNSET


class StrictHttpSettings(HttpSettings, frozen=True, forbid_unknown_fields=True):
    """HTTPSettings without unknown properties."""


class SinkCredential(msgspec.Struct, frozen=True, rename="camel"):
    """SinkCredential and all its kinds in one."""

    credential_type: str
    access_token: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,4096}\Z")] | UnsetType = UNSET
    access_token_expires_utc: DateTime | UnsetType = UNSET
    access_token_type: str | UnsetType = UNSET
    identifier: str | UnsetType = UNSET
    secret: str | UnsetType = UNSET


class StrictSinkCredential(SinkCredential, frozen=True, forbid_unknown_fields=True):
    """SinkCredential without unknown properties."""


INVALID: dict[str, Problem] = {
    "protocol": (InvalidProtocol, None),
    "sink": (InvalidSink, None),
    "sinkCredential.credentialType": (InvalidCredential, None),
    "sinkCredential.accessTokenType": (InvalidToken, None),
    "sinkCredential.accessToken": (InvalidArgument, "Invalid format: accessToken"),
    "sinkCredential.accessTokenExpiresUtc": (
        InvalidArgument,
        "Invalid format: accessTokenExpiresUtc must be a date-time by RFC 3339 with a time zone",
    ),
}
"""What is answered to properties that have the wrong form (`bodies.Wording`)."""


def check_target(protocol: str, sink: str, schemes: tuple[str, ...]) -> None:
    """Raise InvalidProtocol or InvalidSink.

    `schemes`: what a sink may begin with, in lower case as CAMARA's pattern has it; the engine looks at the rest.
    """
    if protocol != "HTTP":
        raise InvalidProtocol
    if not sink.startswith(schemes):
        raise InvalidSink


def check_settings(settings: HttpSettings | UnsetType) -> None:
    """Raise InvalidArgument for a header that is not the client's to set."""
    if settings is not UNSET and settings.headers is not UNSET:
        for name in settings.headers:
            if is_own_header(name):
                raise InvalidArgument(f"protocolSettings.headers must not contain {name}")


def credential(given: SinkCredential, now: datetime, *, private_key_jwt: bool) -> Credential:
    """The access token for the sink. Raises CamaraError for every other kind of credential.

    `private_key_jwt`: the API's document has that kind, which gets an error of its own.
    """
    if private_key_jwt and given.credential_type == "PRIVATE_KEY_JWT":
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
