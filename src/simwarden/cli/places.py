"""Where gateways and SIMs are: `gateway site`, `gateway sites`, `sim address`, `sim places`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simwarden.cli.building import examples
from simwarden.cli.common import csv_option, json_option
from simwarden.cli.printing import print_csv, print_fields, print_json, print_table
from simwarden.cli.remote import Access, Remote, access_options, call, segment, with_server
from simwarden.cli.table_import import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")
COLUMNS = ("at", "source", "gateway", "cell", "latitude", "longitude", "radius")
MAX_PLACES = 1000


class LatLon(click.ParamType[tuple[float, float]]):
    """`LAT,LON` in degrees."""

    name = "LAT,LON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Both numbers."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        try:
            found = [float(part) for part in parts]
        except ValueError:
            found = []
        if len(found) != 2 or not all(map(math.isfinite, found)):
            self.fail("must be latitude and longitude in degrees, such as 52.52,13.405", param, ctx)
        return found[0], found[1]


class Metres(click.ParamType[float]):
    """A number of metres, perhaps with an `m` behind it."""

    name = "M"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        try:
            found = float(str(value).removesuffix("m"))
        except ValueError:
            found = math.nan
        if not 0 < found < math.inf:
            self.fail("must be metres, more than 0", param, ctx)
        return found


def _circle(command: F) -> F:
    for option in (
        click.option("--none", "nothing", is_flag=True, help="It is not known any more."),
        click.option("--radius", type=Metres(), help="Metres around that point."),
        click.option("--at", type=LatLon(), help="Latitude and longitude in degrees (WGS 84)."),
    ):
        command = option(command)
    return command


def _body(at: tuple[float, float] | None, radius: float | None, *, nothing: bool) -> dict[str, float] | None:
    if nothing and at is None and radius is None:
        return None
    if nothing or at is None or radius is None:
        raise click.UsageError("Give --at and --radius; or --none")
    return {"latitude": at[0], "longitude": at[1], "radius": radius}


@click.command(
    epilog=examples(("gateway site gw1 --at 52.52,13.405 --radius 500", "gateway site gw1 --none")),
)
@click.argument("name")
@_circle
@access_options
@json_option
def site(
    name: str,
    at: tuple[float, float] | None,
    radius: float | None,
    access: Access,
    *,
    nothing: bool,
    as_json: bool,
) -> None:
    """Say where a gateway stands: the SIMs in it are there.

    Those that are limited to an area are judged anew.
    """
    body = _body(at, radius, nothing=nothing)
    found = call(access, "DELETE" if body is None else "POST", f"/gateways/{segment(name)}/site", body)
    if as_json:
        print_json(found or {})
    elif found is None:
        click.echo(f"Where {name} stands is not known any more")
    else:
        print_fields({"Gateway": name, "Site": words(found["site"])})


@click.command(
    epilog=examples(("gateway sites sites.csv", "gateway sites -  from standard input"))
    + "\n\nThe first line names the columns: name,latitude,longitude,radius.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@access_options
@json_option
def sites(file: Path, access: Access, *, as_json: bool) -> None:
    """Say where many gateways stand, from a CSV file.

    Lines that cannot be taken are reported with their number; the others are taken.
    """
    text = text_of(file)
    if not text.strip():
        raise click.UsageError("The file is empty")
    found = call(access, "POST", "/sites", {"csv": text})
    if as_json:
        print_json(found)
    else:
        for row in found["badRows"]:
            click.echo(f"line {row['line']}: {row['reason']}", err=True)
        click.echo(f"{found['set']} sites set, {len(found['badRows'])} lines refused")
    if found["badRows"]:
        sys.exit(1)


@click.command(
    epilog=examples(("sim address 460000990123698 --at 52.52,13.405 --radius 50", "sim address 460000990123698 --none"))
)
@click.argument("id")
@_circle
@access_options
@json_option
def address(
    id: str,  # noqa: A002 - as the user calls it
    at: tuple[float, float] | None,
    radius: float | None,
    access: Access,
    *,
    nothing: bool,
    as_json: bool,
) -> None:
    """Say where a SIM is installed: of meters and lines that do not move.

    It counts as long as neither its gateway's site nor a cell is known.
    """
    body = _body(at, radius, nothing=nothing)
    found = call(access, "DELETE" if body is None else "POST", f"/sims/{segment(id)}/address", body)
    if as_json:
        print_json(found or {})
    elif found is None:
        click.echo("The SIM has no installation address any more")
    else:
        print_fields({"SIM": id, "Address": words(found["address"])})


@click.command(epilog=examples(("sim places 460000990123698", "sim places 460000990123698 --csv")))
@click.argument("id")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, MAX_PLACES), help="Rows at most.")
@csv_option
@access_options
@json_option
def places(
    id: str,  # noqa: A002 - as the user calls it
    limit: int,
    access: Access,
    *,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show where a SIM is, and where it was, the newest first."""

    async def work(remote: Remote) -> Any:
        return await remote.call("GET", f"/sims/{segment(id)}/places", limit=limit)

    found = with_server(work, access)
    if as_json:
        print_json(found)
    elif as_csv:
        print_csv(found["places"], COLUMNS)
    else:
        now = found.get("now")
        print_fields(
            {
                "Now": words(now) if now else "not known",
                "Source": now and (now.get("gateway") or now.get("cell") or "installation address"),
                "Seen": now and now["at"],
                "Address": words(found["address"]) if "address" in found else None,
            }
        )
        print_table(found["places"], COLUMNS, empty="No place is in its history")


def words(circle: dict[str, Any]) -> str:
    """A circle, for people."""
    return f"{circle['latitude']:g},{circle['longitude']:g} within {circle['radius']:g} m"
