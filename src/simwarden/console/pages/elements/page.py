"""Network elements: which there are and how they do; a gateway's ports and slots, doubts and unread reports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simwarden.console.page import ConsolePage, Nav
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

ROWS = 100
NEWEST = 10
MOST_SLOTS = 1000
"""Slots of a gateway whose commands are shown."""
SESSIONS = 50


async def listed(visit: Visit) -> ASGIApp:
    """All of them."""
    found = await visit.api.get("/gateways", limit=ROWS, cursor=visit.query.get("cursor"))
    path = f"{ROOT}/elements"
    return visit.show(
        "elements/list.html",
        title=visit.t("elements.title"),
        elements=found["gateways"],
        **visit.steps(path, found),
    )


async def show(visit: Visit) -> ASGIApp:
    """One of them."""
    name = visit.named("element")
    element, doubts, rejects, alarms = await asyncio.gather(
        visit.api.get("/gateways/{}", name),
        visit.api.get("/gateways/{}/doubts", name, limit=NEWEST),
        visit.api.get("/rejects", gateway=name, limit=NEWEST),
        visit.api.get("/alarms", gateway=name, state="OPEN", limit=NEWEST),
    )
    targets = await _targets(visit, element)
    return visit.show(
        "elements/show.html",
        title=name,
        element=element,
        rows=_grid(element.get("ports", ())),
        **targets,
        doubts=doubts["doubts"],
        rejects=rejects["rejects"],
        alarms=alarms["alarms"],
    )


async def _targets(visit: Visit, element: Mapping[str, Any]) -> dict[str, Any]:
    """Of a gateway, what it was commanded and how that went; of other elements their SIMs and sessions, by page."""
    if not visit.may("listGatewayTargets"):
        return {"commands": [], "sessions": []}
    name, is_gateway = element["name"], bool(element.get("ports"))
    cursor = None if is_gateway else visit.query.get("cursor")
    limit = MOST_SLOTS if is_gateway else SESSIONS
    found = await visit.api.get("/gateways/{}/targets", name, limit=limit, cursor=cursor)
    rows = [{**each, "off": visit.words(each["toBeOff"])} for each in found["targets"]]
    open_ = [each for each in rows if each["off"] or each["status"] != "APPLIED"]
    if is_gateway:
        return {"commands": open_, "sessions": []}
    told = {"PENDING": "info", "FAILED": "bad"}
    shown = []
    for each in rows:
        known = {
            "imsi": each["imsi"],
            "off": each["off"],
            "status": each["status"],
            "lastError": each.get("lastError", ""),
        }
        known |= {"status_word": visit.word(each["status"]), "tone": told.get(each["status"], "ok")}
        shown += [{**one, **known} for one in each["sessions"]] or [known]
    here = f"{ROOT}/elements/{visit.request.path_params['element']}"
    return {"commands": open_, "sessions": shown, **visit.steps(here, found)}


def _grid(slots: Sequence[Mapping[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Slots by port, each with its tone: what it is like at a glance."""
    ports: dict[int, list[dict[str, Any]]] = {}
    for slot in sorted(slots, key=lambda each: (each["port"], each["slot"])):
        ports.setdefault(slot["port"], []).append({**slot, "tone": _tone(slot)})
    return list(ports.items())


def _tone(slot: Mapping[str, Any]) -> str:
    if slot["lockedByUs"]:
        return "bad"
    if slot.get("imsi") is None:
        return "empty"
    # 3: registered; 12 and 15: the gateway holds it locked (the vendor's numbers, `statusMeaning` says them in words).
    return "ok" if slot.get("status") == 3 else "warn"


async def act(visit: Visit) -> ASGIApp:
    """Take it out of service, or put it back in."""
    name = visit.named("element")
    step = "in-service" if visit.field("do") == "in-service" else "out-of-service"
    await visit.api.post(f"/gateways/{{}}/{step}", name)
    return visit.go(f"{ROOT}/elements/{visit.request.path_params['element']}", done="saved")


PAGES = (
    ConsolePage(
        name="elements", path="/elements", show=listed, needs=("listGateways",), nav=Nav("network", 10, "element")
    ),
    ConsolePage(
        name="elements",
        path="/elements/{element}",
        show=show,
        act=act,
        needs=("getGateway", "listGatewayDoubts", "listRejects", "listAlarms"),
        acts=("takeGatewayOut", "putGatewayIn"),
    ),
)
