"""`simwarden tac`."""

from __future__ import annotations

from pathlib import Path

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.remote import Access, access_options
from simwarden.cli.table_import import Table, import_table
from simwarden.domain.device_model import read_table

TABLE = Table(path="/tacs", field="models", total="tacs", done="codes imported", held="in the table")


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
    import_table(TABLE, file, read_table, access, as_json=as_json)
