"""The token endpoint: what is granted for what (RFC 6749, RFC 7523, OpenID Connect CIBA)."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

from simwarden.accounts import code_challenge, purposes
from simwarden.accounts.answers import OAuthError, invalid_grant, invalid_request, read_form
from simwarden.accounts.assertions import AssertionRefused, text_of
from simwarden.accounts.authentication import check_once, client_of, signed_by_client
from simwarden.accounts.consent import ConsentVerdict, verdict
from simwarden.accounts.hints import InvalidHint, UnknownSim, phone_number
from simwarden.accounts.server import (
    AGREED_GRANTS,
    AUTHORIZATION_CODE,
    CIBA,
    CLIENT_CREDENTIALS,
    JWT_BEARER,
    TOKEN_PATH,
)
from simwarden.store import revocations
from simwarden.store.revocations import TooManyRevocations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request

    from simwarden.accounts.authentication import Client
    from simwarden.accounts.server import AuthorizationServer

SHORT = 300
"""Seconds for which a token is valid that was granted for a signed statement ("JWT Bearer Flow")."""
_NAMES = {grant: name for name, grant in AGREED_GRANTS.items()}


async def grant(server: AuthorizationServer, request: Request) -> dict[str, object]:
    """The answer to a token request. Raises OAuthError, StoreUnavailable."""
    form = await read_form(request)
    grant_type = form.get("grant_type")
    if grant_type == JWT_BEARER and not _authenticates(request, form):
        return await _by_statement(server, request, form, None)
    client = await client_of(server, request, form)
    if grant_type is None:
        raise invalid_request("grant_type must be specified")
    if grant_type == CLIENT_CREDENTIALS:
        return await _own(server, client, form)
    if grant_type == JWT_BEARER:
        return await _by_statement(server, request, form, client)
    if grant_type == CIBA:
        return await _by_request(server, client, form)
    if grant_type == AUTHORIZATION_CODE:
        return await _by_code(server, client, form)
    known = ", ".join([CLIENT_CREDENTIALS, *AGREED_GRANTS.values()])
    raise OAuthError(400, "unsupported_grant_type", f"grant_type is one of {known}")


def check_agreed(client: Client, grant_type: str) -> None:
    """Raises OAuthError unless this way to a token was agreed with the client."""
    if _NAMES[grant_type] not in client.profile.grants:
        raise OAuthError(400, "unauthorized_client", f"{grant_type} was not agreed for this application")


async def _own(server: AuthorizationServer, client: Client, form: Mapping[str, str]) -> dict[str, object]:
    """A 2-legged token (RFC 6749 clause 4.4): for what was asked for, or for everything that the application has.

    A client that authenticates as CAMARA demands must ask, as CAMARA demands.
    """
    application = client.application
    if client.by_key and "scope" not in form:
        raise invalid_request("scope must be specified")
    wanted = purposes.allowed(purposes.parse(form.get("scope", "")), application.scopes, client.profile.purposes)
    api = wanted.api or application.scopes
    if not api:
        raise purposes.invalid_scope("This application has no scopes")
    purpose = () if wanted.purpose is None else (purposes.PREFIX + wanted.purpose,)
    scopes = (*purpose, *api)
    minted = await server.tokens.mint(application, scopes)
    return _answer(minted.token, minted.expires_in, scopes)


async def _by_statement(
    server: AuthorizationServer, request: Request, form: Mapping[str, str], client: Client | None
) -> dict[str, object]:
    """A 3-legged token for a statement about a SIM that the client signs, by which it authenticates as well."""
    if "scope" in form:
        raise invalid_request("scope must not be a parameter: it is a claim of the assertion")
    if "assertion" not in form:
        raise invalid_request("assertion must be specified")
    try:
        signer, statement = await signed_by_client(server, request, form["assertion"])
        if form.get("client_id", signer.app_key) != signer.app_key or (client and client.app_key != signer.app_key):
            raise AssertionRefused("The assertion is by another client (iss)", known=True)
        check_agreed(signer, JWT_BEARER)
        claims = statement.claims
        await check_once(server, signer, claims, {server.address(TOKEN_PATH)}, needs_iat=True)
        subject, scope = text_of(claims, "sub", most=4096), text_of(claims, "scope", most=8192)
    except AssertionRefused as error:
        raise invalid_grant(error.reason if error.known else "The assertion is by none of the client's keys") from error
    wanted = purposes.allowed(purposes.parse(scope), signer.application.scopes, signer.profile.purposes)
    purpose = purposes.about_a_sim(wanted)
    try:
        if not subject.startswith(("tel:", "operatortoken:")):
            raise InvalidHint
        device = await phone_number(server, signer.application, subject)
    except (InvalidHint, UnknownSim) as error:
        raise invalid_grant("The subject (sub) is no SIM of the account, by tel: or operatortoken:") from error
    scopes = tuple(scope for scope in wanted.scopes if scope != purposes.OPENID)
    minted = await server.tokens.mint(signer.application, scopes, device=device, lifetime=SHORT)
    await _check_consent(server, signer, purpose, device, wanted)
    return _answer(minted.token, minted.expires_in, scopes)


async def _by_request(server: AuthorizationServer, client: Client, form: Mapping[str, str]) -> dict[str, object]:
    """A 3-legged token for a request over the back channel, once there is consent (CIBA clauses 10.1 and 11)."""
    check_agreed(client, CIBA)
    if "auth_req_id" not in form:
        raise invalid_request("auth_req_id must be specified")
    id_, now = form["auth_req_id"], server.time()
    found = await server.authorizations.poll(id_, now, client.app_key)
    if found is None or found.used_at is not None:
        raise invalid_grant("The auth_req_id is unknown, used, or another client's")
    if found.expires_at <= now:
        raise OAuthError(400, "expired_token", "The auth_req_id has expired")
    wanted = purposes.parse(" ".join(found.scopes))
    decided = await verdict(server.consents, client.app_key, found.purpose, found.msisdn, wanted.api)
    if decided is ConsentVerdict.DENIED:
        raise OAuthError(400, "access_denied", "Consent was refused")
    if decided is ConsentVerdict.OPEN:
        if found.polled_at is not None and (now - found.polled_at).total_seconds() < found.pause:
            raise OAuthError(400, "slow_down", f"Wait {found.pause + 5} seconds between two requests from now on")
        raise OAuthError(400, "authorization_pending", f"Nobody has decided yet, ask again in {found.pause} seconds")
    purposes.allowed(wanted, client.application.scopes, client.profile.purposes)  # may have changed since
    if not await server.authorizations.use_request(id_, now):
        raise invalid_grant("The auth_req_id is unknown, used, or another client's")
    minted = await server.tokens.mint(client.application, wanted.scopes, device=found.msisdn)
    await _check_consent(server, client, found.purpose, found.msisdn, wanted)
    answer = _answer(minted.token, minted.expires_in, wanted.scopes)
    if wanted.openid:
        answer["id_token"] = await server.tokens.id_token(client.app_key, found.msisdn, _second(found.created_at), None)
    return answer


async def _by_code(server: AuthorizationServer, client: Client, form: Mapping[str, str]) -> dict[str, object]:
    """A 3-legged token for an authorization code (RFC 6749 clause 4.1.3, RFC 7636 clause 4.6).

    Whoever presents a code uses it up. Who presents one that was used ends the token that it was used for.
    """
    check_agreed(client, AUTHORIZATION_CODE)
    missing = [name for name in ("code", "redirect_uri", "code_verifier") if name not in form]
    if missing:
        raise invalid_request(f"{', '.join(missing)} must be specified")
    now, token_id = server.time(), secrets.token_urlsafe(12)
    wrong = invalid_grant("The code is unknown, expired, used, another client's, or was asked for in another way")
    found = await server.authorizations.use_code(form["code"], now, token_id)
    if found is None:
        before = await server.authorizations.used_for(form["code"])
        if before is not None:
            await _end(server, form["code"], *before, now)
        raise wrong
    if (
        found.app_key != client.app_key
        or found.expires_at <= now
        or found.redirect_uri != form["redirect_uri"]
        or not code_challenge.is_met(found.challenge, form["code_verifier"])
    ):
        raise wrong
    wanted = purposes.parse(" ".join(found.scopes))
    purposes.allowed(wanted, client.application.scopes, client.profile.purposes)
    minted = await server.tokens.mint(client.application, wanted.scopes, device=found.msisdn, id=token_id)
    await _check_consent(server, client, found.purpose, found.msisdn, wanted)
    answer = _answer(minted.token, minted.expires_in, wanted.scopes)
    if wanted.openid:
        at = _second(found.created_at)
        answer["id_token"] = await server.tokens.id_token(client.app_key, found.msisdn, at, found.nonce)
    return answer


async def _check_consent(
    server: AuthorizationServer, client: Client, purpose: str, device: str, wanted: purposes.Wanted
) -> None:
    """Raises OAuthError unless there is consent to a token that is made already.

    Asked in this order: consent that is withdrawn before is seen here, and what is withdrawn later ends the token.
    """
    if await verdict(server.consents, client.app_key, purpose, device, wanted.api) is not ConsentVerdict.GRANTED:
        raise invalid_grant("There is no consent to this purpose and these scopes")


async def _end(server: AuthorizationServer, code: str, app_key: str, jti: str, now: datetime) -> None:
    """End the token that a code was used for, once: each time costs every process a look at the application."""
    with contextlib.suppress(TooManyRevocations):
        await revocations.end_token(server.db, app_key, jti, now, server.token_end(now))
        await server.authorizations.token_ended(code)
    server.tokens.invalidate(app_key)


def _authenticates(request: Request, form: Mapping[str, str]) -> bool:
    """Whether the client authenticates beside what it brings for a token."""
    return (
        request.headers.get("authorization") is not None
        or "client_secret" in form
        or "client_assertion" in form
        or "client_assertion_type" in form
    )


def _answer(token: str, expires_in: int, scopes: tuple[str, ...]) -> dict[str, object]:
    """RFC 6749 clause 5.1."""
    return {"access_token": token, "token_type": "Bearer", "expires_in": expires_in, "scope": " ".join(scopes)}


def _second(at: datetime) -> int:
    return int(at.timestamp())
