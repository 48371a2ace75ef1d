"""`simwarden cell`."""

from __future__ import annotations

import click

from simwarden.cli.building import Plain, add_all
from simwarden.cli.common import Group
from simwarden.cli.places import words


@click.group(cls=Group)
def cell() -> None:
    """Cells of mobile networks, and where they are."""


add_all(
    cell,
    [
        Plain(
            verb="show",
            operation="getCell",
            help="Show where a cell is, by its key: KIND:NETWORK-NUMBERS, in hexadecimal digits.\n\n"
            "Kinds are cgi, sai, rai, tai, ecgi and ncgi.",
            examples=("cell show ecgi:26201-0123456", "cell show cgi:26201-1234-abcd"),
            fields=lambda row: {"Cell": row["key"], "Site": words(row["site"])},
        )
    ],
)


def _import() -> click.Command:
    from simwarden.cli.cell_import import import_

    return import_


cell.later("import", _import)
