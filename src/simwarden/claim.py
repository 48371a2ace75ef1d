"""A worker's place in its data directory, and with it the right to take up a dead predecessor's work at once.

A worker's name is random: no two processes ever have the same, wherever they run and whatever was copied. It holds the
first free place `run/worker-N.lock` by a lock of the operating system, and writes its name there. Who gets the lock
knows by that that those who held it before are dead, and inherits their leases. A file that was copied (a restored
backup, an image, a volume's snapshot) says nothing of the kind: where it was written, by machine and file number,
stands in it, and names are inherited only there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMEMBERED = 16
"""Predecessors that are remembered: of several that die one after the other, none may have come to inherit."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Claim(msgspec.Struct, frozen=True):
    """One process at its place."""

    name: str
    """For people it begins with the host and the place's number."""
    heir_of: tuple[str, ...]
    """Who held the place before, the last one first; all of them are dead."""


class _Page(msgspec.Struct):
    """What stands in the file."""

    where: list[str | int]
    names: list[str]


@contextlib.contextmanager
def claim(data_dir: Path) -> Iterator[Claim]:
    """Hold a place of this data directory, until the end of the process at the latest. Raises OSError."""
    directory = data_dir.expanduser() / "run"
    directory.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        number += 1
        descriptor = os.open(directory / f"worker-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield _enter(descriptor, f"{socket.gethostname()}:{number}:{secrets.token_hex(8)}")
            return
        finally:
            os.close(descriptor)


def _enter(descriptor: int, name: str) -> Claim:
    status = os.fstat(descriptor)
    where: list[str | int] = [_machine(), status.st_dev, status.st_ino]
    text = os.pread(descriptor, 1 << 16, 0)
    before: list[str] = []
    with contextlib.suppress(msgspec.DecodeError):  # a new file
        page = msgspec.json.decode(text, type=_Page)
        before = page.names if page.where == where else []
    names = [name, *before][:_REMEMBERED]
    # In one piece, over what stood there: it is whole whenever this process is killed.
    os.pwrite(descriptor, msgspec.json.encode(_Page(where, names)).ljust(len(text)), 0)
    return Claim(name, tuple(names[1:]))


def _machine() -> str:
    """The machine since it was started; what runs under another kernel may hold locks that are not seen here."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text().strip()
    return socket.gethostname()
