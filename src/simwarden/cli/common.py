"""What the commands share: settings, the store, output for people and for programs."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from simwarden import settings as settings_module
from simwarden.domain.errors import InvalidIdentifier, SimNotFound
from simwarden.domain.events import Cause, CauseKind
from simwarden.kit.clock import now_utc
from simwarden.store import migrate
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.sims import Sims
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence

    from simwarden.domain.intake import Caution
    from simwarden.domain.sim import Sim
    from simwarden.settings import Settings

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def current_settings(**flags: Any) -> tuple[Settings, dict[str, str]]:
    """The settings in force for this command line; `flags` are the command's own. Raises InvalidSettings."""
    given: dict[str, Any] = dict(click.get_current_context().find_root().obj or {})
    file: Path | None = given.pop("file", None)
    given.update({name: value for name, value in flags.items() if value is not None})
    return settings_module.load(given, os.environ, file)


class Store:
    """The opened database of one command, with the means to read its secrets."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db = db
        self.settings = settings

    @property
    def vault(self) -> Vault:
        """Opens what is encrypted at rest."""
        return Vault(settings_module.master_key(self.settings))


@contextlib.asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The database, started if it is the embedded one and does not run, and brought up to date."""
    server = None
    url = settings.database_url
    if url is None:
        server = EmbeddedPostgres(Path(settings.data_dir))
        url = await asyncio.to_thread(server.acquire)
    try:
        await migrate.migrate(url)
        db = await Database.connect(url, size=4)
        try:
            yield Store(db, settings)
        finally:
            await db.close()
    finally:
        if server is not None:
            await asyncio.to_thread(server.release)


def with_store(work: Callable[[Store], Coroutine[Any, Any, T]], **flags: Any) -> T:
    """Run `work` on the opened store."""
    settings, _ = current_settings(**flags)

    async def run() -> T:
        async with open_store(settings) as store:
            return await work(store)

    return asyncio.run(run())


def by_operator(operation: str) -> Cause:
    """The cause of what is done by this command."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Cause(CauseKind.OPERATOR, f"{user} (command line)", now_utc(), operation)


async def find_sim(store: Store, text: str) -> Sim:
    """The SIM with this IMSI, ICCID, phone number or NAI. Raises SimNotFound."""
    try:
        number = store.settings.intake.number(text)
    except InvalidIdentifier:
        number = None
    sim = await Sims(store.db).find_any(text, number)
    if sim is None:
        raise SimNotFound(f"No SIM has the IMSI, ICCID, phone number or NAI {text!r}. `simwarden sim list` shows them.")
    return sim


def warn(cautions: Iterable[Caution]) -> None:
    """Say on standard error what looks wrong."""
    for caution in cautions:
        click.echo(f"Warning: {caution.message}", err=True)


def print_json(value: Any) -> None:
    """One JSON document."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2)
    click.echo(text.decode())


def print_fields(fields: dict[str, Any]) -> None:
    """Names and values below each other; what is empty is left out."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        if value not in (None, "", [], ()):
            click.echo(f"{name:<{width}}  {human(value)}")


def print_table(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """A table of some columns; `empty` says what to do when there is nothing yet."""
    if not rows:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(human(row.get(column)) for column in columns))
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)
    console.print(table)


def human(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if isinstance(value, (list, tuple)):
        return ", ".join(human(item) for item in value)
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, memoryview):
        return bytes(value)
    raise TypeError(type(value).__name__)
