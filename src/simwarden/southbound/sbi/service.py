"""What every service based interface does with a request: who asks, whether he may, how he is refused.

Requests in work are bounded, and shared among the elements (`southbound/shares.py`): one whose requests never end, or
wait for the database in their thousands, keeps nobody else out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec
import structlog

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ingest import UnacceptableReport
from simwarden.southbound.sbi.answers import Problem, answer, refuse
from simwarden.southbound.sbi.tokens import authorize
from simwarden.southbound.shares import WorkShares

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from simwarden.southbound.sbi.answers import Headers
    from simwarden.southbound.sbi.tokens import NrfTokens

_AGAIN = ((b"retry-after", b"1"),)
_log = structlog.get_logger()
Answer = tuple[int, bytes, "Headers"]
"""Status, body in JSON (empty: none), headers beside the usual ones."""


class HasId(Protocol):
    """A registered network element."""

    @property
    def id(self) -> int:
        """Its number in the register."""


E = TypeVar("E", bound=HasId)
R = TypeVar("R")


class ServiceGate(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """Who may ask a service, and how much at once."""

    service: str
    """Its name, which tokens are checked for."""
    who: Callable[[str], E | None]
    """The registered element at an address."""
    tokens: NrfTokens | None = None
    """None: no token is needed."""
    most: int = 2000
    """Requests in work at once."""
    counted: Callable[[str, str], None] = lambda _outcome, _type: None
    """`counted(outcome, type)`: once for each request."""


class SbiApp(ABC, Generic[E, R]):
    """The ASGI application of one port. What a service is about is `read` and `serve`."""

    def __init__(self, gate: ServiceGate[E]) -> None:
        self._gate = gate
        self._counted = gate.counted
        self._shares = WorkShares(gate.most)

    @abstractmethod
    async def read(self, scope: Scope, receive: Receive) -> R:
        """What is asked. Raises Problem, which is counted as malformed."""

    @abstractmethod
    async def serve(self, element: E, asked: R) -> Answer:
        """Do it, and count how it went. Raises Problem, StoreUnavailable, UnacceptableReport."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        element = self._gate.who(scope["client"][0] if scope.get("client") else "")
        if element is None:
            self._counted("unknown_source", "")
            await refuse(send, Problem(403, "No network element is registered with this address"))
            return
        if not self._shares.take(element.id):
            self._counted("busy", "")
            await refuse(send, Problem(503, "Too many requests in work", "NF_CONGESTION", headers=_AGAIN))
            return
        try:
            status, body, headers = await self._answer(element, scope, receive)
        except Problem as problem:
            await refuse(send, problem)
        except StoreUnavailable:
            self._counted("unavailable", "")
            await refuse(send, Problem(503, "The database is away", "SYSTEM_FAILURE", headers=_AGAIN))
        except UnacceptableReport:
            self._counted("unacceptable", "")
            await refuse(send, Problem(500, "This request could not be taken in", "UNSPECIFIED_NF_FAILURE"))
        except Exception:  # the boundary: a fault of this server's
            _log.exception("a request was not served", service=self._gate.service)
            self._counted("failed", "")
            await refuse(send, Problem(500, "A fault of this server", "UNSPECIFIED_NF_FAILURE"))
        else:
            await answer(send, status, body, headers)
        finally:
            self._shares.give_back(element.id)

    async def _answer(self, element: E, scope: Scope, receive: Receive) -> Answer:
        try:
            authorize(self._gate.tokens, scope["headers"], self._gate.service)
        except Problem:
            self._counted("bad_token", "")
            raise
        try:
            asked = await self.read(scope, receive)
        except Problem:
            self._counted("malformed", "")
            raise
        return await self.serve(element, asked)
