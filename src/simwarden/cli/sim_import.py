"""`simwarden sim import`: many SIMs from a file, straight into the database, for its speed (decision 0029)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simwarden.cli.building import examples
from simwarden.cli.common import json_option
from simwarden.cli.database import Store, by_operator, with_store
from simwarden.cli.printing import print_json
from simwarden.domain.intake import CautionTally, range_cautions
from simwarden.engine import imports, provision
from simwarden.store import ranges
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from simwarden.domain.numbering import RangeBook


@click.command(
    "import",
    epilog=examples(("sim import --account ACME sims.csv", "sim import --account ACME -  from standard input"))
    + "\n\nThe first line names the columns: iccid,imsi,msisdn[,imei][,activated]; with an imei the SIM is bound to "
    "it. activated is since when the SIM has had its phone number: 2019-04-30, or a time with a time zone.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--account", help="Name or id of the account they belong to [the only one].")
@json_option
def import_(file: Path, account: str | None, *, as_json: bool) -> None:
    """Register many SIMs from a CSV file, straight into the database.

    Rejected rows are reported with their line number; the others are taken. It runs where the database can be reached,
    with the settings of the server.
    """
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    bad_rows: list[provision.BadRow] = []
    so_far = 0

    tally = CautionTally()

    async def work(store: Store) -> tuple[int, int]:
        accounts = Accounts(store.db)
        owner = await accounts.get(account) if account else await _only_account(accounts)
        book = await ranges.book(store.db)
        rows = _watched(
            imports.read_rows(imports.lines_of(data), owner.id, store.settings.intake), owner.id, book, tally
        )
        with _Progress(data.count(b"\n"), quiet=as_json) as bar:

            def progress(added: int, bad: Sequence[provision.BadRow]) -> None:
                nonlocal so_far
                so_far += added
                bar.advance(added + len(bad))
                bad_rows.extend(bad)
                if not as_json:
                    for row in bad:
                        bar.say(f"line {row.line}: {row.reason}")

            return await imports.import_rows(store.db, rows, owner.id, by_operator("sim import"), progress)

    try:
        added, refused = with_store(work)
    except KeyboardInterrupt:
        click.echo(f"Stopped: at least {so_far} SIMs were added. The same file again adds the others.", err=True)
        raise SystemExit(130) from None
    if as_json:
        print_json({"added": added, "refused": refused, "badRows": bad_rows, "warnings": tally.told()})
    else:
        for line in tally.lines():
            click.echo(f"Warning: {line}", err=True)
        click.echo(f"{added} SIMs added, {refused} rows refused")
    if refused:
        raise SystemExit(1)


def _watched(
    rows: Iterable[provision.NewSim | provision.BadRow], account_id: str, book: RangeBook, tally: CautionTally
) -> Iterator[provision.NewSim | provision.BadRow]:
    """The rows, with what looks wrong about them counted."""
    for row in rows:
        if isinstance(row, provision.NewSim):
            cautions = row.cautions + (range_cautions(book, account_id, row.names) if book else ())
            if cautions:
                tally.add(row.line, cautions)
        yield row


async def _only_account(accounts: Accounts) -> Any:
    found = await accounts.list()
    if len(found) != 1:
        raise click.UsageError("Name the account they belong to with --account")
    return found[0]


class _Progress:
    """A progress bar on a terminal; nothing in a pipe."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        console = Console(stderr=True)
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task("rows", total=total)

    def __enter__(self) -> _Progress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, rows: int) -> None:
        self._progress.advance(self._task, rows)

    def say(self, text: str) -> None:
        click.echo(text, err=True)
