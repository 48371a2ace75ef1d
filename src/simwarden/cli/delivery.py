"""`simwarden delivery`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click
import msgspec

from simwarden.cli.common import (
    Store,
    find_sim,
    json_option,
    print_fields,
    print_json,
    print_table,
    with_store,
)
from simwarden.kit.clock import now_utc
from simwarden.notify.request_preview import RequestPreview, preview
from simwarden.store import delivery_history
from simwarden.store.accounts import Accounts

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@click.group()
def delivery() -> None:
    """Events handed to customers' sinks: what was sent, what the sink answered, what was given up."""


@delivery.command(
    "list",
    epilog="\b\nExamples:\n  simwarden delivery list --status DEAD\n"
    "  simwarden delivery list --sim 460000990123698 --json",
)
@click.option("--status", type=click.Choice(["PENDING", "DELIVERED", "DEAD", "DROPPED"], case_sensitive=False))
@click.option("--subscription", "subscription_id", help="Only this subscription's.")
@click.option("--sim", "sim_id", help="Only this SIM's (IMSI, ICCID, phone number or NAI).")
@click.option("--account", help="Only this account's.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@json_option
def list_(
    status: str | None,
    subscription_id: str | None,
    sim_id: str | None,
    account: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Show deliveries, newest first."""

    async def work(store: Store) -> list[delivery_history.Listed]:
        return await delivery_history.list_deliveries(
            store.db,
            status=status.upper() if status else None,
            subscription_id=subscription_id,
            imsi=(await find_sim(store, sim_id)).imsi if sim_id else None,
            account_id=(await Accounts(store.db).get(account)).id if account else None,
            limit=limit,
        )

    rows = with_store(work)
    if as_json:
        print_json(rows)
        return
    table = [{**msgspec.structs.asdict(row), "type": row.type.rpartition(".")[2]} for row in rows]
    columns = ["event_id", "type", "status", "attempts", "last_status", "last_error", "sink", "created_at"]
    print_table(table, columns, empty="No deliveries")


@delivery.command(epilog="\b\nExample:\n  simwarden delivery show EVENT-ID")
@click.argument("event_id")
@json_option
def show(event_id: str, *, as_json: bool) -> None:
    """Show one delivery with every attempt: the request as it was sent, and the sink's answer to it.

    The sink's access token and the values of its own headers are masked. Attempts are kept for a time
    (SIMWARDEN_ATTEMPTS_KEPT_DAYS), bodies are shown up to 4096 bytes.
    """

    async def work(store: Store) -> tuple[delivery_history.Listed, list[dict[str, Any]]]:
        found, attempts = await delivery_history.show(store.db, event_id)
        if not attempts:
            return found, []
        queue, vault, source = (
            await delivery_history.queue_of(store.db, event_id),
            store.vault,
            store.settings.event_source,
        )
        return found, [
            {**msgspec.structs.asdict(attempt), "request": preview(queue, attempt.at, vault, source=source)}
            for attempt in attempts
        ]

    found, attempts = with_store(work)
    if as_json:
        print_json({**msgspec.structs.asdict(found), "attempt_log": attempts})
        return
    print_fields({name.replace("_", " "): value for name, value in msgspec.structs.asdict(found).items()})
    click.echo("\nAttempts")
    print_table(attempts, ["at", "duration_ms", "status", "error", "answer"], empty="None kept")
    if attempts:
        last: RequestPreview = attempts[-1]["request"]
        click.echo(f"\nRequest of the last attempt\nPOST {last.url}")
        click.echo("".join(f"{name}: {value}\n" for name, value in last.headers.items()))
        click.echo(last.body)


@delivery.command(
    epilog="\b\nExamples:\n  simwarden delivery replay EVENT-ID\n  simwarden delivery replay --since 2h\n"
    "  simwarden delivery replay --since 2026-11-20T00:00:00Z --all"
)
@click.argument("event_id", required=False)
@click.option("--since", help="Everything given up since then: 30m, 2h, 1d or a time with its zone.")
@click.option("--subscription", "subscription_id", help="With --since: only this subscription's.")
@click.option("--all", "everything", is_flag=True, help="With --since: what was delivered too.")
@json_option
def replay(
    event_id: str | None, since: str | None, subscription_id: str | None, *, everything: bool, as_json: bool
) -> None:
    """Send one event again, or all since a time, under the same ids and in order."""
    if (event_id is None) == (since is None):
        raise click.UsageError("Give an event id, or --since")
    begin = _since(since) if since else None

    async def work(store: Store) -> int:
        if event_id is not None:
            return await delivery_history.replay(store.db, event_id)
        assert begin is not None
        return await delivery_history.replay_since(
            store.db, begin, subscription_id=subscription_id, only_dead=not everything
        )

    count = with_store(work)
    if as_json:
        print_json({"replayed": count})
    else:
        click.echo(f"{count} will be sent again" if count else "Nothing to send again")


def _since(text: str) -> datetime:
    number, unit = text[:-1], text[-1:]
    if number.isdigit() and unit in _UNITS:
        return now_utc() - timedelta(**{_UNITS[unit]: int(number)})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise click.BadParameter(
            "give 30m, 2h, 1d or a time with its zone, as 2026-11-20T00:00:00Z", param_hint="--since"
        )
    return found
