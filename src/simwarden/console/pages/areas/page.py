"""Areas: all of them on a map, the SIMs of one and on which side they are, and what a change would move."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simwarden.console import maps
from simwarden.console.calls import CallRefused
from simwarden.console.names import account_names
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.pages.areas import shapes
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

ROWS = 100
HOME = f"{ROOT}/areas"
TRIED = 1000
"""SIMs that a preview looks at."""
SITES = 20
"""Gateways of a list that are put on the map."""


async def listed(visit: Visit) -> ASGIApp:
    """All areas, by name, and where they are."""
    wanted = {"account": visit.query.get("account") or visit.account or ""}
    found, status, error = await visit.listed("areas", "/areas", limit=ROWS, **wanted)
    areas = [{**each, "words": shapes.in_words(visit, each["shape"])} for each in found["areas"]]
    drawn = [maps.MapShape(each["shape"], "limit", each["name"], f"{HOME}/{each['id']}") for each in areas]
    return visit.show(
        "areas/list.html",
        status,
        title=visit.t("areas.title"),
        areas=areas,
        map=maps.world(drawn),
        accounts=await account_names(visit, (each["account"] for each in areas)),
        account=wanted["account"],
        error=error,
        **visit.steps(HOME, found, wanted),
    )


async def show(visit: Visit) -> ASGIApp:
    """One area with its SIMs."""
    area = await visit.api.get("/areas/{}", visit.named("area"))
    path = f"{HOME}/{area['id']}"
    trial, sites, accounts = await asyncio.gather(
        visit.api.ask("/areas/{}/trial", area["id"], body={}, limit=ROWS, cursor=visit.query.get("cursor")),
        _sites(visit, area["shape"]),
        account_names(visit, [area["account"]]),
    )
    return visit.show(
        "areas/show.html",
        title=area["name"],
        area=area,
        words=shapes.in_words(visit, area["shape"]),
        account=accounts[area["account"]],
        sims=trial["sims"],
        map=maps.world([maps.MapShape(area["shape"], "limit", area["name"])], [*sites, *_places(trial["sims"])]),
        **visit.steps(path, trial),
    )


async def _sites(visit: Visit, shape: Mapping[str, Any]) -> list[maps.Spot]:
    """Where the gateways of a list stand."""
    if shape["type"] != "Sites" or not visit.may("getGateway"):
        return []

    async def site(name: str) -> list[maps.Spot]:
        try:
            found = (await visit.api.get("/gateways/{}", name)).get("site")
        except CallRefused:
            return []
        return [] if found is None else [maps.Spot(found["latitude"], found["longitude"], 500, "site", name)]

    found = await asyncio.gather(*(site(name) for name in shape["gateways"][:SITES]))
    return [spot for spots in found for spot in spots]


def _places(sims: Sequence[Mapping[str, Any]], state: str = "state") -> list[maps.Spot]:
    tones = {"INSIDE": "ok", "OUTSIDE": "bad"}
    return [
        maps.Spot(
            each["place"]["latitude"],
            each["place"]["longitude"],
            0.0,
            tones.get(each.get(state, ""), "warn"),
            each["imsi"],
            f"{ROOT}/sims/{each['imsi']}",
        )
        for each in sims
        if "place" in each
    ]


async def build(visit: Visit) -> ASGIApp:
    """The form of a new area."""
    return await _building(visit, {"kind": "Circle", "account": visit.account or ""}, None)


async def rebuild(visit: Visit) -> ASGIApp:
    """The form of an area that there is."""
    area = await visit.api.get("/areas/{}", visit.named("area"))
    return await _building(visit, shapes.fields_of(area["shape"]) | {"name": area["name"]}, area)


async def _building(visit: Visit, fields: Mapping[str, Any], area: Mapping[str, Any] | None) -> ASGIApp:
    if visit.query.get("try") != "yes":
        return _form(visit, fields, area)
    fields = {**{name: visit.query.get(name, "") for name in ("account", "name")}, **visit.query}
    try:
        shape = shapes.shape_of(lambda name: visit.query.get(name, ""))
        sims: list[dict[str, Any]] = []
        if area is not None:
            found = await visit.api.ask("/areas/{}/trial", area["id"], body={"shape": shape}, limit=TRIED)
            sims, is_cut = found["sims"], "nextCursor" in found
            return _form(visit, fields, area, shape=shape, sims=sims, is_cut=is_cut)
        return _form(visit, fields, area, shape=shape)
    except shapes.NotReadable as error:
        return _form(visit, fields, area, error=visit.t("areas.not_readable", line=str(error)), status=400)
    except CallRefused as refused:
        return _refused(visit, fields, area, refused)


def _refused(visit: Visit, fields: Mapping[str, Any], area: Mapping[str, Any] | None, refused: CallRefused) -> ASGIApp:
    """The form again, as it was filled in, with what is wrong."""
    if refused.status not in (400, 404, 409, 429):
        raise refused
    return _form(visit, fields, area, error=refused.message or visit.t("failed.400"), status=refused.status)


def _form(
    visit: Visit,
    fields: Mapping[str, Any],
    area: Mapping[str, Any] | None,
    *,
    shape: Mapping[str, Any] | None = None,
    sims: Sequence[Mapping[str, Any]] = (),
    is_cut: bool = False,
    error: str | None = None,
    status: int = 200,
) -> ASGIApp:
    drawn = [] if area is None else [maps.MapShape(area["shape"], "before" if shape else "limit")]
    if shape is not None and _is_drawable(shape):
        drawn.append(maps.MapShape(shape))
    moves = [each for each in sims if each["state"] != each["then"] or each["barred"] != each["thenBarred"]]
    return visit.show(
        "areas/build.html",
        status,
        title=visit.t("areas.change") if area else visit.t("areas.new"),
        area=area,
        here=f"{HOME}/{area['id']}/change" if area else f"{HOME}/new",
        fields=fields,
        kinds=shapes.KINDS,
        shape=shape,
        words=None if shape is None else shapes.in_words(visit, shape),
        sims=sims,
        moves=moves,
        barred=sum(each["thenBarred"] and not each["barred"] for each in moves),
        freed=sum(each["barred"] and not each["thenBarred"] for each in moves),
        is_cut=is_cut,
        map=maps.world(drawn, _places(sims, "then")),
        error=error,
    )


def _is_drawable(shape: Mapping[str, Any]) -> bool:
    """Whether it can be put on a map; the API refuses what is no shape with better words."""
    if shape["type"] == "Circle":
        return bool(abs(shape["center"]["latitude"]) <= 90) and bool(abs(shape["center"]["longitude"]) <= 180)
    return bool(shape.get("coordinates")) and all(abs(p[0]) <= 180 for ring in shape["coordinates"] for p in ring)


async def create(visit: Visit) -> ASGIApp:
    """Add the area of the form."""
    fields = {name: visit.field(name) for name in visit.form}
    try:
        body = {"account": visit.field("account"), "name": visit.field("name"), "shape": shapes.shape_of(visit.field)}
        made = await visit.api.post("/areas", body=body)
    except shapes.NotReadable as error:
        return _form(visit, fields, None, error=visit.t("areas.not_readable", line=str(error)), status=400)
    except CallRefused as refused:
        return _refused(visit, fields, None, refused)
    return visit.go(f"{HOME}/{made['id']}", done="saved")


async def change(visit: Visit) -> ASGIApp:
    """Make the area what the form says; its SIMs follow."""
    area = await visit.api.get("/areas/{}", visit.named("area"))
    fields = {name: visit.field(name) for name in visit.form}
    try:
        body = {"name": visit.field("name"), "shape": shapes.shape_of(visit.field)}
        await visit.api.call("PATCH", "/areas/{}", area["id"], body=body)
    except shapes.NotReadable as error:
        return _form(visit, fields, area, error=visit.t("areas.not_readable", line=str(error)), status=400)
    except CallRefused as refused:
        return _refused(visit, fields, area, refused)
    return visit.go(f"{HOME}/{area['id']}", done="saved")


async def ask(visit: Visit) -> ASGIApp:
    """What deleting it will do."""
    area = await visit.api.get("/areas/{}", visit.named("area"))
    return _asking(visit, area)


def _asking(visit: Visit, area: Mapping[str, Any], error: CallRefused | None = None) -> ASGIApp:
    return visit.show(
        "areas/delete.html",
        200 if error is None else error.status,
        title=visit.t("areas.delete"),
        area=area,
        words=shapes.in_words(visit, area["shape"]),
        error=error and error.message,
    )


async def delete(visit: Visit) -> ASGIApp:
    """Delete it; refused while SIMs are limited to it."""
    name = visit.named("area")
    try:
        await visit.api.call("DELETE", "/areas/{}", name)
    except CallRefused as refused:
        if refused.status != 409:
            raise
        return _asking(visit, await visit.api.get("/areas/{}", name), refused)
    return visit.go(HOME, done="saved")


PAGES = (
    ConsolePage(
        name="areas",
        path="/areas",
        suggests_accounts=True,
        show=listed,
        needs=("listAreas",),
        nav=Nav("sims", 50, "area"),
    ),
    ConsolePage(
        name="areas",
        path="/areas/new",
        suggests_accounts=True,
        show=build,
        act=create,
        needs=("createArea",),
        acts=("createArea",),
    ),
    ConsolePage(name="areas", path="/areas/{area}", show=show, needs=("getArea", "tryArea")),
    ConsolePage(
        name="areas",
        path="/areas/{area}/change",
        show=rebuild,
        act=change,
        needs=("getArea", "changeArea", "tryArea"),
        acts=("changeArea",),
    ),
    ConsolePage(
        name="areas",
        path="/areas/{area}/delete",
        show=ask,
        act=delete,
        needs=("getArea", "deleteArea"),
        acts=("deleteArea",),
    ),
)
