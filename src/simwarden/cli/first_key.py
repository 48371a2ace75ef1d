"""The first operator's key: made where the database is, and left in the data directory for the commands."""

from __future__ import annotations

import getpass
import os
import socket
import time
from typing import TYPE_CHECKING

import msgspec

from simwarden.accounts.applications import issue_operator
from simwarden.accounts.logins import first_code
from simwarden.cli.remote import Key, ServerRefused, key_path, read_key
from simwarden.kit.ids import random_name
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database
from simwarden.store.people import People

if TYPE_CHECKING:
    from pathlib import Path

    from simwarden.settings import Settings
    from simwarden.store.vault import Vault


async def leave(settings: Settings, url: str) -> str:
    """Make one, unless there is one that this database knows; returns what there is to say of it.

    A key of another database is put aside. Where the data directory cannot be written to, none is made: the file comes
    first. Raises StoreUnavailable.
    """
    path = key_path(settings)
    db = await Database.connect(url, size=1)
    try:
        accounts = Accounts(db)
        if await _is_foreign(path, accounts):
            path.rename(path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}"))
        return await _make(path, accounts)
    except OSError as error:
        return f"No operator's key is left for the commands: {path}: {error.strerror}"
    finally:
        await db.close()


async def console(settings: Settings, url: str, vault: Vault) -> str:
    """Where the web console is; with the code that makes its first person, while there is none."""
    db = await Database.connect(url, size=1)
    try:
        begun = await People(db).any()
    finally:
        await db.close()
    address = f"{settings.admin_url}/console"
    return f"Console: {address}" if begun else f"Console: {address}/first?code={first_code(vault)}"


async def _make(path: Path, accounts: Accounts) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return ""
    try:
        made = await issue_operator(accounts, f"{_user()}@{socket.gethostname()[:40]} {random_name(6)}")
        os.write(file, msgspec.json.encode(Key(made.application.app_key, made.app_secret)) + b"\n")
    except BaseException:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - one file, before anything is served
        raise
    finally:
        os.close(file)
    return f"The operator's key for the commands is in {path}"


async def _is_foreign(path: Path, accounts: Accounts) -> bool:
    """Whether there is a key that this database has never known. A revoked one stays what it is."""
    try:
        key = read_key(path)
    except ServerRefused:
        return False
    return await accounts.credentials(key.app_key) is None


def _user() -> str:
    try:
        return getpass.getuser()[:40]
    except (KeyError, OSError):
        return str(os.getuid())
