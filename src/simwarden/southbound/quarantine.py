"""Bodies that could not be taken in, kept for inspection: some of a flood, and the number of all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.store.gateways import GatewayRef, Gateways

_log = structlog.get_logger()
BURST = 100
"""Bodies of one gateway that are kept one after the other,"""
PER_SECOND = 2.0
"""and then so many a second. Each costs a transaction, and up to 64 kB that are written."""


class Quarantine:
    """Of one process. `monotonic` is the clock, in seconds."""

    def __init__(self, gateways: Gateways, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._gateways = gateways
        self._monotonic = monotonic
        self._room: dict[int, tuple[float, float]] = {}
        """How many more of a gateway may be kept, and when that was so."""
        self._untold: dict[int, int] = {}
        """How many of a gateway were not kept since the last that was."""

    async def keep(
        self, gateway: GatewayRef, reason: str, content_type: str | None, body: bytes, *, refused: bool = True
    ) -> None:
        """Keep a body with the reason, or only count it when its gateway sent too many. Raises StoreUnavailable.

        `refused`: nothing of it was taken in.
        """
        now = self._monotonic()
        room, since = self._room.get(gateway.id, (float(BURST), now))
        room = min(float(BURST), room + (now - since) * PER_SECOND)
        if room < 1:
            self._room[gateway.id] = room, now
            self._untold[gateway.id] = self._untold.get(gateway.id, 0) + 1
            return
        self._room[gateway.id] = room - 1, now
        untold = self._untold.pop(gateway.id, 0)
        _log.info("report kept for inspection", gateway=gateway.name, reason=reason, size=len(body), not_kept=untold)
        clean = content_type.replace("\x00", "") if content_type else None
        words = reason.replace("\x00", "")
        await self._gateways.reject(gateway.id, now_utc(), words, clean, body, count=1 + untold, refused=refused)
