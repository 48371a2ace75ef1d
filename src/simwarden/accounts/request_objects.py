"""Signed requests: parameters in a JWT that the client signs (OpenID Connect Core clause 6, CIBA clause 7.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.accounts import assertions
from simwarden.accounts.answers import OAuthError
from simwarden.accounts.assertions import AssertionRefused
from simwarden.accounts.authentication import check_once, keys_of

if TYPE_CHECKING:
    from simwarden.accounts.authentication import Client
    from simwarden.accounts.server import AuthorizationServer

_OWN = frozenset({"iss", "aud", "exp", "iat", "nbf", "jti", "sub"})
"""Claims of the JWT itself."""


async def opened(server: AuthorizationServer, client: Client, text: str, path: str) -> dict[str, str]:
    """The parameters in a request that the client signed for the endpoint at `path`. Raises OAuthError."""
    try:
        statement = assertions.read(text)
        claims = statement.claims
        if claims.get("iss") != client.app_key or claims.get("client_id", client.app_key) != client.app_key:
            raise AssertionRefused("The claims iss and client_id must be the client's id")
        if "request" in claims or "request_uri" in claims:
            raise AssertionRefused("A request object must not hold another one")
        assertions.check_signature(statement, await keys_of(server, client.profile, statement.header.kid))
        await check_once(server, client, claims, {server.address(path), server.issuer}, needs_iat=True)
        return {name: _text(name, value) for name, value in claims.items() if name not in _OWN and value is not None}
    except AssertionRefused as error:
        raise OAuthError(400, "invalid_request_object", error.reason) from error


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise AssertionRefused(f"The parameter {name[:50]} must be a text", known=True)
    return str(value)
