"""`simwarden invoice`: months are closed, invoices shown and credited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.plan import show_bill
from simwarden.cli.printing import print_fields, print_json
from simwarden.cli.remote import Access, Remote, access_options, call, segment, with_server

_FORMS = ("pdf", "csv", "xml")


@click.group(cls=Group)
def invoice() -> None:
    """Invoices and credit notes: numbered without gaps, and never changed.

    Months are calendar months in UTC. To close each month by itself, run simwarden invoice close from cron on its
    second day.
    """


@invoice.command(
    epilog=examples(
        ("invoice close --month 2026-10", "invoice close --month 2026-10 --account ACME", "invoice close --json")
    )
)
@click.option("--month", metavar="MONTH", help="As 2026-10 [the one before the present].")
@click.option("--account", help="Only this account's.")
@access_options
@json_option
def close(month: str | None, account: str | None, access: Access, *, as_json: bool) -> None:
    """Issue the invoices of a month that is over. Who has its invoice already gets no other one."""
    wanted = month or last_month()

    async def work(remote: Remote) -> dict[str, Any]:
        body: dict[str, Any] = {"month": wanted} | ({} if account is None else {"account": account})
        total: dict[str, Any] = {"month": wanted, "invoices": [], "nothing": 0, "before": 0, "withoutPrices": []}
        while True:
            done = await remote.call("POST", "/invoices", body)
            for name in ("invoices", "nothing", "before", "withoutPrices"):
                total[name] += done[name]
            if "after" not in done:
                return total
            body["after"] = done["after"]

    found = with_server(work, access)
    if as_json:
        print_json(found)
        return
    for each in found["invoices"]:
        click.echo(f"{each['number']}  {each['account']}  {each['total']} {each['currency']}")
    for each in found["withoutPrices"]:
        click.echo(f"{each['account']}: its plan {each['plan']} has no version that is valid in {wanted}", err=True)
    click.echo(
        f"{wanted}: {len(found['invoices'])} invoices, {found['before']} were there, "
        f"{found['nothing']} accounts are charged nothing",
        err=True,
    )
    if found["withoutPrices"]:
        raise SystemExit(1)


def last_month() -> str:
    """The month before the present one, in UTC."""
    import datetime as dt

    first = dt.datetime.now(dt.UTC).date().replace(day=1)
    return f"{first - dt.timedelta(days=1):%Y-%m}"


@invoice.command(epilog=examples(("invoice show INV-000042", "invoice show INV-000042 --json")))
@click.argument("number")
@access_options
@json_option
def show(number: str, access: Access, *, as_json: bool) -> None:
    """Show an invoice or a credit note."""
    _show(call(access, "GET", f"/invoices/{segment(number)}"), as_json=as_json)


@invoice.command(
    epilog=examples(
        ("invoice save INV-000042", "invoice save INV-000042 --form xml", "invoice save CN-000003 --to note.pdf")
    )
)
@click.argument("number")
@click.option("--form", type=click.Choice(_FORMS), help="xml: UBL 2.1 [that of the file's name, else pdf].")
@click.option("--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="The file [NUMBER.pdf].")
@access_options
def save(number: str, form: str | None, file: Path | None, access: Access) -> None:
    """Save an invoice or a credit note as a file."""
    suffix = "" if file is None else file.suffix.lower().removeprefix(".")
    form = form or (suffix if suffix in _FORMS else "pdf")
    target = file or Path(f"{number.replace('/', '-')}.{form}")

    async def work(remote: Remote) -> None:
        await remote.download(f"/invoices/{segment(number)}/{form}", target)

    with_server(work, access)
    click.echo(f"Written to {target}")


@invoice.command(
    epilog=examples(
        (
            'invoice credit INV-000042 --reason "Closed by mistake"',
            'invoice credit INV-000042 --net 100.00 --reason "Outage"',
        )
    )
)
@click.argument("number")
@click.option("--reason", required=True, help="Why; it stands on the credit note.")
@click.option("--net", metavar="AMOUNT", help="Before taxes [all that is left].")
@access_options
@json_option
def credit(number: str, reason: str, net: str | None, access: Access, *, as_json: bool) -> None:
    """Give back an invoice, or a part of it, by a credit note. A month of which all is credited can be closed again."""
    body = {"reason": reason} | ({} if net is None else {"net": net})
    _show(call(access, "POST", f"/invoices/{segment(number)}/credit-notes", body), as_json=as_json)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_fields(
        {
            "Number": found["number"],
            "Kind": found["kind"],
            "Account": found["account"],
            "Buyer": found["buyer"]["name"],
            "Month": found["month"],
            "Issued": found["issuedAt"],
            "Corrects": found.get("corrects"),
            "Reason": found.get("reason"),
            "Due": None if found.get("corrects") else found["dueOn"],
        }
    )
    click.echo()
    show_bill(found)


add_all(
    invoice,
    [
        Plain(
            verb="list",
            operation="listInvoices",
            examples=("invoice list", "invoice list --account ACME --month 2026-10", "invoice list --csv"),
            columns=("number", "account", "month", "total", "currency", "corrects", "issuedAt", "net", "tax"),
            empty="No invoices yet: simwarden invoice close --help",
        ),
        Plain(verb="seller", operation="getSeller", help="Show who sells.", examples=("invoice seller",)),
        Plain(
            verb="set-seller",
            operation="setSeller",
            help="Name who sells, on invoices to come.",
            hidden=("reference",),
            examples=('invoice set-seller --name "Example Mobile Ltd" --tax-id IE1234567T',),
        ),
        Plain(
            verb="confirm-numbers",
            operation="confirmNumbers",
            help="After a restore: say which numbers were handed out last. Those to come follow them.",
            examples=("invoice confirm-numbers --last-invoice 42 --last-credit-note 3",),
        ),
        Plain(
            verb="buyer",
            operation="getBuyer",
            help="Show the billing address of an account.",
            examples=("invoice buyer ACME",),
        ),
        Plain(
            verb="set-buyer",
            operation="setBuyer",
            help="Set the billing address of an account, on invoices to come.",
            hidden=("payment", "iban", "invoicePrefix", "creditPrefix"),
            examples=('invoice set-buyer ACME --name "ACME Metering GmbH" --city Berlin',),
        ),
    ],
)
