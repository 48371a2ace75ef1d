"""`simwarden line`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.places import LatLon, Metres, words
from simwarden.cli.printing import print_fields, print_json
from simwarden.cli.remote import Access, access_options, call
from simwarden.cli.table_import import text_of
from simwarden.cli.times import Moment


@click.group(cls=Group)
def line() -> None:
    """Fixed lines: numbers and addresses that do not move.

    Location APIs answer for them with their installation address. There is no SIM to bind, to open or to suspend.
    """


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "Number": found["number"],
        "Account": found["account"],
        "Address": words(found),
        "Networks": ", ".join(found["networks"]) or "none",
        "Installed": found.get("installedAt"),
    }


@line.command(epilog=examples(("line add +34910000001 --account ACME --at 40.4,-3.7 --radius 50",)))
@click.argument("number")
@click.option("--account", required=True, help="Name or id of the account that it belongs to.")
@click.option("--at", required=True, type=LatLon(), help="Latitude and longitude in degrees (WGS 84).")
@click.option("--radius", required=True, type=Metres(), help="Metres around that point.")
@click.option(
    "--network",
    "networks",
    multiple=True,
    help="Address or network of the line, as 203.0.113.7 or 2001:db8:7::/56; may be given several times.",
)
@click.option("--installed-at", type=Moment(), help="Since when it is there.")
@access_options
@json_option
def add(
    number: str,
    account: str,
    at: tuple[float, float],
    radius: float,
    networks: tuple[str, ...],
    installed_at: str | None,
    access: Access,
    *,
    as_json: bool,
) -> None:
    """Register a fixed line.

    Its addresses are always its own: of an address that many share, nobody can say whose it is.
    """
    body: dict[str, Any] = {
        "account": account,
        "number": number,
        "latitude": at[0],
        "longitude": at[1],
        "radius": radius,
        "networks": list(networks),
    }
    if installed_at is not None:
        body["installedAt"] = installed_at
    found = call(access, "POST", "/lines", body)
    if as_json:
        print_json(found)
    else:
        print_fields(_fields(found))


@line.command(
    "import",
    epilog=examples(("line import --account ACME lines.csv", "line import --account ACME -  from standard input"))
    + "\n\nThe first line names the columns: number,latitude,longitude,radius[,networks][,installedAt].",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--account", required=True, help="Name or id of the account that they belong to.")
@access_options
@json_option
def import_(file: Path, account: str, access: Access, *, as_json: bool) -> None:
    """Register many fixed lines from a CSV file.

    Lines of the file that cannot be taken are reported with their number; the others are taken.
    """
    text = text_of(file)
    if not text.strip():
        raise click.UsageError("The file is empty")
    found = call(access, "POST", "/line-lists", {"account": account, "csv": text})
    if as_json:
        print_json(found)
    else:
        for row in found["badRows"]:
            click.echo(f"line {row['line']}: {row['reason']}", err=True)
        click.echo(f"{found['added']} lines added, {len(found['badRows'])} refused")
    if found["badRows"]:
        sys.exit(1)


add_all(
    line,
    [
        Plain(
            verb="list",
            operation="listLines",
            examples=("line list --account ACME", "line list --csv"),
            columns=("number", "account", "latitude", "longitude", "radius", "networks", "installedAt"),
            empty="No fixed lines yet: simwarden line add --help",
        ),
        Plain(verb="show", operation="getLine", examples=("line show +34910000001",), fields=_fields),
        Plain(
            verb="delete",
            operation="deleteLine",
            examples=("line delete +34910000001",),
            done="{lineid} is deleted",
        ),
    ],
)
