"""One SIM: how it stands, why, where the network was told, and what can be done about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simwarden.console import drawing
from simwarden.console.calls import CallRefused
from simwarden.console.names import account_names
from simwarden.console.page import ConsolePage
from simwarden.console.pages.sim import actions, timeline
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

EVENTS = 50
SESSIONS = 10


async def show(visit: Visit) -> ASGIApp:
    """The SIM's page."""
    name = visit.named("sim")
    sim = await visit.api.get("/sims/{}", name)
    imsi = sim["imsi"]
    told, places, sessions, events = await asyncio.gather(
        visit.api.get("/sims/{}/explain", imsi),
        _places(visit, imsi),
        _sessions(visit, imsi),
        visit.api.get("/sims/{}/events", imsi, limit=EVENTS, cursor=visit.query.get("before")),
    )
    bound = told.get("boundTo", [])
    tacs = {each[:8] for each in [*bound[:5], *([told["device"]] if "device" in told else [])]}
    models, accounts = await asyncio.gather(_models(visit, tacs), account_names(visit, [sim["account"]]))
    return visit.show(
        "sim/show.html",
        title=sim.get("phoneNumber") or imsi,
        sim=sim,
        told=told,
        bound=bound,
        models=models,
        account=accounts[sim["account"]],
        places=places,
        sessions=sessions,
        map=drawing.map_of(sim.get("area"), places.get("now")),
        chain=[timeline.step(visit, each) for each in told["chain"]],
        events=[timeline.step(visit, each) for each in events["events"]],
        before=events.get("nextCursor"),
        actions=actions.offered(visit, sim),
    )


async def _places(visit: Visit, imsi: str) -> dict[str, Any]:
    """Where it is and was; nothing for who may not see it."""
    if not visit.may("listPlaces"):
        return {"places": []}
    found: dict[str, Any] = await visit.api.get("/sims/{}/places", imsi, limit=10)
    return found


async def _sessions(visit: Visit, imsi: str) -> list[dict[str, Any]]:
    """Those that go on, then those that ended; nothing for who may not see them."""
    if not visit.may("listSimSessions"):
        return []
    found: list[dict[str, Any]] = (await visit.api.get("/sims/{}/sessions", imsi))["sessions"]
    return sorted(found, key=lambda each: "endedAt" in each)[:SESSIONS]


async def _models(visit: Visit, tacs: set[str]) -> dict[str, str]:
    """Maker and model by type allocation code, where they are known."""
    if not visit.may("getTac"):
        return {}

    async def model(tac: str) -> tuple[str, str]:
        try:
            found = await visit.api.get("/tacs/{}", tac)
        except CallRefused:
            return tac, ""
        return tac, " ".join(found[name] for name in ("manufacturer", "model") if name in found)

    return dict(await asyncio.gather(*map(model, sorted(tacs))))


async def ask(visit: Visit) -> ASGIApp:
    """What an action would do, before it is done."""
    action = actions.named(visit.named("action"))
    sim = await visit.api.get("/sims/{}", visit.named("sim"))
    body, filled = actions.wanted(action, visit.query), action.is_filled(visit.query)
    preview, error, status = None, None, 200
    if filled:
        try:
            preview = await visit.api.ask("/sims/{}/preview", sim["imsi"], body=body)
        except CallRefused as refused:
            error, status = refused.message, refused.status
    return visit.show(
        "sim/act.html",
        status,
        title=visit.t(f"sim.action.{action.name}"),
        sim=sim,
        action=action,
        preview=preview,
        changes=None if preview is None else actions.changes(visit, sim, preview["sim"]),
        events=[timeline.step(visit, each) for each in (preview or {}).get("events", ())],
        error=error,
    )


async def act(visit: Visit) -> ASGIApp:
    """Do it."""
    action = actions.named(visit.named("action"))
    given = {name: visit.field(name) for name in visit.form}
    given["functions"] = ",".join(visit.fields("functions"))
    done = await visit.api.post("/sims/{}/actions", visit.named("sim"), body=actions.wanted(action, given))
    if "sim" not in done or (done["sim"]["account"] not in (visit.account, None) and visit.account is not None):
        return visit.go(f"{ROOT}/sims", done="acted")
    return visit.go(f"{ROOT}/sims/{done['sim']['imsi']}", done="acted" if done["changed"] else "unchanged")


PAGES = (
    ConsolePage(name="sim", under="sims", path="/sims/{sim}", show=show, needs=("getSim", "explainSim", "listEvents")),
    ConsolePage(
        name="sim",
        under="sims",
        path="/sims/{sim}/act/{action}",
        show=ask,
        act=act,
        needs=("previewAction",),
        acts=("actOnSim",),
    ),
)
