"""`simwarden subscription`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_fields, print_json
from simwarden.cli.remote import Access, Remote, access_options, segment, with_server


@click.group(cls=Group)
def subscription() -> None:
    """Customers' subscriptions to events of their SIMs."""


add_all(
    subscription,
    [
        Plain(
            verb="list",
            operation="listSubscriptions",
            help="List subscriptions that are active, the newest first; with --all those that ended too.",
            default_query={"status": "ACTIVE"},
            examples=(
                "subscription list --failing  whose events do not reach their sink",
                "subscription list --account ACME",
                "subscription list --all --sim 460000990123698",
            ),
            columns=(
                *("id", "imsi", "status", "eventCount", "createdAt", "appKey", "type", "sink", "pausedAt", "expiresAt"),
                "ended=endedReason",
            ),
            empty="No subscriptions",
        ),
        Plain(verb="show", operation="getSubscription", examples=("subscription show ID",)),
        Plain(
            verb="delete",
            operation="endSubscription",
            help="End a subscription and tell its sink (NETWORK_TERMINATED).",
            examples=("subscription delete ID",),
            done="{id} has ended, and its sink is told",
        ),
        Plain(
            verb="pause",
            operation="pauseSubscription",
            help="Send nothing more to its sink.\n\n"
            "Events wait as long as they are offered to a sink (SIMWARDEN_DELIVERY_HOURS); older ones are given up, "
            "and can be replayed. Its client sees the status INACTIVE.",
            examples=("subscription pause ID",),
            done="{id} is paused: simwarden subscription resume ID goes on",
        ),
        Plain(
            verb="resume",
            operation="resumeSubscription",
            help="Send what has waited, in order, and go on.",
            examples=("subscription resume ID",),
            done="{id} goes on",
        ),
        Plain(
            verb="hand-over",
            operation="handOverSubscription",
            arguments=("application",),
            names={"application": "ACCOUNT/APP"},
            help="Give a subscription to another application of the same account.",
            examples=("subscription hand-over ID ACME/meters-2",),
            done="{id} is {appKey}'s now",
        ),
    ],
)


@subscription.command("test", epilog=examples(("subscription test ID",)))
@click.argument("subscription_id", metavar="ID")
@click.option("--wait", default=20.0, show_default=True, type=click.FloatRange(0, 600), help="Seconds for an answer.")
@access_options
@json_option
def test_(subscription_id: str, wait: float, access: Access, *, as_json: bool) -> None:
    """Send a test event to its sink, and show what the sink answers.

    It is sent behind what waits there. Its type is org.simwarden.v1.subscription-test. It is tried again as any other
    event.
    """

    async def work(remote: Remote) -> Any:
        found = await remote.call("POST", f"/subscriptions/{segment(subscription_id)}/test")
        until = time.monotonic() + wait
        while not found["attempts"] and time.monotonic() < until:
            await asyncio.sleep(0.3)
            found = await remote.call("GET", f"/deliveries/{segment(found['id'])}")
        return found

    found = with_server(work, access)
    if as_json:
        print_json(found)
    else:
        shown = {"Event": found["id"], "Status": found["status"], "Attempts": found["attempts"]}
        print_fields({**shown, "Answer": found.get("lastStatus"), "Error": found.get("lastError")})
    if found["status"] != "DELIVERED":
        raise SystemExit(1)
