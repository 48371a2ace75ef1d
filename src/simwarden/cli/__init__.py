"""The command line."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import IO, Any

import click

from simwarden import __version__
from simwarden.cli.common import JSON, Group
from simwarden.domain.errors import SimwardenError

_COMMANDS = {
    "serve": ("simwarden.cli.serve:serve", "Run the server."),
    "quickstart": ("simwarden.cli.quickstart:quickstart", "Set up sample SIMs and virtual gateways on your server."),
    "demo": ("simwarden.cli.demo:demo", "Play the story of a stolen SIM against a freshly started server."),
    "simulate": ("simwarden.cli.simulate:simulate", "Run virtual SIM gateways, or an event sink."),
    "account": ("simwarden.cli.account:account", "Accounts (tenants), and their number ranges."),
    "app": ("simwarden.cli.application:app", "Applications and their credentials."),
    "consent": ("simwarden.cli.client:consent", "Which application may use the data of which SIMs for what."),
    "area": ("simwarden.cli.area:area", "Named areas of accounts, to which SIMs can be limited."),
    "rule": ("simwarden.cli.rule:rule", "What SIMs of accounts may not do in a time."),
    "gateway": ("simwarden.cli.gateway:gateway", "SIM gateways: what they report, and what they are commanded."),
    "sim": ("simwarden.cli.sim:sim", "SIMs: register, list, show, explain, bind, open, close, suspend."),
    "record": ("simwarden.cli.record:record", "What SIMs did: messages, calls, counters."),
    "message": ("simwarden.cli.message:message", "Short messages sent from SIMs, and what became of them."),
    "line": ("simwarden.cli.line:line", "Fixed lines: numbers and addresses that do not move."),
    "cell": ("simwarden.cli.cell:cell", "Cells of mobile networks, and where they are."),
    "imei": ("simwarden.cli.imei:imei", "Devices that are stolen, blocked, tracked or allowed."),
    "tac": ("simwarden.cli.tac:tac", "Models of devices by type allocation code."),
    "eligibility": ("simwarden.cli.eligibility:eligibility", "Which SIMs may pay by the phone bill."),
    "operation": ("simwarden.cli.operation:operation", "Work on many SIMs, done in the background."),
    "subscription": ("simwarden.cli.subscription:subscription", "Customers' subscriptions."),
    "delivery": ("simwarden.cli.delivery:delivery", "Events handed to customers, sent again where it failed."),
    "alarm": ("simwarden.cli.alarm:alarm", "What is wrong and needs a person."),
    "audit": ("simwarden.cli.journal:audit", "What operators did: who changed what, and when."),
    "request": ("simwarden.cli.journal:request", "Calls of the APIs that failed, by their correlator."),
    "plan": ("simwarden.cli.plan:plan", "What customers are charged: plans, previews of bills."),
    "invoice": ("simwarden.cli.invoice:invoice", "Close months, show and credit invoices."),
    "usage": ("simwarden.cli.usage:usage", "How often customers' applications did what."),
    "login": ("simwarden.cli.login:login", "Log in as a person."),
    "logout": ("simwarden.cli.login:logout", "End the session that login began."),
    "user": ("simwarden.cli.user:user", "Operators as people: who may log in, in which role."),
    "operator": ("simwarden.cli.operator:operator", "The operators' own keys."),
    "signing-key": ("simwarden.cli.signing_key:signing_key", "The keys that sign access tokens."),
    "listen": ("simwarden.cli.listen:listen", "Receive a customer's events on this machine."),
    "db": ("simwarden.cli.db:db", "The database."),
    "health": ("simwarden.cli.health:health", "Whether the server is ready, as an exit status."),
    "config": ("simwarden.cli.config:config", "The settings in force."),
    "completion": ("simwarden.cli.completion:completion", "Shell completion."),
}

_EXAMPLES = """
\b
Examples:
  simwarden demo                       see it work, nothing else needed
  simwarden serve                      run the server on 127.0.0.1:8080
  simwarden quickstart                 then, in another terminal: sample data
  simwarden account create ACME        a tenant
  simwarden app create --account ACME --name meters
  simwarden sim list --barred
  simwarden sim explain 460000990123698

\b
Exit status:
  0    done
  1    refused, not found, or a part of it failed
  2    the command line is wrong
  3    the server does not answer
  130  stopped by Ctrl-C
"""
NO_SERVER = 3
"""Exit status of a command that finds no server."""


class _Commands(Group):
    """Subcommands are imported when they are used, so that `--help` and completion are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SimwardenError as error:
            failed = _FoundNoServer if type(error).__name__ == "NoServer" else _Failed
            raise failed(error, as_json=bool(ctx.meta.get(JSON))) from error


class _Failed(click.ClickException):
    """A command that failed: said in a sentence, or in JSON as the server answered it."""

    def __init__(self, error: SimwardenError, *, as_json: bool) -> None:
        super().__init__(error.message)
        self._body = getattr(error, "body", None) or {"code": error.code, "message": error.message}
        self._as_json = as_json

    def show(self, file: IO[Any] | None = None) -> None:
        if self._as_json:
            click.echo(json.dumps(self._body, ensure_ascii=False), file=file, err=file is None)
        else:
            super().show(file)


class _FoundNoServer(_Failed):
    """The server does not answer."""

    exit_code = NO_SERVER


@click.group(cls=_Commands, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="simwarden")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="A TOML file with settings.")
@click.option("--data-dir", help="Folder of the embedded PostgreSQL and the master key.")
@click.option("--database-url", help="A PostgreSQL of your own, in place of the embedded one.")
@click.pass_context
def main(ctx: click.Context, config_file: Path | None, data_dir: str | None, database_url: str | None) -> None:
    """Simwarden: see which device every SIM is in, bar the stolen ones, tell the owner.

    Commands speak to the running server by its management API, on this machine with the key that it left in its data
    directory. For another server give --url and --key-file, or SIMWARDEN_URL and SIMWARDEN_OPERATOR_KEY
    (APPKEY:APPSECRET).
    """
    ctx.obj = {"file": config_file, "data_dir": data_dir, "database_url": database_url}
