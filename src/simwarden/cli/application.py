"""`simwarden app`."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from simwarden.accounts.scopes import KNOWN, SET_MEANING
from simwarden.cli.building import Plain, add_all, plain
from simwarden.cli.client import client, key, signing
from simwarden.cli.common import Group
from simwarden.cli.limit import limit_text
from simwarden.cli.printing import human


@click.group(cls=Group)
def app() -> None:
    """Applications: clients of an account, with an APPKEY, an APPSECRET and scopes."""


app.add_command(client)
app.add_command(key)
app.add_command(signing)


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    quota = found.get("dailyQuota")
    return {
        "APPKEY": found["appKey"],
        "APPSECRET": found.get("appSecret"),
        "Name": found["name"],
        "Account": found["account"],
        "Scopes": " ".join(found["scopes"]),
        "Quota": f"{quota} counted calls a day (UTC)" if quota else None,
        "Limits": [limit_text(each) for each in found.get("limits", [])] or None,
        "Used": _used(found),
        "Mode": "sandbox: virtual SIMs only" if found["sandbox"] else None,
        "Created": found["createdAt"],
        "Secret before": found.get("previousSecretUntil") and f"good until {human(found['previousSecretUntil'])}",
        "Revoked": found.get("revokedAt"),
    }


def _used(found: dict[str, Any]) -> str | None:
    if "usedToday" not in found:
        return None
    return f"{found['usedToday']} counted calls today, {found['usedThisMonth']} this month (UTC)"


_ONCE = "The secret is not shown again: store it now."


def _create() -> click.Command:
    command = plain(
        Plain(
            verb="create",
            operation="createApplication",
            names={"scopeSets": "scopes", "scopes": "scope"},
            texts={
                "scopeSets": "A set of scopes (below); repeatable [default].",
                "scopes": "One scope (below); repeatable, alone or beside --scopes.",
            },
            splits=("scopeSets", "scopes"),
            examples=(
                "app create --account ACME --name meters",
                "app create --account ACME --name fleet --scopes control",
                "app create --account ACME --name reader --scope listen:receive",
                "app create --account ACME --name partner --daily-quota 10000",
                "app create --account ACME --name trial --sandbox",
            ),
            fields=_fields,
            after=_ONCE,
        )
    )
    sets = "\n".join(
        textwrap.fill(f"{name:<14} {text}", 77, initial_indent="  ", subsequent_indent=" " * 17)
        for name, text in SET_MEANING.items()
    )
    scopes = "\n".join(line for name in KNOWN for line in _broken(name))
    command.epilog = f"{command.epilog}\n\n\b\nSets of scopes:\n{sets}\n\n\b\nScopes:\n{scopes}"
    return command


def _broken(name: str) -> list[str]:
    """A scope within 80 columns; a longer one on two lines, broken behind a colon."""
    if len(name) <= 76:
        return [f"  {name}"]
    at = name.index(":") + 1
    return [f"  {name[:at]}", f"      {name[at:]}"]


app.later("create", _create)
add_all(
    app,
    [
        Plain(
            verb="list",
            operation="listApplications",
            examples=("app list", "app list --account ACME --not-revoked"),
            hidden=("application",),
            columns=("appKey", "name", "account", "dailyQuota", "sandbox", "createdAt", "revokedAt", "scopes"),
            empty="No applications yet: simwarden app create --account A --name N",
        ),
        Plain(verb="show", operation="getApplication", examples=("app show ACME/meters",), fields=_fields),
        Plain(
            verb="quota",
            operation="changeApplication",
            arguments=("dailyQuota",),
            names={"dailyQuota": "N|none"},
            help="Set how many counted calls an application may make in a UTC day.\n\n"
            "It holds at once, for the day that is under way too. Calls beyond it are answered 429 QUOTA_EXCEEDED.",
            examples=("app quota ACME/meters 10000", "app quota ACME/meters none"),
            fields=_fields,
        ),
        Plain(
            verb="rotate",
            operation="rotateApplicationSecret",
            names={"overlapSeconds": "overlap"},
            texts={"overlapSeconds": "How long the secret before stays good, as 3600, 30m, 24h or 7d [0]."},
            seconds=("overlapSeconds",),
            help="Give an application a new secret, shown this once.\n\n"
            "Without --overlap the secret before and all access tokens stop working at once: that is for a secret that "
            "has leaked. With it, its user has time to change over.",
            examples=("app rotate ACME/meters", "app rotate ACME/meters --overlap 24h"),
            fields=_fields,
            after=_ONCE,
        ),
        Plain(
            verb="revoke",
            operation="revokeApplication",
            help="Revoke an application: its secret and its tokens stop working at once.\n\n"
            "Its subscriptions end within seconds, and their sinks are told so; with --hand-over-to they become "
            "another application's of the same account, and go on.",
            texts={"handOverTo": "ACCOUNT/APP or APPKEY: who takes over its subscriptions and inboxes."},
            examples=("app revoke ACME/meters", "app revoke ACME/meters --hand-over-to ACME/meters-2"),
            done="{appKey} ({name}) is revoked",
        ),
    ],
)
