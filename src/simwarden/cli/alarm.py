"""`simwarden alarm`."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli.building import Plain, add_all
from simwarden.cli.common import Group


@click.group(cls=Group)
def alarm() -> None:
    """What is wrong and needs a person: raised and ended by the server."""


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "Alarm": found["id"],
        "Kind": found["kind"],
        "Severity": found["severity"],
        "State": found["state"],
        "What": found["what"],
        "Why": found["why"],
        "What to do": found["todo"],
        "First": found["firstAt"],
        "Last": found["lastAt"],
        "Times": found["count"],
        "Cleared": found.get("clearedAt"),
        "Because": found.get("clearedBecause"),
        "Acknowledged": found.get("acknowledgedAt"),
        "By": found.get("acknowledgedBy"),
    }


_COLUMNS = ("id", "severity", "kind", "since=firstAt", "count", "acknowledged=acknowledgedBy", "what")
add_all(
    alarm,
    [
        Plain(
            verb="list",
            operation="listAlarms",
            help="List alarms that are open, the newest first; with --all those that are over too.",
            examples=(
                "alarm list",
                "alarm list --not-acknowledged --severity CRITICAL",
                "alarm list --kind ENFORCEMENT_FAILED --gateway gw1",
                "alarm list --all --sim 460000990123698",
            ),
            default_query={"state": "OPEN"},
            hidden=("state",),
            columns=_COLUMNS,
            all_columns=("id", "state", *_COLUMNS[1:]),
            empty="No alarms",
        ),
        Plain(
            verb="show",
            operation="getAlarm",
            help="Show one alarm: what is wrong, why, and what to do.",
            examples=("alarm show 17",),
            fields=_fields,
        ),
        Plain(
            verb="ack",
            operation="acknowledgeAlarm",
            help="Acknowledge an alarm: you have taken it on.\n\nIt stays open until the trouble is over.",
            examples=("alarm ack 17",),
            fields=_fields,
        ),
    ],
)
