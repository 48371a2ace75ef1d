"""The virtual gateways: choose a SIM, carry it elsewhere, take a gateway down, infect a device, and watch all of it.

What was done last stands in the address (`sim`, `since`), so that the page can be loaded again.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simwarden.console.calls import CallRefused
from simwarden.console.live import LivePart
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.pages.simulator import story
from simwarden.console.rendering import address
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

HERE = f"{ROOT}/simulator"
DEEDS = ("move", "infect", "cure", "down", "up")
PARTS = ("gateways", "sim", "story")
ELEMENTS = 200


async def show(visit: Visit) -> ASGIApp:
    """The simulator."""
    return await _page(visit)


async def stream(visit: Visit) -> AsyncIterator[Sequence[LivePart]]:
    """The same, again and again."""
    while True:
        known = await _known(visit)
        yield [LivePart(name, visit.render(f"simulator/{name}.html", **known)) for name in PARTS]


async def act(visit: Visit) -> ASGIApp:
    """Do it, and go on watching from that moment on."""
    imsi, did, since = visit.field("sim"), visit.field("do"), datetime.now(UTC).isoformat()
    try:
        match did:
            case "infect":
                await visit.api.post("/simulator/infections", body={"imsi": imsi})
            case "cure":
                await visit.api.post("/simulator/infections/end", body={"imsi": imsi})
            case "up" | "down" as way:
                await visit.api.post("/simulator/gateways/{}", visit.field("gateway"), body={"on": way == "up"})
            case _:
                moved = await visit.api.post("/simulator/moves", body={"imsi": imsi, **_slot(visit.field("to"))})
                since = moved["at"]
    except CallRefused as refused:
        return await _page(visit, refused)
    return visit.go(HERE, sim=imsi or None, did=did, since=since)


async def _page(visit: Visit, refused: CallRefused | None = None) -> ASGIApp:
    known = await _known(visit)
    status, error = (200, None) if refused is None else (refused.status, refused.message)
    return visit.show("simulator/show.html", status, title=visit.t("simulator.title"), error=error, **known)


async def _known(visit: Visit) -> dict[str, Any]:
    imsi = visit.query.get("sim") or visit.field("sim")
    since = _time(visit.query.get("since", ""))
    try:
        gateways = (await visit.api.get("/simulator"))["gateways"]
    except CallRefused as refused:
        if refused.status != 404:
            raise
        gateways = []
    elements, sim = await asyncio.gather(_elements(visit), _sim(visit, imsi))
    card = next((each | {"gateway": name} for name, each in _cards(gateways) if each["imsi"] == imsi), None)
    return {
        "live": address(f"{HERE}/live", visit.query),
        "here": HERE,
        "fleet": [_gateway(each, elements.get(each["name"])) for each in gateways],
        "chosen": imsi,
        "card": card,
        "moving": card is not None,
        "away": card is not None and "home" in card and not _is_home(card),
        "sim": sim,
        "hideout": _hideout(gateways, card),
        "has_rule": sim is not None and await _has_rule(visit, sim["account"]),
        "since": since,
        "did": visit.query["did"] if visit.query.get("did") in DEEDS else "move",
        "steps": [] if since is None else await story.told(visit, sim, since, {each["name"] for each in gateways}),
    }


async def _elements(visit: Visit) -> dict[str, Any]:
    """What Simwarden thinks of the gateways."""
    found = await visit.api.get("/gateways", limit=ELEMENTS)
    return {each["name"]: each for each in found["gateways"]}


async def _sim(visit: Visit, imsi: str) -> Any:
    """What Simwarden thinks of the SIM; None when it does not know it."""
    if not imsi:
        return None
    try:
        return await visit.api.get("/sims/{}", imsi)
    except CallRefused as refused:
        if refused.status != 404:
            raise
        return None


async def _has_rule(visit: Visit, account: str) -> bool:
    """Whether any rule of the account is on."""
    return any(each["on"] for each in (await visit.api.get("/rules", account=account, limit=ELEMENTS))["rules"])


def _cards(gateways: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((gateway["name"], card) for gateway in gateways for card in gateway["sims"])


def _gateway(gateway: Mapping[str, Any], element: Mapping[str, Any] | None) -> dict[str, Any]:
    """With its ports in order: each slot has a card, or none."""
    cards = {(card["port"], card["slot"]): {**card, "gateway": gateway["name"]} for card in gateway["sims"]}
    ports = [
        (port, [(slot, _shown(gateway, cards.get((port, slot)))) for slot in range(1, gateway["slots"] + 1)])
        for port in range(1, gateway["ports"] + 1)
    ]
    return {**gateway, "grid": ports, "element": element}


def _shown(gateway: Mapping[str, Any], card: dict[str, Any] | None) -> dict[str, Any] | None:
    """A card with its tone and symbol."""
    if card is None:
        return None
    infected = "infection" in card and not card["infection"]["ended"]
    is_away = "home" in card and not _is_home(card)
    tone = "bad" if card["locked"] else "warn" if is_away or infected else "ok" if gateway["on"] else "idle"
    symbol = "lock" if card["locked"] else "alarm" if infected else "leave" if is_away else "sim"
    state = "locked" if card["locked"] else "infected" if infected else "away" if is_away else "at_home"
    return {**card, "tone": tone, "symbol": symbol, "state": state if gateway["on"] else "down"}


def _is_home(card: Mapping[str, Any]) -> bool:
    return bool(card["home"] == {"gateway": card["gateway"], "port": card["port"], "slot": card["slot"]})


def _hideout(gateways: Sequence[Mapping[str, Any]], card: Mapping[str, Any] | None) -> str:
    """Where a thief would put the card: an empty slot of another gateway that runs, else of the same; or nowhere."""
    if card is None:
        return ""
    running = sorted((each for each in gateways if each["on"]), key=lambda each: each["name"] == card["gateway"])
    for gateway in running:
        taken = {(each["port"], each["slot"]) for each in gateway["sims"]} | {(card["port"], card["slot"])}
        for port in range(1, gateway["ports"] + 1):
            if port != card["port"] or gateway["name"] != card["gateway"]:
                free = (slot for slot in range(1, gateway["slots"] + 1) if (port, slot) not in taken)
                if (slot := next(free, 0)) > 0:
                    return f"{gateway['name']}/{port}/{slot}"
    return ""


def _slot(text: str) -> dict[str, Any]:
    """Of `GATEWAY/PORT/SLOT`. Raises CallRefused."""
    gateway, _, place = text.partition("/")
    port, _, slot = place.partition("/")
    if not (port.isdecimal() and slot.isdecimal() and len(place) < 8):
        raise CallRefused(400, "INVALID_ARGUMENT", "")
    return {"gateway": gateway, "port": int(port), "slot": int(slot)}


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


PAGES = (
    ConsolePage(
        name="simulator",
        path="/simulator",
        show=show,
        act=act,
        live=stream,
        needs=("getSimulator", "listGateways", "getSim", "listEvents", "listDeliveries", "listAlarms", "listRules"),
        acts=("moveSimulatedSim", "switchSimulatedGateway", "infectSimulatedSim", "cureSimulatedSim"),
        nav=Nav("network", 90, "simulator"),
        may_be_absent=True,
    ),
)
