"""`simwarden gateway`."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli.common import Store, json_option, print_fields, print_json, print_table, with_store
from simwarden.domain.report_order import offline_after
from simwarden.engine.ports import now_utc
from simwarden.store.gateways import Gateways

_ADD = """
\b
Example:
  simwarden gateway add --name gw1 --command-url http://192.0.2.7 --username root --password root
Then set the printed URL in the gateway's web page "State/Status Notification".
"""


@click.group()
def gateway() -> None:
    """SIM gateways of the Ejoin family: they report to a secret URL and take commands over HTTP."""


def report_url(store: Store, token: str) -> str:
    """Where a gateway is to push its reports."""
    return f"{store.settings.base_url}/southbound/ejoin/{token}"


@gateway.command(epilog=_ADD)
@click.option("--name", required=True, help="What to call it.")
@click.option("--command-url", help="http://HOST[:PORT] of its command interface; without, it is only listened to.")
@click.option("--username", help="Login of the command interface.")
@click.option("--password", envvar="SIMWARDEN_GATEWAY_PASSWORD", help="Its password; kept encrypted.")
@click.option("--interval", default=60, show_default=True, type=click.IntRange(1), help="Its report interval, seconds.")
@json_option
def add(
    name: str, command_url: str | None, username: str | None, password: str | None, interval: int, *, as_json: bool
) -> None:
    """Register a gateway; prints the secret URL that it is to report to, this once."""
    if command_url is not None and not command_url.startswith(("http://", "https://")):
        raise click.BadParameter("must begin with http:// or https://", param_hint="--command-url")

    async def work(store: Store) -> dict[str, Any]:
        id_, token = await Gateways(store.db, store.vault).add(
            name, command_url=command_url, username=username, password=password, report_interval=interval
        )
        return {"id": id_, "name": name, "report_url": report_url(store, token)}

    made = with_store(work)
    if as_json:
        print_json(made)
    else:
        print_fields({"Gateway": made["name"], "Report URL": made["report_url"]})
        click.echo(
            "Whoever knows this URL can report for the gateway. It is not shown again; `gateway renew` makes a new one."
        )


@gateway.command(epilog="\b\nExample:\n  simwarden gateway renew gw1")
@click.argument("name")
@json_option
def renew(name: str, *, as_json: bool) -> None:
    """Give a gateway a new report URL; the old one stops working within seconds."""

    async def work(store: Store) -> dict[str, Any]:
        return {"name": name, "report_url": report_url(store, await Gateways(store.db, store.vault).renew_token(name))}

    made = with_store(work)
    if as_json:
        print_json(made)
    else:
        print_fields({"Gateway": made["name"], "Report URL": made["report_url"]})


@gateway.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """Show gateways: online or offline, what they carry, what waits for them."""

    async def work(store: Store) -> list[dict[str, Any]]:
        return await Gateways(store.db, store.vault).all()

    rows = with_store(work)
    for row in rows:
        row["state"] = state_of(row)
    if as_json:
        print_json(rows)
    else:
        columns = ["name", "state", "reported_at", "sims", "open_enforcements", "reports", "rejected", "version"]
        print_table(rows, columns, empty="No gateways yet: simwarden gateway add --help")


def state_of(row: dict[str, Any]) -> str:
    """online, offline (silent for three report intervals) or never heard of."""
    if row["reported_at"] is None:
        return "never reported"
    silent = now_utc() - row["reported_at"] > offline_after(row["report_interval"])
    return "offline" if silent else "online"


@gateway.command(epilog="\b\nExamples:\n  simwarden gateway ports gw1\n  simwarden gateway ports gw1 --json")
@click.argument("name")
@json_option
def ports(name: str, *, as_json: bool) -> None:
    """Show the slots of a gateway as last reported."""

    async def work(store: Store) -> list[dict[str, Any]]:
        gateways = Gateways(store.db, store.vault)
        return await gateways.ports(await gateways.id_of(name))

    rows = with_store(work)
    if as_json:
        print_json(rows)
    else:
        columns = ["port", "slot", "status", "imsi", "iccid", "imei", "operator", "signal", "held", "reported_at"]
        print_table(rows, columns, empty="This gateway has not reported any ports yet")


@gateway.command(epilog="\b\nExamples:\n  simwarden gateway rejects\n  simwarden gateway rejects gw1 --limit 5 --json")
@click.argument("name", required=False)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@json_option
def rejects(name: str | None, limit: int, *, as_json: bool) -> None:
    """Show reports that could not be read, or that were odd: why, and what came."""

    async def work(store: Store) -> list[dict[str, Any]]:
        gateways = Gateways(store.db, store.vault)
        if name:
            await gateways.id_of(name)
        return await gateways.rejects(name, limit)

    rows = with_store(work)
    for row in rows:
        row["body"] = bytes(row["body"]).decode("utf-8", "backslashreplace")
    if as_json:
        print_json(rows)
        return
    for row in rows:
        row["begins"] = row["body"][:80].replace("\n", " ")
    print_table(rows, ["gateway", "received_at", "reason", "size", "begins"], empty="Nothing was rejected")
