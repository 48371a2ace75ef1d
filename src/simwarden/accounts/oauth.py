"""The authorization server's endpoints (RFC 6749, OpenID Connect) as routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from simwarden.accounts import consent_page
from simwarden.accounts import server as paths
from simwarden.accounts.answers import OAuthError, error_answer, json_answer
from simwarden.accounts.authorize import answer, authorize
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
    PageWork = Callable[[AuthorizationServer, Request], Awaitable[Response]]


def routes(server: AuthorizationServer) -> Sequence[Route]:
    """All endpoints."""

    def endpoint(work: Work) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            try:
                body = await work(server, request)
            except OAuthError as error:
                return error_answer(error)
            except StoreUnavailable as error:
                return error_answer(OAuthError(503, "temporarily_unavailable", error.message))
            return Response(status_code=200, headers=_NOT_KEPT) if body is None else json_answer(body, secret=True)

        return answered

    def page(work: PageWork) -> Callable[[Request], Awaitable[Response]]:
        async def shown(request: Request) -> Response:
            try:
                return await work(server, request)
            except StoreUnavailable:
                return consent_page.refusal("The server cannot answer at the moment, try again.", 503)

        return shown

    async def document(_request: Request) -> Response:
        return json_answer(metadata(server))

    async def jwks(_request: Request) -> Response:
        try:
            return json_answer(await server.keys.jwks(), headers={"cache-control": "public, max-age=300"})
        except StoreUnavailable as error:
            return error_answer(OAuthError(503, "temporarily_unavailable", error.message))

    return [
        Route(paths.TOKEN_PATH, endpoint(grant), methods=["POST"], name="token"),
        Route(paths.AUTHORIZATION_PATH, page(authorize), methods=["GET", "POST"], name="authorization"),
        Route(paths.CONSENT_PATH, page(answer), methods=["POST"], name="consent"),
        Route(paths.BACKCHANNEL_PATH, endpoint(begin), methods=["POST"], name="backchannel_authentication"),
        Route(paths.INTROSPECTION_PATH, endpoint(introspect), methods=["POST"], name="introspection"),
        Route(paths.REVOCATION_PATH, endpoint(revoke), methods=["POST"], name="revocation"),
        Route(paths.METADATA_PATH, document, methods=["GET"], name="openid_configuration"),
        Route(paths.OAUTH_METADATA_PATH, document, methods=["GET"], name="oauth_metadata"),
        Route(paths.JWKS_PATH, jwks, methods=["GET"], name="jwks"),
    ]


_NOT_KEPT = {"cache-control": "no-store", "pragma": "no-cache"}
