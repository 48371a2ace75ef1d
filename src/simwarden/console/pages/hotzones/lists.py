"""The named lists of an account: shown, and changed after it was said what that changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simwarden.console.calls import CallRefused
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

HOME = f"{ROOT}/hotzones/lists"
VERSIONS = 20
"""Of a list that its form shows, the newest ones."""
_BETWEEN = re.compile(r"[\s,;]+")


async def listed(visit: Visit) -> ASGIApp:
    """All of them."""
    account = _account(visit)
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


async def edit(visit: Visit) -> ASGIApp:
    """The form of a list, of a new one where none is named; and, once it is tried, what saving it would change."""
    account, name = _account(visit), visit.query.get("name", "")
    versions = await _versions(visit, account, name)
    zones = visit.query.get("zones", "")
    if visit.query.get("try") != "yes":
        zones = " ".join(versions[0]["zones"]) if versions else ""
        return _form(visit, account, name, zones, versions)
    return _form(visit, account, name, zones, versions, tried=True)


async def save(visit: Visit) -> ASGIApp:
    """Set the list, unless somebody else changed it since it was shown what that would do."""
    account, name, zones = visit.account or visit.field("account"), visit.field("name"), visit.field("zones")
    versions = await _versions(visit, account, name)
    if visit.field("version") != str(_version(versions)):
        text = visit.t("hotzones.changed_meanwhile")
        return _form(visit, account, name, zones, versions, tried=True, error=text, status=409)
    try:
        await visit.api.post("/accounts/{}/hotzones", account, body={"name": name, "zones": _split(zones)})
    except CallRefused as refused:
        if refused.status not in (400, 404, 429):
            raise
        text = refused.message or visit.t("failed.400")
        return _form(visit, account, name, zones, versions, error=text, status=refused.status)
    return visit.go(HOME, account=account, done="saved")


async def ask(visit: Visit) -> ASGIApp:
    """What removing a list means."""
    account, name = _account(visit), visit.query.get("name", "")
    versions = await _versions(visit, account, name)
    if not versions or not versions[0]["zones"]:
        return visit.go(HOME, account=account)
    return visit.show(
        "hotzones/remove.html", title=visit.t("hotzones.remove"), account=account, list=versions[0], back=_back(account)
    )


async def remove(visit: Visit) -> ASGIApp:
    """Remove it; one that is gone already is no error."""
    account, name = visit.account or visit.field("account"), visit.field("name")
    try:
        await visit.api.call("DELETE", "/accounts/{}/hotzones", account, query={"name": name})
    except CallRefused as refused:
        if refused.status != 404:
            raise
        return visit.go(HOME, account=account)
    return visit.go(HOME, account=account, done="saved")


def _account(visit: Visit) -> str:
    return visit.query.get("account") or visit.account or ""


def _back(account: str) -> Mapping[str, str]:
    return {"account": account}


async def _versions(visit: Visit, account: str, name: str) -> list[dict[str, Any]]:
    """Of a list, the newest first; none: there is no such list, or none that is named."""
    if not account or not name:
        return []
    try:
        found = await visit.api.get("/accounts/{}/hotzones", account, name=name)
    except CallRefused as refused:
        if refused.status not in (400, 404):
            raise
        return []
    return sorted(found["hotzones"], key=lambda each: -each["version"])


def _version(versions: Sequence[Mapping[str, Any]]) -> int:
    return versions[0]["version"] if versions else 0


def _split(zones: str) -> list[str]:
    """What was typed, whatever stands between."""
    return [each.upper() for each in _BETWEEN.split(zones) if each]


def _form(
    visit: Visit,
    account: str,
    name: str,
    zones: str,
    versions: Sequence[Mapping[str, Any]],
    *,
    tried: bool = False,
    error: str | None = None,
    status: int = 200,
) -> ASGIApp:
    now = set(versions[0]["zones"]) if versions else set()
    then = set(_split(zones))
    return visit.show(
        "hotzones/edit.html",
        status,
        title=visit.t("hotzones.change" if versions else "hotzones.add"),
        account=account,
        name=name,
        zones=zones,
        versions=versions[:VERSIONS],
        version=_version(versions),
        is_there=bool(now),
        tried=tried and bool(account and name and then),
        added=sorted(then - now),
        removed=sorted(now - then),
        kept=sorted(now & then),
        error=error,
        back=_back(account),
    )
