"""The backchannel authentication endpoint: a client asks for a token about a SIM (OpenID Connect CIBA, poll mode)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from simwarden.accounts import purposes, request_objects
from simwarden.accounts.answers import OAuthError, invalid_request, read_form
from simwarden.accounts.authentication import client_of
from simwarden.accounts.consent import ConsentVerdict, verdict
from simwarden.accounts.grants import check_agreed
from simwarden.accounts.hints import InvalidHint, UnknownSim, phone_number
from simwarden.accounts.server import BACKCHANNEL_PATH, CIBA
from simwarden.store.authorizations import BackchannelRequest

if TYPE_CHECKING:
    from starlette.requests import Request

    from simwarden.accounts.server import AuthorizationServer

EXPIRES_IN = 600
"""Seconds for which a request waits for consent."""
INTERVAL = 5
"""Seconds between two polls."""
MOST_WAITING = 1000
"""Requests of one application that may wait,"""
MOST_KEPT = 100_000
"""and how many are kept, for an hour, used or not."""
_CREDENTIALS = frozenset({"client_id", "client_secret", "client_assertion", "client_assertion_type"})


async def begin(server: AuthorizationServer, request: Request) -> dict[str, object]:
    """The answer to an authentication request (clause 7.3). Raises OAuthError, StoreUnavailable."""
    form = await read_form(request)
    client = await client_of(server, request, form, endpoint=BACKCHANNEL_PATH)
    check_agreed(client, CIBA)
    if "request_uri" in form:
        raise invalid_request("request_uri is not supported")
    if "request" in form:
        if outside := sorted(form.keys() - _CREDENTIALS - {"request"}):
            raise invalid_request(f"With a signed request {', '.join(outside)} must be inside it")
        form = await request_objects.opened(server, client, form["request"], BACKCHANNEL_PATH)
    if "login_hint_token" in form or "id_token_hint" in form:
        raise invalid_request("login_hint is the only hint")
    if "login_hint" not in form or "scope" not in form:
        raise invalid_request("login_hint and scope must be specified")
    wanted = purposes.allowed(purposes.parse(form["scope"]), client.application.scopes, client.profile.purposes)
    purpose = purposes.about_a_sim(wanted)
    try:
        device = await phone_number(server, client.application, form["login_hint"])
    except InvalidHint as error:
        raise invalid_request("login_hint is tel:+..., ipport:... or operatortoken:...") from error
    except UnknownSim as error:
        raise OAuthError(400, "unknown_user_id", "The login_hint is no SIM of the account") from error
    if await verdict(server.consents, client.app_key, purpose, device, wanted.api) is ConsentVerdict.DENIED:
        raise OAuthError(403, "access_denied", "Consent was refused")
    now = server.time()
    if await server.authorizations.count_open(client.app_key, now, MOST_WAITING) >= MOST_WAITING:
        server.refused("waiting_authentications")
        text = f"At most {MOST_WAITING} requests of an application wait at a time"
        raise OAuthError(429, "slow_down", text, {"retry-after": str(INTERVAL)})
    if await server.authorizations.count_requests(client.app_key, MOST_KEPT) >= MOST_KEPT:
        server.refused("kept_authentications")
        text = f"An application makes at most {MOST_KEPT} requests in an hour"
        raise OAuthError(429, "slow_down", text, {"retry-after": "60"})
    id_ = secrets.token_urlsafe(32)
    asked = BackchannelRequest(
        app_key=client.app_key,
        msisdn=device,
        scopes=wanted.scopes,
        purpose=purpose,
        created_at=now,
        expires_at=now + timedelta(seconds=EXPIRES_IN),
        pause=INTERVAL,
    )
    await server.authorizations.add_request(id_, asked)
    return {"auth_req_id": id_, "expires_in": EXPIRES_IN, "interval": INTERVAL}
