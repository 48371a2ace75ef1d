"""The master key: a setting, or a file in the data directory that is made on first use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from simwarden.kit.files import write_once
from simwarden.settings.fields import InvalidSettings

if TYPE_CHECKING:
    from simwarden.settings import Settings


def master_key(settings: Settings) -> bytes:
    """The master key: the setting, else the key file, made on first use. Raises InvalidSettings."""
    if settings.secret_key:
        key = key_of(settings.secret_key)
        if key is None:
            raise InvalidSettings("SIMWARDEN_SECRET_KEY: 64 hex digits are needed")
        return key
    path = key_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_key(path, os.urandom(32))
    return read_key(path)


def stored_key(settings: Settings) -> bytes | None:
    """The master key if there is one; none is made. Raises InvalidSettings."""
    if settings.secret_key or key_path(settings).exists():
        return master_key(settings)
    return None


def key_path(settings: Settings) -> Path:
    """Where the master key lies when it is in no setting."""
    return Path(settings.data_dir).expanduser() / "master.key"


def read_key(path: Path) -> bytes:
    """The master key in a file. Raises InvalidSettings."""
    try:
        key = key_of(path.read_text(errors="replace").strip())
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}") from None
    if key is None:
        raise InvalidSettings(f"{path}: 64 hex digits are needed")
    return key


def write_key(path: Path, key: bytes) -> None:
    """Write a master key into a new file, mode 0600. One that exists stays as it is."""
    write_once(path, key.hex() + "\n")


def has_master_key(settings: Settings) -> bool:
    """Whether there is a master key already."""
    return bool(settings.secret_key) or key_path(settings).exists()


def key_of(text: str) -> bytes | None:
    """The 32 bytes of 64 hex digits; None if they are none."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == 32 else None
