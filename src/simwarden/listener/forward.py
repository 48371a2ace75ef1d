"""Handing events to a program on this machine, exactly as the server would have posted them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Protocol

import aiohttp
import msgspec
from msgspec import UNSET
from yarl import URL

from simwarden.kit.clock import now_utc
from simwarden.northbound.listen.schemas import Acknowledgement
from simwarden.notify.retry import parse_retry_after

if TYPE_CHECKING:
    from simwarden.northbound.listen.schemas import WaitingEvent

TOTAL = 15.0
"""Seconds that the program may take, the same as any sink."""
_KEPT = 4096


class Local(msgspec.Struct, frozen=True):
    """What the program answered."""

    status: int | None
    error: str | None
    answer: str | None
    duration_ms: int
    retry_after: int | None = None

    def acknowledgement(self, event_id: str) -> Acknowledgement:
        """What is reported to the server."""
        return Acknowledgement(
            event_id=event_id,
            status=UNSET if self.status is None else self.status,
            error=UNSET if self.error is None else self.error[:500],
            answer=UNSET if self.answer is None else self.answer,
            duration_ms=self.duration_ms,
            retry_after_seconds=UNSET if self.retry_after is None else self.retry_after,
        )


class EventHandler(Protocol):
    """Takes events."""

    async def hand(self, event: WaitingEvent) -> Local:
        """Hand one on; never raises for what the program does."""


class Nowhere:
    """Takes events that are only to be looked at."""

    async def hand(self, event: WaitingEvent) -> Local:
        """Every event is fine."""
        del event
        return Local(204, None, "printed by simwarden listen, not forwarded", 0)


class Forward:
    """A program that listens at `url`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = URL(url)

    async def hand(self, event: WaitingEvent) -> Local:
        """Post it: same headers, same bytes. Redirects are not followed, as the server follows none."""
        begun = time.monotonic()
        status, error, answer, retry_after = None, None, None, None
        try:
            async with self._session.post(
                self._url,
                data=event.body.encode(),
                headers=event.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TOTAL, connect=5),
            ) as response:
                status = response.status
                wait = parse_retry_after(response.headers.get("retry-after"), now_utc())
                retry_after = None if wait is None else min(int(wait.total_seconds()), 86_400)
                answer = (await response.content.read(_KEPT)).decode("utf-8", "replace")[:_KEPT] or None
        except TimeoutError:
            error = None if status else "no answer in time"
        except (aiohttp.ClientError, OSError) as failure:
            error = None if status else _sentence(failure)
        return Local(status, error, answer, round((time.monotonic() - begun) * 1000), retry_after)


def _sentence(failure: BaseException) -> str:
    number = getattr(failure, "errno", None)
    return os.strerror(number) if number else str(failure) or type(failure).__name__
