"""Records: messages and calls of a SIM, an account or a gateway, the newest first; texts in clear on demand only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simwarden.console.page import ConsolePage, Nav
from simwarden.console.pages.records import sending
from simwarden.console.pages.records.tabs import HOME, MAY_REVEAL, reveals, tabs
from simwarden.console.rendering import address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

ROWS = 50
SCOPES = ("sim", "account", "gateway")
"""Of which one says whose records are shown."""
DIRECTIONS = ("inbound", "outbound")
KINDS = (*DIRECTIONS, "report", "task")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"\+?[0-9]{5,15}")
_REPORT_WAITS, _REPORT_FAILED = 32, 64
"""First values of TP-Status (3GPP TS 23.040, 9.2.3.15) for which the message centre still tries, and no more."""


async def messages(visit: Visit) -> ASGIApp:
    """Short messages, delivery reports, orders to send."""
    return await _listed(visit, "messages", "/sms", KINDS)


async def calls(visit: Visit) -> ASGIApp:
    """Calls, as far as they have come."""
    return await _listed(visit, "calls", "/calls", DIRECTIONS)


async def _listed(visit: Visit, kind: str, path: str, directions: tuple[str, ...]) -> ASGIApp:
    query = visit.query
    wanted = {name: query[name] for name in (*SCOPES, "direction", "otherParty") if name in query}
    if not any(name in wanted for name in SCOPES) and visit.account is not None:
        wanted["account"] = visit.account
    days = {name: query[name] for name in ("from", "to") if _DAY.fullmatch(query.get(name, ""))}
    reveal = reveals(visit)
    found, status, error = await _found(visit, kind, path, wanted, days, reveal=reveal)
    kept = {**wanted, **days, "reveal": "yes" if reveal else None}
    here = HOME + ("/calls" if kind == "calls" else "")
    either = {**kept, "direction": kept["direction"] if kept.get("direction") in DIRECTIONS else None}
    return visit.show(
        f"records/{kind}.html",
        status,
        title=visit.t("records.title"),
        kind=kind,
        rows=[_row(each) for each in found[kind]],
        is_asked=any(name in wanted for name in SCOPES),
        wanted={name: {**wanted, **days}.get(name, "") for name in (*SCOPES, "direction", "otherParty", "from", "to")},
        directions=directions,
        direction_word=lambda direction: visit.word(direction, "records.direction"),
        reveal=reveal,
        may_reveal=visit.may(MAY_REVEAL),
        other_way=address(here, kept, cursor=query.get("cursor"), reveal=None if reveal else "yes"),
        kept=kept,
        tabs=tabs(visit, either),
        here=here,
        error=error,
        **visit.steps(here, found, kept),
    )


async def _found(
    visit: Visit, kind: str, path: str, wanted: Mapping[str, str], days: Mapping[str, str], *, reveal: bool
) -> tuple[dict[str, Any], int, str | None]:
    """A page; and why there is none, where the API says so."""
    if not any(name in wanted for name in SCOPES):
        return {kind: []}, 200, None
    times = {"from": "T00:00:00Z", "to": "T23:59:59.999999Z"}
    query = {**wanted, **{name: day + times[name] for name, day in days.items()}, "reveal": "true" if reveal else None}
    return await visit.listed(kind, path, limit=ROWS, **query)


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the other side, and the tone of its state."""
    is_in = record.get("direction") == "inbound"
    if "state" in record:
        other = record.get("caller" if is_in else "callee")
        tone = {"ENDED": "ok", "UNANSWERED": "warn"}.get(record["state"], "info")
        return {**record, "other": other, "tone": tone, "length": _length(record.get("seconds"))}
    other = record.get("sender" if is_in else "receiver")
    answerable = is_in and "imsi" in record and _NUMBER.fullmatch(other or "") is not None
    return {**record, "other": other, "tone": _tone(record), "answerable": answerable}


def _tone(message: Mapping[str, Any]) -> str:
    status = message.get("status")
    if status is None:
        return "idle"
    if message["direction"] == "report" and status >= 0:
        return "ok" if status < _REPORT_WAITS else "warn" if status < _REPORT_FAILED else "bad"
    return "ok" if status == 0 else "warn"


def _length(seconds: int | None) -> str:
    """Of a call, as people say it: `3:05`."""
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


PAGES = (
    ConsolePage(
        name="records",
        path="/records",
        suggests_accounts=True,
        show=messages,
        needs=("listMessages", "listCalls"),
        nav=Nav("sims", 30, "record"),
    ),
    ConsolePage(
        name="records", path="/records/calls", suggests_accounts=True, show=calls, needs=("listMessages", "listCalls")
    ),
    ConsolePage(
        name="records", path="/records/sent", suggests_accounts=True, show=sending.sent, needs=("listSentMessages",)
    ),
    ConsolePage(name="records", path="/records/sent/{message}", show=sending.show, needs=("getSentMessage",)),
    ConsolePage(
        name="records",
        path="/records/send",
        show=sending.write,
        act=sending.send,
        needs=("previewMessage", "sendMessage"),
        acts=("previewMessage", "sendMessage"),
    ),
)
