"""Who asks: clients by their secret (RFC 6749 clause 2.3.1) or by what they signed (RFC 7523 clause 2.2)."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import msgspec

from simwarden.accounts import assertions, jwks
from simwarden.accounts.answers import OAuthError, invalid_request
from simwarden.accounts.applications import authenticate
from simwarden.accounts.assertions import LONGEST, AssertionRefused
from simwarden.accounts.fetching import KeysUnavailable
from simwarden.accounts.server import TOKEN_PATH
from simwarden.domain.errors import ApplicationNotFound
from simwarden.store.accounts import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from starlette.requests import Request

    from simwarden.accounts.assertions import Unverified
    from simwarden.accounts.jwks import PublicKey
    from simwarden.accounts.server import AuthorizationServer
    from simwarden.store.accounts import Application
    from simwarden.store.clients import ClientProfile

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
WRONG = "Unknown APPKEY, wrong APPSECRET, or revoked application"
_WRONG_ASSERTION = "Unknown client, a signature by none of its keys, or a revoked application"
_BY_ASSERTION = ""
"""Stands for the secret where wrong attempts are counted: each statement is another one."""


class Client(msgspec.Struct, frozen=True):
    """An application that has proved who it is."""

    application: Application
    profile: ClientProfile
    by_key: bool = False
    """By a signed statement, as CAMARA demands: it is held to CAMARA's profile."""

    @property
    def app_key(self) -> str:
        """Its client id."""
        return self.application.app_key


async def client_of(
    server: AuthorizationServer, request: Request, form: Mapping[str, str], *, endpoint: str = TOKEN_PATH
) -> Client:
    """The client that sends a form to `endpoint`. Raises OAuthError, StoreUnavailable."""
    if "client_assertion" not in form and "client_assertion_type" not in form:
        return await _by_secret(server, request, form)
    if "client_secret" in form or request.headers.get("authorization") is not None:
        raise invalid_request("Use one way of client authentication, not two")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise OAuthError(401, "invalid_client", f"client_assertion_type must be {ASSERTION_TYPE}")
    accepted = {server.address(endpoint), server.address(TOKEN_PATH), server.issuer}
    try:
        client, statement = await signed_by_client(server, request, form.get("client_assertion", ""))
        claims = statement.claims
        if claims.get("sub") != client.app_key or form.get("client_id", client.app_key) != client.app_key:
            raise AssertionRefused("The claims iss and sub must be the client's id, and client_id as well", known=True)
        await check_once(server, client, claims, accepted, needs_iat=False)
    except AssertionRefused as error:
        raise OAuthError(401, "invalid_client", error.reason if error.known else _WRONG_ASSERTION) from error
    return client


async def signed_by_client(server: AuthorizationServer, request: Request, text: str) -> tuple[Client, Unverified]:
    """The client that `iss` names, which has signed this. Raises AssertionRefused, OAuthError 429, StoreUnavailable.

    An unknown client takes the same path as a wrong signature.
    """
    statement = assertions.read(text)
    app_key, address = statement.claims.get("iss"), str(request.scope.get("address", ""))
    named = app_key if isinstance(app_key, str) and app_key.isascii() and app_key.isprintable() else ""
    await _not_too_often(server, named, _BY_ASSERTION, address)
    try:
        application: Application | None = await server.accounts.application(named)
    except ApplicationNotFound:
        application = None
    try:
        profile = (await server.clients.get(named)).profile
        if application is None or application.revoked_at is not None or application.account_id == OPERATOR:
            assertions.check_signature(statement, [])
            raise AssertionRefused(_WRONG_ASSERTION)
        assertions.check_signature(statement, await keys_of(server, profile, statement.header.kid))
    except AssertionRefused:
        if server.guard is not None:
            server.guard.failed(named, _BY_ASSERTION, address)
        raise
    return Client(application, profile, by_key=True), statement


async def keys_of(server: AuthorizationServer, profile: ClientProfile, kid: str | None) -> Sequence[PublicKey]:
    """The public keys of a client. Raises AssertionRefused."""
    if profile.keys_url is None:
        return [jwks.parse(key) for key in profile.keys]
    try:
        return await server.key_sets.keys(profile.keys_url, kid)
    except KeysUnavailable as error:
        raise AssertionRefused("The client's key set cannot be had") from error


async def check_once(
    server: AuthorizationServer, client: Client, claims: dict[str, Any], accepted: Collection[str], *, needs_iat: bool
) -> None:
    """Raises AssertionRefused unless a client's statement is for this server, holds now, and was not used before."""
    now = server.now()
    assertions.check_audience(claims, accepted)
    assertions.check_times(claims, now, skew=server.skew, needs_iat=needs_iat)
    id_ = assertions.text_of(claims, "jti")
    until = datetime.fromtimestamp(now + LONGEST + 2 * server.skew + 1, UTC)
    if not await server.once.claim("assertion", client.app_key, id_, until=until):
        raise AssertionRefused("It was used before (jti)", known=True)


async def _not_too_often(server: AuthorizationServer, app_key: str, secret: str, address: str) -> None:
    """Raises OAuthError 429 where too many attempts have failed."""
    guard = server.guard
    if guard is None or not (wait := guard.wait(app_key, secret, address)):
        return
    server.refused("failed_logins")
    await guard.held_back.wait(address)
    text = f"Too many failed attempts of this client or this address, try again in {wait} seconds"
    raise OAuthError(429, "slow_down", text, {"retry-after": str(wait)})


async def _by_secret(server: AuthorizationServer, request: Request, form: Mapping[str, str]) -> Client:
    app_key, secret, basic = _credentials(request, form)
    address, guard = str(request.scope.get("address", "")), server.guard
    await _not_too_often(server, app_key, secret, address)
    application = await authenticate(server.accounts, app_key, secret)
    profile = None if application is None else (await server.clients.get(app_key)).profile
    if application is None or profile is None or profile.keys_only:
        if guard is not None:
            guard.failed(app_key, secret, address)
        challenge = {"www-authenticate": 'Basic realm="simwarden", charset="UTF-8"'} if basic else {}
        raise OAuthError(401, "invalid_client", WRONG, challenge)
    if guard is not None:
        guard.succeeded(app_key, secret)
    return Client(application, profile)


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str, bool]:
    """APPKEY, APPSECRET and whether they came by HTTP Basic (RFC 6749 clause 2.3.1)."""
    header = request.headers.get("authorization")
    if header is None:
        if "client_id" not in form or "client_secret" not in form:
            raise OAuthError(401, "invalid_client", "Client authentication is missing", {"www-authenticate": "Basic"})
        return form["client_id"], form["client_secret"], False
    if "client_secret" in form:
        raise invalid_request("Use one way of client authentication, not two")
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
        raise invalid_request("client_id names another client than the Authorization header")
    return app_key, unquote_plus(secret), True
