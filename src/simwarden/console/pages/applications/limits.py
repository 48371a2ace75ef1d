"""The limits of an application as a whole: how often it may call, in a second, a day and a month."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simwarden.console.calls import CallRefused
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

FIELDS = ("callsPerSecond", "burst", "dailyQuota", "monthlyQuota")
"""Of the form, as the API names them."""
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")


async def ask(visit: Visit) -> ASGIApp:
    """The form, with what holds now."""
    app = await visit.api.get("/applications/{}", visit.named("application"))
    return _form(visit, app, _whole(app))


async def set_(visit: Visit) -> ASGIApp:
    """Make the limits what the form says; an empty field takes one away."""
    key = visit.named("application")
    app = await visit.api.get("/applications/{}", key)
    body = {"application": key, **{name: _number(visit.field(name)) for name in FIELDS}}
    try:
        await visit.api.call("PATCH", "/accounts/{}/limits", app["account"], body=body)
    except CallRefused as refused:
        if refused.status in (401, 403):
            raise
        given = {name: visit.field(name) for name in FIELDS}
        return _form(visit, app, given, refused.status, refused.message)
    return visit.go(f"{ROOT}/applications/{visit.request.path_params['application']}", done="saved")


def _form(
    visit: Visit, app: Mapping[str, Any], given: Mapping[str, Any], status: int = 200, error: str | None = None
) -> ASGIApp:
    title = visit.t("applications.set_limits")
    return visit.show("applications/limits.html", status, title=title, app=app, given=given, fields=FIELDS, error=error)


def _whole(app: Mapping[str, Any]) -> Mapping[str, Any]:
    """The limit that is not of one API or operation only."""
    return next((each for each in app.get("limits", ()) if "api" not in each), {})


def _number(text: str) -> float | str | None:
    """What is no number goes to the API as it is: it says so better."""
    if not _NUMBER.fullmatch(text):
        return text or None
    return float(text) if "." in text else int(text)
