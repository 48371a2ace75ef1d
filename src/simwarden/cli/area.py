"""`simwarden area`, and `simwarden sim area`: where SIMs may be."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli import act
from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.policies import policy_body, policy_options
from simwarden.cli.printing import print_fields, print_json
from simwarden.cli.remote import Access, Remote, access_options, call, segment, with_server
from simwarden.cli.shapes import in_words, shape_body, shape_options


@click.group(cls=Group)
def area() -> None:
    """Named areas of accounts, to which SIMs can be limited.

    AREA is a name, or the id where several accounts have an area of that name. SIMs that are limited to an area follow
    when it changes.
    """


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "Area": found["name"],
        "Id": found["id"],
        "Account": found["account"],
        "Shape": in_words(found["shape"]),
        "Version": found["version"],
        "SIMs": "still following its newest change" if found["moving"] else "have its newest version",
        "Changed": found["changedAt"],
    }


add_all(
    area,
    [
        Plain(
            verb="list",
            operation="listAreas",
            examples=("area list --account ACME", "area list --json"),
            columns=("name", "account", "shape.type", "version", "moving", "changedAt", "id"),
            empty="No areas yet: simwarden area add --help",
        ),
        Plain(verb="show", operation="getArea", examples=("area show depot",), fields=_fields),
        Plain(
            verb="delete",
            operation="deleteArea",
            help="Delete an area. Refused while SIMs are limited to it.",
            examples=("area delete depot",),
            done="{areaid} is deleted",
        ),
    ],
)


@area.command(
    epilog=examples(
        (
            "area add depot --account ACME --circle 52.5,13.4,5000",
            "area add town --account ACME --geojson town.geojson",
            "area add sites --account ACME --site gw1 --site gw2",
        )
    )
)
@click.argument("name")
@click.option("--account", required=True, help="Name or id of the account.")
@shape_options
@access_options
@json_option
def add(name: str, account: str, access: Access, *, as_json: bool, **given: Any) -> None:
    """Add a named area to an account."""
    shape = shape_body(given)
    if shape is None:
        raise click.UsageError("Give one of --circle, --geojson, --cell and --site")
    _show(call(access, "POST", "/areas", {"account": account, "name": name, "shape": shape}), as_json=as_json)


@area.command(
    epilog=examples(
        ("area change depot --circle 52.5,13.4,9000", "area change town --geojson town.geojson --name city")
    )
)
@click.argument("area", metavar="AREA")
@click.option("--name", help="What to call it from now on.")
@shape_options
@access_options
@json_option
def change(area: str, name: str | None, access: Access, *, as_json: bool, **given: Any) -> None:
    """Give an area another name or shape: all SIMs that are limited to it follow."""
    body = {key: value for key, value in (("name", name), ("shape", shape_body(given))) if value is not None}
    if not body:
        raise click.UsageError("Say what to change: see --help")
    _show(call(access, "PATCH", f"/areas/{segment(area)}", body), as_json=as_json)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_fields(_fields(found))


@click.group("area", cls=Group)
def sim_area() -> None:
    """Where a SIM may be: set, take away, resume by hand.

    A SIM that leaves its area is barred (AREA_EXIT) until it is back. simwarden sim explain tells where it is, and how
    far from the border.
    """


@sim_area.command(
    "set",
    epilog=examples(
        (
            "sim area set ID --named depot",
            "sim area set ID --circle 52.5,13.4,5000 --alert-only",
            "sim area set ID --geojson town.geojson --dwell 60",
            "sim area set ID --around 3000  where it is now",
        )
    ),
)
@click.argument("id")
@click.option("--named", metavar="AREA", help="An area of its account.")
@click.option("--around", type=click.IntRange(1, 200_000), metavar="METRES", help="Around the place where it is.")
@click.option("--dwell", type=click.IntRange(0, 86_400), metavar="SECONDS", help="A change of side must last so long.")
@shape_options
@policy_options
@access_options
@json_option
def set_(
    id: str,  # noqa: A002 - as the user calls it
    named: str | None,
    around: int | None,
    dwell: int | None,
    access: Access,
    *,
    as_json: bool,
    **given: Any,
) -> None:
    """Limit a SIM to an area, replacing its limit.

    Without an area it keeps the one that it has, by the policy and dwell time of the options.
    """
    wanted = {"shape": shape_body(given), "named": named, "around": around, "dwellSeconds": dwell}
    body: dict[str, Any] = {"action": "limit-area"}
    body["area"] = {name: value for name, value in wanted.items() if value is not None}
    policy = policy_body(given)

    async def work(remote: Remote) -> Any:
        if policy:
            now = (await remote.call("GET", f"/sims/{segment(id)}")).get("area", {})
            body["policy"] = {**now.get("policy", {}), **policy}
        return await remote.call("POST", f"/sims/{segment(id)}/actions", body)

    found = with_server(work, access)
    if as_json:
        print_json(found)
    else:
        print_fields(act.result(found))


add_all(
    sim_area,
    [
        Plain(
            verb=verb,
            operation="actOnSim",
            help=text,
            fixed={"action": action},
            hidden=act.HIDDEN,
            examples=(f"sim area {verb} 460000990123698",),
            fields=act.result,
        )
        for verb, action, text in (
            ("clear", "unlimit-area", "Let a SIM be anywhere, and lift the bar that its area raised."),
            (
                "resume",
                "resume-area",
                "Lift the bar AREA_EXIT by hand.\n\n"
                "For a SIM that is back in its area and whose policy is --resume manual.",
            ),
        )
    ],
)
