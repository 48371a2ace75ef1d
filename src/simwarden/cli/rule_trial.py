"""`simwarden rule dry-run`: what a rule would have done, before it is switched on."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli.building import examples
from simwarden.cli.common import json_option
from simwarden.cli.printing import human, print_fields, print_json
from simwarden.cli.progress import ProgressBar
from simwarden.cli.remote import Access, Remote, access_options, with_server
from simwarden.cli.rule import in_words, rule_body, rule_options

AT_ONCE = 200
SHOWN = 20
"""SIMs that are listed for people."""
_EXAMPLES = (
    "rule dry-run ACME --template mass-sms",
    "rule dry-run ACME --rule far --days 31",
    "rule dry-run ACME --when callsMade:5 --in 1h --tag calls",
)


@click.command("dry-run", epilog=examples(_EXAMPLES))
@click.argument("account")
@click.option("--template", help="A rule that comes with Simwarden.")
@click.option("--rule", "rule_id", metavar="RULE", help="A rule that there is, on or off.")
@rule_options
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 31), help="So many, until now.")
@access_options
@json_option
def dry_run(
    account: str,
    template: str | None,
    rule_id: str | None,
    days: int,
    access: Access,
    *,
    as_json: bool,
    **given: Any,
) -> None:
    """Say whom a rule would have met in the last days, by what is stored. Nothing is changed.

    Of one SIM the oldest 2000 messages and calls are looked at, of data the days, of silence the present one.
    """
    body: dict[str, Any] = {"days": days, "account": account}
    said = {"template": template, "ruleId": rule_id, "rule": rule_body(given)}
    body |= {name: value for name, value in said.items() if value is not None}
    if len(body) != 3:
        raise click.UsageError("Give one of --template, --rule and a rule by --when, --in and what it does")
    met: list[dict[str, Any]] = []
    total: dict[str, int] = {"sims": 0, "records": 0, "cut": 0}
    rule: dict[str, Any] = {}

    async def work(remote: Remote) -> None:
        nonlocal rule
        query = {"limit": str(AT_ONCE)}
        with ProgressBar(None, quiet=as_json) as bar:
            while True:
                page = await remote.call("POST", "/rule-trials", body, **query)
                rule = page["rule"]
                met.extend(page["met"])
                for name in total:
                    total[name] += page[name]
                bar.reach(total["sims"], f"{total['sims']} SIMs, {len(met)} met it")
                if "nextCursor" not in page:
                    return
                query["cursor"] = page["nextCursor"]

    with_server(work, access)
    if as_json:
        print_json({"rule": rule, "days": days, **total, "met": met})
        return
    print_fields({**in_words(rule), "SIMs": total["sims"], "Records": total["records"], "Met it": len(met)})
    for each in met[:SHOWN]:
        counted = ", ".join(f"{signal} {count}" for signal, count in each["counted"].items())
        click.echo(f"  {each['imsi']}  {each['times']} times, first {human(each['first'])}: {counted}")
    if len(met) > SHOWN:
        click.echo(f"  and {len(met) - SHOWN} more: --json lists all")
    if total["cut"]:
        click.echo(f"{total['cut']} SIMs have more records than were looked at")
