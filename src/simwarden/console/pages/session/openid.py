"""Signing in at an OpenID provider: the browser goes there, and comes back with what proves who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from simwarden.console.calls import CallRefused
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

KEPT = "simwarden-openid"
"""The cookie that binds a log-in to the browser that began it. Lax: the way back comes from the provider's site."""
BACK = f"{ROOT}/login"
_SECONDS = 600


async def begin(visit: Visit) -> ASGIApp:
    """Send the browser to the provider."""
    host = visit.request.headers.get("host", "")
    try:
        begun = await _begun(visit, f"{visit.request.url.scheme}://{host}{BACK}")
    except CallRefused as refused:
        if refused.status != 400:
            raise
        begun = await _begun(visit, f"https://{host}{BACK}")  # a proxy ends TLS
    answer = RedirectResponse(begun["authorizationUrl"], 303)
    answer.raw_headers.append((b"set-cookie", _cookie(begun["loginId"])))
    return answer


async def _begun(visit: Visit, redirect: str) -> dict[str, Any]:
    found: dict[str, Any] = await visit.api.post("/session/openid", body={"redirectUri": redirect})
    return found


async def back(visit: Visit) -> ASGIApp:
    """Who comes back is signed in, or learns why not."""
    if visit.is_sent_here:  # the API takes nothing that another site's page caused
        return visit.again()
    login = visit.request.cookies.get(KEPT)
    if login is None or "code" not in visit.query:
        raise CallRefused(403, "PERMISSION_DENIED", visit.query.get("error_description", ""))
    asked: dict[str, Any] = {"loginId": login, "code": visit.query["code"], "state": visit.query.get("state", "")}
    if "iss" in visit.query:
        asked["issuer"] = visit.query["iss"]
    try:
        done = await visit.api.call("POST", "/session/openid/finish", body={**asked, "cookie": True})
    except CallRefused as refused:
        raise CallRefused(403 if refused.status == 401 else refused.status, refused.code, refused.message) from None
    return visit.go(ROOT, done.cookies, signed="1")


def _cookie(login: str) -> bytes:
    return f"{KEPT}={login}; Path={BACK}; Max-Age={_SECONDS}; SameSite=Lax; HttpOnly".encode()
