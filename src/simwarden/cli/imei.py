"""`simwarden imei`."""

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
from simwarden.domain.device_model import BadLine
from simwarden.domain.equipment import DeviceList, InvalidListing, ListedDevice
from simwarden.domain.listing_file import read_listing

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 500
"""Entries of one call."""
_SHOWN = 20
"""Refused lines that are printed."""


@click.group(cls=Group)
def imei() -> None:
    """Devices that are stolen, blocked, tracked or allowed, as the EIR tells the network."""


add_all(
    imei,
    [
        Plain(
            verb="list",
            operation="listImeis",
            examples=("imei list", "imei list --list STOLEN --csv"),
            columns=("list", "imei", "tac", "tacLast", "reason", "since", "source", "addedAt"),
            empty="The lists are empty",
        ),
        Plain(verb="show", operation="getImei", examples=("imei show 353689530707903",)),
        Plain(
            verb="remove",
            operation="removeImei",
            arguments=("list", "device"),
            examples=("imei remove STOLEN 353689530707903", "imei remove BLOCKED 35368953-35368960"),
            done="{device} is off the list",
        ),
    ],
)


@imei.command(
    "import",
    epilog=examples(("imei import stolen.csv --list stolen", "imei import -  from standard input"))
    + "\n\nThe first line names the columns: imei or tac (with tacLast, or as 35368953-35368960), and perhaps list,"
    " reason, since, source; others are left out.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--list",
    "which",
    type=click.Choice([str(each).lower() for each in DeviceList], case_sensitive=False),
    help="The list of rows that name none.",
)
@access_options
@json_option
def import_(file: Path, which: str | None, access: Access, *, as_json: bool) -> None:
    """Enter devices from a CSV file (comma, semicolon or tab; UTF-8).

    A device that is on the list already gets what the file says of it. Lines that cannot be taken are reported with
    their number; the others are taken.
    """
    lines = _lines_of(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    bad: list[BadLine] = []
    imported = 0

    async def work(remote: Remote) -> int | None:
        nonlocal imported
        entries = None
        with ProgressBar(len(lines), quiet=as_json) as bar:
            for rows in _pieces(read_listing(lines, None if which is None else DeviceList(which.upper()))):
                devices = [msgspec.to_builtins(row) for row in rows if isinstance(row, ListedDevice)]
                bad.extend(row for row in rows if isinstance(row, BadLine))
                if devices:
                    answer: dict[str, Any] = await remote.call("POST", "/imei-lists", {"devices": devices})
                    imported, entries = imported + answer["imported"], answer["entries"]
                bar.advance(len(rows))
        return entries

    try:
        entries = with_server(work, access)
    except KeyboardInterrupt:
        click.echo(f"Stopped: at least {imported} devices are entered. The same file again adds the rest.", err=True)
        raise SystemExit(130) from None
    if as_json:
        print_json({"imported": imported, "entries": entries, "refused": len(bad), "badLines": bad})
    else:
        for each in bad[:_SHOWN]:
            click.echo(f"line {each.line}: {each.reason}", err=True)
        if len(bad) > _SHOWN:
            click.echo(f"... and {len(bad) - _SHOWN} more lines", err=True)
        held = "" if entries is None else f", {entries} on all lists"
        click.echo(f"{imported} devices entered, {len(bad)} lines refused{held}")
    if bad:
        raise SystemExit(1)


def _lines_of(data: bytes) -> list[str]:
    try:
        return data.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise InvalidListing(f"The file is not UTF-8 text (byte {error.start})") from None


def _pieces(rows: Iterator[ListedDevice | BadLine]) -> Iterator[list[ListedDevice | BadLine]]:
    while piece := list(islice(rows, AT_ONCE)):
        yield piece
