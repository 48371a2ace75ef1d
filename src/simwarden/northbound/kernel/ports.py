"""What the APIs need from the rest of the house, so that this room knows no other one's insides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.decide import Decision, Target
    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Policy, Sim, SimRef
    from simwarden.engine.subscriptions import NewSubscription, Subscription


class Caller(Protocol):
    """Who calls, as its token says."""

    @property
    def app_key(self) -> str:
        """The application."""

    @property
    def account_id(self) -> str:
        """The tenant it belongs to."""

    @property
    def scopes(self) -> frozenset[str]:
        """What the token allows."""

    @property
    def device(self) -> str | None:
        """Phone number of the device that a 3-legged token identifies; None for a 2-legged one."""


class TokenCheck(Protocol):
    """Knows which access tokens are good."""

    async def check(self, token: str) -> Caller | None:
        """Who calls with this token; None when it is not valid (any more). Raises StoreUnavailable."""


class Meter(Protocol):
    """Counts answered calls."""

    def __call__(self, app_key: str, api: str, operation: str, status: int) -> None:
        """One call of `app_key` was answered with `status`."""


class SimSource(Protocol):
    """Finds SIMs."""

    async def find(self, account_id: str, ref: SimRef) -> Sim | None:
        """The account's SIM of this name. A foreign SIM and an unknown one both give None."""


class Binder(Protocol):
    """Binds SIMs to devices."""

    async def bind(
        self, account_id: str, ref: SimRef, target: Target, policy: Policy | None, cause: Cause, *, strict: bool = False
    ) -> Decision:
        """Raises SimNotFound, InvalidBinding; with `strict` NoDeviceSeen."""

    async def unbind(self, account_id: str, ref: SimRef, cause: Cause) -> Decision:
        """Raises SimNotFound, NotBound."""


class Preferences(Protocol):
    """What an account wants where a call leaves it open."""

    @property
    def policy(self) -> Policy:
        """What a binding does when it is not met."""

    @property
    def strict(self) -> bool:
        """Refuse to bind a SIM that has never been seen."""


class PreferenceSource(Protocol):
    """Knows what accounts want."""

    async def settings(self, account_id: str) -> Preferences:
        """The settings of this account."""


class SubscriptionBook(Protocol):
    """A client's subscriptions."""

    async def create(self, new: NewSubscription) -> tuple[Subscription, str]:
        """The subscription and its signing secret. Raises InvalidSink, SimNotFound."""

    async def get(self, app_key: str, id: str) -> Subscription:  # noqa: A002 - the engine's name
        """Raises SubscriptionNotFound, also for another client's."""

    async def list(self, app_key: str, api: str) -> Sequence[Subscription]:
        """All of a client's subscriptions of one API."""

    async def delete(self, app_key: str, id: str) -> None:  # noqa: A002
        """Raises SubscriptionNotFound."""


def no_meter(app_key: str, api: str, operation: str, status: int) -> None:
    """Count nothing."""
