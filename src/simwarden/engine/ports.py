"""What the engine needs from the outside, and what the outside may tell it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import msgspec

from simwarden.domain.errors import SimwardenError
from simwarden.domain.sim import Function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.domain.reports import Report
    from simwarden.store.gateways import CommandAccess


class CommandFailed(SimwardenError):
    """The network element did not carry out the command."""

    def __init__(self, reason: str, *, reached: bool = True, targets: frozenset[str] | None = None) -> None:
        super().__init__(reason)
        self.reached = reached
        """Whether it answered at all."""
        self.targets = targets
        """The targets for which it failed, where it was carried out for all others; None: that is not known."""


class ProvenBy(enum.Enum):
    """What shows that a command has had its effect."""

    OWN_REPORT = "own report"
    """Only what the element reports by itself. Until it does, the command is repeated."""
    READ_BACK = "read back"
    """Its own report; where none comes, its state is read (`Driver.observe`)."""
    ANSWER = "answer"
    """The answer to the command: nothing else will ever show it."""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator registers of a network element, as far as its kind has rules for it."""

    command_url: str | None
    has_password: bool
    source_addresses: tuple[str, ...]
    """Networks (CIDR)."""


class ElementRules(msgspec.Struct, frozen=True, kw_only=True):
    """How elements of a kind are registered."""

    check: Callable[[Registration], None]
    """Raises ValueError, with a text for the operator, for what cannot be."""
    reports_to_url: bool
    """Each pushes its reports to a secret URL of its own."""


class Capabilities(msgspec.Struct, frozen=True):
    """What a kind of network element can do for a SIM."""

    groups: tuple[Function, ...]
    """Sets of functions that it can switch, each only as a whole: (VOICE|SMS|DATA,) for all or nothing,
    (VOICE|SMS, DATA) for circuit and packet switched apart, (DATA,) where it has no hand in the others."""
    proof: ProvenBy


class TargetState(msgspec.Struct, frozen=True):
    """What is to be so at one target of a network element."""

    target: str
    """Its key there, as the source reported it. Only the driver reads it."""
    off: Function
    """The functions that are not to work; all others are to work. Unions of groups that the driver can switch."""


class Driver(Protocol):
    """Commands to one network element."""

    @property
    def capabilities(self) -> Capabilities:
        """What can be commanded. The same for every element of a kind."""

    async def apply(self, states: Sequence[TargetState]) -> None:
        """Bring these targets to these states. Returns when the element has taken the commands.

        In one call either all states switch something off or none does. What is so already may be commanded again.
        Raises CommandFailed: then none, some or all were carried out, unless it names the targets that failed.
        """

    async def observe(self) -> Report | None:
        """Read the state of all targets back, as a report with `polled` set; None where that is not possible.

        Raises CommandFailed.
        """

    @property
    def generation(self) -> str | None:
        """Which of several command interfaces answered, to be remembered for the next driver; None: not known."""


@runtime_checkable
class TargetReader(Driver, Protocol):
    """A driver of an element that has more targets than can be read at once."""

    async def read(self, targets: Sequence[str]) -> Report:
        """The state of these targets, read back in place of `observe`. Raises CommandFailed."""


class OutgoingText(msgspec.Struct, frozen=True):
    """A short message that a network element is to send."""

    LATER: ClassVar[str] = "later"
    """Said in the place of a reason: it may be taken later."""

    task: int
    """Its number, the same however often it is told: an element that knows it already has taken it."""
    target: str
    """From which of its targets."""
    to: str
    """E.164."""
    text: str


@runtime_checkable
class MessageCarrier(Driver, Protocol):
    """A driver that can send short messages."""

    async def send(self, texts: Sequence[OutgoingText]) -> Mapping[int, str | None]:
        """Tell the element to send. Returns by task None where it has taken it, else why not: `OutgoingText.LATER`, or
        words where it never will; a task of which nothing is known is missing. What the element then does shows in its
        reports (`SmsRecord.task`).

        Raises CommandFailed: then none was taken if it was reached, else nobody knows.
        """


class InboxSinks(Protocol):
    """Knows which sinks are inboxes that this server hosts."""

    async def of_sink(self, account_id: str, sink: str) -> tuple[str, str] | None:
        """Id and signing secret of the account's inbox at `sink`; None when it is no inbox. Raises InvalidSink."""


if TYPE_CHECKING:
    DriverFactory = Callable[[CommandAccess], Driver]
    """Raises CommandFailed when an element cannot be commanded as it is registered."""
