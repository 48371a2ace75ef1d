"""The first page: what is wrong comes first, then what goes on. All of it stays fresh while it is open."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.console.charts import Curve, bars, curve
from simwarden.console.live import LivePart
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.rendering import address
from simwarden.console.visit import ROOT
from simwarden.console.words import tone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

ALARMS = 8
PARTS = ("alarms", "figures", "flow", "blocks", "fleet")
BINDINGS = ("DIFFERED", "ARMED", "LOCKED", "NEUTRAL")
SEVERITIES = ("CRITICAL", "MAJOR", "MINOR", "WARNING")
STEPS = 60
"""Of a chart of what goes on: five minutes."""
MINUTE = timedelta(minutes=1)
RATES = ("sightings", "decisions", "blocks", "deliveries")
_BAD = frozenset({"CRITICAL", "MAJOR"})


class Flow(msgspec.Struct, frozen=True):
    """How much of something goes on."""

    name: str
    now: float
    """A second, in the last half minute."""
    most: float
    chart: Curve
    href: str


async def show(visit: Visit) -> ASGIApp:
    """The overview."""
    return visit.show("overview/show.html", title=visit.t("overview.title"), parts=PARTS, **await _known(visit))


async def stream(visit: Visit) -> AsyncIterator[Sequence[LivePart]]:
    """The same, again and again."""
    while True:
        known = await _known(visit)
        yield [LivePart(name, visit.render(f"overview/{name}.html", **known)) for name in PARTS]


async def _known(visit: Visit) -> dict[str, Any]:
    seen, alarms = await asyncio.gather(
        visit.api.get("/overview"), visit.api.get("/alarms", state="OPEN", limit=10 * ALARMS)
    )
    return {
        "seen": seen,
        "alarms": sorted(alarms["alarms"], key=_gravity)[:ALARMS],
        "open_alarms": sum(each["count"] for each in seen.get("alarms", ())),
        "grave": any(each["severity"] in _BAD for each in seen.get("alarms", ())),
        "states": {each["state"]: each["count"] for each in seen.get("gateways", ())},
        "work": {each["status"]: each for each in seen.get("enforcements", ())},
        "sims": sum(each["count"] for each in seen.get("sims", ())),
        "off": sum(each["off"] for each in seen.get("sims", ())),
        "bindings": _shares(visit, seen, "bindingState", "state", BINDINGS),
        "lives": _shares(visit, seen, "lifecycle", "lifecycle", ("ACTIVE", "SUSPENDED", "PRE_ACTIVE", "DEACTIVATED")),
        "flows": [_flow(visit, seen, name) for name in RATES],
        "blocks": _blocks(seen),
    }


def _gravity(alarm: Mapping[str, Any]) -> int:
    """The gravest first; among equals the newest, as the API has them."""
    return SEVERITIES.index(alarm["severity"]) if alarm["severity"] in SEVERITIES else len(SEVERITIES)


def _shares(
    visit: Visit, seen: Mapping[str, Any], key: str, query: str, values: Sequence[str]
) -> list[tuple[str, int, str, str]]:
    """SIMs by a state: name, count, tone, and the list of them."""
    counts = {value: sum(each["count"] for each in seen.get("sims", ()) if each[key] == value) for value in values}
    path = f"{ROOT}/sims"
    return [(visit.word(value), count, tone(value), address(path, {query: value})) for value, count in counts.items()]


def _flow(visit: Visit, seen: Mapping[str, Any], name: str) -> Flow:
    points = seen["rates"][name]
    newest = points[-6:]
    now = sum(newest) / len(newest) if newest else 0.0
    lists = {"sightings": "elements", "decisions": "sims", "blocks": "sims?barred=true", "deliveries": "deliveries"}
    return Flow(name, round(now, 1), max(points, default=0.0), curve(points, STEPS), visit.way(f"/{lists[name]}"))


def _blocks(seen: Mapping[str, Any]) -> dict[str, Any]:
    """How long locks took, step by step: the chart, and of each of its bars when it began and what it stands for."""
    blocking = seen["blocking"]
    steps, length = blocking["steps"], timedelta(seconds=blocking["stepSeconds"])
    now = datetime.fromisoformat(seen["at"])
    newest = now - timedelta(seconds=now.timestamp() % length.total_seconds())
    begins = [f"{newest - length * n:%H:%M}" for n in reversed(range(len(steps)))]
    pairs = [(step["p50Seconds"], step["p95Seconds"]) if step["count"] else None for step in steps]
    return {
        "chart": bars(pairs),
        "steps": list(zip(begins, steps, strict=True)),
        "minutes": length * len(steps) // MINUTE,
    }


PAGES = (
    ConsolePage(
        name="overview",
        path="/",
        show=show,
        live=stream,
        needs=("getOverview", "listAlarms"),
        nav=Nav("watch", 10, "overview"),
    ),
)
