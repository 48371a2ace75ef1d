"""`simwarden usage`."""

from __future__ import annotations

import datetime as dt

import click
import msgspec

from simwarden.cli.common import Store, json_option, print_json, print_table, with_store
from simwarden.store import usage as ledger
from simwarden.store.accounts import Accounts

_PAGE = 1000


class _Day(click.ParamType[dt.date]):
    name = "YYYY-MM-DD"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        try:
            return dt.date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a day, as 2026-11-20", param, ctx)


@click.command(
    epilog="\b\nExamples:\n  simwarden usage\n  simwarden usage --account ACME --since 2026-11-01 --until 2026-11-30\n"
    "  simwarden usage --daily --json"
)
@click.option("--account", help="Only this account's.")
@click.option("--since", type=_Day(), help="First day (UTC) [the first of this month].")
@click.option("--until", type=_Day(), help="Last day (UTC), included [today].")
@click.option("--daily", is_flag=True, help="Day by day, not in sum.")
@json_option
def usage(account: str | None, since: dt.date | None, until: dt.date | None, *, daily: bool, as_json: bool) -> None:
    """Show how often customers' applications did what.

    A change (bind, close, suspend ...) counts when it was made, once whatever is repeated; a refused one does not. What
    only reads is written down once a second. The sandbox and the operator's own work are not counted.
    """
    today = dt.datetime.now(dt.UTC).date()
    first = since or (until or today).replace(day=1)
    if until is not None and first > until:
        raise click.UsageError("--since must not be later than --until")

    async def work(store: Store) -> list[ledger.Used]:
        accounts = Accounts(store.db)
        owner = (await accounts.get(account)).id if account else None
        if not daily:
            return await ledger.totals(store.db, account_id=owner, since=first, until=until)
        found: list[ledger.Used] = []
        after = ledger.FIRST
        while True:
            page = await ledger.page(store.db, account_id=owner, since=first, until=until, after=after, limit=_PAGE)
            found += page
            if len(page) < _PAGE:
                return found
            after = page[-1].place

    rows = [msgspec.structs.asdict(row) for row in with_store(work)]
    if not daily:
        rows = [{name: value for name, value in row.items() if name != "day"} for row in rows]
    if as_json:
        print_json({"since": first, "until": until or today, "usage": rows})
        return
    columns = ["account_id", "app_key", "api", "operation", "count"]
    print_table(rows, ["day", *columns] if daily else columns, empty=f"Nothing was used since {first}")
