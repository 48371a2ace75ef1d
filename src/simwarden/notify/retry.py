"""What to do after an attempt. Pure: no clock, no chance; both are handed in.

The schedule with its defaults: after 1, 2, 4, 8, … seconds, never more than 5 minutes, each a quarter longer or shorter
by chance, for 24 hours.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from simwarden.store.outbox import EndReason

SECOND = timedelta(seconds=1)
_ZERO = timedelta(0)


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """When to try again, and for how long."""

    first: timedelta = SECOND
    """Wait after the first failure."""
    factor: float = 2.0
    """Each further wait is so many times longer,"""
    longest: timedelta = timedelta(minutes=5)
    """up to this."""
    jitter: float = 0.25
    """Each wait is shortened or lengthened by chance, by up to this part of it."""
    window: timedelta = timedelta(hours=24)
    """No attempt is begun later than this after the delivery was queued,"""
    least: int = 3
    """unless there were fewer attempts than this: a queue that stood still for long still gets its chance."""
    longest_retry_after: timedelta = timedelta(hours=1)
    """A sink that asks for more patience than this gets this much."""

    def wait(self, attempt: int, chance: float) -> timedelta:
        """The wait after failed attempt number `attempt` (from 1); `chance` lies in [0, 1)."""
        ratio = self.longest / self.first
        growth = ratio if attempt > 64 else min(self.factor ** (attempt - 1), ratio)
        return self.first * growth * (1 + self.jitter * (2 * chance - 1))


class SendOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt met with."""

    at: datetime
    """When it began."""
    duration: timedelta
    status: int | None = None
    """HTTP status; None when there was no answer."""
    error: str | None = None
    retry_after: timedelta | None = None
    answer: str | None = None
    """The first bytes of the answer's body."""

    @property
    def delivered(self) -> bool:
        """Whether the sink took the event: any 2xx (CloudEvents HTTP webhook 2.1)."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_error(self) -> bool:
        """Whether it was answered, and is to be tried again: a redirection, 429 or a server's error."""
        return self.status is not None and (300 <= self.status < 400 or self.status == 429 or self.status >= 500)


class RetryDecision(msgspec.Struct, frozen=True):
    """What follows an attempt. All empty: the event was delivered."""

    when: timedelta | None = None
    """Try again after this."""
    give_up: bool = False
    """Never try again; the queue continues behind it."""
    end_subscription: EndReason | None = None
    """The sink wants no more of this subscription."""

    @property
    def status(self) -> str:
        """Status of the delivery after it."""
        if self.when is not None:
            return "PENDING"
        return "DEAD" if self.give_up else "DELIVERED"


DELIVERED = RetryDecision()


def decide(
    outcome: SendOutcome, *, attempt: int, age: timedelta, has_token: bool, schedule: Schedule, chance: float
) -> RetryDecision:
    """What follows the `attempt`-th attempt (from 1) at a delivery that was queued `age` ago.

    410 ends the subscription; 401 does when we sent an access token, for then it is no longer taken (Commonalities,
    event guide 2). Other 4xx will not get better and are given up, except 429. No answer, 3xx (never followed), 429 and
    5xx are tried again until the window closes; 429 and 503 may say when (RFC 9110 10.2.3).
    """
    if outcome.delivered:
        return DELIVERED
    if outcome.status == 410:
        return RetryDecision(give_up=True, end_subscription=EndReason.NETWORK_TERMINATED)
    if outcome.status == 401 and has_token:
        return RetryDecision(give_up=True, end_subscription=EndReason.ACCESS_TOKEN_EXPIRED)
    if outcome.status is not None and 400 <= outcome.status < 500 and outcome.status != 429:
        return RetryDecision(give_up=True)
    wait = schedule.wait(attempt, chance)
    if outcome.status in (429, 503) and outcome.retry_after is not None:
        wait = max(wait, min(outcome.retry_after, schedule.longest_retry_after))
    if attempt >= schedule.least and age + wait > schedule.window:
        return RetryDecision(give_up=True)
    return RetryDecision(when=wait)


def parse_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Read a Retry-After header: seconds or an HTTP date (RFC 9110 10.2.3); None when absent or neither."""
    if text is None:
        return None
    plain = text.strip()
    if plain.isascii() and plain.isdigit():
        return timedelta(seconds=min(int(plain[:10]), 10**8))
    try:
        at = parsedate_to_datetime(plain)
    except (ValueError, OverflowError):  # a year or an offset that no calendar has
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(at - now, _ZERO)
