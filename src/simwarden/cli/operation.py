"""`simwarden operation`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simwarden.cli.bulk import Show, carry_through, confirmed
from simwarden.cli.common import json_option, print_fields, print_json, print_table
from simwarden.cli.remote import Remote, ServerRefused, key_option, segment, server_option, with_server


@click.group()
def operation() -> None:
    """Work on many SIMs that the server does in the background (see `simwarden sim bulk`)."""


@operation.command("list", epilog="\b\nExample:\n  simwarden operation list --state RUNNING")
@click.option("--state", help="PREVIEWING, READY, RUNNING, COMPLETED, CANCELLED or EXPIRED.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@server_option
@key_option
@json_option
def list_(state: str | None, limit: int, server: str | None, key_file: Path | None, *, as_json: bool) -> None:
    """Show operations, the newest first."""

    async def work(remote: Remote) -> Any:
        return await remote.call("GET", "/operations", state=state.upper() if state else None, limit=limit)

    rows = with_server(work, server, key_file)["operations"]
    if as_json:
        print_json(rows)
        return
    table = [{**row, **row["counts"], "created_at": row["createdAt"]} for row in rows]
    columns = ["id", "description", "state", "total", "done", "unchanged", "refused", "requested", "created_at"]
    print_table(table, columns, empty="No operations")


@operation.command(epilog="\b\nExample:\n  simwarden operation show ID")
@click.argument("id")
@server_option
@key_option
@json_option
def show(id: str, server: str | None, key_file: Path | None, *, as_json: bool) -> None:  # noqa: A002
    """Show how far an operation has come."""
    _print(_call("GET", f"/operations/{segment(id)}", server, key_file), as_json=as_json)


@operation.command(epilog="\b\nExamples:\n  simwarden operation confirm ID\n  simwarden operation confirm ID --yes")
@click.argument("id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--result", type=click.Path(dir_okay=False, path_type=Path), help="Write what became of each SIM here.")
@server_option
@key_option
@json_option
def confirm(
    id: str,  # noqa: A002
    result: Path | None,
    server: str | None,
    key_file: Path | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Let a previewed operation run that was not confirmed yet, and follow it to its end."""
    if as_json and not yes:
        raise click.UsageError("--json does not ask: it needs --yes")
    show = Show(quiet=as_json)

    async def work(remote: Remote) -> dict[str, Any]:
        found: dict[str, Any] = await remote.call("GET", f"/operations/{segment(id)}")
        if found["state"] != "READY":
            raise ServerRefused(f"The operation is {found['state']}; to be confirmed, it must be READY")
        show.operation = found["id"]
        return await confirmed(remote, found, show, yes=yes, result=result)

    carry_through(work, show, server, key_file, result, as_json=as_json)


@operation.command(epilog="\b\nExample:\n  simwarden operation cancel ID")
@click.argument("id")
@server_option
@key_option
@json_option
def cancel(id: str, server: str | None, key_file: Path | None, *, as_json: bool) -> None:  # noqa: A002
    """Cancel an operation: what was done stays, nothing more is done."""
    _print(_call("POST", f"/operations/{segment(id)}/cancel", server, key_file), as_json=as_json)


@operation.command(epilog="\b\nExample:\n  simwarden operation result ID result.csv")
@click.argument("id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@server_option
@key_option
@json_option
def result(id: str, file: Path, server: str | None, key_file: Path | None, *, as_json: bool) -> None:  # noqa: A002
    """Write what became of each SIM to a CSV file."""

    async def work(remote: Remote) -> None:
        await remote.download(f"/operations/{segment(id)}/result", file)

    with_server(work, server, key_file)
    if as_json:
        print_json({"file": str(file)})
    else:
        click.echo(f"Written to {file}")


def _call(method: str, path: str, server: str | None, key_file: Path | None) -> dict[str, Any]:
    async def work(remote: Remote) -> dict[str, Any]:
        found: dict[str, Any] = await remote.call(method, path)
        return found

    return with_server(work, server, key_file)


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    counts = found["counts"]
    print_fields(
        {
            "Operation": found["id"],
            "What": found["description"],
            "State": found["state"],
            "SIMs": counts["total"],
            "Done": counts["done"],
            "Unchanged": counts["unchanged"],
            "Refused": counts["refused"],
            "Left": counts["requested"],
            "Asked for": found["createdAt"],
            "Ended": found.get("finishedAt"),
        }
    )
    for reason in found.get("reasons", ()):
        click.echo(f"  {reason['count']:>7}  {reason['status']}  {reason.get('reason', '')}")
