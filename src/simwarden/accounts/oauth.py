"""The authorization server's endpoints (RFC 6749, OpenID Connect) as routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from simwarden.accounts import server as paths
from simwarden.accounts.answers import OAuthError, error_answer, json_answer
from simwarden.accounts.backchannel import begin
from simwarden.accounts.grants import grant
from simwarden.accounts.inspection import introspect, revoke
from simwarden.accounts.metadata import metadata
from simwarden.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from simwarden.accounts.server import AuthorizationServer

    Work = Callable[[AuthorizationServer, Request], Awaitable[dict[str, object] | None]]


def routes(server: AuthorizationServer) -> Sequence[Route]:
    """All endpoints."""

    def endpoint(work: Work) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                body = await work(server, request)
            except OAuthError as error:
                return error_answer(error)
            except StoreUnavailable as error:
                return error_answer(OAuthError(503, "temporarily_unavailable", error.message))
            return Response(status_code=200, headers=_NOT_KEPT) if body is None else json_answer(body, secret=True)

        return answer

    async def document(_request: Request) -> Response:
        return json_answer(metadata(server))

    async def jwks(_request: Request) -> Response:
        try:
            return json_answer(await server.keys.jwks(), headers={"cache-control": "public, max-age=300"})
        except StoreUnavailable as error:
            return error_answer(OAuthError(503, "temporarily_unavailable", error.message))

    return [
        Route(paths.TOKEN_PATH, endpoint(grant), methods=["POST"], name="token"),
        Route(paths.BACKCHANNEL_PATH, endpoint(begin), methods=["POST"], name="backchannel_authentication"),
        Route(paths.INTROSPECTION_PATH, endpoint(introspect), methods=["POST"], name="introspection"),
        Route(paths.REVOCATION_PATH, endpoint(revoke), methods=["POST"], name="revocation"),
        Route(paths.METADATA_PATH, document, methods=["GET"], name="openid_configuration"),
        Route(paths.OAUTH_METADATA_PATH, document, methods=["GET"], name="oauth_metadata"),
        Route(paths.JWKS_PATH, jwks, methods=["GET"], name="jwks"),
    ]


_NOT_KEPT = {"cache-control": "no-store", "pragma": "no-cache"}
