"""The CAMARA error model (Commonalities 0.8, Design Guide 3.2): `{status, code, message}`, and its codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import (
    IllegalTransition,
    InvalidBinding,
    InvalidIdentifier,
    KeyReused,
    NoDeviceSeen,
    ReadOnly,
    SecretOfInbox,
    SimNotFound,
    SimwardenError,
    StoreUnavailable,
    SubscriptionNotFound,
    TooManyApns,
    TooManyOperations,
    TooManySubscriptions,
)

if TYPE_CHECKING:
    from simwarden.edge.bodies import BodyRefused

MAX_MESSAGE = 512


class ErrorInfo(msgspec.Struct, frozen=True):
    """The body of every error answer. `status` and `code` are the contract, `message` is for people."""

    status: int
    code: str
    message: str


class CamaraError(Exception):
    """An answer other than success. Each class below is one code; its docstring is the default message."""

    status = 500
    code = "INTERNAL"
    retry_after: int | None = None
    """Seconds after which the same may be answered otherwise, for the header of that name."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__((message or (type(self).__doc__ or "").strip())[:MAX_MESSAGE])

    @property
    def info(self) -> ErrorInfo:
        """The body to answer with."""
        return ErrorInfo(self.status, self.code, str(self.args[0]))


class InvalidArgument(CamaraError):
    """Client specified an invalid argument, request body or query param."""

    status, code = 400, "INVALID_ARGUMENT"


class OutOfRange(CamaraError):
    """Client specified an invalid range."""

    status, code = 400, "OUT_OF_RANGE"


class InvalidProtocol(CamaraError):
    """The value of Protocol can only be HTTP, MQTT3, MQTT5, AMQP, NATS, KAFKA"""

    status, code = 400, "INVALID_PROTOCOL"


class InvalidCredential(CamaraError):
    """Only Access token is supported"""

    status, code = 400, "INVALID_CREDENTIAL"


class InvalidToken(CamaraError):
    """Only bearer token is supported"""

    status, code = 400, "INVALID_TOKEN"


class SinkRefused(CamaraError):
    """The sink field must be an accessible client address in order to notify the other end when an event occurs"""

    status, code = 400, "INVALID_SINK"


class Unauthenticated(CamaraError):
    """Request not authenticated due to missing, invalid, or expired credentials."""

    status, code = 401, "UNAUTHENTICATED"


class InvalidAccessToken(Unauthenticated):
    """Request not authenticated due to missing, invalid, or expired credentials."""


class PermissionDenied(CamaraError):
    """Client does not have sufficient permissions to perform this action."""

    status, code = 403, "PERMISSION_DENIED"


class SubscriptionMismatch(CamaraError):
    """Inconsistent access token for requested events subscription"""

    status, code = 403, "SUBSCRIPTION_MISMATCH"


class InvalidTokenContext(CamaraError):
    """The identifier is not consistent with the access token."""

    status, code = 403, "INVALID_TOKEN_CONTEXT"


class NotFound(CamaraError):
    """The specified resource is not found."""

    status, code = 404, "NOT_FOUND"


class IdentifierNotFound(CamaraError):
    """Device identifier not found."""

    status, code = 404, "IDENTIFIER_NOT_FOUND"


class MethodNotAllowed(CamaraError):
    """The requested method is not allowed or supported on the target resource."""

    status, code = 405, "METHOD_NOT_ALLOWED"


class NotAcceptable(CamaraError):
    """The server cannot produce what the Accept header asks for: it answers application/json."""

    status, code = 406, "NOT_ACCEPTABLE"


class AlreadyExists(CamaraError):
    """The resource that a client tried to create already exists."""

    status, code = 409, "ALREADY_EXISTS"


class Aborted(CamaraError):
    """Concurrency conflict of processes of the same nature or scope."""

    status, code = 409, "ABORTED"


class IncompatibleState(CamaraError):
    """A referenced resource is in an incompatible state."""

    status, code = 409, "INCOMPATIBLE_STATE"


class UnsupportedMediaType(CamaraError):
    """The body must be of type application/json, in UTF-8 and not compressed."""

    status, code = 415, "UNSUPPORTED_MEDIA_TYPE"


class ServiceNotApplicable(CamaraError):
    """The service is not available for the provided identifier."""

    status, code = 422, "SERVICE_NOT_APPLICABLE"


class MissingIdentifier(CamaraError):
    """The device cannot be identified. An identifier is not included in the request and the device cannot be identified from the 2-legged access token"""  # noqa: E501 - the texts of the OpenAPI document and of the feature file

    status, code = 422, "MISSING_IDENTIFIER"


class UnsupportedIdentifier(CamaraError):
    """None of the provided identifiers is supported by the implementation."""

    status, code = 422, "UNSUPPORTED_IDENTIFIER"


class UnnecessaryIdentifier(CamaraError):
    """An explicit identifier has been provided for the device when this is already identified by the access token"""

    status, code = 422, "UNNECESSARY_IDENTIFIER"


class IdempotencyKeyReused(CamaraError):
    """This Idempotency-Key was used for another request in the last 24 hours. Use a new key for a new request."""

    status, code = 422, "IDEMPOTENCY_KEY_REUSED"


class MultipleEventTypes(CamaraError):
    """Multi event types subscription not managed"""

    status, code = 422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED"


class PrivateKeyJwtNotConfigured(CamaraError):
    """PRIVATE_KEY_JWT is not set up between this server and the client; use ACCESSTOKEN."""

    status, code = 422, "PRIVATE_KEY_JWT_NOT_CONFIGURED"


class TooManyRequests(CamaraError):
    """Rejected due to request rate limit overpassed."""

    status, code = 429, "TOO_MANY_REQUESTS"

    def __init__(self, message: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaExceeded(CamaraError):
    """Rejected due to exceeding a business quota limit."""

    status, code = 429, "QUOTA_EXCEEDED"

    def __init__(self, retry_after: int | None = None, message: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Internal(CamaraError):
    """Unknown server error. Tell the operator the x-correlator of this answer."""

    status, code = 500, "INTERNAL"


class Unavailable(CamaraError):
    """Service Unavailable. Try again in a moment."""

    status, code = 503, "UNAVAILABLE"
    retry_after = 1


class Standby(Unavailable):
    """Service Unavailable: this server changes nothing. Try again later."""

    retry_after = 10


def of_body(refused: BodyRefused) -> CamaraError:
    """What is answered for a body that is not read to its end."""
    match refused.camara[0]:
        case 429:
            return TooManyRequests(refused.message, refused.retry_after)
        case 503:
            return Unavailable(refused.message)
    return InvalidArgument(refused.message)


def of_domain(error: SimwardenError) -> CamaraError | None:
    """What a domain error means to a CAMARA client; None when it should never have come this far."""
    match error:
        case ReadOnly():
            return Standby(error.message)
        case StoreUnavailable():
            return Unavailable()
        case SimNotFound():
            return IdentifierNotFound()
        case SubscriptionNotFound():
            return NotFound()
        case NoDeviceSeen() | InvalidBinding() | IllegalTransition() | TooManyApns() | SecretOfInbox():
            return IncompatibleState(error.message)
        case KeyReused():
            return IdempotencyKeyReused()
        case TooManyOperations():
            return TooManyRequests(error.message, error.retry_after)
        case TooManySubscriptions():
            return QuotaExceeded(message=error.message)
        case InvalidIdentifier():
            return InvalidArgument(error.message)
    return None
