"""`simwarden alarm`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simwarden.cli.common import json_option, print_fields, print_json, print_table
from simwarden.cli.remote import Remote, key_option, segment, server_option, with_server
from simwarden.domain.alarm import AlarmKind, Severity


@click.group()
def alarm() -> None:
    """What is wrong and needs a person: raised and ended by the server, pushed to a webhook and by mail if set up."""


@alarm.command(
    "list",
    epilog="\b\nExamples:\n  simwarden alarm list\n  simwarden alarm list --severity CRITICAL --json\n"
    "  simwarden alarm list --kind ENFORCEMENT_FAILED --gateway gw1\n"
    "  simwarden alarm list --all --sim 460000990123698",
)
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@click.option("--kind", type=click.Choice(list(AlarmKind), case_sensitive=False), help="Only this kind.")
@click.option("--severity", type=click.Choice(list(Severity), case_sensitive=False), help="Only this severity.")
@click.option("--unacknowledged", is_flag=True, help="Only those that nobody has taken on.")
@click.option("--gateway", help="Only about this gateway.")
@click.option("--sim", "sim_id", help="Only about this SIM (IMSI, ICCID, phone number or NAI).")
@click.option("--account", help="Only about this account.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@server_option
@key_option
@json_option
def list_(
    kind: AlarmKind | None,
    severity: Severity | None,
    gateway: str | None,
    sim_id: str | None,
    account: str | None,
    limit: int,
    server: str | None,
    key_file: Path | None,
    *,
    everything: bool,
    unacknowledged: bool,
    as_json: bool,
) -> None:
    """Show alarms, the newest first."""

    async def work(remote: Remote) -> Any:
        return await remote.call(
            "GET",
            "/alarms",
            state=None if everything else "OPEN",
            kind=kind,
            severity=severity,
            acknowledged="false" if unacknowledged else None,
            gateway=gateway,
            sim=sim_id,
            account=account,
            limit=limit,
        )

    found = with_server(work, server, key_file)
    if as_json:
        print_json(found["alarms"])
        return
    rows = [{**row, "since": row["firstAt"], "acknowledged": row.get("acknowledgedBy")} for row in found["alarms"]]
    columns = ["id", "severity", "kind", "since", "count", "acknowledged", "what"]
    print_table(rows, ["id", "state", *columns[1:]] if everything else columns, empty="No alarms")
    if "nextCursor" in found:
        click.echo(f"There are more than these {limit}: narrow the list, or raise --limit")


@alarm.command(epilog="\b\nExample:\n  simwarden alarm show 17")
@click.argument("id")
@server_option
@key_option
@json_option
def show(id: str, server: str | None, key_file: Path | None, *, as_json: bool) -> None:  # noqa: A002
    """Show one alarm: what is wrong, why, and what to do."""
    _print(_call("GET", f"/alarms/{segment(id)}", server, key_file), as_json=as_json)


@alarm.command(epilog="\b\nExample:\n  simwarden alarm ack 17")
@click.argument("id")
@server_option
@key_option
@json_option
def ack(id: str, server: str | None, key_file: Path | None, *, as_json: bool) -> None:  # noqa: A002
    """Say that you have taken an alarm on; it stays open until the trouble is over."""
    _print(_call("POST", f"/alarms/{segment(id)}/acknowledge", server, key_file), as_json=as_json)


def _call(method: str, path: str, server: str | None, key_file: Path | None) -> dict[str, Any]:
    async def work(remote: Remote) -> dict[str, Any]:
        found: dict[str, Any] = await remote.call(method, path)
        return found

    return with_server(work, server, key_file)


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_fields(
        {
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
    )
