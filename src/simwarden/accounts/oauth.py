"""The authorization server's pages: token endpoint (RFC 6749), metadata (OpenID discovery, RFC 8414) and keys."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from simwarden.accounts.applications import authenticate
from simwarden.accounts.keys import ALGORITHM
from simwarden.accounts.scopes import KNOWN
from simwarden.domain.errors import StoreUnavailable
from simwarden.edge.bodies import BodyRefused, read_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

    from simwarden.accounts.keys import SigningKeys
    from simwarden.accounts.tokens import Tokens
    from simwarden.edge.throttle import Guard
    from simwarden.store.accounts import Accounts, Application

MAX_FORM = 16 * 1024
"""Bytes of a token request."""
TOKEN_PATH = "/oauth2/token"  # noqa: S105
METADATA_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/.well-known/jwks.json"
_FORM = "application/x-www-form-urlencoded"
_encoder = msgspec.json.Encoder()


class OAuthError(Exception):
    """An answer in the format of RFC 6749 clause 5.2."""

    def __init__(self, status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.headers = headers or {}


def routes(
    accounts: Accounts,
    tokens: Tokens,
    keys: SigningKeys,
    guard: Guard | None = None,
    *,
    refused: Callable[[str], None] = lambda _reason: None,
) -> Sequence[Route]:
    """`POST /oauth2/token`, the metadata and the key set. Addresses in the metadata begin with `tokens.issuer`.

    `guard` bounds wrong secrets; without one there is no bound. `refused(reason)` is called when it does.
    """

    async def token(request: Request) -> Response:
        try:
            return _json(await _grant(request, accounts, tokens, guard, refused), secret=True)
        except OAuthError as error:
            body = {"error": error.error, "error_description": error.description}
            return _json(body, error.status, error.headers, secret=True)
        except StoreUnavailable as error:
            body = {"error": "temporarily_unavailable", "error_description": error.message}
            return _json(body, 503, secret=True)

    async def metadata(_request: Request) -> Response:
        return _json(_metadata(tokens.issuer))

    async def jwks(_request: Request) -> Response:
        try:
            return _json(await keys.jwks(), headers={"cache-control": "public, max-age=300"})
        except StoreUnavailable as error:
            return _json({"error": "temporarily_unavailable", "error_description": error.message}, 503, secret=True)

    return [
        Route(TOKEN_PATH, token, methods=["POST"], name="token"),
        Route(METADATA_PATH, metadata, methods=["GET"], name="openid_configuration"),
        Route("/.well-known/oauth-authorization-server", metadata, methods=["GET"], name="oauth_metadata"),
        Route(JWKS_PATH, jwks, methods=["GET"], name="jwks"),
    ]


async def _grant(
    request: Request, accounts: Accounts, tokens: Tokens, guard: Guard | None, refused: Callable[[str], None]
) -> dict[str, object]:
    """The answer to a token request. Raises OAuthError, StoreUnavailable."""
    form = await _form(request)
    app_key, secret, basic = _credentials(request, form)
    address = str(request.scope.get("address", ""))
    if guard and (wait := guard.wait(app_key, secret, address)):
        refused("failed_logins")
        text = f"Too many failed attempts of this client or this address, try again in {wait} seconds"
        await guard.held_back.wait(address)
        raise OAuthError(429, "slow_down", text, {"retry-after": str(wait)})
    application = await authenticate(accounts, app_key, secret)
    if application is None:
        if guard:
            guard.failed(app_key, secret, address)
        challenge = {"www-authenticate": 'Basic realm="simwarden", charset="UTF-8"'} if basic else {}
        raise OAuthError(401, "invalid_client", "Unknown APPKEY, wrong APPSECRET, or revoked application", challenge)
    if guard:
        guard.succeeded(app_key, secret)
    if "grant_type" not in form:
        raise OAuthError(400, "invalid_request", "grant_type must be specified")
    if form["grant_type"] != "client_credentials":
        raise OAuthError(400, "unsupported_grant_type", "The only grant_type is client_credentials")
    scopes = _scopes(application, form.get("scope", ""))
    return {
        "access_token": await tokens.issue(application, scopes),
        "token_type": "Bearer",
        "expires_in": tokens.lifetime,
        "scope": " ".join(scopes),
    }


def _scopes(application: Application, wanted: str) -> Sequence[str]:
    """What is granted: what was asked for, or everything the application has (RFC 6749 clause 3.3)."""
    asked = tuple(dict.fromkeys(wanted.split()))
    refused = [scope for scope in asked if scope not in application.scopes]
    if refused:
        raise OAuthError(400, "invalid_scope", f"Not granted to this application: {_printable(' '.join(refused))}")
    if not (asked or application.scopes):
        raise OAuthError(400, "invalid_scope", "This application has no scopes")
    return asked or application.scopes


async def _form(request: Request) -> dict[str, str]:
    """The parameters of a form-encoded body; an empty one counts as absent (RFC 6749 clause 3.2)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise OAuthError(400, "invalid_request", f"The body must be of type {_FORM}")
    try:
        body = await read_body(request.receive, request.headers.get("content-length"), MAX_FORM)
    except BodyRefused as error:
        code = {429: "slow_down", 503: "temporarily_unavailable"}.get(error.status, "invalid_request")
        wait = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
        raise OAuthError(error.status, code, error.message, wait) from error
    try:
        pairs = parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=32)
    except ValueError as error:
        raise OAuthError(400, "invalid_request", "The body is not form-encoded UTF-8") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError(400, "invalid_request", "A parameter must not be repeated")
    return form


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str, bool]:
    """APPKEY, APPSECRET and whether they came by HTTP Basic (RFC 6749 clause 2.3.1)."""
    header = request.headers.get("authorization")
    if header is None:
        if "client_id" not in form or "client_secret" not in form:
            raise OAuthError(401, "invalid_client", "Client authentication is missing", {"www-authenticate": "Basic"})
        return form["client_id"], form["client_secret"], False
    if "client_secret" in form:
        raise OAuthError(400, "invalid_request", "Use one way of client authentication, not two")
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (ValueError, binascii.Error) as error:
        message = "The Authorization header is not HTTP Basic"
        raise OAuthError(401, "invalid_client", message, {"www-authenticate": "Basic"}) from error
    app_key, _, secret = pair.partition(":")
    app_key = unquote_plus(app_key)
    if form.get("client_id", app_key) != app_key:
        raise OAuthError(400, "invalid_request", "client_id names another client than the Authorization header")
    return app_key, unquote_plus(secret), True


def _metadata(issuer: str) -> dict[str, object]:
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "jwks_uri": issuer + JWKS_PATH,
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "scopes_supported": list(KNOWN),
    }


def _printable(text: str) -> str:
    """`text` within the characters and the length of an error_description (RFC 6749 clause 5.2)."""
    return "".join(char if 0x20 <= ord(char) < 0x7F and char not in '"\\' else "?" for char in text[:200])


def _json(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None, *, secret: bool = False
) -> Response:
    """A JSON answer; a `secret` one must not be kept by anyone (RFC 6749 clause 5.1)."""
    kept = {"cache-control": "no-store", "pragma": "no-cache"} if secret else {}
    return Response(_encoder.encode(body), status, {**kept, **(headers or {})}, "application/json")
