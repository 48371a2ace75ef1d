"""Which of two worlds a caller gets: the live one or the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from starlette.routing import Mount

from simwarden.domain.errors import StoreUnavailable
from simwarden.northbound.kernel import headers
from simwarden.northbound.kernel.api import Api
from simwarden.northbound.kernel.ports import Caller, TokenCheck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from simwarden.northbound.kernel.edge import Edge


class CallerOfMode(Caller, Protocol):
    """Who calls, and in which mode."""

    @property
    def sandbox(self) -> bool:
        """Its application is in sandbox mode."""


class ModeCheck(TokenCheck, Protocol):
    """Knows the mode of a token's application too."""

    async def check(self, token: str) -> CallerOfMode | None:
        """Who calls with this token. Raises StoreUnavailable."""


class Worlds:
    """One API in both worlds, chosen by the token of each call. Without a good token the live one refuses it."""

    def __init__(self, live: ASGIApp, sandboxed: ASGIApp, tokens: ModeCheck) -> None:
        self._live = live
        self._sandboxed = sandboxed
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the call to the world that is its caller's."""
        in_sandbox = scope["type"] == "http" and await self._in_sandbox(scope)
        await (self._sandboxed if in_sandbox else self._live)(scope, receive, send)

    async def _in_sandbox(self, scope: Scope) -> bool:
        token = headers.bearer(headers.read(scope["headers"]).authorization)
        if token is None:
            return False
        try:
            caller = await self._tokens.check(token)
        except StoreUnavailable:
            return False  # the live one finds the same, and says so
        return caller is not None and caller.sandbox


def by_mode(
    live: Sequence[BaseRoute], sandboxed: Sequence[BaseRoute], tokens: ModeCheck, edge: Edge
) -> list[BaseRoute]:
    """The live routes, each API joined with its twin; one that has no twin is not there for the sandbox (404).

    `edge`: the sandbox's, for calls of those.
    """
    twins = {route.name: route.app for route in sandboxed if isinstance(route, Mount)}
    for route in live:
        if isinstance(route, Mount):
            name = str(route.name)
            route.app = Worlds(route.app, twins.get(name) or Api(name, {}, edge), tokens)
    return list(live)
