"""`simwarden subscription`."""

from __future__ import annotations

import click
import msgspec

from simwarden.cli.common import Store, json_option, print_json, print_table, with_store
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
