"""What the APIs need from the rest of the house, so that this room knows no other one's insides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime

    from simwarden.billing.bills import AccountBill
    from simwarden.domain.counters import CounterDay, LastReading
    from simwarden.domain.decision import Decision
    from simwarden.domain.device_model import DeviceModel
    from simwarden.domain.fixed_line import FixedLine
    from simwarden.domain.invoice import Invoice
    from simwarden.domain.messages import MessageOrigin
    from simwarden.domain.opt_outs import OptOutEntry, OptOutSource
    from simwarden.domain.place import Place
    from simwarden.domain.price import Month
    from simwarden.domain.records import OfAccount, OfSim, RecordQuery, StoredCallRecord, StoredMessage
    from simwarden.domain.sim import OneSim, Sim, SimRef
    from simwarden.domain.standing import Standing
    from simwarden.engine.commands.command import SimCommand
    from simwarden.engine.function_status import FunctionView
    from simwarden.engine.idempotency import IdempotentRequest
    from simwarden.engine.sending import NewMessage, QueuedMessage
    from simwarden.store.invoices import ListedInvoice


class TokenHolder(Protocol):
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
    def only(self) -> OneSim | None:
        """The SIM that the call may be about; None: any of the account's."""

    @property
    def granted(self) -> frozenset[str]:
        """The scopes that its application has, whatever the token allows."""

    @property
    def daily_quota(self) -> int | None:
        """Counted calls that the application may make in a day (UTC); None: as many as it likes."""


class OptOutBook(Protocol):
    """Knows who wants no messages, and is told."""

    async def page(
        self, account_id: str, number: str | None, *, behind: tuple[datetime, str, str] | None, limit: int
    ) -> Sequence[OptOutEntry]:
        """Of one of the account's numbers or of all, the newest first."""

    async def add(self, account_id: str, number: str, receiver: str, source: OptOutSource) -> None:
        """Send no more messages from the number to this receiver. Raises TooManyOptOuts."""

    async def remove(self, account_id: str, number: str, receiver: str) -> None:
        """Allow it again."""


class MessageReader(Protocol):
    """Knows the short messages that SIMs received."""

    async def received(
        self, account_id: str, sim: Sim | None, *, since: datetime | None, after: int, limit: int
    ) -> Sequence[tuple[int, dict[str, Any]]]:
        """An account's messages, of one SIM or of all, behind the one at place `after`, with their places."""

    async def origin(self, account_id: str, message_id: str) -> MessageOrigin | None:
        """Which SIM received a message, and from whom; None: the account has no such message (any more)."""


class MessageSender(Protocol):
    """Sends short messages from SIMs."""

    async def submit(self, new: NewMessage, once: IdempotentRequest | None = None) -> QueuedMessage:
        """Queue a message. Raises SimwardenError."""


class BillReader(Protocol):
    """Knows what accounts are charged."""

    async def bill(self, account_id: str, month: Month | None, /) -> AccountBill:
        """What a month, else the present one, comes to so far. Raises MonthToCome, NoPlan, PlanNotFound."""

    async def invoices(
        self, account_id: str, /, *, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[ListedInvoice]:
        """The newest first, from behind the one at `after`: when it was issued, and its number."""

    async def invoice(self, account_id: str, number: str, /) -> Invoice:
        """The account's one of this number. Raises InvoiceNotFound."""


class RecordReader(Protocol):
    """Knows what SIMs did: their messages, calls and counters."""

    async def messages(self, wanted: RecordQuery, /) -> Sequence[StoredMessage]:
        """The newest first."""

    async def calls(self, wanted: RecordQuery, /) -> Sequence[StoredCallRecord]:
        """The newest first."""

    async def days(
        self, of: OfSim | OfAccount, first: date, last: date, *, behind: tuple[date, int, str, int] | None, limit: int
    ) -> Sequence[CounterDay]:
        """What was used on each day (UTC), the newest first. `behind`: day, bucket, IMSI and element of the last one
        that is known."""

    async def last_readings(self, sim: Sim, /) -> Sequence[LastReading]:
        """What elements showed last."""

    async def names(self, account_id: str, imsis: Collection[str], /) -> Mapping[str, tuple[str | None, str | None]]:
        """Phone number and network access identifier of those that are the account's SIMs now, by IMSI."""


class TokenCheck(Protocol):
    """Knows which access tokens are good."""

    async def check(self, token: str) -> TokenHolder | None:
        """Who calls with this token; None when it is not valid (any more). Raises StoreUnavailable."""


class SignedHead(Protocol):
    """A call whose head is signed."""

    @property
    def caller(self) -> TokenHolder:
        """Who signed it."""

    def covers(self, body: bytes, /) -> bool:
        """Whether this is the body that was signed."""


class SignatureCheck(Protocol):
    """Knows which requests are signed by applications, in place of carrying a token."""

    async def check(self, header: str, method: str, path: str, query: str, address: str, /) -> SignedHead | None:
        """Who signed this, by its Authorization header; None for one of another kind.

        Raises SimwardenError of the status 401 or 429, StoreUnavailable.
        """


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


class SimFinder(Protocol):
    """Finds SIMs."""

    async def find(self, account_id: str, ref: SimRef) -> Sim | None:
        """The account's SIM of this name. A foreign SIM and an unknown one both give None."""


class LineFinder(Protocol):
    """Finds fixed lines."""

    async def find(self, account_id: str, ref: SimRef, /) -> FixedLine | None:
        """The account's line of this name. A foreign line and an unknown one both give None."""


class PlaceFinder(Protocol):
    """Knows where SIMs are."""

    async def place(self, sim: Sim) -> Place | None:
        """Where the SIM was seen last; None where that is not known."""


@runtime_checkable
class NetworkView(Protocol):
    """Knows what the network shows of SIMs: what SIMs of an API that asks for it have to meet too."""

    async def shown(self, sim: Sim) -> Standing:
        """Of this SIM, now."""


class ModelTable(Protocol):
    """Knows models of devices."""

    async def find(self, tac: str, /) -> DeviceModel | None:
        """What is known of a type allocation code."""


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


def no_meter(_call: Answered, /) -> None:
    """Count nothing."""
