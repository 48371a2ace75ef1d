"""`simwarden sim bulk`: many SIMs at once, previewed, confirmed, followed."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simwarden.cli import document
from simwarden.cli.building import examples
from simwarden.cli.common import json_option
from simwarden.cli.printing import print_json
from simwarden.cli.remote import Access, Remote, ServerRefused, access_options, with_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FUNCTIONS = click.Choice(["voice", "sms", "data"], case_sensitive=False)
_KNOWN = document.properties("SimFilter")
"""The filters, as the document has them."""
VERBS: list[str] = next(each for each in document.properties("Action") if each.name == "action").choices
FILTERS = tuple(each.name for each in _KNOWN)
CHOICES = {each.name: each.choices for each in _KNOWN if each.choices} | {
    each.name: ["TRUE", "FALSE"] for each in _KNOWN if each.schema.get("type") == "boolean"
}
"""Filters with a few values."""
SAY_EVERY = 5.0
"""Seconds between two lines of progress where there is no terminal."""
POLL = 0.3
"""Seconds between two looks at the operation."""
LIVE = ("PREVIEWING", "RUNNING")


@click.command(
    epilog=examples(
        (
            "sim bulk close --function data --filter state=DIFFERED",
            "sim bulk suspend --filter barred=true --filter tag=site:north",
            "sim bulk suspend --csv stolen.csv --yes --result result.csv",
            "sim bulk limit-area --named depot --filter tag=truck",
            "sim bulk hand-over --to ACME --csv sold.csv",
            "sim bulk bind --csv devices.csv  with the columns imsi,imei",
        )
    )
    + f"\n\nFilters: {', '.join(FILTERS)}. The first line of a CSV file names its columns: imsi, iccid, msisdn or nai. "
    "Ctrl-C while it runs leaves it running on the server; before it is confirmed, nothing is changed "
    "(simwarden operation confirm does it later)."
)
@click.argument("action", type=click.Choice(VERBS))
@click.option("--function", "functions", multiple=True, type=FUNCTIONS, help="With open and close: which.")
@click.option("--imei", help="With bind: to this device.")
@click.option("--tac", help="With bind: to any device of this model.")
@click.option("--first-seen", is_flag=True, help="With bind: to the first device seen from now on.")
@click.option("--named", metavar="AREA", help="With limit-area: to this area of the SIM's account.")
@click.option("--to", metavar="ACCOUNT", help="With hand-over: the account that gets the SIMs.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="Which SIMs; several: all must hold.")
@click.option("--all", "everything", is_flag=True, help="All SIMs there are.")
@click.option("--csv", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A list of SIMs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--result", type=click.Path(dir_okay=False, path_type=Path), help="Write what became of each SIM here.")
@access_options
@json_option
def bulk(
    action: str,
    functions: tuple[str, ...],
    imei: str | None,
    tac: str | None,
    filters: tuple[str, ...],
    file: Path | None,
    result: Path | None,
    access: Access,
    *,
    first_seen: bool,
    named: str | None,
    to: str | None,
    everything: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Act on many SIMs: preview, ask, and follow it to the end."""
    if (bool(filters) or everything) == (file is not None) or (filters and everything):
        raise click.UsageError("Say which SIMs: --filter, --csv or --all")
    if as_json and not yes:
        raise click.UsageError("--json does not ask: it needs --yes")
    body: dict[str, Any] = {"action": action}
    if functions:
        body["functions"] = sorted({function.upper() for function in functions})
    elif action in ("open", "close"):
        raise click.UsageError(f"Say what to {action}: --function voice, sms, data")
    body |= {name: value for name, value in (("imei", imei), ("tac", tac), ("to", to)) if value}
    if first_seen:
        body["firstSeen"] = True
    if named:
        body["area"] = {"named": named}
    if file is not None:
        body["csv"] = _text(file)
    else:
        body["filter"] = parse_filters(filters)
    if result is not None and not result.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {result.absolute().parent}", param_hint="--result")
    show = Show(quiet=as_json)

    async def work(remote: Remote) -> dict[str, Any]:
        found: dict[str, Any] = await remote.call("POST", "/bulk", body)
        show.operation = found["id"]
        found = await _followed(remote, found, show, "looked at")
        return await confirmed(remote, found, show, yes=yes, result=result)

    carry_through(work, show, access, result, as_json=as_json)


def carry_through(
    work: Callable[[Remote], Awaitable[dict[str, Any]]],
    show: Show,
    access: Access,
    result: Path | None,
    *,
    as_json: bool,
) -> None:
    """Run `work` to the operation's end. Whatever cuts it short, it is said where the operation stands."""
    try:
        found = with_server(work, access)
    except (KeyboardInterrupt, click.Abort):
        show.left()
        raise SystemExit(130) from None
    except (ServerRefused, OSError):
        show.left()
        raise
    show.end(found, result)
    if as_json:
        print_json(found)
    if found["state"] not in ("COMPLETED", "CANCELLED") or found["counts"]["refused"]:
        raise SystemExit(1)


async def confirmed(
    remote: Remote, found: dict[str, Any], show: Show, *, yes: bool, result: Path | None
) -> dict[str, Any]:
    """Show a preview, ask, let it run and follow it to the end; cancelled when it is not wanted or does nothing."""
    show.preview(found)
    if found["state"] != "READY" or not found["counts"]["requested"]:
        return await _given_up(remote, found)
    if not yes and not _asked(f"{found['description']}: {found['counts']['requested']} SIMs?"):
        return await _given_up(remote, found)
    token = {"confirmToken": found["confirmToken"]}
    show.runs = True  # as far as we know: the answer may be lost
    found = await remote.call("POST", f"/operations/{found['id']}/confirm", token)
    found = await _followed(remote, found, show, "done")
    if result is not None:
        await remote.download(f"/operations/{found['id']}/result", result)
    return found


def _asked(question: str) -> bool:
    """Ask the person. Raises click.Abort at the first Ctrl-C, which the event loop would keep to itself."""
    if threading.current_thread() is not threading.main_thread():  # there Ctrl-C does not arrive anyhow
        return click.confirm(question, err=True)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm(question, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def parse_filters(filters: tuple[str, ...]) -> dict[str, Any]:
    """`NAME=VALUE`s as the API takes them."""
    wanted: dict[str, Any] = {}
    for each in filters:
        name, separator, value = each.partition("=")
        if name not in FILTERS or not separator or not value:
            raise click.BadParameter(
                f"{each!r} is not NAME=VALUE with one of {', '.join(FILTERS)}", param_hint="--filter"
            )
        choices = CHOICES.get(name)
        if choices and value.upper() not in choices:
            raise click.BadParameter(f"{name} can be {', '.join(choices)}; not {value!r}", param_hint="--filter")
        if choices == ["TRUE", "FALSE"]:
            wanted[name] = value.upper() == "TRUE"
        elif name == "tag":
            wanted.setdefault("tag", []).append(value)
        else:
            wanted[name] = value.upper() if choices else value
    return wanted


def _text(file: Path) -> str:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"it is not UTF-8 text (byte {error.start})", param_hint="--csv") from None
    if not text.strip():
        raise click.BadParameter("it is empty; its first line names its columns", param_hint="--csv")
    return text


async def _given_up(remote: Remote, found: dict[str, Any]) -> dict[str, Any]:
    if found["state"] != "READY":
        return found
    cancelled: dict[str, Any] = await remote.call("POST", f"/operations/{found['id']}/cancel")
    return cancelled


async def _followed(remote: Remote, found: dict[str, Any], show: Show, verb: str) -> dict[str, Any]:
    """Look until it has come to an end. A server that is away for a moment is waited for."""
    with show.progress(verb) as advance:
        missed = 0
        while found["state"] in LIVE:
            advance(found)
            await asyncio.sleep(POLL)
            try:
                found = await remote.call("GET", f"/operations/{found['id']}")
                missed = 0
            except ServerRefused:
                missed += 1
                if missed > 100:
                    raise
        advance(found)
    return found


class Show:
    """What a person sees of it, on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.operation = ""
        self.runs = False

    def say(self, text: str) -> None:
        if not self._quiet:
            click.echo(text, err=True)

    def preview(self, found: dict[str, Any]) -> None:
        counts = found["counts"]
        self.say(
            f"{found['description']}: {counts['requested']} of {counts['total']} SIMs would change, "
            f"{counts['unchanged']} are so already, {counts['refused']} cannot"
        )
        for reason in found.get("reasons", ()):
            if reason["status"] != "REQUESTED" or reason.get("reason"):
                samples = ", ".join(_named(sample) for sample in reason["samples"])
                self.say(f"  {reason['count']:>7}  {reason.get('reason', reason['status'])}  ({samples})")

    def left(self) -> None:
        """Where it stands when this command ends before it."""
        if not self.operation:
            return
        lines = [f"\nIt goes on at the server. Follow it: simwarden operation show {self.operation}"]
        if not self.runs:
            lines = [
                "\nNothing was changed. "
                f"Do it within an hour, seeing the preview again: simwarden operation confirm {self.operation}"
            ]
        click.echo("\n".join([*lines, f"Cancel it: simwarden operation cancel {self.operation}"]), err=True)

    def end(self, found: dict[str, Any], result: Path | None) -> None:
        counts = found["counts"]
        if found["state"] == "COMPLETED":
            said = f"{counts['done']} done, {counts['unchanged']} unchanged, {counts['refused']} refused"
            self.say(said + (f"; each in {result}" if result else f"; each: simwarden operation result {found['id']}"))
        elif not counts["done"]:
            self.say("Nothing was changed")
        else:
            self.say(f"{found['state'].lower()}: {counts['done']} done, {counts['requested']} left")

    def progress(self, verb: str) -> _Bar:
        return _Bar(verb, quiet=self._quiet)


class _Bar:
    """A progress bar on a terminal; elsewhere a line now and then, for logs."""

    def __init__(self, verb: str, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._verb = verb
        self._lines = not quiet and not console.is_terminal
        self._said = time.monotonic()
        self._progress = Progress(
            TextColumn(verb),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task(verb, total=None)

    def __enter__(self) -> Any:
        self._progress.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _advance(self, found: dict[str, Any]) -> None:
        counts = found["counts"]
        if self._lines and time.monotonic() - self._said >= SAY_EVERY:
            self._said = time.monotonic()
            of = "" if found["state"] == "PREVIEWING" else f" of {counts['total']}"
            done = counts["total"] if found["state"] == "PREVIEWING" else counts["total"] - counts["requested"]
            click.echo(f"{done}{of} {self._verb}", err=True)
        if found["state"] == "PREVIEWING":
            self._progress.update(self._task, completed=counts["total"])
        else:
            self._progress.update(
                self._task, completed=counts["total"] - counts["requested"], total=counts["total"] or None
            )


def _named(sample: Any) -> str:
    return str(next(iter(sample.values()), "")) if isinstance(sample, dict) else str(sample)
