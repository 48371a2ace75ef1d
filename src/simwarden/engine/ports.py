"""What the engine needs from the outside, and what the outside may tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from simwarden.domain.errors import SimwardenError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.domain.reports import Report
    from simwarden.domain.sim import Place
    from simwarden.store.gateways import CommandAccess


class CommandFailed(SimwardenError):
    """The gateway did not carry out the command."""

    def __init__(self, reason: str, *, reached: bool = True) -> None:
        super().__init__(reason)
        self.reached = reached
        """Whether the gateway answered at all."""


class NetworkDriver(Protocol):
    """Commands to one gateway. Doing again what is done already is harmless. All raise CommandFailed."""

    async def lock(self, places: Sequence[Place]) -> None:
        """Keep these slots from the network."""

    async def unlock(self, places: Sequence[Place]) -> None:
        """Let these slots use the network."""

    async def status(self) -> Report:
        """Ask for the state of all slots."""

    @property
    def generation(self) -> str | None:
        """Which generation of the command interface answered, once known."""


class InboxSinks(Protocol):
    """Knows which sinks are inboxes that this server hosts."""

    async def of_sink(self, account_id: str, sink: str) -> tuple[str, str] | None:
        """Id and signing secret of the account's inbox at `sink`; None when it is no inbox. Raises InvalidSink."""


if TYPE_CHECKING:
    DriverFactory = Callable[[CommandAccess], NetworkDriver]
