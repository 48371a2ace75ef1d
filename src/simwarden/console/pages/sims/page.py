"""The list of SIMs: found as one types, filtered in the address, page by page behind a cursor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from simwarden.console.calls import CallRefused
from simwarden.console.names import account_names
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.rendering import address
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

STATES = ("NEUTRAL", "ARMED", "LOCKED", "DIFFERED")
LIVES = ("PRE_ACTIVE", "ACTIVE", "SUSPENDED", "DEACTIVATED")
BARS = ("IMEI_MISMATCH", "AREA_EXIT", "CLOSED_BY_CUSTOMER", "SUSPENDED", "RISK", "QUOTA")
FILTERS = ("account", "state", "lifecycle", "barred", "bar", "tag", "imei", "tac", "seenBefore", "seenAfter", "gateway")
"""Parameters of the address that the API takes under the same name."""
VIEWED = (*FILTERS, "q", "inside", "column")
"""What a saved view holds."""
COLUMNS = ("number", "imsi", "iccid", "binding", "life", "off", "device", "place", "seen", "account", "tags")
SHOWN = ("number", "imsi", "binding", "life", "off", "device", "place", "seen", "account")
"""Without a choice."""
FILE_COLUMNS = {
    "number": ("msisdn",),
    "life": ("lifecycle",),
    "off": ("off", "bars"),
    "device": ("imei",),
    "place": ("gateway", "port", "slot"),
    "seen": ("seenAt",),
}
"""What a column is in a file, where that is called otherwise."""
ROWS = 50
_WHOLE = re.compile(r"\+?[0-9]{14,20}|[^\s@]+@[^\s@]+")
"""What may be an identifier in full, and is looked up by an index before anything is searched."""


async def show(visit: Visit) -> ASGIApp:
    """The list."""
    views, here = (await visit.api.get("/views"))["views"], _viewed(visit.request.url.query)
    query = visit.query
    text = query.get("q", "").replace(" ", "")
    wanted = {name: query[name] for name in FILTERS if name in query}
    if visit.account is not None:
        wanted.setdefault("account", visit.account)
    found, error = await _found(visit, text, wanted)
    shown = [name for name in COLUMNS if name in visit.lists.get("column", SHOWN)]
    accounts = await account_names(visit, (sim["account"] for sim in found["sims"])) if "account" in shown else {}
    kept = {**wanted, "q": query.get("q"), "inside": query.get("inside"), "column": visit.lists.get("column")}
    return visit.show(
        "sims/list.html",
        200 if error is None else error.status,
        title=visit.t("sims.title"),
        sims=found["sims"],
        columns=shown,
        all_columns=COLUMNS,
        accounts=accounts,
        file=address(f"{ROOT}/sim-list/result", {**wanted, "text": text or None, "column": kept["column"]}),
        first=_at(kept) if "cursor" in query else "",
        next=_at({**kept, "cursor": found["nextCursor"]}) if "nextCursor" in found else "",
        wanted={name: wanted.get(name, "") for name in FILTERS},
        filtered=bool(set(wanted) - ({"account"} if visit.account else set())),
        text=query.get("q", ""),
        more=bool(found.get("more")),
        searched=found.get("searchedPercent"),
        inside=_at({**kept, "inside": "yes"}) if text and "inside" not in query and not wanted else "",
        error=error and (error.message or visit.t(f"failed.{error.status}")),
        here=here,
        views=[{**each, "href": f"{ROOT}/sims?{_viewed(each['query'])}"} for each in views if each["list"] == "sims"],
        states=STATES,
        lives=LIVES,
        bars=BARS,
    )


async def _found(visit: Visit, text: str, wanted: dict[str, str]) -> tuple[dict[str, Any], CallRefused | None]:
    """A page of SIMs; and why there is none, where the API says so."""
    if text and _WHOLE.fullmatch(text) and not wanted:
        try:
            return {"sims": [await visit.api.get("/sims/{}", text)]}, None
        except CallRefused as refused:
            if refused.status not in (400, 404):
                raise
    inside = bool(wanted) or "inside" in visit.query or "cursor" in visit.query or not visit.may("searchSims")
    if text and not inside:
        return await visit.api.get("/sim-search", text=text[:64], limit=ROWS), None
    try:
        cursor = visit.query.get("cursor")
        return await visit.api.get("/sims", text=text, cursor=cursor, limit=ROWS, quick="true", **wanted), None
    except CallRefused as refused:
        if refused.status in (400, 404):
            return {"sims": []}, refused
        raise


async def export(visit: Visit) -> ASGIApp:
    """The SIMs that match, with the columns of the list, as a file."""
    wanted = {name: visit.query[name] for name in (*FILTERS, "text") if name in visit.query}
    if visit.account is not None:
        wanted.setdefault("account", visit.account)
    chosen = [name for name in COLUMNS if name in visit.lists.get("column", ())]
    column = [each for name in chosen for each in FILE_COLUMNS.get(name, (name,))]
    return visit.api.through("/sim-export", column=column, **wanted)


def _at(query: dict[str, Any]) -> str:
    return address(f"{ROOT}/sims", query)


async def keep(visit: Visit) -> ASGIApp:
    """Save the filters and columns as a view, or remove one."""
    gone = visit.field("remove")
    if gone:
        await visit.api.call("DELETE", "/views/{}", gone)
        return visit.go(f"{ROOT}/sims", done="view_removed")
    query = _viewed(visit.field("view"))
    await visit.api.post("/views", body={"list": "sims", "name": visit.field("name"), "query": query})
    return visit.go(f"{ROOT}/sims?{query}&done=saved")


def _viewed(query: str) -> str:
    """What of a query is of this list's address, whoever wrote it."""
    return urlencode([(name, value) for name, value in parse_qsl(query, max_num_fields=100) if name in VIEWED])


PAGES = (
    ConsolePage(
        name="sims", path="/sims", suggests_accounts=True, show=show, needs=("listSims",), nav=Nav("sims", 10, "sim")
    ),
    ConsolePage(name="sims", path="/sim-views", act=keep, needs=("listSims",), acts=("saveView", "removeView")),
    ConsolePage(name="sims", path="/sim-list/result", show=export, needs=("exportSims",)),
)
