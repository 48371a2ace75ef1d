"""`simwarden account limit`."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli.building import Plain, add_all
from simwarden.cli.common import Group


@click.group("limit", cls=Group)
def limit() -> None:
    """Limits of calls: how fast, and how often in a day or month, an account or one of its applications may call.

    All limits that are set hold together, over all workers. Where nothing is set for an application, the settings
    calls_per_second and subscriptions_per_second hold. Calls beyond a rate are answered 429 TOO_MANY_REQUESTS, beyond
    a quota 429 QUOTA_EXCEEDED; they are not counted.
    """


def limit_text(found: dict[str, Any]) -> str:
    """A limit in a line."""
    what = " ".join(filter(None, (found.get("api"), found.get("operation")))) or "all calls"
    parts = []
    if "callsPerSecond" in found:
        parts.append(f"{found['callsPerSecond']:g} a second, {found['burst']} at once")
    if "dailyQuota" in found:
        parts.append(f"{found['dailyQuota']} a day")
    if "monthlyQuota" in found:
        parts.append(f"{found['monthlyQuota']} a month")
    return f"{what}: {'; '.join(parts)}"


_NAMES = {"callsPerSecond": "rate", "dailyQuota": "daily", "monthlyQuota": "monthly"}

add_all(
    limit,
    [
        Plain(
            verb="set",
            operation="setLimit",
            names=_NAMES,
            texts={
                "callsPerSecond": "Calls a second, from 0.01 on.",
                "dailyQuota": "Counted calls in a day (UTC).",
                "monthlyQuota": "Counted calls in a calendar month (UTC).",
            },
            help="Set limits of the account's applications together, or of one of them.\n\n"
            "They hold at once. What is not named stays as it is.",
            examples=(
                "account limit set ACME --rate 500",
                "account limit set ACME --application meters --monthly 5000000",
                "account limit set ACME --api sim-swap --rate 0.5",
            ),
            fields=lambda found: {"Application": found.get("application", "all together"), "Limit": limit_text(found)},
        ),
        Plain(
            verb="list",
            operation="listLimits",
            examples=("account limit list ACME", "account limit list ACME --application meters"),
            columns=("application", "api", "operation", "callsPerSecond", "burst", "dailyQuota", "monthlyQuota"),
            empty="No limits yet: simwarden account limit set --help",
            rows="limits",
        ),
        Plain(
            verb="remove",
            operation="removeLimit",
            help="Remove the limit that is set for just these calls, with its quotas.",
            examples=("account limit remove ACME", "account limit remove ACME --api sim-swap"),
            done="The limit of {accountid} is removed",
        ),
    ],
)
