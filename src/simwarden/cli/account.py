"""`simwarden account`."""

from __future__ import annotations

import click
import msgspec

from simwarden.accounts.applications import open_account
from simwarden.cli.common import Store, json_option, print_fields, print_json, print_table, with_store
from simwarden.store.accounts import Account, Accounts


@click.group()
def account() -> None:
    """Accounts: the tenants to whom SIMs belong."""


@account.command(epilog="\b\nExample:\n  simwarden account create ACME")
@click.argument("name")
@json_option
def create(name: str, *, as_json: bool) -> None:
    """Open an account."""

    async def work(store: Store) -> Account:
        return await open_account(Accounts(store.db), name)

    made = with_store(work)
    if as_json:
        print_json(made)
    else:
        print_fields({"Account": made.name, "Id": made.id})
        click.echo(f"Next: simwarden app create --account {made.name} --name NAME")


@account.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """Show all accounts."""

    async def work(store: Store) -> list[Account]:
        return list(await Accounts(store.db).list())

    rows = with_store(work)
    if as_json:
        print_json(rows)
    else:
        table = [msgspec.structs.asdict(row) for row in rows]
        print_table(table, ["id", "name", "created_at"], empty="No accounts yet: simwarden account create NAME")
