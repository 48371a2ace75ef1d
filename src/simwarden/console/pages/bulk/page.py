"""Work on many SIMs: which and what, then what would come of it, then doing it, then how far it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simwarden.console import texts
from simwarden.console.calls import CallRefused
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.pages.sim import actions
from simwarden.console.pages.sims.page import FILTERS
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

MOST = 24 * 1024 * 1024
"""Bytes of a form with a list of 200,000 lines."""
CHOSEN = 1000
ROWS = 50
SOON = 3.0
"""Seconds to wait for a preview, which is ready at once when it is of few SIMs."""
STATES = ("PREVIEWING", "READY", "RUNNING", "COMPLETED", "CANCELLED", "EXPIRED")


async def ask(visit: Visit) -> ASGIApp:
    """The form: which SIMs, and what is to be done."""
    return _form(visit)


def _form(visit: Visit, status: int = 200, error: str | None = None) -> ASGIApp:
    posted = visit.request.method == "POST"
    chosen = visit.fields("sim") if posted else visit.lists.get("sim", [])[:CHOSEN]
    given = {name: visit.field(name) if posted else visit.query.get(name, "") for name in (*FILTERS, "text")}
    matching = bool(visit.field("matching") if posted else visit.query.get("matching"))
    return visit.show(
        "bulk/form.html",
        status,
        title=visit.t("bulk.title"),
        chosen=chosen,
        matching=matching and not chosen,
        filters={name: value for name, value in given.items() if value},
        csv=visit.field("csv"),
        actions=actions.ALL,
        wanted=visit.field("action"),
        error=error,
    )


async def begin(visit: Visit) -> ASGIApp:
    """Let all of them be looked at."""
    try:
        action = actions.named(visit.field("action"))
        given = {name: visit.field(name) for name in visit.form}
        given["functions"] = ",".join(visit.fields("functions"))
        body = actions.wanted(action, given)
        if visit.fields("sim"):
            body["csv"] = "\n".join(["imsi", *visit.fields("sim")[:CHOSEN]])
        elif visit.field("matching"):
            body["filter"] = _filter(visit)
        else:
            body["csv"] = visit.form.get("csv", [""])[-1]
        operation = await visit.api.post("/bulk", body=body)
    except CallRefused as refused:
        if refused.status in (400, 404):
            return _form(visit, refused.status, refused.message or visit.t("bulk.choose_action"))
        raise
    for _ in range(round(SOON / 0.25)):
        if operation["state"] != "PREVIEWING":
            break
        await asyncio.sleep(0.25)
        operation = await visit.api.get("/operations/{}", operation["id"])
    return visit.go(f"{ROOT}/operations/{operation['id']}")


def _filter(visit: Visit) -> dict[str, Any]:
    found: dict[str, Any] = {name: visit.field(name) for name in (*FILTERS, "text") if visit.field(name)}
    if "tag" in found:
        found["tag"] = [found["tag"]]
    if "barred" in found:
        found["barred"] = found["barred"] == "true"
    return found


async def listed(visit: Visit) -> ASGIApp:
    """All operations, the newest first."""
    state = visit.query.get("state", "")
    found = await visit.api.get("/operations", state=state, cursor=visit.query.get("cursor"), limit=ROWS)
    path, kept = f"{ROOT}/operations", {"state": state}
    return visit.show(
        "bulk/list.html",
        title=visit.t("bulk.operations"),
        operations=[{**each, "title": _named(visit, each)} for each in found["operations"]],
        states=STATES,
        state=state,
        **visit.steps(path, found, kept),
    )


async def show(visit: Visit) -> ASGIApp:
    """One of them: what would come of it, or how far it is."""
    operation = await visit.api.get("/operations/{}", visit.named("operation"))
    return visit.show(
        "bulk/show.html",
        title=_named(visit, operation),
        operation=operation,
        is_moving=operation["state"] in ("PREVIEWING", "RUNNING"),
        done=_share(operation["counts"]),
    )


def _named(visit: Visit, operation: Mapping[str, Any]) -> str:
    """What is done, in words."""
    key = f"sim.action.{operation['action']}"
    return visit.t(key) if texts.has(key) else str(operation["description"])


def _share(counts: Mapping[str, int]) -> int:
    """Percent of the SIMs that are settled."""
    settled = counts["done"] + counts["unchanged"] + counts["refused"]
    return 100 if counts["total"] == 0 else settled * 100 // counts["total"]


async def decide(visit: Visit) -> ASGIApp:
    """Confirm it, with the token of the preview that was seen; or cancel it."""
    name = visit.named("operation")
    if visit.field("do") == "cancel":
        await visit.api.post("/operations/{}/cancel", name)
    else:
        await visit.api.post("/operations/{}/confirm", name, body={"confirmToken": visit.field("token")})
    return visit.go(f"{ROOT}/operations/{name}")


async def result(visit: Visit) -> ASGIApp:
    """A line for each SIM, as a file."""
    return visit.api.through("/operations/{}/result", visit.named("operation"))


PAGES = (
    ConsolePage(
        name="bulk",
        under="sims",
        path="/bulk",
        show=ask,
        act=begin,
        needs=("previewBulk",),
        acts=("previewBulk",),
        most=MOST,
    ),
    ConsolePage(
        name="bulk",
        path="/operations",
        show=listed,
        needs=("listOperations",),
        nav=Nav("sims", 20, "many"),
    ),
    ConsolePage(
        name="bulk",
        path="/operations/{operation}",
        show=show,
        act=decide,
        needs=("getOperation",),
        acts=("confirmOperation", "cancelOperation"),
    ),
    ConsolePage(name="bulk", path="/operations/{operation}/result", show=result, needs=("getOperationResult",)),
)
