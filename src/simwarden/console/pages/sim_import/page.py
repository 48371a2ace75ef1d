"""Bring in SIMs of a CSV list: first it is looked at, then it is done, some thousand lines at a time.

The pages between two parts hold the list and what came of it so far; a script sends their form by itself, without one
a person does. Parts are lines: no value of such a list holds a line break.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.console.calls import CallRefused
from simwarden.console.page import ConsolePage

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

MOST = 24 * 1024 * 1024
"""Bytes of a form with a list of 200,000 lines."""
PART = 10_000
"""Lines of one call."""
KEPT = 200
"""Rows that were not taken, of which the pages say which and why."""
COUNTS = ("added", "unchanged", "changed", "refused")


class Rejected(msgspec.Struct, frozen=True):
    """A row that was not taken."""

    line: int
    reason: str


class SoFar(msgspec.Struct):
    """What came of the lines that were sent."""

    at: int
    """Lines."""
    counts: dict[str, int]
    bad: list[Rejected]


async def ask(visit: Visit) -> ASGIApp:
    """The form."""
    return _form(visit)


def _form(visit: Visit, status: int = 200, error: str | None = None) -> ASGIApp:
    return visit.show(
        "sim_import/form.html",
        status,
        title=visit.t("sim_import.title"),
        account=visit.field("account") or visit.query.get("account", ""),
        csv=_csv(visit),
        update=bool(visit.field("update")),
        error=error,
    )


async def take(visit: Visit) -> ASGIApp:
    """One part; then the next, or what came of all of them."""
    header, *lines = re.split("\r\n|\r|\n", _csv(visit).rstrip("\r\n"))
    step = "import" if visit.field("step") == "import" else "look"
    so_far = _so_far(visit, len(lines))
    part = lines[so_far.at : so_far.at + PART]
    body = {
        "account": visit.field("account"),
        "csv": "\n".join([header, *part]),
        "update": bool(visit.field("update")),
        "dryRun": step == "look",
    }
    try:
        found = await visit.api.post("/sim-lists", body=body)
    except CallRefused as refused:
        if refused.status not in (400, 404):
            raise
        if so_far.at == 0:
            return _form(visit, refused.status, refused.message or visit.t("sim_import.needs"))
        raise
    _add(so_far, found, len(part))
    return visit.show(
        "sim_import/show.html",
        title=visit.t("sim_import.title"),
        account=body["account"],
        csv=_csv(visit),
        update=body["update"],
        step=step,
        so_far=so_far,
        bad_text=msgspec.json.encode(so_far.bad).decode(),
        total=len(lines),
        share=100 if not lines else so_far.at * 100 // len(lines),
        is_over=so_far.at >= len(lines),
    )


def _csv(visit: Visit) -> str:
    return visit.form.get("csv", [""])[-1]


def _so_far(visit: Visit, lines: int) -> SoFar:
    """As the page before held it; nothing of it is believed but by who sent it."""
    counts = {name: _number(visit.field(name)) for name in COUNTS}
    try:
        bad = msgspec.json.decode(visit.field("bad") or "[]", type=list[Rejected])
    except msgspec.DecodeError:
        bad = []
    return SoFar(min(_number(visit.field("at")), lines), counts, bad[:KEPT])


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _add(so_far: SoFar, found: dict[str, Any], lines: int) -> None:
    for name in COUNTS[:-1]:
        so_far.counts[name] += found[name]
    so_far.counts["refused"] += len(found["badRows"])
    room = KEPT - len(so_far.bad)
    so_far.bad += [Rejected(so_far.at + each["line"], each["reason"]) for each in found["badRows"][:room]]
    so_far.at += lines


PAGES = (
    ConsolePage(
        name="sim_import",
        under="sims",
        path="/sim-import",
        suggests_accounts=True,
        show=ask,
        act=take,
        needs=("importSims",),
        acts=("importSims",),
        most=MOST,
    ),
)
