"""What a network element may send, over all workers: requests, their bytes, and how many at once.

Requests and bytes are held against buckets that all workers draw from. What comes beyond a rate waits in the order in
which it came, and is refused when that takes too long: elements that send in bursts lose nothing, and one that sends
too much delays itself. How many requests wait or are worked on at once is counted by each worker, whose memory and
connections it protects.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain.errors import SimwardenError
from simwarden.domain.rates import OverLimit, RateLimit
from simwarden.store.call_limits import keys_of_element

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simwarden.engine.buckets import Bucket, Buckets

UNIT = 1024
"""Bytes that take a token."""
SAID_EVERY = 60.0
"""Seconds from one line in the log about an element to the next."""
KEPT = 20_000
"""Elements that are remembered."""
_log = structlog.get_logger()


class ElementLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What each element of a kind may send."""

    requests: RateLimit
    kib: RateLimit
    """KiB, begun ones whole."""
    at_once: int
    """Requests in work or waiting, of each worker."""
    patience: float
    """Seconds that a request waits for its turn."""


class ElementOverLimit(SimwardenError):
    """An element sends more than it may."""

    status, code = 429, "TOO_MANY_REQUESTS"

    def __init__(self, what: str) -> None:
        """`what`: "reports", "bytes" or "open_reports"; a label in the metrics as `<what>_of_gateway`."""
        super().__init__(f"The element sends more {what} than it may")
        self.what = what


class ElementRates:
    """The limits of the elements of one kind, in one worker."""

    def __init__(self, buckets: Buckets, limits: ElementLimits) -> None:
        self._buckets = buckets
        self._limits = limits
        self._known: dict[int, _Element] = {}

    @contextlib.asynccontextmanager
    async def request(self, element_id: int, name: str) -> AsyncIterator[None]:
        """One request of an element, from its turn to its end; `name` is for the log.

        Raises ElementOverLimit, StoreUnavailable.
        """
        element = self._element(element_id)
        try:
            if element.open >= self._limits.at_once:
                raise ElementOverLimit("open_reports")
            element.open += 1
            try:
                if element.queued or not self._buckets.spend(element.buckets, self._buckets.clock()):
                    await self._wait(element)
                yield
            finally:
                element.open -= 1
        except ElementOverLimit as error:
            now = self._buckets.clock()
            if now >= element.say_at:
                element.say_at = now + SAID_EVERY
                _log.warning("a network element sends more than it may", element=name, what=error.what)
            raise

    def received(self, element_id: int, size: int) -> None:
        """A request brought so many bytes. What exceeds the rate keeps the next requests waiting."""
        element = self._element(element_id)
        more = (size - 1) // UNIT  # the first has been taken when the request had its turn
        if more > 0:
            self._buckets.charge(element.kib, more)

    async def _wait(self, element: _Element) -> None:
        clock = self._buckets.clock
        until = clock() + self._limits.patience
        element.queued += 1
        try:
            async with element.turns:
                while True:
                    try:
                        return await self._buckets.admit(element.buckets)
                    except OverLimit as over:
                        pause = max(bucket.blocked_until for bucket in element.buckets) - clock()
                        if clock() + pause > until:
                            what = "bytes" if over.limit.name == element.kib.name else "reports"
                            raise ElementOverLimit(what) from over
                        await asyncio.sleep(pause)
        finally:
            element.queued -= 1

    def _element(self, element_id: int) -> _Element:
        element = self._known.get(element_id)
        if element is None:
            while len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            reports, sizes = keys_of_element(element_id)
            requests = self._buckets.bucket("", reports, "reports", self._limits.requests)
            kib = self._buckets.bucket("", sizes, "bytes", self._limits.kib)
            element = self._known[element_id] = _Element(requests, kib)
        return element


class _Element:
    """What this worker knows of one."""

    __slots__ = ("buckets", "kib", "open", "queued", "say_at", "turns")

    def __init__(self, requests: Bucket, kib: Bucket) -> None:
        self.buckets = requests, kib
        self.kib = kib
        self.open = 0
        self.queued = 0
        self.say_at = float("-inf")
        self.turns = asyncio.Lock()
