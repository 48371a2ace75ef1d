"""`simwarden delivery`."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import label, print_fields, print_json, print_table
from simwarden.cli.remote import Access, access_options, call, segment
from simwarden.cli.times import Moment


@click.group(cls=Group)
def delivery() -> None:
    """Events handed to customers' sinks: what was sent, and what the sink answered."""


add_all(
    delivery,
    [
        Plain(
            verb="list",
            operation="listDeliveries",
            examples=(
                "delivery list --status DEAD --since 12:00  given up since noon",
                "delivery list --sim 460000990123698 --json",
            ),
            columns=(
                *("id", "status", "type", "attempts", "lastStatus", "createdAt", "imsi", "subscription=subscriptionId"),
                *("sink", "error=lastError"),
            ),
            empty="No deliveries",
        )
    ],
)


@delivery.command(epilog=examples(("delivery show EVENT-ID",)))
@click.argument("event_id", metavar="EVENT-ID")
@access_options
@json_option
def show(event_id: str, access: Access, *, as_json: bool) -> None:
    """Show one delivery with every attempt: the request as it was sent, and the answer.

    The sink's access token and the values of its own headers are masked. Attempts are kept for a time
    (SIMWARDEN_ATTEMPTS_KEPT_DAYS), bodies are shown up to 4096 bytes.
    """
    found: dict[str, Any] = call(access, "GET", f"/deliveries/{segment(event_id)}")
    if as_json:
        print_json(found)
        return
    attempts, request = found.pop("attemptLog", []), found.pop("lastRequest", None)
    print_fields({label(name): value for name, value in found.items()})
    click.echo("\nAttempts")
    print_table(attempts, ["at", "durationMs", "status", "answer", "error"], empty="None kept")
    if request:
        click.echo(f"\nRequest of the last attempt\nPOST {request['url']}")
        click.echo("".join(f"{name}: {value}\n" for name, value in request["headers"].items()))
        click.echo(request["body"])


@delivery.command(
    epilog=examples(
        (
            "delivery replay EVENT-ID",
            "delivery replay --since 12:00  what was given up since noon",
            "delivery replay --since 2h --subscription ID",
        )
    )
)
@click.argument("event_id", required=False, metavar="[EVENT-ID]")
@click.option("--since", type=Moment(), help="Everything given up since then: 30m, 2h, 1d, 12:00, RFC 3339.")
@click.option("--subscription", "subscription_id", help="With --since: only this subscription's.")
@click.option("--delivered-too", is_flag=True, help="With --since: what was delivered too. The sink gets it twice.")
@access_options
@json_option
def replay(
    event_id: str | None,
    since: str | None,
    subscription_id: str | None,
    access: Access,
    *,
    delivered_too: bool,
    as_json: bool,
) -> None:
    """Send one event again, or all that were given up since a time.

    They keep their ids and their order.
    """
    if (event_id is None) == (since is None):
        raise click.UsageError("Give an event id, or --since")
    if event_id is not None:
        if subscription_id or delivered_too:
            raise click.UsageError("--subscription and --delivered-too go with --since")
        done = call(access, "POST", f"/deliveries/{segment(event_id)}/replay")
    else:
        body: dict[str, Any] = {"since": since, "deliveredToo": delivered_too}
        if subscription_id:
            body["subscriptionId"] = subscription_id
        done = call(access, "POST", "/deliveries/replay", body)
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done['replayed']} will be sent again" if done["replayed"] else "Nothing to send again")
