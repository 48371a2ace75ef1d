"""`simwarden db`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from simwarden.cli.building import examples
from simwarden.cli.common import Group, current_settings, json_option
from simwarden.cli.db_backup import backup, promote, restore
from simwarden.cli.printing import print_json, print_table
from simwarden.settings.keys import has_master_key, master_key
from simwarden.store import key_check
from simwarden.store import migrate as migrations
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@click.group(cls=Group)
def db() -> None:
    """The database and its schema."""


def _on_database(work: Callable[[str], Coroutine[Any, Any, Any]]) -> Any:
    settings, _ = current_settings()
    if settings.database_url is not None:
        return asyncio.run(work(settings.database_url))
    server = EmbeddedPostgres(Path(settings.data_dir))
    try:
        return asyncio.run(work(server.acquire()))
    finally:
        server.release()


async def _migrate(url: str) -> list[migrations.Migration]:
    settings, _ = current_settings()
    done = await migrations.migrate(url)
    if has_master_key(settings):  # who only migrates need not have it
        await key_check.check(url, Vault(master_key(settings)))
    return done


@db.command(epilog=examples(("db migrate",)))
@json_option
def migrate(*, as_json: bool) -> None:
    """Bring the database up to date. simwarden serve does it too, when it starts."""
    done = _on_database(_migrate)
    names = [f"{migration.version:04}_{migration.name}" for migration in done]
    if as_json:
        print_json({"applied": names})
    else:
        click.echo("\n".join(f"Applied {name}" for name in names) or "The database is up to date")


@db.command(epilog=examples(("db status",)))
@json_option
def status(*, as_json: bool) -> None:
    """Show which migrations are applied and which are pending."""
    found: migrations.MigrationStatus = _on_database(migrations.status)
    if as_json:
        print_json(found)
        return
    print_table(msgspec.to_builtins(found.applied), ["version", "name", "applied_at"], empty="Empty")
    if found.pending:
        click.echo(f"Pending: {', '.join(found.pending)} (simwarden db migrate)")
    elif found.version > found.target:
        click.echo(f"Made by a newer Simwarden: at migration {found.version}, this program knows {found.target}")


db.add_command(backup)
db.add_command(restore)
db.add_command(promote)
