"""`simwarden app`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from simwarden.accounts.applications import MAX_QUOTA, Issued, issue, set_quota
from simwarden.accounts.applications import revoke as revoke_application
from simwarden.accounts.scopes import KNOWN, SET_MEANING, of_sets
from simwarden.cli.common import Store, json_option, print_fields, print_json, print_table, with_store
from simwarden.store.accounts import Accounts, Application


class QuotaType(click.IntRange):
    """A number of calls, or the word `none`."""

    name = "quota"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; 0 for none."""
        return 0 if value == "none" else super().convert(value, param, ctx)


@click.group()
def app() -> None:
    """Applications: clients of an account, with an APPKEY, an APPSECRET and scopes of their own."""


@app.command(
    epilog="\b\nExamples:\n  simwarden app create --account ACME --name meters\n"
    "  simwarden app create --account ACME --name fleet --scopes control\n"
    "  simwarden app create --account ACME --name shop --scopes default --scope iot-device-management:suspend\n"
    "  simwarden app create --account ACME --name reader --scope iot-sim-fraud-prevention:query\n"
    "  simwarden app create --account ACME --name partner --daily-quota 10000\n"
    "  simwarden app create --account ACME --name trial --sandbox\n\n"
    "\b\nSets of scopes:\n" + "\n".join(f"  {name:<14} {text}" for name, text in SET_MEANING.items()) + "\n\n"
    "\b\nScopes:\n" + "\n".join(f"  {name}" for name in KNOWN)
)
@click.option("--account", required=True, help="Name or id of the account.")
@click.option("--name", required=True, help="What to call it.")
@click.option("--scopes", "sets", multiple=True, metavar="SET", help="A set of scopes; repeatable [default].")
@click.option("--scope", "scopes", multiple=True, help="One scope; repeatable, alone or beside --scopes.")
@click.option("--sandbox", is_flag=True, help="It sees virtual SIMs, whose last digits decide the outcome.")
@click.option("--daily-quota", type=click.IntRange(1, MAX_QUOTA), help="Counted calls it may make in a UTC day [any].")
@json_option
def create(
    account: str,
    name: str,
    sets: tuple[str, ...],
    scopes: tuple[str, ...],
    daily_quota: int | None,
    *,
    sandbox: bool,
    as_json: bool,
) -> None:
    """Create an application; its secret is shown this once."""

    async def work(store: Store) -> Issued:
        wanted = [*of_sets(_words(sets)), *_words(scopes)]
        return await issue(Accounts(store.db), account, name, wanted or None, sandbox=sandbox, daily_quota=daily_quota)

    made = with_store(work)
    if as_json:
        print_json({**msgspec.to_builtins(made.application), "app_secret": made.app_secret})
        return
    print_fields(
        {
            "APPKEY": made.application.app_key,
            "APPSECRET": made.app_secret,
            "Scopes": " ".join(made.application.scopes),
            "Quota": f"{daily_quota} calls a day (UTC)" if daily_quota else None,
            "Mode": "sandbox: virtual SIMs only" if sandbox else None,
        }
    )
    click.echo("The secret is not kept: store it now.")


def _words(given: tuple[str, ...]) -> list[str]:
    """What options of several values name: repeated, or parted by commas or blanks."""
    return [word for text in given for word in text.replace(",", " ").split()]


@app.command("list")
@click.option("--account", help="Only this account's.")
@json_option
def list_(account: str | None, *, as_json: bool) -> None:
    """Show applications, without their secrets."""

    async def work(store: Store) -> list[Application]:
        accounts = Accounts(store.db)
        owners = [await accounts.get(account)] if account else await accounts.list()
        return [found for owner in owners for found in await accounts.applications(owner.id)]

    rows = with_store(work)
    if as_json:
        print_json(rows)
    else:
        table = [msgspec.structs.asdict(row) for row in rows]
        columns = ["app_key", "name", "account_id", "sandbox", "daily_quota", "scopes", "created_at", "revoked_at"]
        print_table(table, columns, empty="No applications yet: simwarden app create --account A --name N")


@app.command(epilog="\b\nExamples:\n  simwarden app quota ACME/meters 10000\n  simwarden app quota ACME/meters none")
@click.argument("application", metavar="ACCOUNT/APP")
@click.argument("calls", metavar="N|none", type=QuotaType(1, MAX_QUOTA))
@json_option
def quota(application: str, calls: int, *, as_json: bool) -> None:
    """Say how many counted calls an application may make in a UTC day; its APPKEY will do as its name.

    It holds at once, for the day that is under way too. Calls beyond it are answered 429 QUOTA_EXCEEDED.
    """

    async def work(store: Store) -> Application:
        return await set_quota(Accounts(store.db), application, calls or None)

    done = with_store(work)
    if as_json:
        print_json(done)
    elif done.daily_quota is None:
        click.echo(f"{done.app_key} ({done.name}) has no quota")
    else:
        click.echo(f"{done.app_key} ({done.name}) may make {done.daily_quota} counted calls a day (UTC)")


@app.command(
    epilog="\b\nExamples:\n  simwarden app revoke swk_…\n"
    "  simwarden app revoke ACME/meters --hand-over-to ACME/meters-2"
)
@click.argument("application", metavar="ACCOUNT/APP|APPKEY")
@click.option("--hand-over-to", metavar="ACCOUNT/APP|APPKEY", help="Who takes over its subscriptions and inboxes.")
@json_option
def revoke(application: str, hand_over_to: str | None, *, as_json: bool) -> None:
    """Revoke an application: its secret and its tokens stop working at once.

    Its subscriptions end within seconds, and their sinks are told so; with --hand-over-to they become another
    application's of the same account instead, and go on.
    """

    async def work(store: Store) -> Application:
        return await revoke_application(Accounts(store.db), application, hand_over_to)

    done = with_store(work)
    if as_json:
        print_json(done)
    else:
        click.echo(f"Revoked {done.app_key} ({done.name})")
