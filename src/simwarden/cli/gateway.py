"""`simwarden gateway`."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli import places
from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, csv_option, json_option
from simwarden.cli.printing import human, print_csv, print_json, print_table
from simwarden.cli.remote import Access, access_options, call, segment


@click.group(cls=Group)
def gateway() -> None:
    """Gateways and other network elements: they report SIMs and take commands."""


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    reported, waiting = row.get("reportedAt"), row["openEnforcements"]
    out = row.get("outOfServiceSince")
    return {
        "Gateway": row["name"],
        "State": row["state"] + (f", last report {human(reported)}" if reported else ""),
        "Service": f"out of service since {human(out)}: it is sent no commands" if out else None,
        "Reports": f"every {row['reportInterval']} s; {row['reports']} read, {row['rejected']} not",
        "Commands": row.get("commandUrl") or "no command URL: it is only listened to, and nothing can be locked there",
        "Login": row.get("username"),
        "Account": row.get("account"),
        "Sources": " ".join(row.get("sourceAddresses", ())),
        "Site": places.words(row["site"]) if "site" in row else None,
        "Unreachable": row.get("unreachableSince") and f"since {human(row['unreachableSince'])}",
        "SIMs": row["sims"],
        "Waiting": f"{waiting} slots are to be locked or opened" if waiting else None,
        "Device": " ".join(str(row[name]) for name in ("mac", "address", "version") if row.get(name)),
        "Registered": row["createdAt"],
    }


_OPTIONS = {"reportInterval": "interval", "sourceAddresses": "source"}
_URL = "Whoever knows this URL can report for the gateway. It is not shown again; gateway renew makes a new one."

add_all(
    gateway,
    [
        Plain(
            verb="hotzones",
            operation="listDiscoveredHotzones",
            help="List sites at which more SIMs show signs of fraud than chance explains.",
            examples=("gateway hotzones",),
            columns=(
                *("gateways", "hours=windowHours", "since", "sims", "simsWithSign", "expected", "probability"),
                *("coolingSince", "endedAt"),
            ),
            empty="No site stands out.",
            rows="hotzones",
        ),
        Plain(
            verb="list",
            operation="listGateways",
            examples=("gateway list",),
            columns=(
                *("name", "state", "reportedAt", "sims", "waiting=openEnforcements", "outOfServiceSince"),
                *("rejected", "reports", "version"),
                *("latitude=site.latitude", "longitude=site.longitude", "radius=site.radius"),
            ),
            empty="No gateways yet: simwarden gateway add --help",
        ),
        Plain(
            verb="add",
            operation="createGateway",
            names={**_OPTIONS, "commandUrl": "command-url"},
            help="Register a gateway. Of kind ejoin: prints the secret URL that it is to report to, this once.\n\n"
            'Set that URL in the gateway\'s web page "State/Status Notification".',
            texts={
                "kind": "What kind of network element it is [ejoin].",
                "commandUrl": "http://HOST[:PORT] of its command interface, or what its kind has in place of that; "
                "without, it is only listened to.",
                "username": "Login of the command interface.",
                "reportInterval": "Its report interval in seconds [60].",
                "account": "It reports for SIMs of this account alone; without, for any.",
                "sourceAddresses": "Network (CIDR) that its reports may come from; repeatable.",
            },
            urls=("commandUrl",),
            examples=(
                "gateway add --name gw1",
                "gateway add --name gw1 --command-url http://192.0.2.7 --password  asks for the password",
            ),
            after=_URL,
            after_of="reportUrl",
        ),
        Plain(
            verb="show",
            operation="getGateway",
            help="Show one gateway: how it reports, how it is commanded, what waits for it.\n\n"
            "Passwords are never shown. gateway ports shows its slots.",
            examples=("gateway show gw1",),
            fields=_fields,
        ),
        Plain(
            verb="update",
            operation="changeGateway",
            names=_OPTIONS,
            help="Change a gateway. What waits for it is tried at once with the new address and login.",
            texts={
                "name": "What to call it from now on.",
                "commandUrl": "http://HOST[:PORT] of its command interface; none: it is only listened to",
                "username": "Login of the command interface",
                "reportInterval": "Its report interval in seconds.",
                "account": "It reports for SIMs of this account alone",
                "sourceAddresses": "Network (CIDR) that its reports may come from; repeatable",
            },
            urls=("commandUrl",),
            examples=(
                "gateway update gw1 --command-url http://192.0.2.7 --password",
                "gateway update gw1 --command-url none  it is only listened to from now on",
                "gateway update gw1 --name north-1 --interval 30",
            ),
            fields=_fields,
        ),
        Plain(
            verb="delete",
            operation="deleteGateway",
            help="Forget a gateway and its slots.\n\n"
            "Refused while a slot is locked by Simwarden, or about to be locked or opened. With --force the locks stay "
            "behind: nobody watches or lifts them any more, and they are listed.",
            texts={"force": "Also when slots are locked by Simwarden: those locks stay behind."},
            examples=("gateway delete gw1", "gateway delete gw1 --force"),
            flags=("force",),
            done="{gatewayid} is deleted",
            left="locksLeft",
        ),
        Plain(
            verb="out-of-service",
            operation="takeGatewayOut",
            examples=("gateway out-of-service gw1",),
            fields=_fields,
        ),
        Plain(verb="in-service", operation="putGatewayIn", examples=("gateway in-service gw1",), fields=_fields),
        Plain(
            verb="renew",
            operation="renewGatewayToken",
            help="Give a gateway a new report URL. The old one stops working within seconds.",
            examples=("gateway renew gw1",),
            after=_URL,
            after_of="reportUrl",
        ),
        Plain(
            verb="rejects",
            operation="listRejects",
            arguments=("gateway",),
            names={"gateway": "NAME"},
            examples=("gateway rejects", "gateway rejects gw1 --limit 5 --json"),
            columns=("gateway", "receivedAt", "size", "reason", "body"),
            empty="Nothing was rejected",
        ),
        Plain(
            verb="targets",
            operation="listGatewayTargets",
            help="List the SIMs at a network element, and how far it is as it is to be.",
            examples=("gateway targets nas-1 --limit 20",),
            columns=("imsi", "port", "slot", "target", "there", "toBeOff", "status", "attempts", "lastError", "since"),
            empty="No SIM was seen there",
        ),
        Plain(
            verb="doubts",
            operation="listDoubts",
            arguments=("gateway",),
            names={"gateway": "NAME"},
            help="Show reports that were doubted: why, and what the gateway's status said.",
            examples=("gateway doubts gw1", "gateway doubts --limit 5 --json"),
            columns=(
                "gateway",
                "lastAt",
                "kind",
                "outcome",
                "imsi",
                "port",
                "slot",
                "imei",
                "against",
                "count",
                "message",
            ),
            empty="Nothing was doubted",
        ),
    ],
)


gateway.add_command(places.site)
gateway.add_command(places.sites)


@gateway.command(epilog=examples(("gateway ports gw1", "gateway ports gw1 --csv")))
@click.argument("name")
@click.option("--wide", is_flag=True, help="All columns, whatever the width of the terminal.")
@csv_option
@access_options
@json_option
def ports(name: str, access: Access, *, wide: bool, as_csv: bool, as_json: bool) -> None:
    """Show the slots of a gateway as last reported."""
    rows = call(access, "GET", f"/gateways/{segment(name)}")["ports"]
    columns = (
        *("port", "slot", "status=statusMeaning", "imsi", "imei", "lockedByUs", "reportedAt", "iccid", "operator"),
        *("signal", "code=status"),
    )
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows, columns)
    else:
        print_table(rows, columns, empty="This gateway has not reported any slots yet", wide=wide)
