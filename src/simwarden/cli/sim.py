"""`simwarden sim`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from simwarden.cli import explaining as explaining_text
from simwarden.cli.act import COMMANDS
from simwarden.cli.bulk import bulk
from simwarden.cli.common import (
    Store,
    by_operator,
    find_sim,
    json_option,
    print_fields,
    print_json,
    print_table,
    warn,
    with_store,
)
from simwarden.cli.policies import changed, policy_options
from simwarden.domain.addresses import parse_ipv4, parse_ipv6
from simwarden.domain.identifiers import full_imei
from simwarden.domain.intake import CautionTally, range_cautions
from simwarden.domain.rules.device import Bind, LiftMismatch, Unbind
from simwarden.domain.sim import (
    BindingState,
    Function,
    IdentifierKind,
    Policy,
    Sim,
    SimRef,
)
from simwarden.engine import explain as explaining
from simwarden.engine import imports, provision
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.commands.command import SimCommand
from simwarden.store import ranges, records
from simwarden.store.accounts import Accounts
from simwarden.store.gateways import Gateways
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from simwarden.domain.command import Command
    from simwarden.domain.numbering import RangeBook


@click.group()
def sim() -> None:
    """SIMs. ID is an IMSI, an ICCID, a phone number or a network access identifier."""


for command in (*COMMANDS, bulk):
    sim.add_command(command)


@sim.command(
    epilog="\b\nExample:\n  simwarden sim add --account ACME --iccid 89860042191782899541 --imsi 460000990123698 "
    "--msisdn +8613900000001\n"
    "  simwarden sim add --account ACME --imsi 460000990123699 --ipv4 203.0.113.7:50001 --ipv6 2001:db8::7"
)
@click.option("--account", required=True, help="Name or id of the account it belongs to.")
@click.option("--imsi", required=True)
@click.option("--iccid")
@click.option("--msisdn", help="Phone number with country code.")
@click.option("--nai", help="Network access identifier, user@realm.")
@click.option("--ipv4", multiple=True, metavar="PUBLIC:PORT|PUBLIC/PRIVATE", help="A static address; repeatable.")
@click.option("--ipv6", multiple=True, metavar="ADDR", help="A static address; repeatable.")
@click.option("--imei", help="Bind it to this device at once.")
@json_option
def add(
    account: str,
    imsi: str,
    iccid: str | None,
    msisdn: str | None,
    nai: str | None,
    ipv4: tuple[str, ...],
    ipv6: tuple[str, ...],
    imei: str | None,
    *,
    as_json: bool,
) -> None:
    """Register one SIM. By its static addresses the customer APIs find it as well as by its number."""
    addresses = [*map(parse_ipv4, ipv4), *map(parse_ipv6, ipv6)]

    async def work(store: Store) -> Sim:
        owner = await Accounts(store.db).get(account)
        intake = store.settings.intake
        made = provision.new_sim(owner.id, imsi=imsi, iccid=iccid, msisdn=msisdn, nai=nai, home=intake.home)
        warn(intake.cautions(imei=imei, iccid=iccid, msisdn=msisdn))
        warn(range_cautions(await ranges.book(store.db), owner.id, provision.NewSim(0, made).names))
        await provision.add(store.db, made, by_operator("sim add"), imei=imei, addresses=addresses)
        return await find_sim(store, made.imsi)

    show_sim(with_store(work), as_json=as_json)


@sim.command(
    "import",
    epilog="\b\nExamples:\n  simwarden sim import --account ACME sims.csv\n"
    "  zcat sims.csv.gz | simwarden sim import --account ACME -\n\n"
    "The first line names the columns: iccid,imsi,msisdn[,imei]; with an imei the SIM is bound to it.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--account", help="Name or id of the account they belong to [the only one].")
@json_option
def import_(file: Path, account: str | None, *, as_json: bool) -> None:
    """Register many SIMs from a CSV file. Bad rows are told with their line; the others are taken."""
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    bad_rows: list[provision.BadRow] = []
    so_far = 0

    tally = CautionTally()

    async def work(store: Store) -> tuple[int, int]:
        accounts = Accounts(store.db)
        owner = await accounts.get(account) if account else await _only_account(accounts)
        book = await ranges.book(store.db)
        rows = _watched(
            imports.read_rows(imports.lines_of(data), owner.id, store.settings.intake), owner.id, book, tally
        )
        with _Progress(data.count(b"\n"), quiet=as_json) as bar:

            def progress(added: int, bad: Sequence[provision.BadRow]) -> None:
                nonlocal so_far
                so_far += added
                bar.advance(added + len(bad))
                bad_rows.extend(bad)
                if not as_json:
                    for row in bad:
                        bar.say(f"line {row.line}: {row.reason}")

            return await imports.import_rows(store.db, rows, owner.id, by_operator("sim import"), progress)

    try:
        added, refused = with_store(work)
    except KeyboardInterrupt:
        click.echo(f"Stopped: at least {so_far} SIMs were added. The same file again adds the others.", err=True)
        raise SystemExit(130) from None
    if as_json:
        print_json({"added": added, "refused": refused, "bad_rows": bad_rows, "warnings": tally.told()})
    else:
        for line in tally.lines():
            click.echo(f"Warning: {line}", err=True)
        click.echo(f"{added} SIMs added, {refused} rows refused")
    if refused:
        raise SystemExit(1)


def _watched(
    rows: Iterable[provision.NewSim | provision.BadRow], account_id: str, book: RangeBook, tally: CautionTally
) -> Iterator[provision.NewSim | provision.BadRow]:
    """The rows, with what looks wrong about them counted."""
    for row in rows:
        if isinstance(row, provision.NewSim):
            cautions = row.cautions + (range_cautions(book, account_id, row.names) if book else ())
            if cautions:
                tally.add(row.line, cautions)
        yield row


async def _only_account(accounts: Accounts) -> Any:
    found = await accounts.list()
    if len(found) != 1:
        raise click.UsageError("Name the account they belong to with --account")
    return found[0]


class _Progress:
    """A progress bar on a terminal; nothing in a pipe."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        console = Console(stderr=True)
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task("rows", total=total)

    def __enter__(self) -> _Progress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, rows: int) -> None:
        self._progress.advance(self._task, rows)

    def say(self, text: str) -> None:
        click.echo(text, err=True)


@sim.command(
    "list", epilog="\b\nExamples:\n  simwarden sim list --state DIFFERED\n  simwarden sim list --account ACME --json"
)
@click.option("--account", help="Only this account's.")
@click.option("--state", type=click.Choice([str(state) for state in BindingState], case_sensitive=False))
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@click.option("--after", default="", help="Begin behind this IMSI.")
@json_option
def list_(account: str | None, state: str | None, limit: int, after: str, *, as_json: bool) -> None:
    """Show SIMs in the order of their IMSI."""

    async def work(store: Store) -> list[Sim]:
        owner = (await Accounts(store.db).get(account)).id if account else None
        wanted = state.upper() if state else None
        return await Sims(store.db).page(account_id=owner, state=wanted, after=after, limit=limit)

    rows = [view(found) for found in with_store(work)]
    if as_json:
        print_json(rows)
    else:
        columns = ["imsi", "msisdn", "iccid", "state", "bound_to", "device", "bars", "seen_at"]
        print_table(rows, columns, empty="No SIMs: simwarden sim add --help, simwarden sim import --help")


@sim.command(epilog="\b\nExample:\n  simwarden sim show 460000990123698")
@click.argument("id")
@click.option("--reveal", is_flag=True, help="Show the texts of messages and the numbers of the other parties.")
@json_option
def show(id: str, *, reveal: bool, as_json: bool) -> None:  # noqa: A002 - as the user calls it
    """Show one SIM, with its newest messages and calls. Texts and numbers are masked unless --reveal is given."""

    async def work(store: Store) -> tuple[Sim, list[dict[str, Any]], list[dict[str, Any]]]:
        found = await find_sim(store, id)
        return (
            found,
            await records.sms_of(store.db, store.vault, found, 10),
            await records.calls_of(store.db, store.vault, found, 10),
        )

    found, messages, calls = with_store(work)
    for row in (*messages, *calls):
        row.pop("key", None)
        row.pop("detail", None)
        if not reveal:
            _mask(row)
    if as_json:
        print_json({**view(found), "sms": messages, "calls": calls})
        return
    show_sim(found, as_json=False)
    if messages:
        click.echo("\nMessages")
        print_table(messages, ["at", "direction", "sender", "receiver", "content", "status"], empty="")
    if calls:
        click.echo("\nCalls")
        print_table(calls, ["begin_at", "direction", "caller", "callee", "answer_at", "end_at", "reason"], empty="")


def _mask(row: dict[str, Any]) -> None:
    """Leave of a message or a call what tells two of them apart."""
    for name in ("sender", "receiver", "caller", "callee"):
        if row.get(name):
            row[name] = "*" * (len(row[name]) - 2) + row[name][-2:]
    if row.get("content"):
        row["content"] = f"({len(row['content'])} characters)"


@sim.command(epilog="\b\nExample:\n  simwarden sim explain 460000990123698")
@click.argument("id")
@click.option("--all", "whole", is_flag=True, help="The whole history, not only the newest chain.")
@json_option
def explain(id: str, *, whole: bool, as_json: bool) -> None:  # noqa: A002 - as the user calls it
    """Say why a SIM is as it is: from the report that started it to the command that the gateway confirmed."""

    async def work(store: Store) -> explaining.Explanation:
        found = await find_sim(store, id)
        return await explaining.explain(store.db, Gateways(store.db, store.vault), found, history=500 if whole else 100)

    told = with_store(work)
    if as_json:
        print_json(told)
        return
    click.echo("\n".join(explaining_text.lines(told, whole=whole)))


@sim.command(
    epilog="\b\nExamples:\n  simwarden sim bind ID                      to the device it is in now;\n"
    "                                             a device that was named before stays\n"
    "  simwarden sim bind ID --imei 353689530707903\n  simwarden sim bind ID --tac 35368953 --alert-only\n"
    "  simwarden sim bind ID --first-seen          to the first device seen from now on"
)
@click.argument("id")
@click.option("--imei", "imeis", multiple=True, help="The device; repeat for a list of devices.")
@click.option("--tac", help="Any device of this model (8 digits).")
@click.option("--first-seen", is_flag=True, help="The first device seen from now on.")
@policy_options
@json_option
def bind(
    id: str,  # noqa: A002 - as the user calls it
    imeis: tuple[str, ...],
    tac: str | None,
    *,
    first_seen: bool,
    enforce: bool | None,
    unknown: str | None,
    resume: str | None,
    as_json: bool,
) -> None:
    """Bind a SIM to its device, replacing what bound it. Without a device, one that was named before stays."""

    async def work(store: Store) -> Sim:
        for imei in imeis:
            warn(store.settings.intake.cautions(imei=imei))
        found = await find_sim(store, id)
        before = found.binding.policy if found.binding else Policy()
        policy = changed(before, enforce=enforce, unknown=unknown, resume=resume)
        command = Bind(
            imei=imeis[0] if len(imeis) == 1 else None,
            imeis=imeis if len(imeis) > 1 else (),
            tac=tac,
            first_seen=first_seen,
            policy=policy,
            again=True,
        )
        return await _execute(store, found, command)

    show_sim(with_store(work), as_json=as_json)


@sim.command(epilog="\b\nExample:\n  simwarden sim unbind 460000990123698")
@click.argument("id")
@json_option
def unbind(id: str, *, as_json: bool) -> None:  # noqa: A002 - as the user calls it
    """Remove a SIM's binding, and the bar that it raised."""

    async def work(store: Store) -> Sim:
        return await _execute(store, await find_sim(store, id), Unbind())

    show_sim(with_store(work), as_json=as_json)


@sim.command(epilog="\b\nExample:\n  simwarden sim resume 460000990123698")
@click.argument("id")
@json_option
def resume(id: str, *, as_json: bool) -> None:  # noqa: A002 - as the user calls it
    """Lift the mismatch bar by hand, where the policy of a SIM that came back leaves that to a person."""

    async def work(store: Store) -> Sim:
        return await _execute(store, await find_sim(store, id), LiftMismatch())

    show_sim(with_store(work), as_json=as_json)


async def _execute(store: Store, found: Sim, command: Command) -> Sim:
    ref, cause = SimRef(IdentifierKind.IMSI, found.imsi), by_operator(f"sim {command.verb}")
    return (await CommandBatcher(store.db).submit(SimCommand(ref, command, cause))).sim


def view(found: Sim) -> dict[str, Any]:
    """A SIM as the commands show it."""
    binding, seen = found.binding, found.seen
    return {
        "imsi": found.imsi,
        "iccid": found.iccid,
        "msisdn": found.msisdn,
        "nai": found.nai,
        "account_id": found.account_id,
        "lifecycle": str(found.lifecycle),
        "state": str(found.state),
        "bound_to": [v if len(v) == 8 else full_imei(v) for v in binding.values] if binding else [],
        "learnt": str(binding.learnt) if binding else None,
        "policy": msgspec.to_builtins(binding.policy) if binding else None,
        "device": full_imei(seen.imei) if seen and seen.imei else None,
        "device_unknown": bool(seen and seen.unknown),
        "seen_at": seen.at if seen else None,
        "bars": list(dict.fromkeys(str(bar.cause) for bar in found.bars)),
        "closed": [str(function.name) for function in Function if function & found.closed],
        "closed_apns": [closed.apn for closed in found.closed_apns],
        "events": found.event_count,
    }


def show_sim(found: Sim, *, as_json: bool) -> None:
    """Print one SIM."""
    fields = view(found)
    if as_json:
        print_json(fields)
        return
    policy = fields.pop("policy") or {}
    fields["policy"] = ", ".join(f"{name} {value}" for name, value in policy.items())
    print_fields({name.replace("_", " "): value for name, value in fields.items()})
