"""The command line."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from simwarden import __version__
from simwarden.domain.errors import SimwardenError

_COMMANDS = {
    "serve": ("simwarden.cli.serve:serve", "Run the server."),
    "quickstart": (
        "simwarden.cli.quickstart:quickstart",
        "Begin here: sample SIMs and virtual gateways on your server.",
    ),
    "demo": ("simwarden.cli.demo:demo", "Play the stolen-SIM story against a freshly started server."),
    "simulate": ("simwarden.cli.simulate:simulate", "Run virtual SIM gateways, or an event sink."),
    "account": ("simwarden.cli.account:account", "Accounts (tenants)."),
    "app": ("simwarden.cli.application:app", "Applications and their credentials."),
    "gateway": ("simwarden.cli.gateway:gateway", "SIM gateways that report and are commanded."),
    "sim": ("simwarden.cli.sim:sim", "SIMs: register, show, explain, bind, open, close, suspend, many at once."),
    "operation": ("simwarden.cli.operation:operation", "Work on many SIMs, done in the background."),
    "operator": ("simwarden.cli.operator:operator", "The operator's own keys."),
    "signing-key": ("simwarden.cli.signing_key:signing_key", "The keys that sign access tokens."),
    "subscription": ("simwarden.cli.subscription:subscription", "Customers' subscriptions."),
    "delivery": ("simwarden.cli.delivery:delivery", "Events handed to customers."),
    "alarm": ("simwarden.cli.alarm:alarm", "What is wrong and needs a person."),
    "usage": ("simwarden.cli.usage:usage", "How often customers' applications did what."),
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
  simwarden quickstart                 then, in another terminal: sample data, and what to try next
  simwarden account create ACME        a tenant
  simwarden app create --account ACME --name meters
  simwarden gateway add --name gw1 --command-url http://192.0.2.7 --username root --password
  simwarden sim explain 460000990123698
"""


class _Commands(click.Group):
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SimwardenError as error:
            raise click.ClickException(error.message) from error


@click.group(cls=_Commands, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="simwarden")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="A TOML file with settings.")
@click.option("--data-dir", help="Folder of the embedded PostgreSQL and the master key.")
@click.option("--database-url", help="A PostgreSQL of your own, in place of the embedded one.")
@click.pass_context
def main(ctx: click.Context, config_file: Path | None, data_dir: str | None, database_url: str | None) -> None:
    """Simwarden: see which device every SIM is in, bar the stolen ones, tell their owner."""
    ctx.obj = {"file": config_file, "data_dir": data_dir, "database_url": database_url}
