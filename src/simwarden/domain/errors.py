"""What can go wrong, in the caller's words, and how the APIs answer it. Each class's docstring is its default message.

`status` and `code` are those of the CAMARA error model (Commonalities 0.8, Design Guide 3.2). All APIs, the items of
bulk operations and the answers kept under Idempotency-Keys take them from here, so a new error is one class and nothing
else. What one operation answers in another way, because its document says so, stands beside that operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim

UNKNOWN = "Unknown server error. Tell the operator the x-correlator of this answer."
_STATUSES = {"INTERNAL": 500}


class SimwardenError(Exception):
    """Something went wrong in Simwarden."""

    status: ClassVar[int] = 500
    """Of HTTP. A code has one status: a class that gives it another one cannot be defined (TypeError)."""
    code: ClassVar[str] = "INTERNAL"
    """Of the CAMARA error model."""
    text: ClassVar[str | None] = None
    """CAMARA's sentence, which customers get in place of `message`."""
    unchanged: ClassVar[bool] = False
    """Nothing had to be done: in a bulk operation the item counts as unchanged, not as refused."""
    retry_after: int | None = None
    """Seconds after which the same may be answered otherwise, for the header of that name."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    def __init_subclass__(cls) -> None:
        if _STATUSES.setdefault(cls.code, cls.status) != cls.status:
            raise TypeError(f"{cls.__name__}: {cls.code} has the status {_STATUSES[cls.code]}, not {cls.status}")

    @property
    def message(self) -> str:
        """The sentence to show to whoever operates this, or caused it at a command line."""
        return str(self.args[0])

    @property
    def public(self) -> str:
        """The sentence for a customer. Of what is not meant for the APIs (status 500) it says nothing."""
        return UNKNOWN if self.status == 500 else self.text or self.message


def status_of(code: str) -> int:
    """The HTTP status that goes with an error code; 500 for one that no error has (any more)."""
    return _STATUSES.get(code, 500)


class InvalidValue(SimwardenError, ValueError):
    """A value is not one of those that are possible."""

    status, code = 400, "INVALID_ARGUMENT"


class InvalidIdentifier(InvalidValue):
    """This is not a valid identifier."""


class ResourceNotFound(SimwardenError):
    """The specified resource is not found."""

    status, code = 404, "NOT_FOUND"
    text = "The specified resource is not found."


class AccountNotFound(ResourceNotFound):
    """No account has this name or id."""


class ApplicationNotFound(ResourceNotFound):
    """No application has this app key."""


class GatewayNotFound(ResourceNotFound):
    """No gateway has this name or token."""


class AreaNotFound(ResourceNotFound):
    """The account has no area of this name."""


class SubscriptionNotFound(ResourceNotFound):
    """No subscription with this id belongs to the caller."""


class SimNotFound(SimwardenError):
    """No SIM with this identifier belongs to the caller."""

    status, code = 404, "IDENTIFIER_NOT_FOUND"
    text = "Device identifier not found."


class AlreadyExists(SimwardenError):
    """Something with this name exists already."""

    status, code = 409, "ALREADY_EXISTS"


class SimExists(AlreadyExists):
    """A SIM with this identifier exists already."""


class IncompatibleState(SimwardenError):
    """The state of what this is about does not allow it."""

    status, code = 409, "INCOMPATIBLE_STATE"


class SecretOfInbox(IncompatibleState):
    """This subscription is signed with the secret of the inbox that it leads to, which stays."""


class NoDeviceSeen(IncompatibleState):
    """No device has been seen for this SIM yet, so there is none to bind it to."""


class NoPlaceSeen(IncompatibleState):
    """No place has been seen for this SIM yet, so there is none to limit it to."""


class StillOutside(IncompatibleState):
    """The SIM is not back in its area."""


class InvalidBinding(IncompatibleState, ValueError):
    """This binding cannot be made."""


class TooManyApns(IncompatibleState):
    """No more access point names can be closed for this SIM."""


class IllegalTransition(IncompatibleState):
    """The SIM's state does not allow this."""


class AlreadyInState(IllegalTransition):
    """The SIM is in this state already."""

    unchanged = True


class NothingToChange(SimwardenError):
    """There is nothing to change."""

    status, code = 422, "UNNECESSARY"
    unchanged = True

    def __init__(self, message: str | None = None, sim: Sim | None = None) -> None:
        super().__init__(message)
        self.sim = sim
        """As it was found."""


class NotBound(NothingToChange):
    """The SIM is not bound to a device."""


class NotLimited(NothingToChange):
    """The SIM is not limited to an area."""


class KeyReused(SimwardenError):
    """This Idempotency-Key was used for another request in the last 24 hours. Use a new key for a new request."""

    status, code = 422, "IDEMPOTENCY_KEY_REUSED"


class TooManySubscriptions(SimwardenError):
    """No more subscriptions can be active at the same time."""

    status, code = 429, "QUOTA_EXCEEDED"

    def __init__(self, message: str | None = None, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting
        """Name of the limit."""


class TooManyMessages(SimwardenError):
    """An account sends as much as it may for now. The message names the limit."""

    status, code = 429, "TOO_MANY_REQUESTS"
    retry_after = 10


class SendingBarred(SimwardenError):
    """Short messages of this SIM are barred, or it is not active."""

    status, code = 409, "INCOMPATIBLE_STATE"


class NothingSends(SimwardenError):
    """No network element can send a message from this SIM now."""

    status, code = 422, "SERVICE_NOT_APPLICABLE"


class RecipientOptedOut(SimwardenError):
    """A receiver wants no messages from this number."""

    status, code = 422, "SHORT_MESSAGE.RECIPIENT_OPTED_OUT"


class TooManyOperations(SimwardenError):
    """An application has begun as much as it may for now. The message names the limit."""

    status, code = 429, "TOO_MANY_REQUESTS"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after: int = retry_after


class StoreUnavailable(SimwardenError):
    """The database cannot be reached at the moment."""

    status, code = 503, "UNAVAILABLE"
    text: ClassVar[str | None] = "Service Unavailable. Try again in a moment."
    retry_after = 1


class TryAgain(StoreUnavailable):
    """Nothing was written, for a reason that is over already: another transaction went first."""


class ReadOnly(StoreUnavailable):
    """Nothing can be changed at the moment: this server, or its database, is a standby."""

    text = None
    retry_after = 10

    def __init__(self) -> None:
        super().__init__("This is a standby: it answers what only reads. Nothing was changed.")
