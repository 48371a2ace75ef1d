"""`simwarden eligibility`: which SIMs may pay by the phone bill."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_fields, print_json
from simwarden.cli.progress import ProgressBar
from simwarden.cli.remote import Access, Remote, access_options, call, segment, with_server

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")
AT_ONCE = 500
"""SIMs of one call."""
_NUMBERS = (
    ("--recycled-days", "The number was not somebody else's for so many days."),
    ("--device-swap-hours", "The SIM is in its device for so many hours."),
    ("--sim-swap-hours", "The number is in its SIM for so many hours."),
    ("--tenure-days", "The account has had the number for so many days."),
)
_TEXTS = {
    "profile": "profile not for IoT only",
    "lifecycle": "active",
    "bars": "no bar of risk, mismatch or suspension",
    "tenure": "number held long enough",
    "simSwap": "no SIM swap lately",
    "deviceSwap": "no device swap lately",
    "recycled": "number not recycled lately",
}


@click.group(cls=Group)
def eligibility() -> None:
    """Which SIMs may pay by the phone bill (carrier-billing:payments:create of eligibility-info).

    An account's rules decide; without rules none of its SIMs may. What a rule needs and is not known counts as failed.
    A SIM must be active in any case, and carry no bar of risk, mismatch or suspension. check and dry-run judge by the
    rules in force, or by those that the options name.
    """


def _rules(found: dict[str, Any]) -> str:
    names = {"tenureDays": "tenure {} days", "simSwapHours": "SIM swap {} h", "deviceSwapHours": "device swap {} h"}
    names["recycledDays"] = "recycled {} days"
    said = [text.format(found[name]) for name, text in names.items() if name in found]
    return ", ".join(["IoT only"] * bool(found.get("iotOnly")) + said) or "active, without bars"


add_all(
    eligibility,
    [
        Plain(
            verb="set",
            operation="setPaymentRules",
            help="Set an account's rules, in place of those it has. Rules that are not named are not asked.",
            examples=(
                "eligibility set ACME --tenure-days 90 --sim-swap-hours 72",
                "eligibility set ACME --iot-only",
            ),
            fields=lambda found: {"Rules": _rules(found)},
        ),
        Plain(
            verb="remove",
            operation="removePaymentRules",
            help="Take an account's rules away: none of its SIMs may pay.",
            examples=("eligibility remove ACME",),
            done="{accountid} has no rules for payments",
        ),
    ],
)


def rule_options(command: F) -> F:
    """Give a command the rules to be tried."""
    for name, text in _NUMBERS:
        command = click.option(name, type=click.IntRange(min=1), help=text)(command)
    return click.option("--iot-only", is_flag=True, help="None of the account's SIMs may.")(command)


def _tried(given: dict[str, Any]) -> dict[str, str]:
    def camel(name: str) -> str:
        first, *more = name.split("_")
        return first + "".join(part.title() for part in more)

    return {camel(name): str(value).lower() for name, value in given.items() if value}


@eligibility.command(
    epilog=examples(("eligibility check +8613800000001", "eligibility check +8613800000001 --tenure-days 90"))
)
@click.argument("sim", metavar="SIM")
@rule_options
@access_options
@json_option
def check(sim: str, access: Access, *, as_json: bool, **given: Any) -> None:
    """Judge one SIM by each rule. SIM is an IMSI, ICCID, phone number or NAI."""
    found = call(access, "GET", f"/sims/{segment(sim)}/payment-eligibility", None, **_tried(given))
    if as_json:
        print_json(found)
        return
    verdict = "yes" if found["eligible"] else f"no: {found['code']}"
    print_fields({"SIM": found["imsi"], "Account": found["account"], "Eligible": verdict})
    for each in found["results"]:
        mark = "passed" if each["passed"] else "FAILED" if each["known"] else "FAILED (not known)"
        click.echo(f"  {mark:19} {_TEXTS.get(each['rule'], each['rule'])}")


@eligibility.command(
    "dry-run",
    epilog=examples(("eligibility dry-run ACME", "eligibility dry-run ACME --tenure-days 180 --recycled-days 30")),
)
@click.argument("account")
@rule_options
@access_options
@json_option
def dry_run(account: str, access: Access, *, as_json: bool, **given: Any) -> None:
    """Count how many SIMs of an account would be eligible, and how many each rule refuses. Nothing is changed."""
    tried = _tried(given)
    failed: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    sims = eligible = 0
    rules: dict[str, Any] = {}

    async def work(remote: Remote) -> None:
        nonlocal sims, eligible, rules
        query: dict[str, str] = {**tried, "limit": str(AT_ONCE)}
        with ProgressBar(None, quiet=as_json) as bar:
            while True:
                page = await remote.call("GET", f"/accounts/{segment(account)}/payment-eligibility", None, **query)
                sims, eligible, rules = sims + page["sims"], eligible + page["eligible"], page["rules"]
                for each in page["failed"]:
                    failed[each["rule"]] += each["sims"]
                    unknown[each["rule"]] += each["unknown"]
                bar.reach(sims, f"{sims} SIMs, {eligible} eligible")
                if "nextCursor" not in page:
                    return
                query["cursor"] = page["nextCursor"]

    with_server(work, access)
    if as_json:
        by_rule = [{"rule": rule, "sims": count, "unknown": unknown[rule]} for rule, count in failed.items()]
        print_json({"rules": rules, "sims": sims, "eligible": eligible, "failed": by_rule})
        return
    print_fields({"Rules": _rules(rules), "SIMs": sims, "Eligible": eligible})
    for rule, count in failed.most_common():
        known = f", of which not known: {unknown[rule]}" if unknown[rule] else ""
        click.echo(f"  refused {count:>9}  {_TEXTS.get(rule, rule)}{known}")
