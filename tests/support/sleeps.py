"""Sleeping in one module alone: asyncio itself is shared with whatever else runs in the event loop of the tests."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def with_sleep(sleep: Callable[[float], Awaitable[None]]) -> SimpleNamespace:
    """What a module is to find under the name asyncio, so that it sleeps by `sleep`."""
    return SimpleNamespace(**{**vars(asyncio), "sleep": sleep})
