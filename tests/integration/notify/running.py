"""A notifier at work, with times that suit a test."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from tests.support.patience import PATIENCE

from simwarden.notify.notifier import Notifier
from simwarden.notify.retry import Schedule
from simwarden.notify.settings import NotifySettings
from simwarden.store.listener import Listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from tests.integration.notify.house import House

    from simwarden.notify.sender import Sender

QUICK = NotifySettings(
    schedule=Schedule(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=100)),
    total_timeout=PATIENCE,
    stop_time=1,
)


@contextlib.asynccontextmanager
async def running(
    house: House, *, worker: str = "w1", heir_of: Sequence[str] = (), sender: Sender | None = None, **changes: Any
) -> AsyncIterator[Notifier]:
    """A started notifier, stopped at the end; `changes` are settings."""
    notifier = Notifier(
        house.db,
        house.vault,
        worker=worker,
        heir_of=heir_of,
        allow_private_sinks=True,
        settings=msgspec.structs.replace(QUICK, **changes),
        sender=sender,
    )
    listener = Listener(house.db.url, notifier.handlers)
    listener.start()
    notifier.start()
    try:
        yield notifier
    finally:
        await notifier.stop()
        await listener.stop()


async def eventually(condition: Callable[[], Awaitable[bool]], limit: float = PATIENCE) -> None:
    """Wait until a condition on the database holds; fails after `limit` seconds."""
    async with asyncio.timeout(limit):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)
