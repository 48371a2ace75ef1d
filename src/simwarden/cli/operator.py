"""`simwarden operator`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from simwarden.accounts.applications import issue_operator
from simwarden.cli.common import Store, json_option, print_fields, print_json, print_table, with_store
from simwarden.cli.remote import Key, write_key
from simwarden.domain.errors import ApplicationNotFound
from simwarden.store.accounts import OPERATOR, Accounts

if TYPE_CHECKING:
    from simwarden.accounts.applications import Issued
    from simwarden.store.accounts import Application


@click.group()
def operator() -> None:
    """The operator's own keys: they open the management API, and nothing else."""


@operator.command(
    epilog="\b\nExamples:\n  simwarden operator create dashboard --read-only\n"
    "  simwarden operator create night-shift --key-file night.key"
)
@click.argument("name")
@click.option("--read-only", is_flag=True, help="It can look, and change nothing.")
@click.option("--key-file", type=click.Path(path_type=Path), help="Write it here (mode 0600) instead of showing it.")
@json_option
def create(name: str, key_file: Path | None, *, read_only: bool, as_json: bool) -> None:
    """Make a key; the secret is shown this once."""

    async def work(store: Store) -> Issued:
        return await issue_operator(Accounts(store.db), name, ["manage:read"] if read_only else None)

    made = with_store(work)
    if key_file is not None:
        write_key(key_file, Key(made.application.app_key, made.app_secret))
    shown = {"app_key": made.application.app_key, "scopes": list(made.application.scopes)}
    if as_json:
        print_json(shown | ({"key_file": str(key_file)} if key_file else {"app_secret": made.app_secret}))
        return
    print_fields({"Name": name, "APPKEY": made.application.app_key, "Scopes": " ".join(made.application.scopes)})
    if key_file is None:
        print_fields({"APPSECRET": made.app_secret})
        click.echo("It is not shown again. Get access tokens with both at /oauth2/token (client credentials).")
    else:
        click.echo(f"The key is in {key_file}; use it with --key-file.")


@operator.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """Show all keys, without their secrets."""

    async def work(store: Store) -> list[Application]:
        return list(await Accounts(store.db).applications(OPERATOR))

    rows = [msgspec.structs.asdict(row) for row in with_store(work)]
    if as_json:
        print_json(rows)
    else:
        columns = ["name", "app_key", "scopes", "created_at", "revoked_at"]
        print_table(rows, columns, empty="No keys yet: simwarden operator create NAME")


@operator.command(epilog="\b\nExample:\n  simwarden operator revoke APPKEY")
@click.argument("app_key")
@json_option
def revoke(app_key: str, *, as_json: bool) -> None:
    """Revoke a key; its tokens stop working within seconds."""

    async def work(store: Store) -> Application:
        accounts = Accounts(store.db)
        if (await accounts.application(app_key)).account_id != OPERATOR:
            raise ApplicationNotFound("No operator's key is named so: simwarden operator list")
        return await accounts.revoke(app_key)

    revoked = with_store(work)
    if as_json:
        print_json({"app_key": revoked.app_key, "revoked_at": revoked.revoked_at})
    else:
        click.echo(f"{revoked.app_key} is revoked")
