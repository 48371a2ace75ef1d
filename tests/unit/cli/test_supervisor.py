"""How workers that die are started again."""

from __future__ import annotations

import inspect

from granian.server.common import AbstractServer

from simwarden.cli.supervisor import LONGEST_PAUSE, YOUNG, Restarts, Supervisor


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
