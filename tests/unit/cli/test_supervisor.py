"""How workers that die are started again."""

from __future__ import annotations

import inspect
import subprocess
import sys

from granian.server.common import AbstractServer

from simwarden.cli.supervisor import LONGEST_PAUSE, YOUNG, Bell, Restarts, Supervisor


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_death_is_mended_at_once_and_a_loop_is_slowed_down() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    restarts.started(0)
    clock.now += 3600
    pauses = []
    for _ in range(8):
        pauses.append(restarts.died(0))
        clock.now += pauses[-1]
        assert restarts.died(0) == 0, "and then it may"
        restarts.started(0)
        clock.now += 1.5
    assert pauses == [0, 0.5, 1, 2, 4, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    clock.now += YOUNG
    assert restarts.died(0) == 0, "who has lived for a while is no part of the loop"


def test_looking_again_does_not_make_it_wait_longer_and_others_do_not_wait() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    for number in (0, 1):
        restarts.started(number)
    assert restarts.died(0) == 0
    restarts.started(0)
    assert restarts.died(0) == 0.5
    clock.now += 0.4
    assert 0 < restarts.died(0) < 0.2
    assert restarts.died(1) == 0


def test_granian_still_has_what_is_replaced_and_used() -> None:
    """Its loop is internal to it: a newer one that calls it otherwise must be looked at."""
    assert list(inspect.signature(AbstractServer._serve_loop).parameters) == ["self", "spawn_target", "target_loader"]
    assert "self._serve_loop(spawn_target, target_loader)" in inspect.getsource(AbstractServer._serve)
    assert list(inspect.signature(Supervisor._spawn_worker).parameters) == ["self", "idx", "target", "callback_loader"]
    made = Supervisor("simwarden.app:from_environment")
    for name in ("workers", "wrks", "main_loop_interrupt", "interrupt_signal", "interrupt_children", "reload_signal"):
        assert hasattr(made, name)
    assert isinstance(made.main_loop_interrupt, Bell)


_SIGNALLED = """
import os, random, select, signal, sys, time
from simwarden.cli.supervisor import Bell

bell, heard = Bell(), os.pipe()

def told(number, frame):
    bell.set()
    os.write(heard[1], b"x")

signal.signal(signal.SIGTERM, told)
server = os.getpid()
if os.fork() == 0:
    for sent in range(1000):
        os.kill(server, signal.SIGTERM)
        if not select.select([heard[0]], [], [], 60)[0]:
            print("hangs after", sent, "signals", flush=True)
            break
        os.read(heard[0], 1)
        time.sleep(random.random() / 4000)
    os.kill(server, signal.SIGKILL)
    os._exit(0)
while True:
    bell.wait(0.0001)
    bell.clear()
"""


def test_a_signal_at_any_moment_is_heard() -> None:
    """With a `threading.Event` in place of the bell, a signal soon finds the lock held by the thread it interrupts."""
    ended = subprocess.run([sys.executable, "-c", _SIGNALLED], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("", "")


def test_a_bell_stays_set_until_it_is_cleared() -> None:
    bell = Bell()
    assert not bell.wait(0)
    for _ in range(100_000):  # more than a pipe holds
        bell.set()
    assert bell.wait(0)
    assert bell.wait(0)
    bell.clear()
    assert not bell.wait(0)
