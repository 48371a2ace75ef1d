"""`simwarden cell import`: a table of cells from a file, straight into the database, for its speed (decision 0029)."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from simwarden.cli.building import examples
from simwarden.cli.common import json_option
from simwarden.cli.database import Store, with_store
from simwarden.cli.printing import print_json
from simwarden.cli.progress import ProgressBar
from simwarden.engine.cells import BadCellFile, CellImport, CellTally
from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import Iterator

_GZIP = b"\x1f\x8b"
_SHOWN = 20
"""Refused lines that are printed."""


@click.command(
    "import",
    epilog=examples(
        ("cell import 262.csv.gz", "cell import own-cells.csv", "cell import -  from standard input, not compressed")
    )
    + "\n\nA table of your own has the first line key,latitude,longitude,radius.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@json_option
def import_(file: Path, *, as_json: bool) -> None:
    """Import where cells of mobile networks are, straight into the database.

    Takes the CSV files of OpenCelliD and of the Mozilla Location Service, gz or not, and tables by key. A known cell
    gets its new position. Lines that cannot be taken are reported with their number; the others are taken. It runs
    where the database can be reached, with the settings of the server.
    """
    so_far = CellTally()
    size = None if str(file) == "-" else file.stat().st_size

    async def work(store: Store) -> CellTally:
        nonlocal so_far
        with _opened(file) as raw, ProgressBar(size, quiet=as_json) as bar:

            def progress(tally: CellTally) -> None:
                bar.reach(raw.tell() if size is not None else 0, f"bytes, {tally.stored} cells")

            run = CellImport(store.db, now_utc, progress)
            so_far = run.tally
            return await run.run(_lines(raw))

    try:
        tally = with_store(work)
    except KeyboardInterrupt:
        click.echo(f"Stopped: at least {so_far.stored} cells are stored. The same file again adds the rest.", err=True)
        raise SystemExit(130) from None
    if as_json:
        print_json(tally)
    else:
        for row in tally.bad[:_SHOWN]:
            click.echo(f"line {row.line}: {row.reason}", err=True)
        if tally.refused > _SHOWN:
            click.echo(f"... and {tally.refused - _SHOWN} more lines", err=True)
        skipped = f", {tally.skipped} of other networks left out" if tally.skipped else ""
        click.echo(
            f"{tally.stored} cells stored, {tally.moved} of them new or moved{skipped}, {tally.refused} lines refused"
        )
    if tally.refused:
        raise SystemExit(1)


def _opened(file: Path) -> IO[bytes]:
    return sys.stdin.buffer if str(file) == "-" else file.open("rb")


def _lines(raw: IO[bytes]) -> Iterator[str]:
    """The text lines, decompressed where the file is. Raises BadCellFile."""
    packed = raw.peek(2)[:2] == _GZIP if isinstance(raw, io.BufferedReader) else False
    plain = gzip.GzipFile(fileobj=raw) if packed else raw
    try:
        yield from io.TextIOWrapper(plain, encoding="utf-8", newline="")
    except UnicodeDecodeError as error:
        raise BadCellFile(f"The file is not UTF-8 text (byte {error.start} of a part)") from None
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise BadCellFile(f"The file cannot be read to its end: {error}") from None
