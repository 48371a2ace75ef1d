"""Commands that are a plain call, built from the document: its parameters and its body become arguments and options."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import click
import msgspec

from simwarden.cli import printing
from simwarden.cli.common import Group, csv_option, json_option
from simwarden.cli.document import DocumentedCall, Parameter, endpoints
from simwarden.cli.explaining import target_name
from simwarden.cli.passwords import password_options, read_password
from simwarden.cli.policies import policy_body, policy_options
from simwarden.cli.remote import Access, Remote, access_options, segment, with_server
from simwarden.cli.times import Day, Moment, Seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NONE = "none"
"""What takes a value away."""
MAX_ROWS = 1_000_000
_METAVARS = {
    "accountId": "ACCOUNT",
    "applicationId": "ACCOUNT/APP",
    "operatorId": "APPKEY",
    "userId": "ID",
    "sessionId": "ID",
    "simId": "ID",
    "areaId": "AREA",
    "ruleId": "RULE",
    "gatewayId": "NAME",
    "subscriptionId": "ID",
    "deliveryId": "EVENT",
    "alarmId": "ID",
    "cellId": "KEY",
    "imeiId": "IMEI",
    "lineId": "NUMBER",
    "messageId": "ID",
    "planId": "PLAN",
    "invoiceId": "NUMBER",
    "operationId": "ID",
}
_PAGING = ("limit", "cursor")
_LONG = 60
"""Letters of the values of an option that stand beside its name."""


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """What the document does not say of a command."""

    verb: str
    operation: str
    """operationId."""
    examples: tuple[str, ...]
    """Command lines without `simwarden`, each perhaps with two blanks and a remark behind it."""
    arguments: tuple[str, ...] = ()
    """Properties of the body, and parameters of the query, that are arguments."""
    fixed: dict[str, Any] = {}
    """Properties of the body that the command sets by itself."""
    hidden: tuple[str, ...] = ()
    """Properties that have no option here."""
    names: dict[str, str] = {}
    """Property or parameter to the name of its option, where that is another."""
    texts: dict[str, str] = {}
    """Property or parameter to its help, where the document's is none for a command line."""
    splits: tuple[str, ...] = ()
    """Lists whose option may also name several, parted by commas or blanks."""
    seconds: tuple[str, ...] = ()
    """Numbers of seconds that may be written as 30m or 24h."""
    urls: tuple[str, ...] = ()
    """Must begin with a scheme."""
    flags: tuple[str, ...] = ()
    """Parameters that are true or not given."""
    defaults: dict[str, Any] = {}
    """Properties of the body that are not given."""
    default_query: dict[str, Any] = {}
    """Parameters of the query, unless `--all` is given."""
    rows: str = ""
    """The property of the answer that is a list, where it has no pages."""
    columns: tuple[str, ...] = ()
    """Of a list, the most important ones first."""
    all_columns: tuple[str, ...] = ()
    """With `--all`."""
    left: str = ""
    """The property that lists locks that stay behind."""
    empty: str = "Nothing found"
    done: str = ""
    """A sentence in place of the fields: `{name}` stands for a property of the answer, or an argument."""
    after: str = ""
    """A sentence below the fields,"""
    after_of: str = ""
    """where the answer has this property."""
    help: str = ""
    fields: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """What is shown of an answer; None: all of it."""


def plain(spec: Plain) -> click.Command:
    """The command."""
    endpoint = endpoints()[spec.operation]
    taken = [each for each in endpoint.parameters if each.name not in (*_PAGING, *spec.fixed, *spec.hidden)]
    is_list = endpoint.is_list or bool(spec.rows)
    has_password = any(each.name == "password" for each in taken)
    has_policy = any(each.name == "policy" for each in taken)

    def run(access: Access, *, as_json: bool = False, **given: Any) -> None:
        output = {name: given.pop(name, None) for name in ("as_csv", "wide", "columns", "limit")}
        everything = given.pop("everything", False)
        output["columns"] = output["columns"] or ",".join((everything and spec.all_columns) or spec.columns)
        if has_password:
            given["password"] = read_password(
                given["password"], given.pop("password_file"), changes=endpoint.method == "PATCH"
            )
            if given.pop("no_password", False):
                given["password"] = NONE
        policy = policy_body(given) if has_policy else None
        path, query, body = _request(endpoint, spec, taken, given)
        if policy:
            body["policy"] = policy
        if not everything:
            query = {**spec.default_query, **query}
        if endpoint.method == "PATCH" and not body:
            raise click.UsageError("Say what to change: see --help")

        async def work(remote: Remote) -> Any:
            target = path
            if "applicationid" in given:
                target = endpoint.path.format(applicationId=segment(await remote.application(given["applicationid"])))
            if endpoint.is_list:
                return await remote.rows(target, output["limit"], **query)
            if spec.rows:
                return (await remote.call("GET", target, **query))[spec.rows], False
            return await remote.call(endpoint.method, target, body if endpoint.has_body else None, **query)

        answer = with_server(work, access)
        if is_list:
            _show_rows(spec, *answer, as_json=as_json, **output)
        elif as_json:
            printing.print_json(answer if answer is not None else {})
        else:
            _show(spec, answer, given)

    command: Callable[..., Any] = run
    command = json_option(command)
    if is_list:
        for option in _list_options(paged=endpoint.is_list):
            command = option(command)
    if spec.default_query:
        command = click.option("--all", "everything", is_flag=True, help="Those that are over too.")(command)
    command = access_options(command)
    if has_policy:
        command = policy_options(command)
    if has_password:
        command = password_options(command, changes=endpoint.method == "PATCH")
    for parameter in reversed([each for each in taken if not _is_argument(each, spec)]):
        if parameter.name not in ("password", "policy"):
            command = _option(parameter, endpoint, spec)(command)
    ordered = [*(each for each in taken if each.place == "path"), *_named(taken, spec.arguments)]
    for parameter in reversed(ordered):
        command = _argument(parameter, spec)(command)
    text = spec.help or _help(endpoint)
    return click.command(spec.verb, help=text, epilog=examples(spec.examples))(command)


def examples(lines: Sequence[str]) -> str:
    """The end of a help text. A remark stands behind its command where it fits, else above it."""
    shown = ["\b", f"Example{'s' if len(lines) > 1 else ''}:"]
    for line in lines:
        command, _, remark = line.partition("  ")
        whole = f"  simwarden {command}" + (f"   {remark.strip()}" if remark else "")
        if len(whole) <= 79 or not remark:
            shown.append(whole)
        else:
            shown += [f"  # {remark.strip()}", f"  simwarden {command}"]
    return "\n".join(shown)


def add_all(group: click.Group, specs: Sequence[Plain]) -> None:
    """Add the commands of these to a group; each is built when it is used."""
    assert isinstance(group, Group)
    for spec in specs:
        group.later(spec.verb, functools.partial(plain, spec))


def _is_argument(parameter: Parameter, spec: Plain) -> bool:
    return parameter.place == "path" or parameter.name in spec.arguments


def _named(parameters: Sequence[Parameter], names: Sequence[str]) -> list[Parameter]:
    return [each for name in names for each in parameters if each.name == name]


def _help(endpoint: DocumentedCall) -> str:
    summary = endpoint.summary.rstrip(".")
    return f"{summary}.\n\n{_words(endpoint.text)}"


def _words(text: str) -> str:
    """A text of the document, without what belongs to HTTP."""
    return re.sub(r"`([^`]*)`", r"\1", text).replace(" (RFC 3339)", "")


def _kebab(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"-{found[1].lower()}", name)


def _argument(parameter: Parameter, spec: Plain) -> Callable[..., Any]:
    name = spec.names.get(parameter.name) or _METAVARS.get(parameter.name) or _kebab(parameter.name).upper()
    required = parameter.place != "query" or parameter.is_required
    metavar = name if required else f"[{name}]"
    return click.argument(
        parameter.name.lower(),
        metavar=metavar,
        required=required,
        type=_type(parameter, spec, none=parameter.is_nullable),
    )


def _option(parameter: Parameter, endpoint: DocumentedCall, spec: Plain) -> Callable[..., Any]:
    name = spec.names.get(parameter.name) or _kebab(parameter.name)
    clears = parameter.is_nullable and endpoint.method == "PATCH"
    text = spec.texts.get(parameter.name) or _words(parameter.text)
    if clears:
        text = f"{text.rstrip('.')}; none takes it away."
    kind = parameter.schema.get("type")
    enum = parameter.choices
    if sum(map(len, enum)) > _LONG:
        text = f"{text} One of {', '.join(enum)}."
    if parameter.name in spec.flags:
        return click.option(f"--{name}", parameter.name.lower(), default=None, is_flag=True, flag_value=True, help=text)
    if kind == "boolean" or enum in (["true"], ["true", "false"]):
        both = endpoint.method == "PATCH" or (parameter.place == "query" and enum != ["true"])
        flag = f"--{name}/--{'not' if parameter.place == 'query' else 'no'}-{name}" if both else f"--{name}"
        return click.option(flag, parameter.name.lower(), default=None, is_flag=True, help=text)
    return click.option(
        f"--{name}",
        parameter.name.lower(),
        type=_type(parameter, spec, none=clears),
        multiple=kind == "array",
        required=parameter.is_required,
        help=text,
        metavar=_metavar(parameter),
    )


def _metavar(parameter: Parameter) -> str | None:
    enum = parameter.choices
    if sum(map(len, enum)) > _LONG:
        return parameter.name.upper()
    if enum:
        return None
    if "RFC 3339" in parameter.text:
        return "TIME"
    if parameter.schema.get("format") == "date":
        return "DAY"
    return "N" if parameter.schema.get("type") in ("integer", "number") else "TEXT"


def _type(parameter: Parameter, spec: Plain, *, none: bool) -> Any:
    node = parameter.schema
    if parameter.name in spec.seconds:
        return Seconds()
    if parameter.name in spec.urls:
        return _Url()
    if node.get("type") == "array":
        node = node["items"]
    if parameter.choices:
        return click.Choice(parameter.choices, case_sensitive=False)
    if node.get("type") in ("integer", "number"):
        kind = click.IntRange if node["type"] == "integer" else click.FloatRange
        limits = kind(node.get("minimum"), node.get("maximum"))
        return _OrNone(limits) if none else limits
    if "RFC 3339" in parameter.text:
        return Moment()
    if node.get("format") == "date":
        return Day()
    return str


class _Url(click.ParamType[str]):
    """An address, or the word `none`."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address."""
        if value != NONE and "://" not in str(value):
            self.fail("must begin with http://, https:// or another scheme", param, ctx)
        return str(value)


class _OrNone(click.ParamType[Any]):
    """A value, or the word `none`."""

    def __init__(self, inner: click.ParamType[Any]) -> None:
        self._inner = inner
        self.name = inner.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value as the inner type has it."""
        return value if value == NONE else self._inner.convert(value, param, ctx)


def _request(
    endpoint: DocumentedCall, spec: Plain, taken: Sequence[Parameter], given: dict[str, Any]
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Path, query and body."""
    places: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "body": {**spec.defaults, **spec.fixed}}
    for parameter in taken:
        value = given.get(parameter.name.lower())
        if value is None or value == ():
            continue
        if parameter.place == "body" and value in (NONE, (NONE,)) and endpoint.method == "PATCH":
            value = [] if parameter.schema.get("type") == "array" and not parameter.is_nullable else None
        elif parameter.name in spec.splits:
            value = [word for text in value for word in text.replace(",", " ").split()]
        elif isinstance(value, tuple):
            value = list(value)
        places[parameter.place][parameter.name] = value
    path = endpoint.path.format(**{name: segment(value) for name, value in places["path"].items()})
    return path, places["query"], places["body"]


def _list_options(*, paged: bool) -> list[Callable[..., Any]]:
    limit = click.option(
        "--limit", default=100, show_default=True, type=click.IntRange(1, MAX_ROWS), help="Rows at most."
    )
    return [
        click.option("--wide", is_flag=True, help="All columns, whatever the width of the terminal."),
        click.option("--columns", metavar="A,B", help="These columns, by the names of --json; a.b looks inside."),
        csv_option,
        *([limit] if paged else ()),
    ]


def _show_rows(
    spec: Plain,
    rows: list[dict[str, Any]],
    more: bool,  # noqa: FBT001
    *,
    as_json: bool,
    as_csv: bool,
    wide: bool,
    columns: str,
    limit: int | None,
) -> None:
    wanted = [each.strip() for each in columns.split(",") if each.strip()]
    if as_json:
        printing.print_json(rows)
    elif as_csv:
        printing.print_csv(rows, wanted)
    else:
        printing.print_table(rows, wanted, empty=spec.empty, wide=wide)
    if more:
        click.echo(f"There are more than these {limit}: narrow the list, or raise --limit", err=True)


def _show(spec: Plain, answer: Any, given: dict[str, Any]) -> None:
    found = answer if isinstance(answer, dict) else {}
    for warning in found.get("warnings", ()):
        click.echo(f"Warning: {warning['message']}", err=True)
    if spec.done:
        click.echo(spec.done.format_map({**given, **found}))
        if found.get(spec.left):
            click.echo("Warning: nobody watches or lifts these locks any more:", err=True)
        for lock in found.get(spec.left, ()):
            sim = f"SIM {lock['imsi']}" if lock.get("imsi") else "no SIM seen there"
            click.echo(f"  {target_name(lock)}  {sim}", err=True)
        return
    shown = spec.fields(found) if spec.fields else {printing.label(name): value for name, value in found.items()}
    printing.print_fields({name: value for name, value in shown.items() if name != "Warnings"})
    if spec.after and (not spec.after_of or spec.after_of in found):
        click.echo(spec.after)
