"""Hotzones: sites where more SIMs show signs of fraud than chance explains, on a map; and the lists of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.console import maps
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

HOME = f"{ROOT}/hotzones"


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


async def listed(visit: Visit) -> ASGIApp:
    """The named lists of an account."""
    account = visit.query.get("account") or visit.account or ""
    found: dict[str, Any] = {"hotzones": []}
    status, error = 200, None
    if account:
        found, status, error = await visit.listed("hotzones", "/accounts/{}/hotzones", account)
    return visit.show(
        "hotzones/lists.html",
        status,
        title=visit.t("hotzones.title"),
        lists=found["hotzones"],
        account=account,
        error=error,
    )


PAGES = (
    ConsolePage(
        name="hotzones",
        path="/hotzones",
        show=discovered,
        needs=("listDiscoveredHotzones",),
        nav=Nav("sims", 60, "place"),
    ),
    ConsolePage(name="hotzones", path="/hotzones/lists", show=listed, needs=("listHotzones",)),
)
