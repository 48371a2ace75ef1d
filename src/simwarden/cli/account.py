"""`simwarden account`."""

from __future__ import annotations

import click
import msgspec

from simwarden.accounts.applications import change_account, open_account
from simwarden.cli.common import Store, json_option, print_fields, print_json, print_table, with_store
from simwarden.cli.policies import changed, policy_options
from simwarden.domain.numbering import NumberRange, RangeKind, parse_range
from simwarden.store import ranges
from simwarden.store.accounts import Account, Accounts, AccountSettings


@click.group()
def account() -> None:
    """Accounts: the tenants to whom SIMs belong."""


@account.command(epilog="\b\nExample:\n  simwarden account create ACME")
@click.argument("name")
@json_option
def create(name: str, *, as_json: bool) -> None:
    """Open an account."""

    async def work(store: Store) -> Account:
        return await open_account(Accounts(store.db), name)

    made = with_store(work)
    if as_json:
        print_json(made)
    else:
        print_fields({"Account": made.name, "Id": made.id})
        click.echo(f"Next: simwarden app create --account {made.name} --name NAME")


@account.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """Show all accounts."""

    async def work(store: Store) -> list[Account]:
        return list(await Accounts(store.db).list())

    rows = with_store(work)
    if as_json:
        print_json(rows)
    else:
        table = [msgspec.structs.asdict(row) for row in rows]
        print_table(table, ["id", "name", "created_at"], empty="No accounts yet: simwarden account create NAME")


@account.command(
    "set",
    epilog="\b\nExamples:\n  simwarden account set ACME                          show the settings\n"
    "  simwarden account set ACME --strict --alert-only",
)
@click.argument("account", metavar="ACCOUNT")
@click.option("--strict/--no-strict", default=None, help="Refuse to bind SIMs that were never seen in a device.")
@policy_options
@json_option
def set_(
    account: str,
    *,
    strict: bool | None,
    enforce: bool | None,
    unknown: str | None,
    resume: str | None,
    as_json: bool,
) -> None:
    """Set what holds for the account's calls that leave it open; without options, show it.

    Bindings that are there keep their policy. Running servers follow at once.
    """

    async def work(store: Store) -> Account:
        accounts = Accounts(store.db)
        found = await accounts.get(account)
        settings = AccountSettings(
            policy=changed(found.settings.policy, enforce=enforce, unknown=unknown, resume=resume),
            strict=found.settings.strict if strict is None else strict,
        )
        return (
            found
            if settings == found.settings
            else await change_account(accounts, found.id, new_name=None, settings=settings)
        )

    kept = with_store(work)
    if as_json:
        print_json(kept)
        return
    policy = kept.settings.policy
    print_fields(
        {
            "Account": kept.name,
            "A SIM never seen": "is not bound" if kept.settings.strict else "is bound to the first device seen",
            "In another device": policy.on_mismatch,
            "IMEI not known": policy.unknown,
            "When it is back": policy.resume,
        }
    )


KINDS = click.Choice([str(kind) for kind in RangeKind], case_sensitive=False)


@account.group("range")
def range_() -> None:
    """Number ranges: which SIMs an account's applications may register by themselves.

    KIND is imsi, iccid, msisdn (phone numbers with their country code) or nai. RANGE is a prefix of digits, FIRST-LAST
    (all numbers that begin with digits from FIRST to LAST), or for nai a realm. Every number that is given with a SIM
    must lie in a range of its kind; an account without ranges can register nothing. Ranges of different accounts do not
    overlap. The operator's own commands are not bound to them, but warn.
    """


@range_.command(
    "add",
    epilog="\b\nExamples:\n  simwarden account range add ACME imsi 46000099\n"
    "  simwarden account range add ACME msisdn +8613800000000-+8613800099999\n"
    "  simwarden account range add ACME iccid 898600",
)
@click.argument("account", metavar="ACCOUNT")
@click.argument("kind", metavar="KIND", type=KINDS)
@click.argument("text", metavar="RANGE")
@json_option
def add_range(account: str, kind: str, text: str, *, as_json: bool) -> None:
    """Give an account a range; refused when a part of it is another account's."""

    async def work(store: Store) -> tuple[str, NumberRange]:
        owner = await Accounts(store.db).get(account)
        return owner.name, (await ranges.add(store.db, owner.id, parse_range(kind, text))).range

    name, new = with_store(work)
    if as_json:
        print_json({"account": name, "kind": new.kind, "range": new.text})
    else:
        click.echo(f"{name} may register SIMs with {new}")


@range_.command("list")
@click.argument("account", metavar="[ACCOUNT]", required=False)
@json_option
def list_ranges(account: str | None, *, as_json: bool) -> None:
    """Show the ranges of one account, or of all."""

    async def work(store: Store) -> list[dict[str, object]]:
        accounts = Accounts(store.db)
        owners = [await accounts.get(account)] if account else await accounts.list()
        return [
            {"account": owner.name, "kind": str(held.range.kind), "range": held.range.text, "since": held.created_at}
            for owner in owners
            for held in await ranges.of_account(store.db, owner.id)
        ]

    rows = with_store(work)
    if as_json:
        print_json(rows)
    else:
        columns = ["account", "kind", "range", "since"]
        print_table(rows, columns, empty="No ranges yet: simwarden account range add --help")


@range_.command("remove", epilog="\b\nExample:\n  simwarden account range remove ACME imsi 46000099")
@click.argument("account", metavar="ACCOUNT")
@click.argument("kind", metavar="KIND", type=KINDS)
@click.argument("text", metavar="RANGE")
@json_option
def remove_range(account: str, kind: str, text: str, *, as_json: bool) -> None:
    """Take a range away, written as `list` shows it. SIMs that are registered in it stay."""

    async def work(store: Store) -> tuple[str, NumberRange]:
        owner = await Accounts(store.db).get(account)
        old = parse_range(kind, text)
        await ranges.remove(store.db, owner.id, old)
        return owner.name, old

    name, old = with_store(work)
    if as_json:
        print_json({"account": name, "kind": old.kind, "range": old.text})
    else:
        click.echo(f"{name} may no longer register SIMs with {old}")
