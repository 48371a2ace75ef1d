"""Rate limits: a bucket of tokens that all workers draw from, each of which holds some ahead of need.

A call takes one token. The bucket's level and what each worker holds are stored; a worker draws some tokens before its
calls need them, so that a call costs no statement. Level and held tokens together never exceed the burst: level is
filled up only as far as what was held leaves room. So in any span of t seconds all workers together let at most
rate * t + burst calls through, whichever of them come and go.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec

from simwarden.domain.errors import InvalidValue, SimwardenError

LEAST_RATE, MOST_RATE = 0.01, 1_000_000.0
"""Calls a second."""
LEAST_BURST, MOST_BURST = 2, 10_000_000
AHEAD = 8
"""A worker draws at most this part of the burst ahead of need, and all of them four times as much."""
STEP = timedelta(seconds=5)
"""A level that lies further in the future was written before the clock was set back."""


class InvalidLimit(InvalidValue):
    """A rate is 0.01 to 1000000 calls a second; a burst 2 to 10000000 calls, and those of a second at least."""


class RateLimit(msgspec.Struct, frozen=True):
    """So many calls at once, and then so many a second."""

    rate: float
    """Calls a second."""
    burst: int

    @property
    def window(self) -> int:
        """Seconds in which an empty bucket is full again."""
        return max(1, math.ceil(self.burst / self.rate))

    def __str__(self) -> str:
        if self.rate >= 1:
            return f"{self.rate:g} calls a second, {self.burst} at once"
        return f"{self.rate * 60:g} calls a minute, {self.burst} at once"


def rate_limit(rate: float, burst: int | None = None) -> RateLimit:
    """The limit of this rate; the burst is that of two seconds unless given. Raises InvalidLimit."""
    at_once = max(LEAST_BURST, math.ceil(2 * rate)) if burst is None else burst
    if not LEAST_RATE <= rate <= MOST_RATE or not max(LEAST_BURST, rate) <= at_once <= MOST_BURST:
        raise InvalidLimit
    return RateLimit(rate, at_once)


class Level(msgspec.Struct, frozen=True):
    """What is in a bucket."""

    tokens: float
    at: datetime


class Need(msgspec.Struct, frozen=True):
    """What a worker asks a bucket for."""

    at_hand: int
    """Tokens that it has."""
    waiting: int
    """Calls that wait for one."""
    ahead: int
    """Tokens that it will soon need."""


def draw(
    limit: RateLimit, level: Level | None, now: datetime, recorded: int, others: int, need: Need
) -> tuple[Level, int]:
    """The level behind a worker's draw, and the tokens that it gets; calls that wait are let through by them at once.

    `recorded`: what all workers were recorded to hold until now, this one and those that are gone included; `others`:
    what the others hold still. The caller records what `holding` returns as this worker's.
    """
    if level is None:
        level = Level(float(limit.burst), now)
    elif level.at - now > STEP:
        level = Level(level.tokens, now)
    at = max(level.at, now)
    filled = level.tokens + limit.rate * (at - level.at).total_seconds()
    tokens = max(0.0, min(filled, float(limit.burst - recorded)))
    room = limit.burst // 2 - others - need.at_hand
    wanted = need.waiting + max(0, min(need.ahead, limit.burst // AHEAD, room))
    got = min(int(tokens), wanted)
    return Level(tokens - got, at), got


def holding(need: Need, got: int) -> int:
    """What a worker holds ahead of need when it got so many tokens."""
    return need.at_hand + max(0, got - need.waiting)


def until_next(limit: RateLimit, level: Level) -> float:
    """Seconds until there is a token in the bucket, when nobody draws."""
    return max(0.0, (1 - level.tokens) / limit.rate)


class ServiceLimit(msgspec.Struct, frozen=True):
    """A limit as a client sees it (draft-ietf-httpapi-ratelimit-headers-11)."""

    name: str
    """Visible ASCII without quotation marks."""
    policy: str
    """Its item in RateLimit-Policy."""
    left: int
    resets: int
    """Seconds until all of it is there again."""


def policy(name: str, quota: int, window: int) -> str:
    """The item of a limit in RateLimit-Policy: so many calls, which are there again after so many seconds."""
    return f'"{name}";q={quota};w={window}'


class OverLimit(SimwardenError):
    """Rejected due to request rate limit overpassed."""

    status, code = 429, "TOO_MANY_REQUESTS"

    def __init__(self, message: str, retry_after: int, limit: ServiceLimit) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.limit = limit
