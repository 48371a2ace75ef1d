"""How fast background work may go so that others do not feel it. Pure: it is told what a batch took.

Two signs say that others want the machine: a batch takes longer per SIM than it could, and the event loop comes late
to a timer. Work then shrinks to small batches with long pauses; when nobody wants anything it grows again.
"""

from __future__ import annotations

SMALLEST = 8
LARGEST = 400
AIM = 0.02
"""Seconds that a batch should take: so long others may wait for the rows, the connection and the loop."""
LATE = 0.004
"""Seconds by which a timer comes late when the loop is wanted by others."""
LONGEST_PAUSE = 0.5


class Pace:
    """Size of the next batch and the pause before it."""

    def __init__(self) -> None:
        self.size = 32
        self.pause = 0.0
        self._weight = 1.0

    def after(self, took: float, done: int, late: float) -> None:
        """A batch of `done` SIMs took `took` seconds; the timer before it came `late` seconds late."""
        if done:
            wanted = self.size * AIM / max(took, 0.001)
            if done >= self.size or wanted < self.size:  # a batch that was not full says nothing about a larger one
                self.size = max(SMALLEST, min(LARGEST, int(min(wanted, self.size * 1.25 + 1))))
        if late > LATE:
            self._weight = min(8.0, self._weight * 1.5)
        else:
            self._weight = max(1.0, self._weight * 0.95)
        self.pause = min(LONGEST_PAUSE, max(took * self._weight, 0.001))
