"""`simwarden gateway`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec
from msgspec import UNSET, UnsetType

from simwarden.cli.common import (
    Store,
    by_operator,
    human,
    json_option,
    print_fields,
    print_json,
    print_table,
    with_store,
)
from simwarden.cli.explaining import target_name
from simwarden.domain.addresses import parse_network
from simwarden.domain.errors import GatewayNotFound
from simwarden.domain.gateway_status import STATUS_MEANING
from simwarden.domain.identifiers import full_imei
from simwarden.domain.report_order import offline_after
from simwarden.engine import gateways as engine
from simwarden.kit.clock import now_utc
from simwarden.store import doubts as doubt_store
from simwarden.store import listing
from simwarden.store.accounts import Accounts
from simwarden.store.gateways import GatewayChange, Gateways
from simwarden.store.ports import HeldLock, of_gateway

if TYPE_CHECKING:
    from collections.abc import Callable


F = TypeVar("F", bound="Callable[..., Any]")
NONE = "none"
"""What takes a value away."""
_ASK = "\0ask"
_ADD = """
\b
Examples:
  simwarden gateway add --name gw1 --command-url http://192.0.2.7 --username root --password     asks for it
  simwarden gateway add --name gw1 --command-url http://192.0.2.7 --username root --password-file gw1.pw
Then set the printed URL in the gateway's web page "State/Status Notification".
"""


@click.group()
def gateway() -> None:
    """SIM gateways of the Ejoin family: they report to a secret URL and take commands over HTTP."""


def report_url(store: Store, token: str) -> str:
    """Where a gateway is to push its reports."""
    return f"{store.settings.base_url}/southbound/ejoin/{token}"


def password_options(command: F) -> F:
    """`--password` asks, `--password-file` reads: neither shows in the process list."""
    for option in (
        click.option(
            "--password-file",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
            help="Read its password from this file, - for standard input; one line break at the end is dropped.",
        ),
        click.option(
            "--password",
            is_flag=False,
            flag_value=_ASK,
            envvar="SIMWARDEN_GATEWAY_PASSWORD",
            show_envvar=True,
            help="Ask for its password; kept encrypted. With a value it shows in the process list.",
        ),
    ):
        command = option(command)
    return command


def read_password(given: str | None, file: Path | None) -> str | None:
    """The password that these options mean; None when neither is there."""
    if file is not None:
        if given is not None and click.get_current_context().get_parameter_source("password") == _ON_LINE:
            raise click.UsageError("Give one of --password and --password-file, not both")
        given = "-" if str(file) == "-" else file.read_text(encoding="utf-8")
    elif given == _ASK:
        password: str = click.prompt("Password of the command interface", hide_input=True, err=True)
        return password
    elif given is not None and given != "-":
        if click.get_current_context().get_parameter_source("password") == _ON_LINE:
            click.echo(
                "Warning: the password showed in the process list. Leave it out to be asked, or use --password-file.",
                err=True,
            )
        return given
    if given == "-":
        given = sys.stdin.read()
    if given is None:
        return None
    password = given.removesuffix("\n").removesuffix("\r")
    if not password:
        raise click.UsageError("The password is empty")
    return password


_ON_LINE = click.core.ParameterSource.COMMANDLINE


def check_url(text: str | None) -> str | None:
    """An address of a command interface, or None. Raises click.BadParameter."""
    if text is not None and not text.startswith(("http://", "https://")):
        raise click.BadParameter("must begin with http:// or https://", param_hint="--command-url")
    return text


@gateway.command(epilog=_ADD)
@click.option("--name", required=True, help="What to call it.")
@click.option("--command-url", help="http://HOST[:PORT] of its command interface; without, it is only listened to.")
@click.option("--username", help="Login of the command interface.")
@password_options
@click.option("--interval", default=60, show_default=True, type=click.IntRange(1), help="Its report interval, seconds.")
@click.option("--account", help="It reports for SIMs of this account alone; without, for any.")
@click.option("--source", "sources", multiple=True, help="Network (CIDR) that its reports may come from; repeatable.")
@json_option
def add(
    name: str,
    command_url: str | None,
    username: str | None,
    password: str | None,
    password_file: Path | None,
    interval: int,
    account: str | None,
    sources: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Register a gateway; prints the secret URL that it is to report to, this once."""
    check_url(command_url)
    password = read_password(password, password_file)
    networks = [parse_network(source) for source in sources]

    async def work(store: Store) -> dict[str, Any]:
        id_, token = await Gateways(store.db, store.vault).add(
            name,
            command_url=command_url,
            username=username,
            password=password,
            report_interval=interval,
            account_id=None if account is None else (await Accounts(store.db).get(account)).id,
            source_addresses=networks,
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


@gateway.command(epilog="\b\nExample:\n  simwarden gateway show gw1")
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show one gateway: how it reports, how it is commanded, what waits for it. Passwords are never shown."""

    async def work(store: Store) -> dict[str, Any]:
        return await _row(store, name)

    row = with_store(work)
    if as_json:
        print_json(row)
    else:
        print_fields(_fields(row))


async def _row(store: Store, name: str) -> dict[str, Any]:
    row = await listing.gateway(store.db, name)
    if row is None:
        raise GatewayNotFound(f"No gateway is named {name!r}")
    return {**row, "state": state_of(row)}


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    reported = row["reported_at"]
    unreachable = row["unreachable_since"]
    return {
        "Gateway": row["name"],
        "State": row["state"] + (f", last report {human(reported)}" if reported else ""),
        "Reports": f"every {row['report_interval']} s; {row['reports']} read, {row['rejected']} not",
        "Commands": row["command_url"] or "no command URL: it is only listened to, and nothing can be locked there",
        "Login": row["username"],
        "Account": row["account_id"],
        "Sources": " ".join(row["source_addresses"]) or None,
        "Unreachable": f"since {human(unreachable)}" if unreachable else None,
        "SIMs": row["sims"],
        "Waiting": f"{row['open_enforcements']} slots are to be locked or opened" if row["open_enforcements"] else None,
        "Device": " ".join(str(row[name]) for name in ("mac", "address", "version") if row[name]),
        "Registered": row["created_at"],
    }


@gateway.command(
    epilog="\b\nExamples:\n  simwarden gateway update gw1 --command-url http://192.0.2.7 --username root --password\n"
    "  simwarden gateway update gw1 --command-url none     it is only listened to from now on\n"
    "  simwarden gateway update gw1 --name north-1 --interval 30"
)
@click.argument("name")
@click.option("--name", "new_name", help="What to call it from now on.")
@click.option("--command-url", help="http://HOST[:PORT] of its command interface; none: it is only listened to.")
@click.option("--username", help="Login of the command interface; none: takes it away.")
@password_options
@click.option("--no-password", is_flag=True, help="Take its password away.")
@click.option("--interval", type=click.IntRange(1, 86_400), help="Its report interval, seconds.")
@click.option("--account", help="It reports for SIMs of this account alone; none: for any.")
@click.option(
    "--source", "sources", multiple=True, help="Network that its reports may come from, repeatable; none: any."
)
@json_option
def update(
    name: str,
    new_name: str | None,
    command_url: str | None,
    username: str | None,
    password: str | None,
    password_file: Path | None,
    interval: int | None,
    account: str | None,
    sources: tuple[str, ...],
    *,
    no_password: bool,
    as_json: bool,
) -> None:
    """Change a gateway. What waits for it is tried at once with the new address and login."""
    if click.get_current_context().get_parameter_source("password") != _ON_LINE:
        password = None  # a variable that was set for adding gateways changes none
    secret = read_password(password, password_file)
    if secret is not None and no_password:
        raise click.UsageError("Give a password or --no-password, not both")
    change = GatewayChange(
        name=new_name or UNSET,
        command_url=_cleared(command_url) if command_url == NONE else check_url(command_url) or UNSET,
        username=_cleared(username),
        password=None if no_password else secret or UNSET,
        report_interval=interval or UNSET,
        account_id=_cleared(account),
        source_addresses=() if sources == (NONE,) else tuple(parse_network(source) for source in sources) or UNSET,
    )
    if change == GatewayChange():
        raise click.UsageError(
            "Say what to change: --name, --command-url, --username, --password, --interval, --account, --source"
        )

    async def work(store: Store) -> dict[str, Any]:
        named = change
        if isinstance(change.account_id, str):
            account_id = (await Accounts(store.db).get(change.account_id)).id
            named = msgspec.structs.replace(change, account_id=account_id)
        await Gateways(store.db, store.vault).update(name, named, now_utc())
        return await _row(store, new_name or name)

    row = with_store(work)
    if as_json:
        print_json(row)
    else:
        print_fields(_fields(row))


def _cleared(text: str | None) -> str | UnsetType | None:
    return UNSET if text is None else None if text == NONE else text


@gateway.command(
    epilog="\b\nExamples:\n  simwarden gateway delete gw1\n"
    "  simwarden gateway delete gw1 --force       also when locks stay behind at it"
)
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when slots are locked by Simwarden: those locks stay behind.")
@json_option
def delete(name: str, *, force: bool, as_json: bool) -> None:
    """Forget a gateway and its slots. Refused while a slot is locked by Simwarden, or about to be locked or opened."""

    async def work(store: Store) -> list[HeldLock]:
        cause = by_operator("gateway delete --force" if force else "gateway delete")
        left, _ = await engine.remove(store.db, name, cause, force=force)
        return left

    left = with_store(work)
    if as_json:
        print_json({"name": name, "locks_left": [{"imsi": lock.imsi, **lock.target.facts} for lock in left]})
        return
    click.echo(f"{name} is deleted")
    if left:
        click.echo("Warning: nobody watches or lifts these locks any more:", err=True)
    for lock in left:
        where = target_name(lock.target.facts)
        click.echo(f"  {where}  {f'SIM {lock.imsi}' if lock.imsi else 'no SIM seen there'}", err=True)


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
        return await of_gateway(store.db, await Gateways(store.db, store.vault).id_of(name))

    rows = with_store(work)
    for row in rows:
        row["status_meaning"] = STATUS_MEANING.get(row["status"])
        row["imei"] = row["imei"] and full_imei(row["imei"])
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            meaning = row["status_meaning"] or "unknown"
            row["status"] = None if row["status"] is None else f"{row['status']} {meaning}"
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


@gateway.command(epilog="\b\nExamples:\n  simwarden gateway doubts gw1\n  simwarden gateway doubts --limit 5 --json")
@click.argument("name", required=False)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@json_option
def doubts(name: str | None, limit: int, *, as_json: bool) -> None:
    """Show reports that were doubted: why, and what the gateway's status said when it was asked."""

    async def work(store: Store) -> list[dict[str, Any]]:
        if name:
            await Gateways(store.db, store.vault).id_of(name)
        return await doubt_store.page(store.db, name, limit=limit)

    rows = with_store(work)
    for row in rows:
        row["claim"] = bytes(row["claim"]).hex()
        row["imei"] = row["imei"] and full_imei(row["imei"])
    if as_json:
        print_json(rows)
    else:
        columns = ["gateway", "last_at", "kind", "count", "message", "imsi", "port", "imei", "against_name", "outcome"]
        print_table(rows, columns, empty="Nothing was doubted")
