"""What Simwarden saw, decided, did and told since something was done, with the milliseconds since then."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from simwarden.console.pages.sim import timeline
from simwarden.console.rendering import moment
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from simwarden.console.visit import Visit

MOST = 50
"""Events, deliveries and alarms looked at."""
_SAW = frozenset(
    {
        *("DEVICE_SEEN", "DEVICE_CHANGED", "DEVICE_UNKNOWN", "AREA_CHANGED", "RULE_FIRED"),
        *("SIM_IDENTITY_CONFLICT", "SIM_IDENTITY_RESTORED"),
    }
)
_DONE = {"DELIVERED": "ok", "DEAD": "bad", "DROPPED": "warn", "PENDING": "info"}


class StoryStep(msgspec.Struct, frozen=True):
    """One thing that happened."""

    at: datetime
    after: float
    """Milliseconds since it began."""
    kind: str
    """saw, decided, did or told."""
    title: str
    tone: str
    href: str
    facts: list[tuple[str, str, bool]] = []


async def told(
    visit: Visit, sim: Mapping[str, Any] | None, since: datetime, gateways: Collection[str]
) -> list[StoryStep]:
    """In the order in which it happened. `sim` is the one that is watched, if any."""
    alarms, steps = await asyncio.gather(
        visit.api.get("/alarms", limit=MOST), _of_sim(visit, None if sim is None else str(sim["imsi"]), since)
    )
    found = [*steps, *_of_alarms(visit, (each for each in alarms["alarms"] if each.get("gateway") in gateways))]
    timed = [
        msgspec.structs.replace(each, after=(each.at - since) / timedelta(milliseconds=1))
        for each in found
        if each.at >= since
    ]
    return sorted(timed, key=lambda each: each.at)


async def _of_sim(visit: Visit, imsi: str | None, since: datetime) -> list[StoryStep]:
    if imsi is None:
        return []
    events, deliveries = await asyncio.gather(
        visit.api.get("/sims/{}/events", imsi, limit=MOST),
        visit.api.get("/deliveries", sim=imsi, since=since.isoformat(), limit=MOST),
    )
    return [*_of_events(visit, imsi, events["events"]), *_of_deliveries(visit, deliveries["deliveries"])]


def _of_events(visit: Visit, imsi: str, events: Iterable[Mapping[str, Any]]) -> Iterable[StoryStep]:
    for event in sorted(events, key=lambda each: each["n"]):
        step = timeline.step(visit, event)
        kind = "saw" if event["type"] in _SAW else "did" if event["type"].startswith("ENFORCEMENT_") else "decided"
        href = f"{ROOT}/sims/{imsi}#e{step.n}"
        yield StoryStep(moment(step.at), 0, kind, step.title, step.tone, href, step.facts)


def _of_deliveries(visit: Visit, deliveries: Iterable[Mapping[str, Any]]) -> Iterable[StoryStep]:
    for each in deliveries:
        status = each["status"]
        at = each.get("finishedAt") or each.get("attemptedAt") or each["createdAt"]
        facts = [(visit.t("simulator.delivery"), visit.word(status, "deliveries.status"), False)]
        title = visit.t("simulator.told_customer", type=each["type"].rpartition(".")[2])
        href = f"{ROOT}/deliveries/events/{quote(each['id'], safe='')}"
        yield StoryStep(moment(at), 0, "told", title, _DONE.get(status, "info"), href, facts)


def _of_alarms(visit: Visit, alarms: Iterable[Mapping[str, Any]]) -> Iterable[StoryStep]:
    for each in alarms:
        facts = [(visit.t("simulator.gateway"), each["gateway"], False)]
        href = f"{ROOT}/alarms/{each['id']}"
        raised = visit.t("simulator.alarm", what=each["what"])
        yield StoryStep(moment(each["firstAt"]), 0, "told", raised, "bad", href, facts)
        if "clearedAt" in each:
            cleared = visit.t("simulator.alarm_cleared", what=each["what"])
            yield StoryStep(moment(each["clearedAt"]), 0, "told", cleared, "ok", href, facts)
