"""`simwarden audit` and `simwarden request`."""

from __future__ import annotations

import click

from simwarden.cli.building import Plain, add_all
from simwarden.cli.common import Group


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
            columns=("at", "name", "operation", "detail", "target", "status", "correlator", "operator"),
            empty="Nothing was changed",
        )
    ],
)


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
