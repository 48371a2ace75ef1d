"""The first operator's key: made where the database is, and left in the data directory for the commands."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING

import msgspec

from simwarden.accounts.applications import issue_operator
from simwarden.cli.remote import Key, key_path
from simwarden.kit.ids import random_name
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database

if TYPE_CHECKING:
    from simwarden.settings import Settings


async def leave(settings: Settings, url: str) -> str:
    """Make one, unless there is one; returns what there is to say of it. Raises StoreUnavailable.

    Where the data directory cannot be written to, none is made: the file comes first.
    """
    path = key_path(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return ""
    except OSError as error:
        return f"No operator's key is left for the commands: {path}: {error.strerror}"
    try:
        db = await Database.connect(url, size=1)
        try:
            made = await issue_operator(Accounts(db), f"{_user()}@{socket.gethostname()[:40]} {random_name(6)}")
        finally:
            await db.close()
        os.write(file, msgspec.json.encode(Key(made.application.app_key, made.app_secret)) + b"\n")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)
    return f"The operator's key for the commands is in {path}"


def _user() -> str:
    try:
        return getpass.getuser()[:40]
    except (KeyError, OSError):
        return str(os.getuid())
