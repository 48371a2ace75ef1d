"""Whether the database can be worked with."""

from __future__ import annotations

from simwarden import standby
from simwarden.domain.errors import StoreUnavailable
from simwarden.settings import Settings, keys
from simwarden.store import key_check, migrate
from simwarden.store.vault import Vault


async def ready(settings: Settings) -> None:
    """The database can be worked with: it is there, has this program's tables, and belongs to our master key.

    Raises StoreUnavailable, DatabaseRefuses, WrongMasterKey.
    """
    assert settings.database_url is not None
    found = await migrate.status(settings.database_url)
    if found.version < found.target:
        raise StoreUnavailable(f"The database is at migration {found.version} of {found.target} and waits for the rest")
    vault = Vault(keys.master_key(settings))
    await key_check.check(settings.database_url, vault, claim=not standby.is_standby(settings))
