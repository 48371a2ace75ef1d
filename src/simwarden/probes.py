"""/healthz, /readyz and /metrics: what load balancers and Prometheus ask of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from simwarden import __version__
from simwarden.domain.errors import SimwardenError
from simwarden.edge import errors
from simwarden.edge.fresh import Fresh
from simwarden.kit.addresses import is_loopback
from simwarden.management import routes as management
from simwarden.northbound.kernel.headers import bearer
from simwarden.store import migrate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from simwarden.accounts.tokens import Tokens
    from simwarden.store.database import Database

READY_FOR = 1.0
"""Seconds for which what /readyz found of the database is answered again."""


class Probes:
    """The three, for one worker process."""

    def __init__(
        self,
        host: str,
        db: Database,
        tokens: Tokens,
        *,
        is_standby: Callable[[], bool],
        page: Callable[[], Awaitable[bytes]],
    ) -> None:
        """`host`: where the server listens. `page`: all metrics in Prometheus' text format."""
        self._host = host
        self._tokens = tokens
        self._is_standby = is_standby
        self._page = page
        self._readiness = Fresh(lambda: migrate.status_of(db), READY_FOR)

    def routes(self, *, administration: bool) -> list[BaseRoute]:
        """The routes; /metrics with `administration`."""
        routes: list[BaseRoute] = [Route("/healthz", self._healthz), Route("/readyz", self._readyz)]
        if administration:
            routes.append(Route("/metrics", self._metrics))
        return routes

    async def _healthz(self, _request: Request) -> Response:
        return _json(200, {"status": "ok", "version": __version__})

    async def _readyz(self, _request: Request) -> Response:
        try:
            found = await self._readiness.get()
        except SimwardenError as error:
            return _json(503, {"status": "not ready", "database": error.message})
        if found.version != found.target:
            return _json(503, {"status": "not ready", "database": f"at migration {found.version} of {found.target}"})
        status = "standby" if self._is_standby() else "ready"
        return _json(200, {"status": status, "database": "ok", "migration": found.version})

    async def _metrics(self, request: Request) -> Response:
        """Open on the administrators' listener and on a loopback address; elsewhere for an operator's token."""
        if not (request.scope.get("admin") or is_loopback(self._host) or await self._is_operator(request)):
            text = "On this address /metrics asks for an operator's token (manage:read), or use admin_port"
            challenge = {"www-authenticate": "Bearer"}
            return errors.error(request.scope["headers"], 401, "UNAUTHENTICATED", text, challenge)
        return Response(await self._page(), media_type="text/plain; version=0.0.4")

    async def _is_operator(self, request: Request) -> bool:
        token = bearer(request.headers.get("authorization"))
        caller = None if token is None else await management.OperatorsOnly(self._tokens).check(token)
        return caller is not None and not caller.scopes.isdisjoint(management.READ)


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
