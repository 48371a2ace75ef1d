"""What the APIs need from the rest of the house, so that this room knows no other one's insides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from simwarden.domain.command import Command
    from simwarden.domain.decision import Decision
    from simwarden.domain.events import Cause, Event
    from simwarden.domain.sim import Policy, Sim, SimRef
    from simwarden.domain.usage import Usage
    from simwarden.engine.bulk_jobs import Listed, Operation
    from simwarden.engine.commands.command import SimCommand
    from simwarden.engine.function_status import FunctionView
    from simwarden.engine.idempotency import CallKey, IdempotentRequest, StoredResponse
    from simwarden.engine.quota import QuotaAnswer
    from simwarden.engine.subscriptions import NewSubscription, Subscription
    from simwarden.store.operations import Item


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

    @property
    def sandbox(self) -> bool:
        """Its application is in sandbox mode: it sees virtual SIMs, and nothing else."""

    @property
    def daily_quota(self) -> int | None:
        """Counted calls that the application may make in a day (UTC); None: as many as it likes."""


class TokenCheck(Protocol):
    """Knows which access tokens are good."""

    async def check(self, token: str) -> Caller | None:
        """Who calls with this token; None when it is not valid (any more). Raises StoreUnavailable."""


class Answered(msgspec.Struct, frozen=True):
    """A call that was answered."""

    api: str
    operation: str | None
    """operationId; None when the call was refused before it was clear which."""
    status: int
    code: str | None
    """Of CAMARA's error model, where it was refused."""
    account_id: str | None
    app_key: str | None
    """None: the token was no good."""
    correlator: str
    seconds: float
    """From the first check to the answer; sending it is not in it."""


class Meter(Protocol):
    """Counts answered calls."""

    def __call__(self, call: Answered, /) -> None:
        """One was answered."""


class ReadMeter(Protocol):
    """Counts calls that only read, for the customer's bill."""

    def __call__(self, usage: Usage, /) -> None:
        """One was answered."""


class Quota(Protocol):
    """Knows what applications have left of the calls that they may make in a day."""

    async def take(self, account_id: str, app_key: str, quota: int, /) -> QuotaAnswer:
        """Let one more call through, if there is one left; then it must be settled. Raises StoreUnavailable."""

    def settle(self, taken: QuotaAnswer, *, counted: bool) -> None:
        """A call that was let through is over."""


class SimSource(Protocol):
    """Finds SIMs."""

    async def find(self, account_id: str, ref: SimRef) -> Sim | None:
        """The account's SIM of this name. A foreign SIM and an unknown one both give None."""


class Commands(Protocol):
    """Executes commands to SIMs, and counts them."""

    async def submit(self, command: SimCommand, once: IdempotentRequest | None = None, /) -> Decision:
        """What it came to, when that is stored.

        Raises what the rule of the command raises; SimNotFound; with `once` ReplayedResponse, KeyReused.
        """


class FunctionSource(Protocol):
    """Knows what became of each communication function."""

    async def read(self, sim: Sim) -> Sequence[FunctionView]:
        """All functions of a SIM, as they are now."""


class AnswerBook(Protocol):
    """The answers kept under Idempotency-Keys."""

    async def find(self, name: CallKey, digest: bytes) -> StoredResponse | None:
        """What was answered to this call before. Raises KeyReused when the key names another request."""


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

    async def create(self, new: NewSubscription, once: IdempotentRequest | None = None) -> tuple[Subscription, str]:
        """The subscription and its signing secret.

        Raises InvalidSink, SimNotFound; with `once` ReplayedResponse, KeyReused.
        """

    async def get(self, app_key: str, id: str) -> Subscription:  # noqa: A002 - the engine's name
        """Raises SubscriptionNotFound, also for another client's."""

    async def list(
        self, app_key: str, api: str, *, imsi: str | None, after: tuple[bool, datetime, str] | None, limit: int
    ) -> Sequence[Subscription]:
        """A client's subscriptions of one API, to one SIM or to all, live ones first: `limit` behind `after`."""

    async def delete(self, app_key: str, id: str) -> None:  # noqa: A002
        """Raises SubscriptionNotFound."""

    async def rotate_secret(self, app_key: str, id: str) -> tuple[str, datetime]:  # noqa: A002
        """A new signing secret, and until when the old one signs too. Raises SubscriptionNotFound, SecretOfInbox."""


class LifeSource(Protocol):
    """Knows the states that a SIM has gone through."""

    async def life(self, sim: Sim, *, limit: int = 200) -> list[Event]:
        """SIM_ADDED and LIFECYCLE_CHANGED, oldest first."""


class OperationBook(Protocol):
    """Accepts operations, and knows how far they have come."""

    async def begin(
        self,
        action: Command,
        sims: Sequence[Listed],
        cause: Cause,
        *,
        app_key: str,
        account_id: str | None,
        preview: bool,
        once: IdempotentRequest | None = None,
        usage: Usage | None = None,
    ) -> Operation:
        """`usage`: what each SIM that is done counts as.

        Raises StoreUnavailable; with `once` ReplayedResponse, KeyReused.
        """

    def refuse_at_once(self, app_key: str) -> None:
        """Raises TooManyOperations when the application was refused a moment ago."""

    async def get(self, operation_id: str, *, app_key: str | None = None) -> Operation:
        """Raises OperationNotFound, also for another client's."""

    async def items(self, operation_id: str) -> list[Item]:
        """What became of each device, in the order of the request."""

    async def taken(self, names: Sequence[tuple[str, str]]) -> bool:
        """Whether any of these names (kind, value) is a SIM's already."""

    async def outside(self, account_id: str, names: Sequence[tuple[str, str]]) -> bool:
        """Whether any of these names (kind, value) lies outside the account's number ranges."""


def no_meter(_call: Answered, /) -> None:
    """Count nothing."""
