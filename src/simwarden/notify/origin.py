"""How much an origin is given to do at once. No I/O; the time is handed in.

All sinks of one account at one `scheme://host:port` are slow or dead together, so this is the unit of isolation. Its
share of parallel sends grows with every quick answer and halves when there is none; after several failures in a row the
circuit opens, and one probe at a time finds out whether the origin is back. So a dead origin costs one slot.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from simwarden.store.deliveries import DueLane


_MEMORY = 600.0
"""Seconds after which the failures of an origin without lanes are forgotten."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an origin may take up."""

    parallel: int = 64
    """Most sends at once to one origin."""
    start: int = 8
    """Sends at once to an origin that has not answered yet."""
    quick: float = 2.0
    """Seconds: an answer within this time lets the share grow."""
    trip: int = 5
    """Failures in a row, without any answer, that open the circuit."""
    first_open: float = 1.0
    """Seconds the circuit stays open at first; doubles with every failed probe,"""
    longest_open: float = 30.0
    """up to this."""


class Origin:
    """One origin: its waiting lanes and how it has been answering."""

    def __init__(self, key: str, limits: Limits) -> None:
        self.key = key
        self.active = 0
        self.reserved = 0
        self.waiting: deque[DueLane] = deque()
        self._limits = limits
        self._share = float(limits.start)
        self._failures = 0
        self._open_until = float("-inf")
        self._failed_at = float("-inf")

    @property
    def probing(self) -> bool:
        """Whether it is believed to be dead, and one send at a time finds out."""
        return self._failures >= self._limits.trip

    @property
    def share(self) -> int:
        """Sends at once that it is given now."""
        return 1 if self.probing else int(self._share)

    def forgettable(self, now: float) -> bool:
        """Whether nothing is held, and nothing known that still matters."""
        held = self.active or self.reserved or self.waiting
        return not held and (self._failures == 0 or now - self._failed_at > _MEMORY)

    def opens_in(self, now: float) -> float:
        """Seconds until the circuit lets the next probe through; 0 when it does now."""
        return max(self._open_until - now, 0.0) if self.probing else 0.0

    def room(self, now: float) -> int:
        """How many more lanes it may hold, the waiting ones included."""
        if self.opens_in(now) > 0:
            return 0
        held = self.active + self.reserved + len(self.waiting)
        return max((1 if self.probing else 2 * self.share) - held, 0)

    def startable(self, now: float) -> bool:
        """Whether a waiting lane may begin."""
        return bool(self.waiting) and self.active < self.share and self.opens_in(now) == 0

    def answered(self, duration: float) -> bool:
        """It answered something after so many seconds; returns whether it had been believed to be dead."""
        back, self._failures = self.probing, 0
        if duration <= self._limits.quick:
            self._share = min(self._share + 1, self._limits.parallel)
        return back

    def silent(self, now: float) -> float | None:
        """It did not answer; returns for how many seconds the circuit opens by this, None when it does not.

        Failures of sends that were begun before the circuit opened do not count again.
        """
        if self.opens_in(now) > 0:
            return None
        self._share = max(self._share / 2, 1.0)
        self._failures += 1
        self._failed_at = now
        if not self.probing:
            return None
        exponent = min(self._failures - self._limits.trip, 32)
        seconds = min(self._limits.first_open * 2.0**exponent, self._limits.longest_open)
        self._open_until = now + seconds
        return seconds
