"""The database, for the few commands that open it themselves: those of starting up (decision 0029)."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from simwarden.cli.common import current_settings
from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import Cause, CauseKind
from simwarden.kit.clock import now_utc
from simwarden.settings import keys
from simwarden.store import migrate
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from simwarden.settings import Settings

T = TypeVar("T")


class Store:
    """The opened database of one command, with the means to read its secrets."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db = db
        self.settings = settings

    @property
    def vault(self) -> Vault:
        """Opens what is encrypted at rest."""
        return Vault(keys.master_key(self.settings))


@contextlib.asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The database, started if it is the embedded one and does not run, and brought up to date.

    Raises StoreUnavailable, also where there is no embedded one yet: `simwarden serve` makes it.
    """
    server = None
    url = settings.database_url
    if url is None:
        server = EmbeddedPostgres(Path(settings.data_dir))
        if not server.exists:
            raise StoreUnavailable(
                f"There is no database in {server.data_dir}. Name the right folder with --data-dir, or make one there "
                "with `simwarden serve`"
            )
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
