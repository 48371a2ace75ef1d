"""Messages from SIMs: written, sent after it was said by what and from where, and followed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from simwarden.console.calls import CallRefused
from simwarden.console.pages.records.tabs import HOME, MAY_REVEAL, reveals, tabs
from simwarden.console.rendering import address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

ROWS = 50
FIELDS = ("sim", "receiver", "text")
TONES = {"SENT": "ok", "DELIVERED": "ok", "FAILED": "bad"}
_ONCE = re.compile(r"[0-9a-f]{32}")


async def sent(visit: Visit) -> ASGIApp:
    """What was sent from a SIM, or from those of an account."""
    wanted: dict[str, Any] = {name: visit.query[name] for name in ("sim", "account") if name in visit.query}
    if not wanted and visit.account is not None:
        wanted["account"] = visit.account
    reveal, here = reveals(visit), f"{HOME}/sent"
    found: dict[str, Any] = {"messages": []}
    status, error = 200, None
    if wanted:
        query = {**wanted, "reveal": "true" if reveal else None}
        found, status, error = await visit.listed("messages", "/sent-messages", limit=ROWS, **query)
    kept = {**wanted, "reveal": "yes" if reveal else None}
    return visit.show(
        "records/sent.html",
        status,
        title=visit.t("records.title"),
        rows=[_row(visit, each) for each in found["messages"]],
        is_asked=bool(wanted),
        wanted={name: wanted.get(name, "") for name in ("sim", "account")},
        reveal=reveal,
        may_reveal=visit.may(MAY_REVEAL),
        other_way=address(here, kept, cursor=visit.query.get("cursor"), reveal=None if reveal else "yes"),
        tabs=tabs(visit, kept),
        here=here,
        error=error,
        **visit.steps(here, found, kept),
    )


async def show(visit: Visit) -> ASGIApp:
    """One message, and how far it has come."""
    reveal, here = reveals(visit), f"{HOME}/sent/{visit.request.path_params['message']}"
    query = {"reveal": "true" if reveal else None}
    found = await visit.api.get("/sent-messages/{}", visit.named("message"), **query)
    return visit.show(
        "records/followed.html",
        title=visit.t("records.sent_message"),
        rows=[_row(visit, each) for each in found["messages"]],
        reveal=reveal,
        may_reveal=visit.may(MAY_REVEAL),
        other_way=address(here, {}, reveal=None if reveal else "yes"),
    )


async def write(visit: Visit) -> ASGIApp:
    """The form of a message."""
    return _form(visit, {"sim": visit.query.get("sim", ""), "receiver": "", "text": ""})


async def send(visit: Visit) -> ASGIApp:
    """Fill in the form (a reply), say what sending would do, or send: whatever the form's button says."""
    given, step = {name: visit.field(name) for name in FIELDS}, visit.field("step")
    if step == "write":
        return _form(visit, given)
    body = {"receiver": re.sub(r"[\s()-]", "", given["receiver"]), "text": given["text"]}
    try:
        if step == "send" and _ONCE.fullmatch(visit.field("once")):
            once = (b"idempotency-key", visit.field("once").encode())
            made = await visit.api.call("POST", "/sims/{}/messages", given["sim"], body=body, headers=(once,))
            return visit.go(f"{HOME}/sent/{made.body['id']}", done="queued")
        preview = await visit.api.ask("/sims/{}/messages/preview", given["sim"], body=body)
    except CallRefused as refused:
        if refused.status not in (400, 404, 409, 422, 429):
            raise
        error = refused.message or visit.t(f"failed.{refused.status}")
        return _form(visit, given, error=error, status=refused.status)
    return _form(visit, given, preview={**preview, "receiver": body["receiver"]})


def _form(
    visit: Visit,
    given: Mapping[str, str],
    *,
    preview: Mapping[str, Any] | None = None,
    error: str | None = None,
    status: int = 200,
) -> ASGIApp:
    return visit.show(
        "records/send.html",
        status,
        title=visit.t("records.send"),
        given=given,
        preview=preview,
        once=uuid4().hex,
        error=error,
    )


def _row(visit: Visit, message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with the tone of its state, and why it failed, in words."""
    kind, _, words = str(message.get("reason", "")).partition(": ")
    why = "" if not kind else visit.word(kind, "records.reason") + (f" ({words})" if words else "")
    return {**message, "tone": TONES.get(message["state"], "info"), "why": why}
