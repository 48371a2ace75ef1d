"""`simwarden sim open|close|activate|suspend|restore|deactivate|delete`: one SIM, through the running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from simwarden.cli.common import json_option, print_fields, print_json
from simwarden.cli.remote import Remote, key_option, segment, server_option, with_server

if TYPE_CHECKING:
    from pathlib import Path

FUNCTIONS = click.Choice(["voice", "sms", "data"], case_sensitive=False)
_SWITCHES = {
    "open": "Open communication functions that the customer closed; what else bars them stays.",
    "close": "Close communication functions, until they are opened.",
}
_STEPS = {
    "activate": "Activate a SIM that is registered or deactivated.",
    "suspend": "Suspend an active SIM: the network is told to stop it, until it is restored.",
    "restore": "Restore a suspended SIM; what else bars it stays.",
    "deactivate": "Take a SIM out of use; it may be activated again.",
    "delete": "Forget a deactivated SIM: its names are free, its subscriptions end.",
}


def _do(sim: str, body: dict[str, Any], server: str | None, key_file: Path | None, *, as_json: bool) -> None:
    async def work(remote: Remote) -> Any:
        return await remote.call("POST", f"/sims/{segment(sim)}/actions", body)

    result = with_server(work, server, key_file)
    if as_json:
        print_json(result)
        return
    if not result["changed"]:
        click.echo("It is so already.")
    found = result.get("sim")
    if found is None:
        click.echo("Deleted.")
        return
    for warning in found.get("warnings", ()):
        click.echo(f"Warning: {warning['message']}", err=True)
    off = ", ".join(found["off"]) or "none"
    why = ", ".join(dict.fromkeys(bar["cause"] for bar in found["bars"]))
    print_fields({"SIM": found["imsi"], "Lifecycle": found["lifecycle"], "Off": off, "Barred by": why})


def _switch(verb: str) -> click.Command:
    @click.command(
        verb,
        help=_SWITCHES[verb],
        epilog=f"\b\nExamples:\n  simwarden sim {verb} 460000990123698 --function data\n"
        f"  simwarden sim {verb} 460000990123698            voice, SMS and data",
    )
    @click.argument("id")
    @click.option("--function", "functions", multiple=True, type=FUNCTIONS, help="Which; repeat for several [all].")
    @server_option
    @key_option
    @json_option
    def command(
        id: str,  # noqa: A002 - as the user calls it
        functions: tuple[str, ...],
        server: str | None,
        key_file: Path | None,
        *,
        as_json: bool,
    ) -> None:
        wanted = sorted({function.upper() for function in functions or ("voice", "sms", "data")})
        _do(id, {"action": verb, "functions": wanted}, server, key_file, as_json=as_json)

    return command


def _step(verb: str) -> click.Command:
    @click.command(verb, help=_STEPS[verb], epilog=f"\b\nExample:\n  simwarden sim {verb} 460000990123698")
    @click.argument("id")
    @server_option
    @key_option
    @json_option
    def command(id: str, server: str | None, key_file: Path | None, *, as_json: bool) -> None:  # noqa: A002
        _do(id, {"action": verb}, server, key_file, as_json=as_json)

    return command


COMMANDS = [*map(_switch, _SWITCHES), *map(_step, _STEPS)]
