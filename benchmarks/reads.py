"""Calls that ask what the record knows of a number: the most that goes through, and their times at a steady rate.

Other guests slow the machine at times, and a p99 says more of them than of the call then. So each round is between two
short ones of a bare server, and counts as quiet when both of these had a p99 under `QUIET`. Rounds are made until
enough are quiet or `LONGEST` is over; the others are printed too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import bare, calls, http_load, machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.setup import Bench

QUIET = 3.0
"""Milliseconds."""
LONGEST = 60.0
"""Seconds for the rounds of an operation."""


class Round(NamedTuple):
    """What a round gave, and whether the machine was quiet before and after it."""

    run: http_load.Result
    is_quiet: bool

    def at(self, share: float) -> float:
        """A percentile of its times, in milliseconds."""
        ordered = sorted(self.run.latencies)
        return ordered[int(share * len(ordered))]


async def measure(
    world: Bench, operation: str, sims: int, seconds: float, rounds: int, connections: int, beside: str
) -> None:
    """Print the figures of an operation. `beside`: the URL of the bare server."""
    url, make = calls.requests(world, operation, sims)
    rate = calls.READS_RATE if operation in calls.READS else calls.BUSY
    await http_load.run(url, make, seconds=2, connections=16)
    most: list[Round] = []
    paced: list[Round] = []
    loop = asyncio.get_running_loop()
    until = loop.time() + LONGEST
    before = await bare.p99(beside, 1, rate)
    while loop.time() < until and (_quiet(most) < rounds or _quiet(paced) < rounds):
        for found, steady in ((most, None), (paced, rate)):
            run = await http_load.run(
                url, make, seconds=seconds, connections=64 if steady else connections, rate=steady
            )
            assert set(run.statuses) == {200}, f"{operation} answered {run.statuses}"
            after = await bare.p99(beside, 1, rate)
            found.append(Round(run, max(before, after) < QUIET))
            before = after
    aim = calls.READS_AIM if operation in calls.READS else calls.AIM[operation]
    print(f"CAMARA {operation}, most: {_rates(most)}; aim {aim}", flush=True)
    print(f"CAMARA {operation} at {rate:,}/s: {_times(paced)}", flush=True)


def _quiet(rounds: Sequence[Round]) -> int:
    return sum(each.is_quiet for each in rounds)


def _counted(rounds: Sequence[Round]) -> tuple[list[Round], list[Round], str]:
    """The rounds that count, the others, and what the first are."""
    quiet, others = [each for each in rounds if each.is_quiet], [each for each in rounds if not each.is_quiet]
    return (quiet, others, "quiet rounds") if quiet else (others, [], "rounds, none of them quiet")


def _rates(rounds: Sequence[Round]) -> str:
    counted, others, what = _counted(rounds)
    middle = machine.median([each.run.rate for each in counted])
    each, left = (", ".join(f"{one.run.rate:,.0f}" for one in some) for some in (counted, others))
    return f"{middle:,.0f} requests/s ({what} {each}; others {left or 'none'})"


def _times(rounds: Sequence[Round]) -> str:
    counted, others, what = _counted(rounds)
    half, nearly = (machine.median([one.at(share) for one in counted]) for share in (0.5, 0.99))
    each, left = (", ".join(f"{one.at(0.99):.1f}" for one in some) for some in (counted, others))
    return f"p50 {half:.1f} ms, p99 {nearly:.1f} ms (p99 of {what} {each}; of others {left or 'none'})"
