"""Hotzones: sites where more SIMs show signs of fraud than chance explains, on a map; and the lists of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.console import maps
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.pages.hotzones import lists

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit


async def discovered(visit: Visit) -> ASGIApp:
    """What was found on the map."""
    found = (await visit.api.get("/hotzones/discovered"))["hotzones"]
    rows = [{**each, "state": _state(each)} for each in found]
    tones = {"hot": "bad", "cooling": "warn", "ended": "idle"}
    spots = [
        maps.Spot(each["latitude"], each["longitude"], 2000, tones[each["state"]], ", ".join(each["gateways"]))
        for each in rows
    ]
    return visit.show(
        "hotzones/discovered.html",
        title=visit.t("hotzones.title"),
        rows=rows,
        tones=tones,
        map=maps.world(spots=spots),
    )


def _state(found: dict[str, object]) -> str:
    return "ended" if "endedAt" in found else "cooling" if "coolingSince" in found else "hot"


PAGES = (
    ConsolePage(
        name="hotzones",
        path="/hotzones",
        show=discovered,
        needs=("listDiscoveredHotzones",),
        nav=Nav("sims", 60, "place"),
    ),
    ConsolePage(
        name="hotzones", path="/hotzones/lists", suggests_accounts=True, show=lists.listed, needs=("listHotzones",)
    ),
    ConsolePage(
        name="hotzones",
        path="/hotzones/lists/change",
        suggests_accounts=True,
        show=lists.edit,
        act=lists.save,
        needs=("listHotzones", "setHotzone"),
        acts=("setHotzone",),
    ),
    ConsolePage(
        name="hotzones",
        path="/hotzones/lists/remove",
        show=lists.ask,
        act=lists.remove,
        needs=("listHotzones", "removeHotzone"),
        acts=("removeHotzone",),
    ),
)
