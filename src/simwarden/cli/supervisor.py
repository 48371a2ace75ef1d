"""The supervisor's loop: workers that die are started again, always; a crash loop is slowed down, never given up.

Granian's own loop ends the server when a worker dies within seconds of its start, and may miss one of two that die at
once (it clears the list of the dead that a thread is adding to). It also sets a `threading.Event` in its signal
handler: where the signal comes while the main thread holds that event's lock, the server hangs and does not end.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TYPE_CHECKING, Any

import click
from granian import Granian

if TYPE_CHECKING:
    from collections.abc import Callable

TICK = 0.25
"""Seconds between two looks at the workers; one that ends is noticed at once."""
YOUNG = 10.0
"""Seconds: who dies younger is part of a crash loop."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0


class Restarts:
    """When each worker may be started again: the first time at once, then after 0.5, 1, 2 ... 5 seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._born: dict[int, float] = {}
        self._deaths: dict[int, int] = {}
        self._due: dict[int, float] = {}

    def started(self, number: int) -> None:
        """This worker was started just now, or an attempt at that was made."""
        self._born[number] = self._clock()
        self._due.pop(number, None)

    def died(self, number: int) -> float:
        """This worker is dead; how many seconds it is to wait, 0 when it may be started now."""
        now = self._clock()
        if number not in self._due:
            young = now - self._born.get(number, now) < YOUNG
            deaths = self._deaths[number] = self._deaths.get(number, 0) + 1 if young else 1
            pause = 0.0 if deaths == 1 else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(deaths - 2, 10))
            self._due[number] = now + pause
        return max(0.0, self._due[number] - now)


class Bell:
    """A `threading.Event` that a signal handler may set at any moment: a pipe and no lock. One thread waits."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()  # open as long as the process is: its signal handlers are
        for end in (self._read, self._write):
            os.set_blocking(end, False)

    def set(self) -> None:
        """End the present wait, or the next one."""
        with contextlib.suppress(BlockingIOError):  # it is full: the wait ends anyway
            os.write(self._write, b"!")

    def wait(self, seconds: float) -> bool:
        """Wait for `set`, at most so long; returns whether it was called since the last `clear`."""
        return bool(select.select([self._read], [], [], seconds)[0])

    def clear(self) -> None:
        """Forget what was set."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass


class Supervisor(Granian):  # type: ignore[misc, valid-type]
    """Granian with a loop that does not give up."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.main_loop_interrupt = Bell()

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        restarts = Restarts()
        for number in range(self.workers):
            restarts.started(number)
        told: set[int] = set()
        while not self.interrupt_signal:
            self.main_loop_interrupt.wait(TICK)
            self.main_loop_interrupt.clear()
            if self.interrupt_signal:
                break
            if self.reload_signal:
                self._reload(spawn_target, target_loader)
            for number, worker in enumerate(self.wrks):
                if worker.is_alive():
                    continue
                pause = restarts.died(number)
                if pause > 0:
                    if number not in told:
                        click.echo(f"Worker {number + 1} died again and is started in {pause:.1f} s", err=True)
                    told.add(number)
                    continue
                told.discard(number)
                self._replace(number, spawn_target, target_loader)
                restarts.started(number)
        self.interrupt_children.clear()  # told to end: that one of them died before is no failure

    def _replace(self, number: int, spawn_target: Any, target_loader: Any) -> None:
        try:
            worker = self._spawn_worker(idx=number, target=spawn_target, callback_loader=target_loader)
            worker.start()
        except OSError as error:  # no process, no memory, no file left: the old one stays dead, and is looked at again
            click.echo(f"Worker {number + 1} cannot be started: {error}", err=True)
        else:
            self.wrks[number] = worker
