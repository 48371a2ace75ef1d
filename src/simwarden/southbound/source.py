"""What a folder of this room exports: a kind of network element, and what is built of it in a worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import aiohttp
    from starlette.routing import BaseRoute

    from simwarden.edge.throttle import Allowance
    from simwarden.engine.buckets import Buckets
    from simwarden.engine.ingest import Ingest
    from simwarden.engine.ports import Driver, ElementRules
    from simwarden.store.database import Database
    from simwarden.store.gateways import CommandAccess, Gateways
    from simwarden.store.vault import Vault


class SourceServices(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the server that a source may be built on. The same objects for every kind."""

    elements: Gateways
    """The registered network elements of all kinds."""
    ingest: Ingest
    """Takes in reports; returns when their effects are committed."""
    db: Database
    """For reading what was taken in."""
    session: aiohttp.ClientSession
    """For commands over HTTP."""
    guesses: Allowance
    """How many unknown secrets (report URLs, for instance) one address may try."""
    buckets: Buckets | None = None
    """For `engine.element_rates`: what each element may send, over all workers. None: without limit."""
    vault: Vault | None = None
    """Seals what is kept of messages."""
    counted: Callable[[str, str], None] = lambda _outcome, _type: None
    """`counted(outcome, message type)`: once for each message, and for each request or packet that held none.

    Both words are labels of simwarden_southbound_messages_total: take them from a bounded set.
    """
    refused: Callable[[str], None] = lambda _reason: None
    """`refused(reason)`: something was turned away by a limit; a label of simwarden_refused_requests_total."""
    command_timeout: float = 5.0
    """Seconds that a network element may take to answer a command (setting command_timeout)."""


class Source(Protocol):
    """One kind of network element in one worker process."""

    def routes(self) -> Sequence[BaseRoute]:
        """What the server's own port answers for it. A kind that does not speak HTTP has none."""

    async def start(self) -> None:
        """Open its own listeners. Called once, not on a standby; every worker process calls it."""

    async def stop(self) -> None:
        """Close them. What was received is answered or dropped; nothing is submitted afterwards."""

    def driver(self, access: CommandAccess) -> Driver:
        """How to command one network element of this kind.

        Raises CommandFailed, or ValueError, with a text for the operator when it cannot be commanded as it is
        registered.
        """


class ElementKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of network element. `<folder>/source.py` exports one as SOURCE."""

    name: str
    """The name of the folder, and what `kind` of a registered network element holds."""
    settings: type[msgspec.Struct]
    """Its own settings. Each field becomes a setting of the server under its name, so begin it with the kind's name."""
    rules: ElementRules
    """How operators register elements of this kind."""
    sends: bool = False
    """Its drivers are MessageCarriers, which send from the slots of an element,"""
    sends_from_numbers: bool = False
    """or from any phone number. These prove by their answers (ProvenBy.ANSWER), and are told each message once."""
    build: Callable[[SourceServices, Any], Source]
    """Makes the source, of the services and of an instance of `settings`."""
