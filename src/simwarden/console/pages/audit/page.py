"""Who changed what: the audit list, and whether it is as it was written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.console.page import ConsolePage, Nav
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

FILTERS = ("operator", "operation", "target", "since", "until", "correlator")
ROWS = 50
FAULTS = 20
STEPS = 20
"""Calls in which the list is verified at most, each of some thousand rows."""
_PATH = f"{ROOT}/audit"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


async def listed(visit: Visit) -> ASGIApp:
    """The list, newest first."""
    wanted = {name: visit.query.get(name, "") for name in FILTERS}
    given = {name: _instant(value) for name, value in wanted.items() if value}
    found, status, error = await visit.listed("audit", "/audit", limit=ROWS, **given)
    return visit.show(
        "audit/list.html",
        status,
        title=visit.t("audit.title"),
        acts=[{**act, "rows": _changes(act), "asked": _asked(act)} for act in found["audit"]],
        wanted=wanted,
        narrowed=bool(given),
        error=error,
        **visit.steps(_PATH, found, wanted),
    )


async def verified(visit: Visit) -> ASGIApp:
    """Hold it against its signatures."""
    rows, chains, faults, cursor = 0, 0, [], None
    for _ in range(STEPS):
        found = await visit.api.get("/audit/verification", cursor=cursor)
        rows, chains, cursor = rows + found["rows"], max(chains, found["chains"]), found.get("nextCursor")
        faults += found["faults"]
        if cursor is None or len(faults) >= FAULTS:
            break
    return visit.show(
        "audit/verified.html",
        title=visit.t("audit.verification"),
        rows=rows,
        chains=chains,
        faults=faults[:FAULTS],
        whole=cursor is None,
    )


def _instant(value: str) -> str:
    """A day of a date field is its beginning in UTC."""
    return f"{value}T00:00:00Z" if _DAY.fullmatch(value) else value


def _changes(act: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Properties with their values before and after."""
    return [(name, _plain(before), _plain(after)) for name, (before, after) in act.get("changes", {}).items()]


def _asked(act: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, _plain(value)) for name, value in act.get("detail", {}).items()]


def _plain(value: object) -> str:
    """A value of JSON as people read it."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


PAGES = (
    ConsolePage(name="audit", path="/audit", show=listed, needs=("listAudit",), nav=Nav("operate", 90, "audit")),
    ConsolePage(name="audit", path="/audit/verification", show=verified, needs=("verifyAudit",)),
)
