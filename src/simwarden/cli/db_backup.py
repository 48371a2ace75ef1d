"""`simwarden db backup`, `db restore` and `db promote`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simwarden import settings as settings_module
from simwarden import standby
from simwarden.cli import first_key
from simwarden.cli.common import current_settings, json_option
from simwarden.cli.printing import print_json
from simwarden.domain.errors import SimwardenError
from simwarden.settings import keys
from simwarden.settings.keys import key_path
from simwarden.store import backup as backups
from simwarden.store import migrate, promotion
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simwarden.settings import Settings
    from simwarden.store.backup import Archive

_FILE = click.Path(dir_okay=False, path_type=Path)
_TERMINAL_SECONDS, _LOG_SECONDS = 0.5, 10.0


class NoDatabase(SimwardenError):
    """There is nothing to back up."""


@click.command(
    epilog="\b\nExamples:\n  simwarden db backup simwarden-$(date +%F).dump\n"
    "  simwarden db backup /backups/today.dump --force"
)
@click.argument("file", type=_FILE)
@click.option("--with-key", is_flag=True, help="Write the master key beside it, as FILE.key (mode 0600).")
@click.option("--force", is_flag=True, help="Take the place of a file of this name.")
@json_option
def backup(file: Path, *, with_key: bool, force: bool, as_json: bool) -> None:
    """Back up the database into FILE, while the server works or while it is stopped.

    The master key is not in FILE: without it nobody can restore the backup. Keep a copy of it, apart from the backups.
    """
    settings, _ = current_settings()
    _refuse_existing(file, file.with_name(f"{file.name}.key") if with_key else None, force=force)
    key = keys.stored_key(settings)
    with _database(settings) as url:
        held = asyncio.run(backups.content(url))
        if held is None:
            raise NoDatabase("The database holds no Simwarden: is this the right one?")
        programs, _ = asyncio.run(backups.programs_for(url))
        size = backups.write(programs, url, file, _Progress("Written"))
        archive = backups.read(programs, file)
    key_file = None
    if with_key:
        if key is None:
            raise settings_module.InvalidSettings("There is no master key here to keep with the backup.")
        archive.check_key(Vault(key))
        key_file = file.with_name(f"{file.name}.key")
        key_file.unlink(missing_ok=True)
        keys.write_key(key_file, key)
    if as_json:
        print_json(
            {"file": str(file), "bytes": size, "migration": archive.migration, "accounts": held.accounts,
             "sims": held.sims, "keyFile": str(key_file) if key_file else None}
        )  # fmt: skip
        return
    click.echo(f"{file}: {held.sims} SIMs of {held.accounts} accounts, {size:,} bytes, migration {archive.migration}")
    if key_file is not None:
        click.echo(f"{key_file}: the master key. Whoever has both files can read every secret: keep them apart.")
    elif key is not None:
        where = "SIMWARDEN_SECRET_KEY" if settings.secret_key else str(key_path(settings).resolve())
        click.echo(
            f"The master key ({where}) is NOT in the backup. Without it nobody can restore: keep a copy elsewhere.",
            err=True,
        )


@click.command(
    epilog="\b\nExamples:\n  simwarden --data-dir ./new db restore simwarden.dump --key-file master.key\n"
    "  simwarden db restore simwarden.dump --force"
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The master key of the backup; put into the data directory.",
)
@click.option("--force", is_flag=True, help="Overwrite a database that holds data, and a master key that does not fit.")
@json_option
def restore(file: Path, *, key_file: Path | None, force: bool, as_json: bool) -> None:
    """Restore a backup, as a whole or not at all. No server may run on the database."""
    settings, _ = current_settings()
    programs = backups.newest_programs()
    archive = backups.read(programs, file)
    backups.refuse_newer(archive)
    key = _key_for(archive, settings, key_file, force=force)
    with _database(settings, make=True) as url:
        programs, server_major = asyncio.run(backups.programs_for(url))
        held = asyncio.run(backups.content(url))
        if held is not None and not held.is_empty and not force:
            raise backups.NotEmpty(
                f"The database holds {held.sims} SIMs of {held.accounts} accounts. Restore into an empty one, or "
                "overwrite it with --force; there is no way back but a backup of it."
            )
        asyncio.run(backups.refuse_in_use(url))
        with _key_in_place(settings, key) as install:
            backups.restore(programs, server_major, url, archive, _Progress("Restored"), install)
        asyncio.run(_finish(url))
        said = asyncio.run(first_key.leave(settings, url))
        now = asyncio.run(backups.content(url))
    assert now is not None
    if as_json:
        print_json({"file": str(file), "created": archive.created, "accounts": now.accounts, "sims": now.sims,
                    "migration": now.migration})  # fmt: skip
        return
    click.echo(
        f"Restored {now.sims} SIMs of {now.accounts} accounts, as of {archive.created}; migration {now.migration}"
    )
    if said:
        click.echo(said, err=True)
    click.echo("Look at it before anything is sent: simwarden serve --standby", err=True)


async def _finish(url: str) -> None:
    await migrate.migrate(url)
    await backups.analyze(url)


@contextlib.contextmanager
def _database(settings: Settings, *, make: bool = False) -> Iterator[str]:
    """The URL of the database. The embedded one is started if need be; with `make` it is made if need be, and nobody
    else may serve from it."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    server = EmbeddedPostgres(Path(settings.data_dir))
    if not make and not server.exists:
        raise NoDatabase(f"There is no database in {server.data_dir}: name another folder with --data-dir.")
    try:
        yield server.acquire(serve=make)
    finally:
        server.release()


def _key_for(archive: Archive, settings: Settings, key_file: Path | None, *, force: bool) -> bytes | None:
    """The master key to go on with; None when the backup holds nothing that is sealed and there is no key.

    That of --key-file, else what is in force here, else FILE.key beside the backup. Raises WrongBackupKey.
    """
    here = keys.stored_key(settings)
    beside = archive.file.with_name(f"{archive.file.name}.key")
    if key_file is None and here is None and beside.exists():
        key_file = beside
    key = here if key_file is None else keys.read_key(key_file)
    archive.check_key(Vault(key) if key else None)
    if here is not None and key != here:
        if settings.secret_key:
            raise backups.WrongBackupKey(f"SIMWARDEN_SECRET_KEY is not the key in {key_file}: set that one.")
        if not force:
            raise backups.WrongBackupKey(
                f"{key_path(settings)} is another key than {key_file}. With --force it is put aside."
            )
    return key


@contextlib.contextmanager
def _key_in_place(settings: Settings, key: bytes | None) -> Iterator[Callable[[], None]]:
    """Gives what puts the key in its place: called just before the database is there, since a server that found no key
    would make a new one. Taken back when the block fails."""
    path = key_path(settings)
    aside: Path | None = None
    made = False

    def install() -> None:
        nonlocal aside, made
        if key is None or settings.secret_key or (path.exists() and keys.read_key(path) == key):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            aside = path.with_name(f"master.key.{time.strftime('%Y%m%dT%H%M%S')}")
            path.rename(aside)
        keys.write_key(path, key)
        made = True

    try:
        yield install
    except BaseException:
        if made:
            path.unlink()
        if aside is not None:
            aside.rename(path)
        raise
    if aside is not None:
        click.echo(f"The old master key is now {aside}", err=True)


def _refuse_existing(file: Path, key_file: Path | None, *, force: bool) -> None:
    for one in (file, key_file):
        if one is not None and one.exists() and not force:
            raise backups.BackupFailed(f"{one} exists: choose another name, or --force.")
    if not os.access(file.resolve().parent, os.W_OK):
        raise backups.BackupFailed(f"{file.resolve().parent} is no folder that can be written to.")


@click.command(epilog="\b\nExample:\n  simwarden db promote")
@json_option
def promote(*, as_json: bool) -> None:
    """Let the standby on this data directory take over: it sends from now on. A replica is made writable first.

    Make sure that the old server is gone and does not come back, or both will send.
    """
    settings, _ = current_settings()
    folder = Path(settings.data_dir)
    with _database(settings) as url:
        if not standby.marks(folder) and not asyncio.run(promotion.is_replica(url)):
            raise promotion.PromotionFailed(f"There is no standby on {folder} and the database is no replica.")
        replica = asyncio.run(promotion.promote(url))
        asyncio.run(migrate.migrate(url))
        servers = standby.promote(folder)
    if as_json:
        print_json({"replica": replica, "servers": servers})
        return
    click.echo("The replica takes changes now" if replica else "The database takes changes")
    click.echo(f"Standby servers told to take over: {servers}. Leave out --standby when you start them again.")


class _Progress:
    """How far it has come, on standard error: one line that changes on a terminal, else a line now and then."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._terminal = sys.stderr.isatty()
        self._next = time.monotonic() + (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS)

    def __call__(self, done: int, total: int | None) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS)
        if total is None:
            text = f"{self._verb} {done / 1e6:,.0f} MB"
        elif done >= total:
            text = f"{self._verb} all data; building indexes"
        else:
            text = f"{self._verb} {100 * done // total} % of {total / 1e6:,.0f} MB"
        click.echo(f"\r{text:<60}" if self._terminal else text, nl=not self._terminal, err=True)
