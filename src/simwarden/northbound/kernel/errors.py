"""The CAMARA error model (Commonalities 0.8, Design Guide 3.2): `{status, code, message}`, and what can be wrong with a
request as such. What the rest of the house refuses is in `domain.errors`, which carries its status and code too."""

from __future__ import annotations

import msgspec

from simwarden.domain.errors import SimwardenError

MAX_MESSAGE = 512


class ErrorInfo(msgspec.Struct, frozen=True):
    """The body of every error answer. `status` and `code` are the contract, `message` is for people."""

    status: int
    code: str
    message: str


def info(error: SimwardenError, *, for_operators: bool = False) -> ErrorInfo:
    """The body to answer with. Operators get an error's own message, which may say more than a customer should know."""
    own = for_operators and error.status < 500
    return ErrorInfo(error.status, error.code, (error.message if own else error.public)[:MAX_MESSAGE])


class DetailedErrorInfo(ErrorInfo, frozen=True):
    """The body of an error answer in documents that call the text `detail`."""

    detail: str


def detailed(given: ErrorInfo) -> DetailedErrorInfo:
    """The same with its text under both names."""
    return DetailedErrorInfo(given.status, given.code, given.message, given.message)


class CamaraError(SimwardenError):
    """A request is refused as such. Each class below is one code; its docstring is the default message."""


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


class MethodNotAllowed(CamaraError):
    """The requested method is not allowed or supported on the target resource."""

    status, code = 405, "METHOD_NOT_ALLOWED"


class NotAcceptable(CamaraError):
    """The server cannot produce what the Accept header asks for: it answers application/json."""

    status, code = 406, "NOT_ACCEPTABLE"


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


class MultipleEventTypes(CamaraError):
    """Multi event types subscription not managed"""

    status, code = 422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED"


class PrivateKeyJwtNotConfigured(CamaraError):
    """PRIVATE_KEY_JWT is not set up between this server and the client; use ACCESSTOKEN."""

    status, code = 422, "PRIVATE_KEY_JWT_NOT_CONFIGURED"


class TooManyRequests(CamaraError):
    """Rejected due to request rate limit overpassed."""

    status, code = 429, "TOO_MANY_REQUESTS"


class QuotaExceeded(CamaraError):
    """Rejected due to exceeding a business quota limit."""

    status, code = 429, "QUOTA_EXCEEDED"

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__()
        self.retry_after = retry_after
