"""`simwarden tac`."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_json
from simwarden.cli.progress import ProgressBar
from simwarden.cli.remote import Access, Remote, access_options, with_server
from simwarden.domain.device_model import BadLine, DeviceModel, InvalidTacFile, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 500
"""Rows of one call."""
_SHOWN = 20
"""Refused lines that are printed."""


@click.group(cls=Group)
def tac() -> None:
    """Models of devices by type allocation code (TAC), the first 8 digits of an IMEI."""


add_all(
    tac,
    [
        Plain(
            verb="show",
            operation="getTac",
            examples=("tac show 35209900",),
            fields=lambda row: {
                "TAC": row["tac"],
                "Manufacturer": row.get("manufacturer"),
                "Model": row.get("model"),
            },
        )
    ],
)


@tac.command(
    "import",
    epilog=examples(("tac import tacs.csv", "tac import -  from standard input"))
    + "\n\nThe first line names the columns: tac,manufacturer,model, in any order; others are left out.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@access_options
@json_option
def import_(file: Path, access: Access, *, as_json: bool) -> None:
    """Import models of devices from a CSV file (comma, semicolon or tab; UTF-8).

    A code that the table has already gets its new names. Lines that cannot be taken are reported with their number; the
    others are taken. The GSMA gives operators such a table.
    """
    lines = _lines_of(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    bad: list[BadLine] = []
    imported = 0

    async def work(remote: Remote) -> int | None:
        nonlocal imported
        tacs = None
        with ProgressBar(len(lines), quiet=as_json) as bar:
            for rows in _pieces(read_table(lines)):
                models = [row for row in rows if isinstance(row, DeviceModel)]
                bad.extend(row for row in rows if isinstance(row, BadLine))
                if models:
                    answer: dict[str, Any] = await remote.call("POST", "/tacs", {"models": _plain(models)})
                    imported, tacs = imported + answer["imported"], answer["tacs"]
                bar.advance(len(rows))
        return tacs

    try:
        tacs = with_server(work, access)
    except KeyboardInterrupt:
        click.echo(f"Stopped: at least {imported} codes are stored. The same file again adds the rest.", err=True)
        raise SystemExit(130) from None
    if as_json:
        print_json({"imported": imported, "tacs": tacs, "refused": len(bad), "badLines": bad})
    else:
        for each in bad[:_SHOWN]:
            click.echo(f"line {each.line}: {each.reason}", err=True)
        if len(bad) > _SHOWN:
            click.echo(f"... and {len(bad) - _SHOWN} more lines", err=True)
        held = "" if tacs is None else f", {tacs} in the table"
        click.echo(f"{imported} codes imported, {len(bad)} lines refused{held}")
    if bad:
        raise SystemExit(1)


def _lines_of(data: bytes) -> list[str]:
    try:
        return data.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise InvalidTacFile(f"The file is not UTF-8 text (byte {error.start})") from None


def _pieces(rows: Iterator[DeviceModel | BadLine]) -> Iterator[list[DeviceModel | BadLine]]:
    while piece := list(islice(rows, AT_ONCE)):
        yield piece


def _plain(models: list[DeviceModel]) -> list[dict[str, str]]:
    """Without the names that are not known."""
    found: list[dict[str, str | None]] = msgspec.to_builtins(models)
    return [{key: value for key, value in row.items() if value is not None} for row in found]
