"""Who comes in: by password, code, set-up code or OpenID provider; and what a visitor chose for himself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.console.calls import CallRefused
from simwarden.console.page import ConsolePage
from simwarden.console.pages.session import openid, qr
from simwarden.console.texts import LANGUAGES
from simwarden.console.visit import LANGUAGE, ROOT, THEME, THEMES, local

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

_YEAR = 365 * 24 * 3600


async def sign_in(visit: Visit) -> ASGIApp:
    """The form; who is signed in already is sent on."""
    if visit.session is not None:
        return visit.go(local(visit.query.get("next", ROOT)))
    ways = await visit.api.get("/session/ways")
    if ways["needsFirstPerson"]:
        return visit.go(f"{ROOT}/first", code=visit.query.get("code"))
    error = visit.t("session.no_cookie") if "signed" in visit.query else None
    return _sign_in(visit, error=error, ways=ways)


async def signed_in(visit: Visit) -> ASGIApp:
    """With what the form holds."""
    asked: dict[str, Any] = {"email": visit.field("email"), "password": visit.field("password"), "cookie": True}
    code = visit.field("code")
    if code:
        asked["code" if code.replace(" ", "").isdigit() else "recoveryCode"] = code.replace(" ", "")
    try:
        answer = await visit.api.call("POST", "/session", body=asked)
    except CallRefused as refused:
        return _sign_in(visit, refused.status, error=_told(visit, refused, "session.wrong"))
    if answer.status == 202:
        return _sign_in(visit, needs_code=True)
    return visit.go(local(visit.field("next") or ROOT), answer.cookies, signed="1")


async def set_up(visit: Visit) -> ASGIApp:
    """The form for who was handed a set-up code."""
    return visit.show("session/set_up.html", title=visit.t("session.set_up_title"), needs_code=False)


async def was_set_up(visit: Visit) -> ASGIApp:
    """Set a password with a set-up code."""
    asked = {"setupCode": visit.field("setup_code"), "password": visit.field("password"), "cookie": True}
    if visit.field("code"):
        asked["code"] = visit.field("code")
    title = visit.t("session.set_up_title")
    try:
        answer = await visit.api.call("POST", "/session/setup", body=asked)
    except CallRefused as refused:
        error = _told(visit, refused, "session.wrong_setup")
        return visit.show("session/set_up.html", refused.status, title=title, error=error, needs_code=False)
    if answer.status == 202:
        return visit.show("session/set_up.html", title=title, needs_code=True)
    return visit.go(ROOT, answer.cookies, signed="1")


async def first(visit: Visit) -> ASGIApp:
    """The first person of a new server, who is an administrator."""
    if not (await visit.api.get("/session/ways"))["needsFirstPerson"]:
        return visit.go(f"{ROOT}/sign-in")
    return _first(visit)


async def was_first(visit: Visit) -> ASGIApp:
    """Make that person, and sign him in."""
    names = {"code": "code", "email": "email", "name": "name", "password": "password"}
    asked = {name: visit.field(field) for name, field in names.items()}
    try:
        answer = await visit.api.call("POST", "/session/first", body={**asked, "cookie": True})
    except CallRefused as refused:
        return _first(visit, refused.status, error=_told(visit, refused, "session.wrong_first"))
    return visit.go(ROOT, answer.cookies, signed="1")


async def sign_out(visit: Visit) -> ASGIApp:
    """End the session."""
    if visit.session is None:
        return visit.go(f"{ROOT}/sign-in")
    answer = await visit.api.call("DELETE", "/session")
    return visit.go(f"{ROOT}/sign-in", answer.cookies)


async def preferences(visit: Visit) -> ASGIApp:
    """Keep language and theme in the browser, for a year."""
    kept = []
    for name, field, values in ((LANGUAGE, "language", tuple(LANGUAGES)), (THEME, "theme", THEMES)):
        if visit.field(field) in values:
            kept.append(f"{name}={visit.field(field)}; Path={ROOT}; Max-Age={_YEAR}; SameSite=Lax; HttpOnly".encode())
    return visit.go(local(visit.field("next")), kept)


async def second_factor(visit: Visit) -> ASGIApp:
    """Where a second factor begins: by the password."""
    if visit.session is None:
        return visit.go(f"{ROOT}/sign-in")
    return _factor(visit)


async def second_factor_step(visit: Visit) -> ASGIApp:
    """Show a secret, then take the code that proves it."""
    if visit.session is None:
        return visit.go(f"{ROOT}/sign-in")
    if visit.field("step") == "offer":
        try:
            found = await visit.api.post("/session/second-factor", body={"currentPassword": visit.field("password")})
        except CallRefused as refused:
            return _factor(visit, refused.status, error=_told(visit, refused, "session.wrong_password"))
        return _factor(visit, secret=found["secret"], uri=found["uri"])
    try:
        found = await visit.api.post("/session/second-factor/confirm", body={"code": visit.field("code")})
    except CallRefused as refused:
        secret, uri = visit.field("secret"), visit.field("uri")
        return _factor(visit, refused.status, secret=secret, uri=uri, error=_told(visit, refused, "session.wrong_code"))
    return _factor(visit, codes=found["recoveryCodes"])


def _sign_in(visit: Visit, status: int = 200, **values: Any) -> ASGIApp:
    known = {
        "title": visit.t("session.title"),
        "needs_code": False,
        "email": visit.field("email"),
        "next": local(visit.field("next") or visit.query.get("next", ROOT)),
        "ways": {"openId": False, **values.get("ways", {})},
    }
    return visit.show("session/sign_in.html", status, **{**known, **values})


def _first(visit: Visit, status: int = 200, **values: Any) -> ASGIApp:
    code = visit.field("code") or visit.query.get("code", "")
    known: dict[str, Any] = {"title": visit.t("session.first_title"), "code": code}
    known |= {name: visit.field(name) for name in ("email", "name")} | values
    return visit.show("session/first.html", status, **known)


def _factor(visit: Visit, status: int = 200, **values: Any) -> ASGIApp:
    known: dict[str, Any] = {"title": visit.t("session.factor_title"), "secret": "", "uri": "", "codes": None}
    known |= values
    drawn = qr.drawn(known["uri"]) if known["uri"].startswith("otpauth://") else None
    return visit.show("session/second_factor.html", status, drawn=drawn, **known)


def _told(visit: Visit, refused: CallRefused, wrong: str) -> str:
    """Why it did not work, in words."""
    if refused.status == 401:
        return visit.t(wrong)
    if refused.status == 429 and refused.retry_after:
        return visit.t("failed.again", seconds=refused.retry_after)
    return refused.message or visit.t("failed.500")


PAGES = (
    ConsolePage(name="session", path="/sign-in", show=sign_in, act=signed_in, is_open=True),
    ConsolePage(name="session", path="/set-up", show=set_up, act=was_set_up, is_open=True),
    ConsolePage(name="session", path="/sign-in/openid", show=openid.begin, is_open=True),
    ConsolePage(name="session", path="/login", show=openid.back, is_open=True),
    ConsolePage(name="session", path="/first", show=first, act=was_first, is_open=True),
    ConsolePage(name="session", path="/sign-out", act=sign_out, is_open=True),
    ConsolePage(name="session", path="/preferences", act=preferences, is_open=True),
    ConsolePage(name="session", path="/second-factor", show=second_factor, act=second_factor_step, is_open=True),
)
