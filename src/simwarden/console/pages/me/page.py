"""A person's own password, second factor and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.console.calls import CallRefused
from simwarden.console.page import ConsolePage
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit


async def show(visit: Visit) -> ASGIApp:
    """The page."""
    return await _shown(visit)


async def _shown(visit: Visit, status: int = 200, error: str | None = None) -> ASGIApp:
    found = await visit.api.get("/sessions")
    assert visit.session is not None
    return visit.show(
        "me/show.html",
        status,
        title=visit.t("me.title"),
        session=visit.session,
        sessions=found["sessions"],
        error=error,
    )


async def act(visit: Visit) -> ASGIApp:
    """Change the password, or end a session."""
    if visit.field("do") == "end":
        await visit.api.call("DELETE", "/sessions/{}", visit.field("id"))
        return visit.go(f"{ROOT}/me", done="saved")
    asked = {"currentPassword": visit.field("password"), "newPassword": visit.field("new_password")}
    try:
        await visit.api.post("/session/password", body=asked)
    except CallRefused as refused:
        told = visit.t("session.wrong_password") if refused.status == 401 else refused.message
        return await _shown(visit, refused.status, told)
    return visit.go(f"{ROOT}/me", done="saved")


PAGES = (ConsolePage(name="me", path="/me", show=show, act=act),)
