"""Whether this server is a standby: it answers what only reads, and changes and sends nothing.

The setting `standby` makes it one when it starts. From then on a mark in the data directory says so, and its end
promotes the server: workers look for it themselves, so that one that is started again after a crash knows what the
others know.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simwarden.settings import Settings

LOOK_SECONDS = 0.5
_PREFIX = "standby-"


def begin(settings: Settings) -> None:
    """Called when the server starts, before its workers do: makes the mark, or ends one from before."""
    mark = _mark(settings)
    if settings.standby:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    else:
        mark.unlink(missing_ok=True)


def is_standby(settings: Settings) -> bool:
    """Whether this server is one now."""
    return settings.standby and _mark(settings).exists()


async def promotion(settings: Settings) -> None:
    """Wait until this server is a standby no more."""
    while await asyncio.to_thread(is_standby, settings):  # noqa: ASYNC110 - a file tells nobody
        await asyncio.sleep(LOOK_SECONDS)


def marks(data_dir: Path) -> list[Path]:
    """The marks of all standbys of this data directory."""
    return list((data_dir.expanduser() / "run").glob(f"{_PREFIX}*"))


def promote(data_dir: Path) -> int:
    """End the standby of all servers of this data directory; returns how many there were."""
    found = marks(data_dir)
    for mark in found:
        mark.unlink(missing_ok=True)
    return len(found)


def _mark(settings: Settings) -> Path:
    return Path(settings.data_dir).expanduser() / "run" / f"{_PREFIX}{settings.port}"
