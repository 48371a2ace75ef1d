"""What is wrong and needs a person: the inbox, one alarm, and taking it on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.console.alarm_texts import sentence
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

SEVERITIES = ("CRITICAL", "MAJOR", "MINOR", "WARNING")
KINDS = (
    *("ENFORCEMENT_FAILED", "GATEWAY_SILENT", "GATEWAY_UNREACHABLE", "REPORTS_DOUBTED", "REPORTS_UNPARSED"),
    *("SIM_IDENTITY", "DELIVERIES_DEAD", "WORK_BACKLOG", "DATABASE_SLOW", "NRF_UNREGISTERED"),
)
FILTERS = ("state", "severity", "kind", "acknowledged", "gateway", "sim", "account")
ROWS = 50


async def inbox(visit: Visit) -> ASGIApp:
    """The list; open ones, unless others are asked for."""
    wanted = {name: visit.query.get(name, "") for name in FILTERS}
    if "state" not in visit.lists and "all" not in visit.query:
        wanted["state"] = "OPEN"
    given = {name: value for name, value in wanted.items() if value}
    found, status, error = await visit.listed("alarms", "/alarms", limit=ROWS, **given)
    kept: dict[str, Any] = {**given, "all": None if given.get("state") else "1"}
    path = f"{ROOT}/alarms"
    return visit.show(
        "alarms/inbox.html",
        status,
        title=visit.t("alarms.title"),
        alarms=found["alarms"],
        wanted=wanted,
        narrowed=bool(given.keys() - {"state"}),
        severities=SEVERITIES,
        kinds=KINDS,
        kind_word=lambda kind: visit.word(kind, "alarms.kind"),
        yes_no=lambda value: visit.t("common.yes" if value == "true" else "common.no"),
        error=error,
        **visit.steps(path, found, kept),
    )


async def show(visit: Visit) -> ASGIApp:
    """One alarm."""
    alarm = await visit.api.get("/alarms/{}", visit.named("alarm"))
    return visit.show("alarms/show.html", title=sentence(alarm, "what", visit.language), alarm=alarm)


async def take(visit: Visit) -> ASGIApp:
    """Take it on."""
    name = visit.named("alarm")
    await visit.api.post("/alarms/{}/acknowledge", name)
    return visit.go(f"{ROOT}/alarms/{name}", done="acknowledged")


PAGES = (
    ConsolePage(name="alarms", path="/alarms", show=inbox, needs=("listAlarms",), nav=Nav("watch", 20, "alarm")),
    ConsolePage(
        name="alarms",
        path="/alarms/{alarm}",
        show=show,
        act=take,
        needs=("getAlarm",),
        acts=("acknowledgeAlarm",),
    ),
)
