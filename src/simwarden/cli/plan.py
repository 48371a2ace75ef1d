"""`simwarden plan`: what customers are charged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_fields, print_json, print_table
from simwarden.cli.remote import Access, access_options, call, segment


@click.group(cls=Group)
def plan() -> None:
    """What customers are charged: plans, and what they make of what was used.

    A plan is a JSON document: simwarden plan schema. Months are calendar months in UTC.
    """


@plan.command(
    "set",
    epilog=examples(
        ("plan set standard --from 2026-12 --file standard.json", "plan show standard --json  as a beginning")
    ),
)
@click.argument("name")
@click.option("--from", "month", metavar="MONTH", required=True, help="From this month on, as 2026-12.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The plan as JSON: simwarden plan schema.",
)
@access_options
@json_option
def set_(name: str, month: str, file: Path, access: Access, *, as_json: bool) -> None:
    """Set a version of a plan. One of the same month is replaced; invoices keep the plan by which they were made."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"{file} is no JSON: {error}") from error
    made = call(access, "POST", "/plans", {"name": name, "validFrom": month, "plan": document})
    if as_json:
        print_json(made)
    else:
        click.echo(f"{name} is valid from {month} on: simwarden plan assign ACCOUNT {name} --from {month}")


@plan.command("schema", epilog=examples(("plan schema",)))
def schema() -> None:
    """Print the JSON Schema of plans."""
    import msgspec

    from simwarden.domain.price import PricePlan

    print_json(msgspec.json.schema(PricePlan))


@plan.command(
    "preview",
    epilog=examples(
        (
            "plan preview ACME",
            "plan preview ACME --month 2026-10",
            "plan preview ACME --month 2026-10 --plan large  what if",
        )
    ),
)
@click.argument("account")
@click.option("--month", metavar="MONTH", help="As 2026-10 [the present one].")
@click.option("--plan", "name", metavar="PLAN", help="As if the account were charged by this plan.")
@access_options
@json_option
def preview(account: str, month: str | None, name: str | None, access: Access, *, as_json: bool) -> None:
    """Show what a month comes to for an account, to the call."""
    found = call(access, "GET", f"/accounts/{segment(account)}/bill", None, month=month, plan=name)
    if as_json:
        print_json(found)
        return
    fields: dict[str, Any] = {"Account": account, "Plan": found["plan"], "Month": found["month"]}
    print_fields(fields | {"Counted until": "its end" if found["final"] else found["at"]})
    click.echo()
    show_bill(found)


def show_bill(found: dict[str, Any]) -> None:
    """The lines of a bill and its totals."""
    rows = [
        {
            "quantity": f"{line['quantity']} {line['unit']}",
            "what": line["name"] + (f", {line['detail']}" if line["detail"] else ""),
            "price": line["price"] + (f" / {line['per']}" if line["per"] != 1 else ""),
            "amount": line["amount"],
        }
        for line in found["lines"]
    ]
    print_table(rows, ["what", "quantity", "price", "amount"], empty="Nothing is charged")
    click.echo()
    taxes = {f"{tax['name']} {tax['percent']} %": tax["amount"] for tax in found["taxes"]}
    print_fields({"Net": found["net"], **taxes, f"Total {found['currency']}": found["total"]})
    for each in found["unpriced"]:
        click.echo(f"No price: {each['count']} calls of {each['api']} {each['operation']}", err=True)


def _versions(found: dict[str, Any]) -> dict[str, Any]:
    return {
        each["validFrom"]: f"{each['plan']['currency']}, {len(each['plan'].get('calls', ()))} prices of calls, "
        f"{len(each['plan'].get('sims', ()))} of SIMs"
        for each in found["versions"]
    }


def _assigned(found: dict[str, Any]) -> dict[str, Any]:
    return {each["validFrom"]: each["plan"] or "none" for each in found["assignments"]} or {"Plan": "none"}


add_all(
    plan,
    [
        Plain(
            verb="list",
            operation="listPlans",
            examples=("plan list", "plan list --json"),
            columns=("name", "validFrom", "plan.currency", "plan.title", "createdAt"),
            empty="No plans yet: simwarden plan set --help",
        ),
        Plain(
            verb="show",
            operation="getPlan",
            examples=("plan show standard", "plan show standard --json"),
            fields=_versions,
        ),
        Plain(
            verb="remove",
            operation="removePlan",
            help="Remove a version of a plan that is and was no account's.",
            names={"validFrom": "from"},
            examples=("plan remove standard --from 2027-01",),
            done="The version is removed",
        ),
        Plain(
            verb="assign",
            operation="assignPlan",
            arguments=("plan",),
            names={"validFrom": "from", "plan": "PLAN"},
            examples=("plan assign ACME standard --from 2026-12",),
            fields=_assigned,
        ),
        Plain(
            verb="of",
            operation="getAccountPlan",
            help="By which plans an account is charged, and from which month on.",
            examples=("plan of ACME",),
            fields=_assigned,
        ),
    ],
)
