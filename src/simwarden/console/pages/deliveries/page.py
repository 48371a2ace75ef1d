"""Deliveries: subscriptions with their health, events with each attempt, and what can be done when a sink fails."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from simwarden.console.calls import CallRefused
from simwarden.console.names import account_names
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

ROWS = 50
NEWEST = 20
STATES = ("ACTIVE", "EXPIRED", "DELETED")
STATUSES = ("PENDING", "DELIVERED", "DEAD", "DROPPED")
WITHIN = ("1", "24", "168")
"""Hours."""
HOME = f"{ROOT}/deliveries"
OPERATIONS = {
    "test": "testSubscription",
    "pause": "pauseSubscription",
    "resume": "resumeSubscription",
    "replay": "replayDeliveries",
    "end": "endSubscription",
}
"""What can be done with a subscription, and the operation that does it."""


async def listed(visit: Visit) -> ASGIApp:
    """Subscriptions, the newest first, each with its health."""
    wanted = _wanted(visit, ("account", "status", "sim", "failing"))
    found, status, error = await visit.listed("subscriptions", "/subscriptions", limit=ROWS, health="true", **wanted)
    rows = found["subscriptions"]
    return visit.show(
        "deliveries/list.html",
        status,
        title=visit.t("deliveries.title"),
        subscriptions=rows,
        accounts=await account_names(visit, (each["account"] for each in rows)),
        wanted={name: wanted.get(name, "") for name in ("account", "status", "sim", "failing")},
        filtered=bool(wanted.keys() - {"account"}) or ("account" in visit.query),
        states=STATES,
        state_word=lambda state: visit.word(state, "deliveries.state"),
        yes=lambda _: visit.t("deliveries.only_failing"),
        error=error,
        **visit.steps(HOME, found, wanted),
    )


async def events(visit: Visit) -> ASGIApp:
    """Events on their way to sinks, the newest first."""
    wanted = _wanted(visit, ("account", "status", "sim", "subscription"))
    within = visit.query.get("within", "")
    since = _ago(int(within)) if within in WITHIN else None
    found, status, error = await visit.listed("deliveries", "/deliveries", limit=ROWS, since=since, **wanted)
    kept = {**wanted, "within": within if since else None}
    return visit.show(
        "deliveries/events.html",
        status,
        title=visit.t("deliveries.title"),
        deliveries=found["deliveries"],
        wanted={name: wanted.get(name, "") for name in ("account", "status", "sim", "subscription")},
        within=within,
        hours=WITHIN,
        hours_word=lambda hours: visit.t(f"deliveries.within_{hours}"),
        filtered=bool(kept.keys() - {"account", "within"}) or bool(since) or "account" in visit.query,
        statuses=STATUSES,
        status_word=lambda status: visit.word(status, "deliveries.status"),
        error=error,
        **visit.steps(f"{HOME}/events", found, kept),
    )


async def show(visit: Visit) -> ASGIApp:
    """One subscription: how it does, and its newest events."""
    id_ = visit.named("subscription")
    found = await visit.api.get("/subscriptions/{}", id_)
    newest = await visit.api.get("/deliveries", subscription=id_, limit=NEWEST)
    accounts = await account_names(visit, [found["account"]])
    return visit.show(
        "deliveries/subscription.html",
        title=found["type"].rpartition(".")[2],
        subscription=found,
        account=accounts[found["account"]],
        deliveries=newest["deliveries"],
        more="nextCursor" in newest,
        offered=_offered(visit, found),
    )


def _offered(visit: Visit, found: Mapping[str, Any]) -> list[str]:
    """What can be done with it, by this person."""
    is_active = found["status"] == "ACTIVE"
    means = {
        "test": is_active and "pausedAt" not in found,
        "pause": is_active and "pausedAt" not in found,
        "resume": is_active and "pausedAt" in found,
        "replay": found["status"] != "DELETED",
        "end": is_active,
    }
    return [name for name, operation in OPERATIONS.items() if means[name] and visit.may(operation)]


async def ask(visit: Visit) -> ASGIApp:
    """What an action will do with a subscription."""
    id_, action = visit.named("subscription"), _action(visit)
    found = await visit.api.get("/subscriptions/{}", id_)
    if action not in _offered(visit, found):
        raise CallRefused(409 if visit.may(OPERATIONS[action]) else 403, "CONFLICT", "")
    return _asking(visit, found, action)


def _asking(visit: Visit, found: Mapping[str, Any], action: str, error: CallRefused | None = None) -> ASGIApp:
    return visit.show(
        "deliveries/act.html",
        200 if error is None else error.status,
        title=visit.t(f"deliveries.action.{action}"),
        subscription=found,
        action=action,
        hours=WITHIN,
        error=error and error.message,
    )


async def act(visit: Visit) -> ASGIApp:
    """Do it."""
    id_, action = visit.named("subscription"), _action(visit)
    try:
        if action == "test":
            made = await visit.api.post("/subscriptions/{}/test", id_)
            return visit.go(f"{HOME}/events/{made['id']}", done="tested")
        if action == "replay":
            within = visit.field("within")
            body = {
                "since": _ago(int(within) if within in WITHIN else 24),
                "subscriptionId": id_,
                "deliveredToo": visit.field("too") == "yes",
            }
            again = (await visit.api.post("/deliveries/replay", body=body))["replayed"]
            return visit.go(f"{HOME}/subscriptions/{id_}", done="replayed" if again else "nothing_to_replay")
        await visit.api.call("DELETE" if action == "end" else "POST", _PATHS[action], id_)
    except CallRefused as refused:
        if refused.status != 409:
            raise
        return _asking(visit, await visit.api.get("/subscriptions/{}", id_), action, refused)
    return visit.go(f"{HOME}/subscriptions/{id_}", done="saved")


_PATHS = {
    "pause": "/subscriptions/{}/pause",
    "resume": "/subscriptions/{}/resume",
    "end": "/subscriptions/{}",
}


def _action(visit: Visit) -> str:
    action = visit.named("delivery_action")
    if action not in OPERATIONS:
        raise CallRefused(404, "NOT_FOUND", "")
    return action


async def event(visit: Visit) -> ASGIApp:
    """One event: what it says, the request as it was sent, and each attempt with its answer."""
    found = await visit.api.get("/deliveries/{}", visit.named("event"))
    request = found.get("lastRequest")
    return visit.show(
        "deliveries/event.html",
        title=found["type"].rpartition(".")[2],
        delivery=found,
        data=_readable(found["data"]),
        request=request,
        body=None if request is None else _readable(request["body"]),
        attempts=[{**each, "shown": _readable(each.get("answer", ""))} for each in found.get("attemptLog", ())],
    )


async def again(visit: Visit) -> ASGIApp:
    """Send it again, under the same id."""
    id_ = visit.named("event")
    sent = (await visit.api.post("/deliveries/{}/replay", id_))["replayed"]
    return visit.go(f"{HOME}/events/{id_}", done="replayed" if sent else "nothing_to_replay")


def _wanted(visit: Visit, names: tuple[str, ...]) -> dict[str, str]:
    wanted = {name: visit.query[name] for name in names if name in visit.query}
    if visit.account is not None:
        wanted.setdefault("account", visit.account)
    return wanted


def _ago(hours: int) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")


def _readable(content: object) -> str:
    """JSON with a line for each property; anything else as it is."""
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except (ValueError, RecursionError):
            return str(content)
    return json.dumps(content, ensure_ascii=False, indent=2)


PAGES = (
    ConsolePage(
        name="deliveries",
        path="/deliveries",
        suggests_accounts=True,
        show=listed,
        needs=("listSubscriptions",),
        nav=Nav("customers", 40, "delivery"),
    ),
    ConsolePage(
        name="deliveries", path="/deliveries/events", suggests_accounts=True, show=events, needs=("listDeliveries",)
    ),
    ConsolePage(
        name="deliveries",
        path="/deliveries/subscriptions/{subscription}",
        show=show,
        needs=("getSubscription", "listDeliveries"),
    ),
    ConsolePage(
        name="deliveries",
        path="/deliveries/subscriptions/{subscription}/act/{delivery_action}",
        show=ask,
        act=act,
        needs=("getSubscription", *OPERATIONS.values()),
        acts=tuple(OPERATIONS.values()),
    ),
    ConsolePage(
        name="deliveries",
        path="/deliveries/events/{event}",
        show=event,
        act=again,
        needs=("getDelivery",),
        acts=("replayDelivery",),
    ),
)
