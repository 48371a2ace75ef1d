"""The authorization endpoint (RFC 6749 clause 4.1, OpenID Connect Core clause 3.1) with PKCE, as CAMARA uses it.

The network authenticates: a SIM is known by the address that the request comes from. Where its account, or who used it
before, has given consent, the code is sent back at once; where nobody has decided, the user of the SIM is asked, if
that was agreed with the application.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec
from starlette.responses import RedirectResponse, Response

from simwarden.accounts import code_challenge, consent_page, purposes, request_objects
from simwarden.accounts.answers import MAX_FORM, OAuthError, parameters, read_form
from simwarden.accounts.authentication import Client
from simwarden.accounts.consent import ConsentVerdict, decide, verdict
from simwarden.accounts.hints import InvalidHint, number_of, of_address
from simwarden.accounts.server import AUTHORIZATION_CODE, AUTHORIZATION_PATH
from simwarden.domain.errors import AccountNotFound, ApplicationNotFound
from simwarden.store.accounts import OPERATOR
from simwarden.store.authorizations import AuthorizationCode
from simwarden.store.consents import Consent
from simwarden.store.vault import WrongKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from simwarden.accounts.purposes import Wanted
    from simwarden.accounts.server import AuthorizationServer

CODE_FOR = 60
"""Seconds for which a code is good."""
TICKET_FOR = 600
"""Seconds for which the page may be answered."""
MOST_CODES = 100_000
"""Codes of one application that are kept, for an hour, used or not."""
_MAX_STATE = 1024
_MUST_MATCH = ("response_type", "client_id", "redirect_uri", "scope")
"""What must stand beside a signed request, and be the same as inside it ("Signed Authentication Requests")."""
_NONCE = re.compile(r"[A-Za-z0-9_-]{43}")
_TICKET = "consent-ticket"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an authorization request comes to; sealed, it is the ticket of the page."""

    app_key: str
    msisdn: str
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str
    state: str | None
    nonce: str | None
    id: str = ""
    expires_at: float = 0.0
    browser: bytes = b""
    """Digest of the cookie of the browser that was asked."""


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Asked)


class _NotSent(Exception):
    """The request names no client that could be sent anything: only who sits there is told."""


async def authorize(server: AuthorizationServer, request: Request) -> Response:
    """Answer an authorization request. Raises StoreUnavailable."""
    address = str(request.scope.get("address", ""))
    if wait := server.askers.wait(address):
        server.refused("authorizations")
        refused = consent_page.refusal(
            f"Too many requests from this address, try again in {int(wait) + 1} seconds", 429
        )
        refused.headers["retry-after"] = str(int(wait) + 1)
        return refused
    server.askers.use(address)
    try:
        given = await _given(request)
        client = await _client(server, given)
    except _NotSent as error:
        return consent_page.refusal(str(error))
    except OAuthError as error:
        return consent_page.refusal(error.description, error.status)
    back, state = given["redirect_uri"], given.get("state")
    try:
        if "request" in given:
            given = await _signed(server, client, given)
            state = given.get("state")
        asked, wanted = await _asked(server, request, client, given)
        purpose = purposes.about_a_sim(wanted)
        decided = await verdict(server.consents, client.app_key, purpose, asked.msisdn, wanted.api)
        prompt = given.get("prompt", "").split()
        if decided is ConsentVerdict.DENIED:
            raise OAuthError(403, "access_denied", "Consent was refused")
        if decided is ConsentVerdict.GRANTED and "consent" not in prompt:
            return await _code(server, asked, purpose)
        if "none" in prompt or not client.profile.asks_user:
            raise OAuthError(400, "consent_required", "There is no consent, and the user is not asked here")
        return await _ask(server, request, client, asked, wanted)
    except OAuthError as error:
        return _back(server, back, state, {"error": _redirected(error), "error_description": error.description})


async def answer(server: AuthorizationServer, request: Request) -> Response:
    """Take the answer of the page. Raises StoreUnavailable."""
    try:
        form = await read_form(request)
    except OAuthError as error:
        return consent_page.refusal(error.description, error.status)
    asked = _opened(server, form.get("ticket", ""))
    if asked is None or not _same_browser(server, request, asked):
        return consent_page.refusal("This page was not asked for here, or it is too old. Go back and begin again.", 403)
    until = server.time() + timedelta(seconds=TICKET_FOR + 60)
    if not await server.once.claim("ticket", asked.id, until=until):
        return consent_page.refusal("This page was answered before. Go back and begin again.", 403)
    try:
        application = await server.accounts.application(asked.app_key)
    except ApplicationNotFound:  # deleted since the page was shown
        return consent_page.refusal("The application may not ask any more.", 403)
    client = Client(application, (await server.clients.get(asked.app_key)).profile)
    if application.revoked_at is not None or asked.redirect_uri not in client.profile.redirect_uris:
        return consent_page.refusal("The application may not ask any more.", 403)
    try:
        if await _device(server, request, client) != asked.msisdn:
            raise OAuthError(403, "access_denied", "The device is connected by another SIM now")
        if form.get("decision") != "allow":
            raise OAuthError(403, "access_denied", "The user of the SIM has refused")
        wanted = purposes.parse(" ".join(asked.scopes))
        purposes.allowed(wanted, application.scopes, client.profile.purposes)
        purpose = purposes.about_a_sim(wanted)
        await _consent(server, client, asked.msisdn, purpose, wanted)
        if (
            await verdict(server.consents, client.app_key, purpose, asked.msisdn, wanted.api)
            is not ConsentVerdict.GRANTED
        ):
            raise OAuthError(403, "access_denied", "The account that owns the SIM has refused")
        return await _code(server, asked, purpose)
    except OAuthError as error:
        said = {"error": _redirected(error), "error_description": error.description}
        return _back(server, asked.redirect_uri, asked.state, said)


async def _given(request: Request) -> dict[str, str]:
    if request.method == "POST":
        return await read_form(request)
    query = request.scope.get("query_string", b"")
    if len(query) > MAX_FORM:
        raise _NotSent("The request is too long.")
    return parameters(query)


async def _client(server: AuthorizationServer, given: Mapping[str, str]) -> Client:
    """The client, if it may be sent something to where the request says (RFC 6749 clause 3.1.2.4). Raises _NotSent."""
    app_key, redirect_uri = given.get("client_id", ""), given.get("redirect_uri")
    if not (app_key.isascii() and app_key.isprintable()):
        raise _NotSent("The application (client_id) is unknown.")
    try:
        application = await server.accounts.application(app_key)
    except ApplicationNotFound as error:
        raise _NotSent("The application (client_id) is unknown.") from error
    if application.revoked_at is not None or application.account_id == OPERATOR:
        raise _NotSent("The application (client_id) is unknown.")
    profile = (await server.clients.get(app_key)).profile
    if redirect_uri not in profile.redirect_uris:
        raise _NotSent("The address to go back to (redirect_uri) is none that was agreed with the application.")
    return Client(application, profile)


async def _signed(server: AuthorizationServer, client: Client, given: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a signed request. Raises OAuthError."""
    inside = await request_objects.opened(server, client, given["request"], AUTHORIZATION_PATH)
    inside.setdefault("client_id", client.app_key)
    for name in _MUST_MATCH:
        if name not in given:
            raise OAuthError(400, "invalid_request", f"{name} must stand beside the signed request too")
        if inside.get(name) != given[name]:
            raise OAuthError(400, "invalid_request_object", f"{name} is not the same inside the signed request")
    return inside


async def _asked(
    server: AuthorizationServer, request: Request, client: Client, given: Mapping[str, str]
) -> tuple[Asked, Wanted]:
    """What is asked, and of which SIM. Raises OAuthError."""
    if "request_uri" in given:
        raise OAuthError(400, "request_uri_not_supported", "request_uri is not supported")
    if "response_type" not in given:
        raise OAuthError(400, "invalid_request", "response_type must be specified")
    if given["response_type"] != "code":
        raise OAuthError(400, "unsupported_response_type", "response_type is code")
    if given.get("response_mode", "query") != "query":
        raise OAuthError(400, "invalid_request", "response_mode is query")
    if AUTHORIZATION_CODE not in client.profile.grants:
        raise OAuthError(400, "unauthorized_client", "Authorization codes were not agreed for this application")
    if given.get("code_challenge_method") != code_challenge.METHOD or not code_challenge.is_challenge(
        given.get("code_challenge", "")
    ):
        raise OAuthError(400, "invalid_request", "code_challenge with code_challenge_method S256 is needed (PKCE)")
    if len(given.get("state", "")) > _MAX_STATE or len(given.get("nonce", "")) > _MAX_STATE:
        raise OAuthError(400, "invalid_request", f"state and nonce have at most {_MAX_STATE} characters")
    prompt = given.get("prompt", "").split()
    if "none" in prompt and len(prompt) > 1:
        raise OAuthError(400, "invalid_request", "prompt none stands alone")
    if "scope" not in given:
        raise OAuthError(400, "invalid_scope", "scope must be specified")
    wanted = purposes.allowed(purposes.parse(given["scope"]), client.application.scopes, client.profile.purposes)
    purposes.about_a_sim(wanted)
    asked = Asked(
        app_key=client.app_key,
        msisdn=await _device(server, request, client),
        scopes=wanted.scopes,
        redirect_uri=given["redirect_uri"],
        challenge=given["code_challenge"],
        state=given.get("state"),
        nonce=given.get("nonce"),
    )
    return asked, wanted


async def _device(server: AuthorizationServer, request: Request, client: Client) -> str:
    """The phone number of the SIM that the request comes through, of the application's account. Raises OAuthError."""
    address, port = request.scope.get("client") or ("", 0)
    with contextlib.suppress(InvalidHint):
        for ref in of_address(address, port):
            if (found := await number_of(server, client.application, ref)) is not None:
                return found
    raise OAuthError(403, "access_denied", "The device is not connected by a SIM of the application's account")


async def _code(server: AuthorizationServer, asked: Asked, purpose: str) -> Response:
    code, now = secrets.token_urlsafe(32), server.time()
    if await server.authorizations.count_codes(asked.app_key, MOST_CODES) >= MOST_CODES:
        server.refused("authorization_codes")
        text = f"The application has {MOST_CODES} codes of the last hour, try again later"
        raise OAuthError(429, "temporarily_unavailable", text)
    new = AuthorizationCode(
        app_key=asked.app_key,
        msisdn=asked.msisdn,
        scopes=asked.scopes,
        purpose=purpose,
        redirect_uri=asked.redirect_uri,
        challenge=asked.challenge,
        nonce=asked.nonce,
        created_at=now,
        expires_at=now + timedelta(seconds=CODE_FOR),
    )
    await server.authorizations.add_code(code, new)
    return _back(server, asked.redirect_uri, asked.state, {"code": code})


async def _ask(server: AuthorizationServer, request: Request, client: Client, asked: Asked, wanted: Wanted) -> Response:
    """The page, for this browser alone."""
    name = _cookie_name(server)
    browser = request.cookies.get(name, "")
    if not _NONCE.fullmatch(browser):
        browser = secrets.token_urlsafe(32)
    kept = {"id": secrets.token_urlsafe(16), "expires_at": server.now() + TICKET_FOR, "browser": _digest(browser)}
    ticket = server.keys.vault.seal(_encoder.encode(msgspec.structs.replace(asked, **kept)), _TICKET)
    try:
        account = (await server.accounts.get(client.application.account_id)).name
    except AccountNotFound as error:
        raise OAuthError(403, "access_denied", "The account is there no more") from error
    shown = consent_page.question(
        application=client.application.name,
        account=account,
        msisdn=asked.msisdn,
        purpose=purposes.about_a_sim(wanted),
        scopes=wanted.api,
        redirect_uri=asked.redirect_uri,
        ticket=base64.urlsafe_b64encode(ticket).decode("ascii"),
    )
    shown.set_cookie(
        name, browser, max_age=TICKET_FOR, path="/", secure=_is_secure(server), httponly=True, samesite="strict"
    )
    return shown


def _opened(server: AuthorizationServer, ticket: str) -> Asked | None:
    """What the page was about; None for a ticket that is not ours, or too old."""
    try:
        asked = _decoder.decode(server.keys.vault.open(base64.urlsafe_b64decode(ticket.encode("ascii")), _TICKET))
    except (ValueError, WrongKey, msgspec.MsgspecError):
        return None
    return asked if asked.expires_at > server.now() else None


def _same_browser(server: AuthorizationServer, request: Request, asked: Asked) -> bool:
    """Whether the answer comes from our page, in the browser that was asked (no cross-site request forgery)."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    if origin is not None and site is None and origin != _origin(server.issuer):
        return False
    return hmac.compare_digest(_digest(request.cookies.get(_cookie_name(server), "")), asked.browser)


async def _consent(server: AuthorizationServer, client: Client, msisdn: str, purpose: str, wanted: Wanted) -> None:
    """Write down that the SIM's user allows this, beside what he allowed before."""
    scopes = set(wanted.api)
    for before in await server.consents.of_sim(client.app_key, purpose, msisdn):
        if before.msisdn == msisdn and before.granted:
            if not before.scopes:
                return
            scopes |= set(before.scopes)
        elif before.msisdn == msisdn:
            return  # refused by the account: a user does not overrule it
    decision = Consent(client.app_key, purpose, msisdn, True, tuple(sorted(scopes)), server.time(), "user")  # noqa: FBT003
    await decide(server.db, decision)


def _back(server: AuthorizationServer, uri: str, state: str | None, said: Mapping[str, str]) -> Response:
    """Send the browser back to the client (RFC 6749 clause 4.1.2), and say who sends it (RFC 9207)."""
    query = {**said, **({} if state is None else {"state": state}), "iss": server.issuer}
    headers = {"cache-control": "no-store", "pragma": "no-cache", "referrer-policy": "no-referrer"}
    return RedirectResponse(f"{uri}{'&' if '?' in uri else '?'}{urlencode(query)}", 302, headers)


def _redirected(error: OAuthError) -> str:
    """The error code as it is sent back by way of the browser (RFC 6749 clause 4.1.2.1)."""
    return "invalid_request" if error.error in ("invalid_client", "slow_down") else error.error


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _is_secure(server: AuthorizationServer) -> bool:
    return server.issuer.startswith("https://")


def _cookie_name(server: AuthorizationServer) -> str:
    """Bound to this host by its name, where that is possible (RFC 6265bis clause 4.1.3.2)."""
    return "__Host-simwarden-consent" if _is_secure(server) else "simwarden-consent"


def _origin(issuer: str) -> str:
    scheme, _, rest = issuer.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
