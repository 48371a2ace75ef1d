"""`simwarden quickstart`: sample data and virtual gateways for a developer's first ten minutes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simwarden.cli.common import current_settings
from simwarden.cli.database import by_operator, open_store, with_store

if TYPE_CHECKING:
    from simwarden.cli.database import Store

_EXAMPLES = """
\b
Examples:
  simwarden serve                   in the first terminal
  simwarden quickstart              in the second; prints what to paste
  simwarden quickstart --remove     take the sample data away again
"""


@click.command(epilog=_EXAMPLES)
@click.option("--url", help="Address of the server [the one of the settings].")
@click.option(
    "--env-file",
    default="quickstart.env",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the credentials, as shell variables.",
)
@click.option(
    "--wait", default=30.0, show_default=True, type=click.FloatRange(0), help="Seconds to wait for the server."
)
@click.option("--remove", is_flag=True, help="Remove the sample account, its SIMs and gateways, and the file.")
def quickstart(url: str | None, env_file: Path, wait: float, *, remove: bool) -> None:
    """Set up a sample customer on the running server and let virtual gateways report to it.

    It makes an account with an application, eight SIMs and two gateways, writes the credentials to a file, prints the
    commands to try next, and stays: it runs the virtual gateways and shows what they are commanded and which events
    reach the customer. Run again, it uses what is there.
    """
    env_file = env_file.absolute()
    if remove:
        _remove(env_file)
        return
    from simwarden.quickstart.session import Quickstart

    settings, _ = current_settings()
    flags = click.get_current_context().find_root().obj or {}
    paths = {"SIMWARDEN_CONFIG": flags.get("file"), "SIMWARDEN_DATA_DIR": flags.get("data_dir")}
    extra = {name: str(Path(value).absolute()) for name, value in paths.items() if value}
    if flags.get("database_url"):
        extra["SIMWARDEN_DATABASE_URL"] = flags["database_url"]
    run = Quickstart(
        (url or settings.own_url).rstrip("/"),
        env_file,
        lambda: open_store(settings),
        by_operator("quickstart"),
        extra,
        click.echo,
        settings.simulator_file,
    )
    asyncio.run(run.run(wait))


def _remove(env_file: Path) -> None:
    from simwarden.quickstart import sample
    from simwarden.simulator.fleet import build_fleet

    cards = [sim for server in build_fleet(sample.PLAN).servers.values() for sim in server.gateway.cards().values()]

    async def work(store: Store) -> int | None:
        return await sample.remove(store.db, cards)

    gone = with_store(work)
    there = env_file.exists()
    env_file.unlink(missing_ok=True)
    if gone is None:
        click.echo("There is no sample data" + (f"; {env_file} is deleted" if there else ""))
    else:
        click.echo(f"Removed the account `quickstart`, its {gone} SIMs and the gateways {', '.join(sample.names())}")
