"""How fast background work may go so that others do not feel it. Pure: it is told what a batch took.

While others call this process, work goes in batches of a few milliseconds with pauses several times as long: a call
then seldom meets a batch, and waits little when it does. While nobody calls it goes nearly without a pause. Batches
become smaller by themselves when the database or the processor is slow; while nobody calls not below a size at which
most of the time goes into the work and not into the transaction around it.
"""

from __future__ import annotations

SMALLEST = 4
"""SIMs in a batch beside calls."""
SMALLEST_ALONE = 64
"""The same while nobody calls: a transaction costs as much as dozens of SIMs in it, most of all on a busy machine."""
LARGEST = 400
QUIET = 2.0
"""Calls a second up to which nobody counts as calling."""
AIM = 0.03
"""Seconds that a batch should take while nobody calls."""
AIM_BESIDE = 0.005
"""The same beside calls."""
REST = 0.1
"""Pause as a share of the batch before it, while nobody calls."""
REST_BESIDE = 8.0
"""The same beside calls."""
LONGEST_PAUSE = 0.25


class Pace:
    """Size of the next batch and the pause before it."""

    def __init__(self) -> None:
        self.size = 16
        self.pause = 0.0

    def after(self, took: float, done: int, calls: float) -> None:
        """A batch of `done` SIMs took `took` seconds, beside so many calls a second."""
        beside = calls > QUIET
        if done:
            aim = (AIM_BESIDE if beside else AIM) / max(took, 0.001)
            wanted = self.size * aim
            if done < self.size and wanted >= self.size:
                # Not full: it says nothing about a larger one, unless it was half full and a larger one is due even so.
                wanted = max(self.size, done * aim) if done * 2 >= self.size else self.size
            smallest = SMALLEST if beside else SMALLEST_ALONE
            if done * 2 >= self.size or wanted < self.size:
                self.size = max(smallest, min(LARGEST, int(min(wanted, self.size * 1.25 + 1))))
        self.pause = min(LONGEST_PAUSE, max(took * (REST_BESIDE if beside else REST), 0.001))
