"""`simwarden usage`."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from typing import Any

import click

from simwarden.cli.building import examples
from simwarden.cli.common import csv_option, json_option
from simwarden.cli.printing import print_csv, print_json, print_table
from simwarden.cli.remote import Access, Remote, access_options, with_server
from simwarden.cli.times import Day

_SAME = ("account", "appKey", "api", "operation")
_ALL = 10_000_000


@click.command(
    epilog=examples(
        (
            "usage",
            "usage --application ACME/meters --since today",
            "usage --account ACME --since 2026-11-01 --until 2026-11-30",
            "usage --daily --csv",
            "usage --since yesterday --cloudevents  every hour, for billing elsewhere",
        )
    )
)
@click.option("--account", help="Only this account's.")
@click.option("--application", metavar="ACCOUNT/APP", help="Only this application's; its APPKEY will do.")
@click.option("--since", type=Day(), help="First day (UTC) [the first of this month].")
@click.option("--until", type=Day(), help="Last day (UTC), included [today].")
@click.option("--daily", is_flag=True, help="Day by day, not in sum.")
@click.option("--cloudevents", is_flag=True, help="A CloudEvent for each day, application and operation, one a line.")
@csv_option
@access_options
@json_option
def usage(
    account: str | None,
    application: str | None,
    since: str | None,
    until: str | None,
    access: Access,
    *,
    daily: bool,
    cloudevents: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show how often customers' applications did what.

    A change (bind, close, suspend) counts when it was made, once however often it is repeated; a refused one does not.
    Calls that only read are written down once a second. The sandbox and the operator's own work are not counted.

    The CloudEvents tell the count so far. Counts only grow, and the id changes with the count: the newest event of a
    subject counts, and whoever missed an hour has it with the next one.
    """
    if cloudevents and (as_csv or as_json):
        raise click.UsageError("--cloudevents is a form of its own")
    today = dt.datetime.now(dt.UTC).date().isoformat()
    first = since or f"{(until or today)[:8]}01"
    if until is not None and first > until:
        raise click.UsageError("--since must not be later than --until")

    async def work(remote: Remote) -> list[dict[str, Any]]:
        query = {"account": account, "application": application, "since": first, "until": until}
        rows, _ = await remote.rows("/usage", _ALL, **query)
        return rows

    rows = with_server(work, access)
    if cloudevents:
        for row in rows:
            click.echo(json.dumps(cloud_event(row, dt.datetime.now(dt.UTC))))
        return
    if not daily:
        sums: Counter[tuple[str, ...]] = Counter()
        for row in rows:
            sums[tuple(row[name] for name in _SAME)] += row["count"]
        rows = [{**dict(zip(_SAME, key, strict=True)), "count": count} for key, count in sorted(sums.items())]
    columns = ["count", "operation", "appKey", "api", "account"]
    columns = ["day", *columns] if daily else columns
    if as_json:
        print_json({"since": first, "until": until or today, "usage": rows})
    elif as_csv:
        print_csv(rows, columns)
    else:
        print_table(rows, columns, empty=f"Nothing was used since {first}")
        if len(rows) > 1:
            click.echo(f"{sum(row['count'] for row in rows)} in all", err=True)


def cloud_event(row: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """A row of the ledger as a CloudEvent 1.0, structured: the same id as long as the count is the same."""
    subject = "/".join((row["day"], *(row[name] for name in _SAME)))
    return {
        "specversion": "1.0",
        "id": hashlib.sha256(f"{subject} {row['count']}".encode()).hexdigest()[:32],
        "source": "/simwarden/usage",
        "type": "org.simwarden.usage.v1.counted",
        "subject": subject,
        "time": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {name: row[name] for name in ("day", *_SAME, "count")},
    }
