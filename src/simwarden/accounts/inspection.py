"""What a client may ask of its own tokens: whether they are good (RFC 7662), and that they be no longer (RFC 7009).

Another client's token and none at all are answered alike: who holds a token learns nothing of whose it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.accounts.answers import OAuthError, invalid_request, read_form
from simwarden.accounts.authentication import client_of
from simwarden.accounts.server import INTROSPECTION_PATH, REVOCATION_PATH
from simwarden.store import revocations
from simwarden.store.revocations import TooManyRevocations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from starlette.requests import Request

    from simwarden.accounts.server import AuthorizationServer

_SHOWN = ("scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti")


async def introspect(server: AuthorizationServer, request: Request) -> dict[str, object]:
    """What a token of the client's is (RFC 7662 clause 2.2). Raises OAuthError, StoreUnavailable."""
    _, claims = await _own(server, request, INTROSPECTION_PATH)
    if claims is None:
        return {"active": False}
    return {"active": True, "token_type": "Bearer", **{name: claims[name] for name in _SHOWN if name in claims}}


async def revoke(server: AuthorizationServer, request: Request) -> None:
    """Let a token of the client's be good no longer (RFC 7009 clause 2.1). Raises OAuthError, StoreUnavailable."""
    app_key, claims = await _own(server, request, REVOCATION_PATH)
    if claims is None:
        return
    now = server.time()
    try:
        await revocations.end_token(server.db, app_key, claims["jti"], now, server.token_end(now))
    except TooManyRevocations as error:
        server.refused("revocations")
        raise OAuthError(429, "slow_down", error.message, {"retry-after": "60"}) from error
    server.tokens.invalidate(app_key)


async def _own(server: AuthorizationServer, request: Request, endpoint: str) -> tuple[str, Mapping[str, Any] | None]:
    form = await read_form(request)
    client = await client_of(server, request, form, endpoint=endpoint)
    if "token" not in form:
        raise invalid_request("token must be specified")
    claims = await server.tokens.read(form["token"])
    return client.app_key, claims if claims is not None and claims["client_id"] == client.app_key else None
