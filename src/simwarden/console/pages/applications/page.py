"""Applications: what they may call, what they have called, their secret, and an end to them."""

from __future__ import annotations

import asyncio
import shlex
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from simwarden.console.calls import CallRefused
from simwarden.console.names import account_names
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.pages.applications import limits
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

FILTERS = ("account", "application", "revoked")
SETS = ("default", "read", "control", "provision", "china-telecom", "all")
OVERLAPS = (0, 3600, 86_400, 604_800)
"""Seconds for which a secret may go on beside its successor."""
FEW = 8
"""Scopes that need no filter."""
ROWS = 50
DAYS = 30
USAGE_ROWS = 1000
_PATH = f"{ROOT}/applications"
_FIRST_CALL = """\
SERVER={server}
APPKEY={key}
APPSECRET={secret}
TOKEN=$(curl -sf -u "$APPKEY:$APPSECRET" -d grant_type=client_credentials "$SERVER/oauth2/token" \\
  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl -si "$SERVER/iot-sim-fraud-prevention/v0.1/query" -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{{"queryType":"IMEIBIND","device":{{"phoneNumber":"+8613800000001"}}}}'"""
"""The one of docs/onboarding.md."""


async def listed(visit: Visit) -> ASGIApp:
    """The list; live ones, unless others are asked for."""
    wanted = {name: visit.query.get(name, "") for name in FILTERS}
    found, status, error = await visit.listed("applications", "/applications", limit=ROWS, **wanted)
    rows = found["applications"]
    return visit.show(
        "applications/list.html",
        status,
        title=visit.t("applications.title"),
        applications=rows,
        accounts=await account_names(visit, (each["account"] for each in rows)),
        wanted=wanted,
        narrowed=any(wanted.values()),
        yes_no=lambda value: visit.t("common.yes" if value == "true" else "common.no"),
        error=error,
        **visit.steps(_PATH, found, wanted),
    )


async def show(visit: Visit) -> ASGIApp:
    """One of them."""
    key = visit.named("application")
    app = await visit.api.get("/applications/{}", key)
    today = datetime.now(UTC).date()
    first = today - timedelta(days=DAYS - 1)
    names, used = await asyncio.gather(
        account_names(visit, [app["account"]]),
        visit.api.get("/usage", application=key, since=first.isoformat(), limit=USAGE_ROWS),
    )
    rows: Sequence[Mapping[str, Any]] = used["usage"]
    days = [(first + timedelta(days=n)).isoformat() for n in range(DAYS)]
    counts = dict.fromkeys(days, 0)
    operations: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row["day"]] = counts.get(row["day"], 0) + row["count"]
        name = row["api"], row["operation"]
        operations[name] = operations.get(name, 0) + row["count"]
    return visit.show(
        "applications/show.html",
        title=app["name"],
        app=app,
        account=names[app["account"]],
        counts=[counts[day] for day in days],
        last=max((row["day"] for row in rows), default=None),
        operations=sorted(operations.items(), key=lambda each: -each[1])[:ROWS],
        call=_first_call(visit, key, visit.t("applications.your_secret")),
        groups=by_api(app["scopes"], visit.query.get("scope", "")),
        wanted=visit.query.get("scope", ""),
        few=FEW,
    )


def by_api(scopes: Sequence[str], wanted: str) -> list[tuple[str, list[str]]]:
    """Scopes in which `wanted` stands, by the API that they begin with, which is left out of their names."""
    found: dict[str, list[str]] = {}
    for scope in sorted(scopes):
        if wanted.strip().casefold() in scope.casefold():
            api, _, rest = scope.partition(":")
            found.setdefault(api, []).append(rest or scope)
    return list(found.items())


async def new(visit: Visit) -> ASGIApp:
    """The form for a new one."""
    return _form(visit)


async def made(visit: Visit) -> ASGIApp:
    """Make it, and show its secret this once."""
    body: dict[str, Any] = {"account": visit.field("account"), "name": visit.field("name")}
    body |= {"scopeSets": visit.fields("scopeSets"), "sandbox": bool(visit.field("sandbox"))}
    try:
        issued = await visit.api.post("/applications", body=body)
    except CallRefused as refused:
        if refused.status in (401, 403):
            raise
        return _form(visit, refused.status, refused.message)
    return _issued(visit, issued, 201)


async def step(visit: Visit) -> ASGIApp:
    """What a new secret, or its end, would mean."""
    app = await visit.api.get("/applications/{}", visit.named("application"))
    return _step(visit, app)


async def taken(visit: Visit) -> ASGIApp:
    """Give it a new secret, or revoke it."""
    key = visit.named("application")
    overlap, heir = visit.field("overlap"), visit.field("heir")
    try:
        if visit.named("step") == "rotate":
            seconds = int(overlap) if overlap.isascii() and overlap.isdecimal() else 0
            return _issued(
                visit, await visit.api.post("/applications/{}/rotate", key, body={"overlapSeconds": seconds})
            )
        await visit.api.post("/applications/{}/revoke", key, body={"handOverTo": heir} if heir else {})
    except CallRefused as refused:
        if refused.status in (401, 403) or (refused.status == 404 and not heir):
            raise
        return _step(visit, await visit.api.get("/applications/{}", key), refused.status, refused.message)
    return visit.go(f"{_PATH}/{visit.request.path_params['application']}", done="saved")


def _form(visit: Visit, status: int = 200, error: str | None = None) -> ASGIApp:
    return visit.show(
        "applications/new.html",
        status,
        title=visit.t("applications.new"),
        account=visit.field("account") or visit.query.get("account") or visit.account or "",
        name=visit.field("name"),
        sets=SETS,
        chosen=visit.fields("scopeSets") or ["default"],
        sandbox=bool(visit.field("sandbox")),
        error=error,
    )


def _step(visit: Visit, app: Mapping[str, Any], status: int = 200, error: str | None = None) -> ASGIApp:
    name = visit.named("step")
    if name not in ("rotate", "revoke"):
        raise CallRefused(404, "NOT_FOUND", "")
    title = visit.t(f"applications.{name}")
    return visit.show("applications/step.html", status, title=title, app=app, step=name, overlaps=OVERLAPS, error=error)


def _issued(visit: Visit, app: Mapping[str, Any], status: int = 200) -> ASGIApp:
    call = _first_call(visit, app["appKey"], app["appSecret"])
    return visit.show("applications/issued.html", status, title=app["name"], app=app, call=call)


def _first_call(visit: Visit, key: str, secret: str) -> str:
    """What a developer pastes into a shell."""
    server = str(visit.request.base_url).rstrip("/")
    return _FIRST_CALL.format(server=server, key=shlex.quote(key), secret=shlex.quote(secret))


PAGES = (
    ConsolePage(
        name="applications",
        path="/applications",
        suggests_accounts=True,
        show=listed,
        needs=("listApplications",),
        nav=Nav("customers", 10, "application"),
    ),
    ConsolePage(
        name="applications",
        path="/applications/new",
        suggests_accounts=True,
        show=new,
        act=made,
        needs=("createApplication",),
        acts=("createApplication",),
    ),
    ConsolePage(
        name="applications", path="/applications/{application}", show=show, needs=("getApplication", "listUsage")
    ),
    ConsolePage(
        name="applications",
        path="/applications/{application}/limits",
        show=limits.ask,
        act=limits.set_,
        needs=("getApplication", "setLimit"),
        acts=("setLimit",),
    ),
    ConsolePage(
        name="applications",
        path="/applications/{application}/{step}",
        show=step,
        act=taken,
        needs=("getApplication", "rotateApplicationSecret", "revokeApplication"),
        acts=("rotateApplicationSecret", "revokeApplication"),
    ),
)
