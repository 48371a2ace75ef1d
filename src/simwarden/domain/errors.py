"""What can go wrong, in the caller's words. Each class's docstring is its default message."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim


class SimwardenError(Exception):
    """Something went wrong in Simwarden."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        """The sentence to show to whoever caused or operates this."""
        return str(self.args[0])


class InvalidIdentifier(SimwardenError, ValueError):
    """This is not a valid identifier."""


class SimNotFound(SimwardenError):
    """No SIM with this identifier belongs to the caller."""


class SimExists(SimwardenError):
    """A SIM with this identifier exists already."""


class AccountNotFound(SimwardenError):
    """No account has this name or id."""


class AlreadyExists(SimwardenError):
    """Something with this name exists already."""


class ApplicationNotFound(SimwardenError):
    """No application has this app key."""


class GatewayNotFound(SimwardenError):
    """No gateway has this name or token."""


class SubscriptionNotFound(SimwardenError):
    """No subscription with this id belongs to the caller."""


class TooManySubscriptions(SimwardenError):
    """No more subscriptions can be active at the same time."""

    def __init__(self, message: str | None = None, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting
        """Name of the limit."""


class TooManyOperations(SimwardenError):
    """An application has begun as much as it may for now. The message names the limit."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SecretOfInbox(SimwardenError):
    """This subscription is signed with the secret of the inbox that it leads to, which stays."""


class NotBound(SimwardenError):
    """The SIM is not bound to a device."""


class NoDeviceSeen(SimwardenError):
    """No device has been seen for this SIM yet, so there is none to bind it to."""


class InvalidBinding(SimwardenError, ValueError):
    """This binding cannot be made."""


class NothingToChange(SimwardenError):
    """This is so already."""

    def __init__(self, message: str | None = None, sim: Sim | None = None) -> None:
        super().__init__(message)
        self.sim = sim
        """As it was found."""


class TooManyApns(SimwardenError):
    """No more access point names can be closed for this SIM."""


class IllegalTransition(SimwardenError):
    """The SIM's state does not allow this."""


class KeyReused(SimwardenError):
    """This Idempotency-Key was used for another request in the last 24 hours. Use a new key for a new request."""


class StoreUnavailable(SimwardenError):
    """The database cannot be reached at the moment."""


class ReadOnly(StoreUnavailable):
    """Nothing can be changed at the moment: this server, or its database, is a standby."""

    def __init__(self) -> None:
        super().__init__("This is a standby: it answers what only reads. Nothing was changed.")
