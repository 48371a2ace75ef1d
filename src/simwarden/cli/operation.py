"""`simwarden operation`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.bulk import Show, carry_through, confirmed
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_json
from simwarden.cli.remote import Access, Remote, ServerRefused, access_options, segment, with_server


@click.group(cls=Group)
def operation() -> None:
    """Work on many SIMs that the server does in the background (see simwarden sim bulk)."""


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    counts = found["counts"]
    shown = {
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
    for n, reason in enumerate(found.get("reasons", ()), 1):
        shown[f"Reason {n}"] = f"{reason['count']} {reason['status']}  {reason.get('reason', '')}"
    return shown


add_all(
    operation,
    [
        Plain(
            verb="list",
            operation="listOperations",
            examples=("operation list", "operation list --state RUNNING"),
            columns=(
                *("id", "state", "what=description", "total=counts.total", "done=counts.done"),
                *("unchanged=counts.unchanged", "refused=counts.refused", "left=counts.requested", "createdAt"),
                "by=requestedBy",
            ),
            empty="No operations",
        ),
        Plain(
            verb="show",
            operation="getOperation",
            help="Show how far an operation has come.",
            examples=("operation show ID",),
            fields=_fields,
        ),
        Plain(
            verb="cancel",
            operation="cancelOperation",
            help="Cancel an operation. What was done stays, nothing more is done.",
            examples=("operation cancel ID",),
            fields=_fields,
        ),
    ],
)


@operation.command(epilog=examples(("operation confirm ID", "operation confirm ID --yes")))
@click.argument("id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--result", type=click.Path(dir_okay=False, path_type=Path), help="Write what became of each SIM here.")
@access_options
@json_option
def confirm(
    id: str,  # noqa: A002
    result: Path | None,
    access: Access,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Run a previewed operation, and follow it to its end."""
    if as_json and not yes:
        raise click.UsageError("--json does not ask: it needs --yes")
    show = Show(quiet=as_json)

    async def work(remote: Remote) -> dict[str, Any]:
        found: dict[str, Any] = await remote.call("GET", f"/operations/{segment(id)}")
        if found["state"] != "READY":
            raise ServerRefused(f"The operation is {found['state']}; to be confirmed, it must be READY")
        show.operation = found["id"]
        return await confirmed(remote, found, show, yes=yes, result=result)

    carry_through(work, show, access, result, as_json=as_json)


@operation.command(epilog=examples(("operation result ID result.csv",)))
@click.argument("id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@access_options
@json_option
def result(id: str, file: Path, access: Access, *, as_json: bool) -> None:  # noqa: A002
    """Write what became of each SIM to a CSV file."""

    async def work(remote: Remote) -> None:
        await remote.download(f"/operations/{segment(id)}/result", file)

    with_server(work, access)
    if as_json:
        print_json({"file": str(file)})
    else:
        click.echo(f"Written to {file}")
