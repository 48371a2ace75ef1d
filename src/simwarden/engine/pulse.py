"""How much goes on: what each worker counts in steps of a few seconds, and all of them together."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.kit.clock import now_utc
from simwarden.kit.worker import Worker
from simwarden.store import pulse as store
from simwarden.store.pulse import BlockedStep, PulseOf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from simwarden.store.database import Database

EVERY = 5.0
"""Seconds of a step."""
STEPS = 60
BLOCKS = 100
"""Locks of a step of minutes of which a worker remembers how long they took,"""
BLOCK_STEP, BLOCK_STEPS = timedelta(minutes=5), 12
"""for an hour."""


class FlowRates(msgspec.Struct, frozen=True, rename="camel"):
    """Of all workers together: a second, step by step, the newest last."""

    every_seconds: float
    sightings: list[float]
    decisions: list[float]
    blocks: list[float]
    deliveries: list[float]


class BlockTimes(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How long locks took, from the commit that wants one to the element's showing it. Of many, of the newest ones."""

    count: int
    p50_seconds: float | None = None
    p95_seconds: float | None = None


class Blocking(BlockTimes, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Of the last hour, and of its steps."""

    step_seconds: float
    steps: list[BlockTimes]
    """The newest is the last, and goes on."""


class Pulse(Worker):
    """Of one worker process: it is told what happens, and writes it down every few seconds."""

    worker_name = "pulse"

    def __init__(
        self,
        db: Database,
        worker: str,
        delivered: Callable[[], float],
        *,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`delivered`: events that sinks took from this worker so far."""
        super().__init__()
        self._db = db
        self._worker = worker
        self._delivered = delivered
        self._clock = clock
        self._last = delivered()
        self._now = [0, 0, 0]
        self._steps: deque[tuple[int, int, int, int]] = deque(maxlen=STEPS)
        self._blocking: deque[BlockedStep] = deque(maxlen=BLOCK_STEPS)

    def note(self, sightings: int = 0, decisions: int = 0, blocked: Sequence[float] = ()) -> None:
        """Something happened in this worker."""
        self._now[0] += sightings
        self._now[1] += decisions
        self._now[2] += len(blocked)
        if blocked:
            begin = _step_of(self._clock())
            if not self._blocking or self._blocking[-1].begin < begin:
                self._blocking.append(BlockedStep(begin, 0, []))
            step = self._blocking[-1]
            step.count += len(blocked)
            step.took = [*step.took, *(round(seconds, 3) for seconds in blocked)][-BLOCKS:]

    async def turn(self) -> float:
        """Write down the step that is over. Raises StoreUnavailable."""
        delivered = self._delivered()
        sightings, decisions, blocks = self._now
        self._steps.append((sightings, decisions, blocks, round(delivered - self._last)))
        self._now, self._last = [0, 0, 0], delivered
        now = self._clock()
        seen, decided, blocked, sent = (list(column) for column in zip(*self._steps, strict=True))
        await store.keep(self._db, self._worker, PulseOf(seen, decided, blocked, sent, list(self._blocking)), now)
        return EVERY


async def read(db: Database, now: datetime) -> tuple[FlowRates, Blocking]:
    """What goes on in the whole installation. Raises StoreUnavailable."""
    found = await store.read(db, now - timedelta(seconds=3 * EVERY))
    names = ("sightings", "decisions", "blocks", "deliveries")
    rates = FlowRates(EVERY, *(_a_second([getattr(each, name) for each in found]) for name in names))
    locks = [step for each in found for step in each.blocking]
    begins = [_step_of(now) - n * BLOCK_STEP for n in reversed(range(BLOCK_STEPS))]
    times = _times([step for step in locks if step.begin >= begins[0]])
    steps = [_times([step for step in locks if step.begin == begin]) for begin in begins]
    seconds = BLOCK_STEP.total_seconds()
    return rates, Blocking(times.count, times.p50_seconds, times.p95_seconds, step_seconds=seconds, steps=steps)


def _step_of(at: datetime) -> datetime:
    """When the step of minutes began in which this is."""
    return at - timedelta(seconds=at.timestamp() % BLOCK_STEP.total_seconds())


def _times(steps: Sequence[BlockedStep]) -> BlockTimes:
    took = sorted(seconds for step in steps for seconds in step.took)
    if not took:
        return BlockTimes(0)
    return BlockTimes(sum(step.count for step in steps), _percentile(took, 0.5), _percentile(took, 0.95))


def _a_second(series: Sequence[Sequence[int]]) -> list[float]:
    """Steps of all workers added up, from their ends."""
    length = max(map(len, series), default=0)
    padded = [[0] * (length - len(each)) + list(each) for each in series]
    return [round(sum(step) / EVERY, 2) for step in zip(*padded, strict=True)]


def _percentile(values: Sequence[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(len(values) * share))], 3)
