"""`simwarden sim`."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli import act, places
from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import human, print_fields, print_json, print_table
from simwarden.cli.remote import Access, Remote, access_options, segment, with_server
from simwarden.cli.shapes import limit_fields


@click.group(cls=Group)
def sim() -> None:
    """SIMs: register, list, show, explain, bind, open, close, suspend, many at once.

    ID is an IMSI, an ICCID, a phone number or a network access identifier.
    """


def fields(found: dict[str, Any]) -> dict[str, Any]:
    """A SIM for people."""
    bars = [f"{bar['cause']} ({human(bar['functions'])}) since {human(bar['since'])}" for bar in found["bars"]]
    device = found.get("device")
    if found.get("deviceUnknown"):
        device = f"unknown; the last one known is {device}" if device else "unknown"
    return {
        "IMSI": found["imsi"],
        "ICCID": found.get("iccid"),
        "Phone number": found.get("phoneNumber"),
        "NAI": found.get("networkAccessIdentifier"),
        "Account": found["account"],
        "Tags": " ".join(found["tags"]),
        "Lifecycle": found["lifecycle"],
        "Binding": found["bindingState"],
        "Bound to": found.get("boundTo"),
        "Policy": ", ".join(f"{name} {value}" for name, value in found.get("policy", {}).items()),
        "In device": device,
        "Seen": found.get("seenAt"),
        "At": found.get("place"),
        **limit_fields(found.get("area")),
        "Off": found["off"],
        "Barred by": bars,
        "Closed APNs": found["closedApns"],
        "Events": found["eventCount"],
    }


add_all(
    sim,
    [
        Plain(
            verb="list",
            operation="listSims",
            help="List SIMs for which all of the options hold.\n\n"
            "A site is a tag (simwarden sim update ID --tag site:north), or the gateways that stand there.",
            examples=(
                "sim list --barred --tag site:north  the barred SIMs of one site",
                "sim list --barred --gateway gw1",
                "sim list --account ACME --lifecycle SUSPENDED --csv",
                "sim list --seen-before 7d --columns imsi,seenAt,place",
            ),
            columns=(
                *("imsi", "binding=bindingState", "barred by=bars.cause", "device", "seenAt", "place", "phoneNumber"),
                *("off", "lifecycle", "account", "boundTo", "tags", "iccid"),
            ),
            empty="No SIMs: simwarden sim add --help, simwarden sim import --help",
        ),
        Plain(
            verb="add",
            operation="createSim",
            names={"phoneNumber": "msisdn", "networkAccessIdentifier": "nai", "tags": "tag"},
            texts={
                "lifecycle": "The state that it begins in [ACTIVE].",
                "tags": "A word of your own; repeatable.",
                "ipv4": "A static address, PUBLIC:PORT or PUBLIC/PRIVATE; repeatable.",
                "ipv6": "A static address; repeatable.",
                "networkAccessIdentifier": "Network access identifier, user@realm.",
            },
            help="Register one SIM.\n\nBy its static addresses the customer APIs find it as well as by its number.",
            examples=(
                "sim add --account ACME --imsi 460000990123698",
                "sim add --account ACME --imsi 46000099012 --ipv4 203.0.113.7:50001",
            ),
            fields=fields,
        ),
        Plain(
            verb="update",
            operation="changeSim",
            names={"phoneNumber": "msisdn", "networkAccessIdentifier": "nai", "tags": "tag"},
            texts={
                "tags": "A word of your own, repeatable; these replace all there are, none takes all away.",
                "networkAccessIdentifier": "Network access identifier, user@realm",
            },
            help="Change a SIM: its names, tags, and the policy of its binding.",
            examples=(
                "sim update 460000990123698 --tag site:north --tag meter",
                "sim update 460000990123698 --msisdn +8613900000001",
                "sim update 460000990123698 --alert-only",
            ),
            fields=fields,
        ),
        Plain(
            verb="events",
            operation="listEvents",
            help="List a SIM's history, the newest first. simwarden sim explain tells it in words.",
            examples=("sim events 460000990123698 --limit 20",),
            columns=("n", "at", "type", "by=cause.source", "causedBy", "correlator=cause.reference", "data"),
        ),
        Plain(
            verb="sessions",
            operation="listSimSessions",
            help="List a SIM's data sessions, live and ended, those that were reported last first.",
            examples=("sim sessions 460000990123698",),
            columns=(
                *("gateway", "apn", "ipv4", "ipv6", "rat", "plmn", "imei", "up=octetsUp", "down=octetsDown"),
                *("beganAt", "seenAt", "endedAt"),
            ),
            empty="No sessions",
            rows="sessions",
        ),
        *act.commands(),
    ],
)


@sim.command(epilog=examples(("sim show 460000990123698", "sim show 460000990123698 --reveal --json")))
@click.argument("id")
@click.option("--reveal", is_flag=True, help="Show texts of messages and numbers of other parties in clear.")
@access_options
@json_option
def show(id: str, access: Access, *, reveal: bool, as_json: bool) -> None:  # noqa: A002 - as the user calls it
    """Show one SIM, with its newest messages and calls.

    Texts and numbers are masked unless --reveal is given.
    """

    async def work(remote: Remote) -> tuple[dict[str, Any], dict[str, Any]]:
        found = await remote.call("GET", f"/sims/{segment(id)}")
        return found, await remote.call("GET", f"/sims/{segment(id)}/records", reveal=reveal)

    found, records = with_server(work, access)
    if as_json:
        print_json({**found, **records})
        return
    print_fields(fields(found))
    if records["messages"]:
        click.echo("\nMessages")
        print_table(records["messages"], ["at", "direction", "sender", "receiver", "status", "content"], empty="")
    if records["calls"]:
        click.echo("\nCalls")
        print_table(
            records["calls"], ["beginAt", "direction", "caller", "callee", "answerAt", "endAt", "reason"], empty=""
        )


@sim.command(epilog=examples(("sim explain 460000990123698", "sim explain 460000990123698 --all")))
@click.argument("id")
@click.option("--all", "whole", is_flag=True, help="The whole history, not only the newest chain.")
@access_options
@json_option
def explain(id: str, access: Access, *, whole: bool, as_json: bool) -> None:  # noqa: A002
    """Explain why a SIM is as it is: what was reported, decided and confirmed."""
    from simwarden.cli import explaining

    async def work(remote: Remote) -> Any:
        return await remote.call("GET", f"/sims/{segment(id)}/explain")

    told = with_server(work, access)
    if as_json:
        print_json(told)
        return
    click.echo("\n".join(explaining.lines(explaining.read(told), whole=whole)))


def _bulk() -> click.Command:
    from simwarden.cli.bulk import bulk

    return bulk


def _import() -> click.Command:
    from simwarden.cli.sim_import import import_

    return import_


def _area() -> click.Command:
    from simwarden.cli.area import sim_area

    return sim_area


sim.later("area", _area)
sim.later("bulk", _bulk)
sim.later("import", _import)
sim.add_command(act.bind)
sim.add_command(places.address)
sim.add_command(places.places)
sim.add_command(act.limit)
