"""`simwarden imei`."""

from __future__ import annotations

from pathlib import Path

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.remote import Access, access_options
from simwarden.cli.table_import import Table, import_table
from simwarden.domain.equipment import DeviceList
from simwarden.domain.listing_file import read_listing

TABLE = Table(path="/imei-lists", field="devices", total="entries", done="devices entered", held="on all lists")


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
    otherwise = None if which is None else DeviceList(which.upper())
    import_table(TABLE, file, lambda lines: read_listing(lines, otherwise), access, as_json=as_json)
