"""A loop that must not end: when it falls over that is logged, and it begins again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

REST = 5.0
log = structlog.get_logger(__name__)


async def kept(name: str, loop: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run `loop` until cancelled; after an error nobody expected, again after a rest."""
    while True:
        task = asyncio.create_task(loop(), name=name)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if task.cancelled():
            return
        log.error("a loop fell over and begins again", loop=name, exc_info=task.exception())
        await asyncio.sleep(REST)
