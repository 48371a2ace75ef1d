"""The first operator's key: made where the database is, and left in the data directory for the commands."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from typing import TYPE_CHECKING

from simwarden.accounts.applications import issue_operator
from simwarden.cli.remote import Key, key_path, write_key
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database

if TYPE_CHECKING:
    from simwarden.settings import Settings


async def leave(settings: Settings, url: str) -> bool:
    """Make one, unless there is one; returns whether it was made. Raises StoreUnavailable."""
    path = key_path(settings)
    if path.exists():
        return False
    db = await Database.connect(url, size=1)
    try:
        made = await issue_operator(Accounts(db), f"{_user()}@{socket.gethostname()[:40]} {secrets.token_hex(3)}")
    finally:
        await db.close()
    write_key(path, Key(made.application.app_key, made.app_secret))
    return True


def _user() -> str:
    try:
        return getpass.getuser()[:40]
    except (KeyError, OSError):
        return str(os.getuid())
