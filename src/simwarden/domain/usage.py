"""What a customer's call counts as in the usage ledger, and for how long quotas last."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import msgspec

from simwarden.domain.errors import SimwardenError
from simwarden.domain.rates import ServiceLimit

Period = Literal["daily", "monthly"]
"""Days and calendar months of the ledger: both are UTC's."""


class Usage(msgspec.Struct, frozen=True, cache_hash=True):
    """One call that is counted."""

    account_id: str
    app_key: str
    api: str
    operation: str
    """operationId in the API's document."""


class Quota(msgspec.Struct, frozen=True):
    """So many counted calls of an application, or of an account's applications together, in a day or month."""

    account_id: str
    app_key: str
    """Empty: of all applications of the account."""
    period: Period
    most: int

    @property
    def key(self) -> str:
        """Its name in the store."""
        return f"{self.account_id}/{self.app_key}#{self.period}"

    @property
    def name(self) -> str:
        """What a client calls it."""
        return f"{'application' if self.app_key else 'account'}-{self.period}"

    def __str__(self) -> str:
        whose = "this application" if self.app_key else "this account"
        return f"{self.most} calls a {'day' if self.period == 'daily' else 'month'} of {whose}"


class OverQuota(SimwardenError):
    """Rejected due to exceeding a business quota limit."""

    status, code = 429, "QUOTA_EXCEEDED"

    def __init__(self, quota: Quota, retry_after: int, limit: ServiceLimit) -> None:
        super().__init__(f"Rejected due to exceeding a business quota limit: {quota}.")
        self.retry_after = retry_after
        self.limit = limit


def first_day(period: Period, day: date) -> date:
    """Of the day's, or the month's, with this day in it."""
    return day if period == "daily" else day.replace(day=1)


def window(period: Period, day: date) -> int:
    """Seconds of the period with this day in it."""
    return 86_400 if period == "daily" else 86_400 * calendar.monthrange(day.year, day.month)[1]


def until_next(period: Period, now: datetime) -> int:
    """Seconds until the next period begins; at least one."""
    today = now.astimezone(UTC).date()
    begun = datetime.combine(first_day(period, today), time(tzinfo=UTC))
    return -((now - begun - timedelta(seconds=window(period, today))) // timedelta(seconds=1))


def until_tomorrow(now: datetime) -> int:
    """Seconds until the next day (UTC) of the ledger begins; at least one."""
    return until_next("daily", now)
