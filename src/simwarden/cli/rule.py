"""`simwarden rule`: what SIMs of accounts may not do in a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_fields, print_json
from simwarden.cli.remote import Access, Remote, access_options, call, segment, with_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

F = TypeVar("F", bound="Callable[..., Any]")
_MINUTES = {"m": 1, "h": 60, "d": 1440}
_TIME = re.compile(r"([1-9][0-9]{0,4})([mhd])\Z")
_SIGNALS = {
    "smsSent": "messages sent",
    "smsReceived": "messages received",
    "callsMade": "calls made",
    "callsReceived": "calls received",
    "callMinutes": "minutes of calls made",
    "receivers": "different numbers reached",
    "countries": "countries reached",
    "newCountries": "new countries reached",
    "megabytes": "MB of data",
    "deviceChanges": "changes of device",
    "areaChanges": "times across the border of its area",
    "silence": "seen by nobody",
}


@click.group(cls=Group)
def rule() -> None:
    """What SIMs of an account may not do in a time, and what becomes of those that do.

    RULE is a name, or the id where several accounts have a rule of that name. simwarden sim explain tells which rule
    barred a SIM, simwarden sim release lifts the bar.
    """


def in_words(rule: dict[str, Any]) -> dict[str, str]:
    """What a rule says, for people."""
    when = " and ".join(
        _SIGNALS[each["signal"]] + ("" if each["signal"] == "silence" else f" >= {each.get('atLeast', 1)}")
        for each in rule["when"]
    )
    then, said = rule["then"], []
    if bar := then.get("bar"):
        said.append(
            f"bar {', '.join(bar['functions'])} " + (f"for {bar['hours']} h" if "hours" in bar else "until released")
        )
    said += ["suspend"] if then.get("suspend") else []
    said += [f"tag {then['tag']}"] if "tag" in then else []
    said += ["alert"] if then.get("alert") else []
    return {"When": when, "In": time_in_words(rule["inMinutes"]), "Then": ", ".join(said)}


def time_in_words(minutes: int) -> str:
    """`90m`, `1h`, `7d`."""
    unit = next(unit for unit in "dhm" if minutes % _MINUTES[unit] == 0)
    return f"{minutes // _MINUTES[unit]}{unit}"


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "Rule": found["name"],
        "Id": found["id"],
        "Account": found["account"],
        **in_words(found["rule"]),
        "On": "yes" if found["on"] else "no",
        "Version": found["version"],
        "Changed": found["changedAt"],
    }


class _Span(click.ParamType[Any]):
    """30m, 24h or 7d, in `unit`."""

    name = "TIME"

    def __init__(self, unit: str) -> None:
        self._unit = _MINUTES[unit]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _TIME.match(str(value))
        minutes = int(found[1]) * _MINUTES[found[2]] if found else 0
        if not minutes or minutes % self._unit:
            self.fail("give it as 30m, 24h or 7d" if self._unit == 1 else "give it as 24h or 7d", param, ctx)
        return minutes // self._unit


class _Condition(click.ParamType[Any]):
    """smsSent:30."""

    name = "SIGNAL[:COUNT]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        signal, _, count = str(value).partition(":")
        if signal not in _SIGNALS:
            self.fail(f"there is no signal {signal!r}; there are {', '.join(_SIGNALS)}", param, ctx)
        if count and not (count.isascii() and count.isdigit() and len(count) < 8):
            self.fail(f"{count!r} is no count", param, ctx)
        return {"signal": signal, **({"atLeast": int(count)} if count else {})}


def rule_options(command: F) -> F:
    """Give a command the parts of a rule."""
    for option in (
        click.option("--alert", is_flag=True, help="Tell those who subscribed to it."),
        click.option("--tag", help="Give the SIM this tag."),
        click.option("--suspend", is_flag=True, help="Suspend the SIM, until somebody restores it."),
        click.option("--for", "hours", type=_Span("h"), help="So long [until a person releases the SIM]."),
        click.option(
            "--bar",
            "functions",
            multiple=True,
            type=click.Choice(["VOICE", "SMS", "DATA"], case_sensitive=False),
            help="Bar this function (cause RISK); repeatable.",
        ),
        click.option("--in", "minutes", type=_Span("m"), help="In so long a time: 30m, 1h, 7d at most."),
        click.option(
            "--when", type=_Condition(), multiple=True, help="When this comes up to that; of several, all must."
        ),
    ):
        command = option(command)
    return command


def rule_body(given: dict[str, Any]) -> dict[str, Any] | None:
    """The rule that the options say; None: none of them is given. Raises UsageError."""
    when, minutes, functions, hours, suspend, tag, alert = (
        given.pop(name) for name in ("when", "minutes", "functions", "hours", "suspend", "tag", "alert")
    )
    then: dict[str, Any] = {}
    if functions:
        then["bar"] = {"functions": list(functions), **({"hours": hours} if hours else {})}
    elif hours:
        raise click.UsageError("--for goes with --bar")
    then |= {name: value for name, value in (("suspend", suspend), ("tag", tag), ("alert", alert)) if value}
    if not when and not minutes and not then:
        return None
    if not when or not minutes or not then:
        raise click.UsageError("Give --when, --in, and at least one of --bar, --suspend, --tag and --alert")
    return {"when": list(when), "inMinutes": minutes, "then": then}


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_fields(_fields(found))


@rule.command(
    epilog=examples(
        (
            "rule add sms --account ACME --when smsSent:30 --in 1h --bar SMS",
            "rule add far --account ACME --when newCountries --in 1d --tag far",
        )
    )
)
@click.argument("name")
@click.option("--account", required=True, help="Name or id of the account.")
@rule_options
@click.option("--off", is_flag=True, help="Do not switch it on yet: simwarden rule on.")
@access_options
@json_option
def add(name: str, account: str, access: Access, *, off: bool, as_json: bool, **given: Any) -> None:
    """Add a rule to an account.

    Signals: smsSent, smsReceived, callsMade, callsReceived, callMinutes, receivers, countries, newCountries, megabytes,
    deviceChanges, areaChanges, silence. simwarden rule dry-run says before whom it would have met.
    """
    body = rule_body(given)
    if body is None:
        raise click.UsageError("Say what the rule is: see --help")
    wanted = {"account": account, "name": name, "on": not off, "rule": body}
    _show(call(access, "POST", "/rules", wanted), as_json=as_json)


@rule.command(epilog=examples(("rule change sms --when smsSent:50 --in 1h --bar SMS --for 24h",)))
@click.argument("rule", metavar="RULE")
@click.option("--name", help="What to call it from now on.")
@rule_options
@access_options
@json_option
def change(rule: str, name: str | None, access: Access, *, as_json: bool, **given: Any) -> None:
    """Give a rule another name, or another meaning as a whole."""
    body = {key: value for key, value in (("name", name), ("rule", rule_body(given))) if value is not None}
    if not body:
        raise click.UsageError("Say what to change: see --help")
    _show(call(access, "PATCH", f"/rules/{segment(rule)}", body), as_json=as_json)


@rule.command(epilog=examples(("rule use ACME mass-sms mass-calls mass-data", "rule use ACME phone-use --off")))
@click.argument("account")
@click.argument("templates", nargs=-1, required=True, metavar="TEMPLATE")
@click.option("--off", is_flag=True, help="Do not switch them on yet: simwarden rule on.")
@access_options
@json_option
def use(account: str, templates: Sequence[str], access: Access, *, off: bool, as_json: bool) -> None:
    """Switch on rules that come with Simwarden: simwarden rule templates."""

    async def work(remote: Remote) -> list[dict[str, Any]]:
        return [
            await remote.call("POST", "/rules", {"account": account, "template": template, "on": not off})
            for template in templates
        ]

    made = with_server(work, access)
    if as_json:
        print_json({"rules": made})
        return
    for each in made:
        said = in_words(each["rule"])
        click.echo(f"{each['name']}: when {said['When']} in {said['In']} then {said['Then']}")


add_all(
    rule,
    [
        Plain(
            verb="list",
            operation="listRules",
            examples=("rule list --account ACME", "rule list --json"),
            columns=("name", "account", "on", "rule.inMinutes", "version", "changedAt", "id"),
            empty="No rules yet: simwarden rule use --help",
        ),
        Plain(verb="show", operation="getRule", examples=("rule show mass-sms",), fields=_fields),
        *(
            Plain(
                verb=verb,
                operation="changeRule",
                help=text,
                fixed={"on": verb == "on"},
                hidden=("name", "rule"),
                examples=(f"rule {verb} mass-sms",),
                fields=_fields,
            )
            for verb, text in (
                ("on", "Switch a rule on: reports go by it from now on."),
                ("off", "Switch a rule off. What it raised stays until its end."),
            )
        ),
        Plain(
            verb="delete",
            operation="deleteRule",
            help="Remove a rule. What it raised stays until its end.",
            examples=("rule delete mass-sms",),
            done="{ruleid} is removed",
        ),
        Plain(
            verb="history",
            operation="listRuleVersions",
            help="What a rule was, and who made it so.",
            examples=("rule history mass-sms",),
            rows="versions",
            columns=("version", "name", "on", "setAt", "setBy"),
        ),
        Plain(
            verb="templates",
            operation="listRuleTemplates",
            help="The rules that come with Simwarden.",
            examples=("rule templates",),
            rows="templates",
            columns=("name", "text"),
        ),
    ],
)


def _dry_run() -> click.Command:
    from simwarden.cli.rule_trial import dry_run

    return dry_run


rule.later("dry-run", _dry_run)
