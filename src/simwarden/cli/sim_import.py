"""`simwarden sim import`: many SIMs from a file, straight into the database, for its speed (decision 0029)."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simwarden.cli.building import examples
from simwarden.cli.common import json_option
from simwarden.cli.database import Store, by_operator, with_store
from simwarden.cli.printing import print_json
from simwarden.cli.progress import ProgressBar
from simwarden.domain.intake import CautionTally, range_cautions
from simwarden.engine import imports, provision
from simwarden.store import ranges
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from simwarden.domain.numbering import RangeBook


@click.command(
    "import",
    epilog=examples(  # noqa: S608 - no SQL
        (
            "sim import --account ACME sims.csv",
            "sim import --account ACME --dry-run sims.csv  say what would be done",
            "sim import --account ACME --update sims.csv  set numbers too",
            "sim import --account ACME --rejected again.csv sims.csv",
            "sim import --account ACME -  from standard input",
        )
    )
    + "\n\nThe first line names the columns: iccid,imsi,msisdn[,imei][,activated][,latitude,longitude,radius]. With an "
    "imei the SIM is bound to it. activated is since when the SIM has had its phone number: 2019-04-30, or a time with "
    "a time zone. The last three are the installation address of a new SIM, in degrees and metres. Semicolons or tabs "
    "may stand in place of commas.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--account", help="Name or id of the account they belong to [the only one].")
@click.option("--update", is_flag=True, help="Give SIMs that are registered the phone numbers of their rows.")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be done.")
@click.option("--encoding", default="utf-8-sig", show_default="utf-8", help="Of the file, such as gbk.")
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write rejected rows into this file, with a column `reason`.",
)
@json_option
def import_(
    file: Path,
    account: str | None,
    *,
    update: bool,
    dry_run: bool,
    encoding: str,
    rejected: Path | None,
    as_json: bool,
) -> None:
    """Register many SIMs from a CSV file, straight into the database.

    Rejected rows are reported with their line number; the others are taken. A row of a SIM that is registered as the
    row says changes nothing, so the same file can be imported again. It runs where the database can be reached, with
    the settings of the server.
    """
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise click.UsageError(f"Unknown encoding: {encoding}") from None
    so_far = imports.Imported()
    tally = CautionTally()

    async def work(store: Store) -> imports.Imported:
        accounts = Accounts(store.db)
        owner = await accounts.get(account) if account else await _only_account(accounts)
        book = await ranges.book(store.db)
        lines = imports.lines_of(data, encoding)
        rows = _watched(imports.read_rows(lines, owner.id, store.settings.intake), owner.id, book, tally)
        with ProgressBar(data.count(b"\n"), quiet=as_json) as bar:

            def progress(batch: imports.Imported) -> None:
                so_far.add(batch)
                bar.advance(batch.rows)
                if not as_json:
                    for row in batch.bad:
                        bar.say(f"line {row.line}: {row.reason}")

            way = imports.Way(by_operator("sim import"), update=update, dry_run=dry_run)
            return await imports.import_rows(store.db, rows, owner.id, way, progress)

    try:
        done = with_store(work)
    except KeyboardInterrupt:
        if dry_run:
            click.echo("Stopped. Nothing was written.", err=True)
        else:
            said = f"Stopped: at least {so_far.added} SIMs were added. The same file again adds the others."
            click.echo(said, err=True)
        raise SystemExit(130) from None
    if rejected is not None:
        _write_rejected(rejected, data, encoding, done.bad)
    if as_json:
        counts = {"added": done.added, "unchanged": done.unchanged, "changed": done.changed, "refused": len(done.bad)}
        print_json({**counts, "dryRun": dry_run, "badRows": done.bad, "warnings": tally.told()})
    else:
        for line in tally.lines():
            click.echo(f"Warning: {line}", err=True)
        click.echo(_summary(done, dry_run=dry_run))
    if done.bad:
        raise SystemExit(1)


def _summary(done: imports.Imported, *, dry_run: bool) -> str:
    parts = [f"{done.added} SIMs added"]
    if done.changed:
        parts.append(f"{done.changed} changed")
    if done.unchanged:
        parts.append(f"{done.unchanged} unchanged")
    parts.append(f"{len(done.bad)} rows refused")
    return ("Dry run, nothing was written: " if dry_run else "") + ", ".join(parts)


def _write_rejected(file: Path, data: bytes, encoding: str, bad: Sequence[provision.BadRow]) -> None:
    """Rejected rows as they were behind a column `reason`, so that they can be corrected and imported again."""
    lines = [line.rstrip("\r\n") for line in imports.lines_of(data, encoding)]
    delimiter = imports.delimiter_of(lines[0])
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write(f"{imports.REASON}{delimiter}{lines[0]}\n")
        for row in bad:
            reason = row.reason.replace('"', "'")
            out.write(f'"line {row.line}: {reason}"{delimiter}{lines[row.line - 1]}\n')


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
