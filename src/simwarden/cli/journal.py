"""`simwarden audit` and `simwarden request`."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_json
from simwarden.cli.remote import Access, Remote, access_options, with_server


@click.group(cls=Group)
def audit() -> None:
    """What operators did: who changed what, and when."""


add_all(
    audit,
    [
        Plain(
            verb="list",
            operation="listAudit",
            help="List what operators changed, the newest first; calls that were refused too.\n\n"
            "What customers and gateways caused stands in the history of each SIM: simwarden sim explain.",
            examples=(
                "audit list --since 2h",
                "audit list --target 460000990123698  a SIM, by any of its identifiers",
                "audit list --target gw1 --operator night",
            ),
            columns=(
                "at",
                "name",
                "operation",
                "detail",
                "target",
                "status",
                "changes",
                "address",
                "role",
                "correlator",
                "operator",
            ),
            empty="Nothing was changed",
        )
    ],
)


@audit.command(epilog=examples(("audit verify", "audit verify --json")))
@access_options
@json_option
def verify(access: Access, *, as_json: bool) -> None:
    """Find out whether a row of the audit list was changed, taken away or added by somebody else.

    The exit status is 1 when one was. Rows are signed with the master key, one after the other: who can write to the
    database, but does not have the key, cannot make up another past.
    """

    async def work(remote: Remote) -> dict[str, Any]:
        found: dict[str, Any] = {"chains": 0, "rows": 0, "faults": []}
        cursor: str | None = None
        while True:
            page = await remote.call("GET", "/audit/verification", cursor=cursor)
            found = {name: found[name] + page[name] for name in found}
            cursor = page.get("nextCursor")
            if cursor is None:
                return found

    found = with_server(work, access)
    if as_json:
        print_json(found)
    else:
        for each in found["faults"]:
            place = f"Chain {each['chain']}" if "chain" in each else "The list"
            click.echo(f"{place}{', row ' + str(each['link']) if 'link' in each else ''}: {each['fault']}")
        click.echo(f"{found['rows']} rows in {found['chains']} chains: {len(found['faults']) or 'no'} faults")
    if found["faults"]:
        raise click.exceptions.Exit(1)


@click.group(cls=Group)
def request() -> None:
    """Calls of the APIs that were answered with an error."""


add_all(
    request,
    [
        Plain(
            verb="list",
            operation="listRequests",
            help="List calls with an error, the newest first: of customers and of operators.\n\n"
            "SIMWARDEN_REQUEST_LOG=all keeps those without an error too, off none.",
            examples=(
                "request list --correlator 0d3f",
                "request list --account ACME --since 1h",
                "request list --status 5xx",
            ),
            columns=(*("at", "status", "code", "api", "operation", "correlator", "account", "appKey", "durationMs"),),
            empty="No calls found",
        )
    ],
)
