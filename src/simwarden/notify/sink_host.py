"""How much an origin is given to do at once. No I/O; the time is handed in.

All sinks of one account at one `scheme://host:port` are slow or dead together. An origin's share of parallel sends
grows with every quick answer, and halves when there is none or a slow one; after several failures in a row the circuit
opens, and one probe at a time finds out whether the origin is back. So a dead origin costs one slot. What all origins
of a host and of an account may take together is the business of `shares`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from simwarden.store.deliveries import ClaimedQueue


QUICK_ERROR = 0.25
"""So much of a failure is a quick error."""
_MEMORY = 600.0
"""Seconds after which the failures of an origin without queues are forgotten."""


class SinkLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What an origin may take up."""

    parallel: int = 64
    """Most sends at once to one origin."""
    start: int = 8
    """Sends at once to an origin that has not answered yet."""
    quick: float = 2.0
    """Seconds: an answer within this time lets the share grow. An error that takes longer counts as no answer."""
    slow: float = 5.0
    """Seconds: an answer that takes longer halves the share, whatever it says."""
    trip: int = 5
    """Failures in a row that open the circuit; of quick errors it takes four times as many."""
    first_open: float = 1.0
    """Seconds the circuit stays open at first; doubles with every failed probe,"""
    longest_open: float = 30.0
    """up to this."""


class SinkHost:
    """One origin: its waiting queues and how it has been answering."""

    def __init__(self, key: str, limits: SinkLimits, account: str = "") -> None:
        self.key = key
        self.account = account
        self.host = _host(key)
        self.offered = False
        """It waits for its turn (`Shares`)."""
        self.active = 0
        self.reserved = 0
        self.waiting: deque[ClaimedQueue] = deque()
        self._limits = limits
        self._share = float(limits.start)
        self._failures = 0.0
        self._open_until = float("-inf")
        self._failed_at = float("-inf")

    @property
    def probing(self) -> bool:
        """Whether it is believed to be dead, and one send at a time finds out."""
        return self._failures >= self._limits.trip

    @property
    def concurrency(self) -> int:
        """Sends at once that it is given now."""
        return 1 if self.probing else int(self._share)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is held."""
        return not (self.active or self.reserved or self.waiting)

    def forgettable(self, now: float) -> bool:
        """Whether nothing is held, and nothing known that still matters."""
        return self.is_idle and (self._failures == 0 or now - self._failed_at > _MEMORY)

    def opens_in(self, now: float) -> float:
        """Seconds until the circuit lets the next probe through; 0 when it does now."""
        return max(self._open_until - now, 0.0) if self.probing else 0.0

    def capacity(self, now: float) -> int:
        """How many more queues it may hold, the waiting ones included."""
        if self.opens_in(now) > 0:
            return 0
        held = self.active + self.reserved + len(self.waiting)
        return max((1 if self.probing else 2 * self.concurrency) - held, 0)

    def can_start(self, now: float) -> bool:
        """Whether a waiting queue may begin."""
        return bool(self.waiting) and self.active < self.concurrency and self.opens_in(now) == 0

    def answered(self, duration: float) -> bool:
        """It took an event, or refused it for good, after so many seconds; returns whether it was believed dead."""
        back, self._failures = self.probing, 0.0
        if duration <= self._limits.quick:
            self._share = min(self._share + 1, self._limits.parallel)
        elif duration > self._limits.slow:
            self._share = max(self._share / 2, 1.0)
        return back

    def failed(self, now: float, *, quick_error: bool = False) -> float | None:
        """It did not answer, or with an error; returns for how many seconds the circuit opens by this, None when not.

        A quick error (429, 3xx, 5xx) holds no slot, and may be the fault of one of many sinks there: it counts a
        quarter, and the circuit opens for the shortest time. A slow one counts as no answer. Failures of sends that
        were begun before the circuit opened do not count again.
        """
        if self.opens_in(now) > 0:
            return None
        if not quick_error:
            self._share = max(self._share / 2, 1.0)
        self._failures += QUICK_ERROR if quick_error else 1.0
        self._failed_at = now
        if not self.probing:
            return None
        exponent = 0 if quick_error else min(int(self._failures) - self._limits.trip, 32)
        seconds = min(self._limits.first_open * 2.0**exponent, self._limits.longest_open)
        self._open_until = now + seconds
        return seconds

    @property
    def just_tripped(self) -> bool:
        """Whether the last failure was the one that made it be believed dead."""
        return self.probing and self._failures < self._limits.trip + 1.0


def _host(key: str) -> str:
    """The host in `account scheme://host:port`."""
    authority = key.rpartition("//")[2]
    return authority.rpartition(":")[0] or authority
