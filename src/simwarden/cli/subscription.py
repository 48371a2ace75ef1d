"""`simwarden subscription`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from simwarden.cli.common import Store, json_option, print_fields, print_json, print_table, with_store
from simwarden.cli.remote import Remote, key_option, segment, server_option, with_server
from simwarden.store import subscriptions
from simwarden.store.accounts import Accounts


@click.group()
def subscription() -> None:
    """Customers' subscriptions to events of their SIMs."""


@subscription.command(
    "list", epilog="\b\nExamples:\n  simwarden subscription list --account ACME\n  simwarden subscription list --ended"
)
@click.option("--account", help="Only this account's.")
@click.option("--ended", is_flag=True, help="Those that ended too.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@json_option
def list_(account: str | None, limit: int, *, ended: bool, as_json: bool) -> None:
    """Show subscriptions, newest first."""

    async def work(store: Store) -> list[subscriptions.Subscription]:
        owner = (await Accounts(store.db).get(account)).id if account else None
        return await subscriptions.page(store.db, account_id=owner, ended=ended, limit=limit)

    rows = with_store(work)
    if as_json:
        print_json(rows)
        return
    table = [msgspec.structs.asdict(row) for row in rows]
    columns = ["id", "imsi", "type", "sink", "status", "event_count", "created_at", "expires_at", "ended_reason"]
    print_table(table, columns, empty="No subscriptions yet: customers make them through the CAMARA API")


def _act(verb: str, text: str, method: str, path: str, done: str) -> None:
    """A command on one subscription, through the server."""

    @subscription.command(verb, help=text, epilog=f"\b\nExample:\n  simwarden subscription {verb} SUBSCRIPTION-ID")
    @click.argument("subscription_id")
    @server_option
    @key_option
    @json_option
    def command(subscription_id: str, server: str | None, key_file: Path | None, *, as_json: bool) -> None:
        async def work(remote: Remote) -> Any:
            return await remote.call(method, f"/subscriptions/{segment(subscription_id)}{path}")

        found = with_server(work, server, key_file)
        if as_json:
            print_json(found)
        elif done:
            click.echo(done)
        else:
            print_fields(found)


_act("show", "Show one subscription, without its secrets.", "GET", "", "")
_act(
    "delete",
    "End a subscription and tell its sink (NETWORK_TERMINATED).",
    "DELETE",
    "",
    "It has ended, and its sink is told.",
)
_act(
    "pause",
    "Send nothing more to its sink. Events wait as long as they are offered to a sink (SIMWARDEN_DELIVERY_HOURS); "
    "older ones are given up, and can be replayed. Its client sees the status INACTIVE.",
    "POST",
    "/pause",
    "Paused. `simwarden subscription resume` goes on.",
)
_act("resume", "Send what has waited, in order, and go on.", "POST", "/resume", "It goes on.")


@subscription.command("test", epilog="\b\nExample:\n  simwarden subscription test SUBSCRIPTION-ID")
@click.argument("subscription_id")
@click.option("--wait", default=20.0, show_default=True, type=click.FloatRange(0, 600), help="Seconds for an answer.")
@server_option
@key_option
@json_option
def test_(subscription_id: str, wait: float, server: str | None, key_file: Path | None, *, as_json: bool) -> None:
    """Send a test event to its sink, behind what waits there, and show what the sink answers.

    Its type is org.simwarden.v1.subscription-test. It is tried again as any other event.
    """

    async def work(remote: Remote) -> Any:
        found = await remote.call("POST", f"/subscriptions/{segment(subscription_id)}/test")
        until = time.monotonic() + wait
        while not found["attempts"] and time.monotonic() < until:
            await asyncio.sleep(0.3)
            found = await remote.call("GET", f"/deliveries/{segment(found['id'])}")
        return found

    found = with_server(work, server, key_file)
    if as_json:
        print_json(found)
    else:
        shown = {"Event": found["id"], "Status": found["status"], "Attempts": found["attempts"]}
        print_fields({**shown, "Answer": found.get("lastStatus"), "Error": found.get("lastError")})
    if found["status"] != "DELIVERED":
        raise SystemExit(1)


@subscription.command(
    "hand-over", epilog="\b\nExample:\n  simwarden subscription hand-over SUBSCRIPTION-ID ACME/meters-2"
)
@click.argument("subscription_id")
@click.argument("application", metavar="ACCOUNT/APP|APPKEY")
@server_option
@key_option
@json_option
def hand_over(
    subscription_id: str, application: str, server: str | None, key_file: Path | None, *, as_json: bool
) -> None:
    """Let a subscription be another application's of the same account."""

    async def work(remote: Remote) -> Any:
        body = {"application": application}
        return await remote.call("POST", f"/subscriptions/{segment(subscription_id)}/hand-over", body)

    found = with_server(work, server, key_file)
    if as_json:
        print_json(found)
    else:
        click.echo(f"It is {found['appKey']}'s now.")
