"""What a SIM sent in an hour, and how much it may use."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

HOUR = timedelta(hours=1)


class TrafficLimits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a SIM may do in an hour, and its data allowance; None: as much as it likes."""

    sms_per_hour: int | None = None
    calls_per_hour: int | None = None
    data_allowance: int | None = None
    """Mebibytes in a calendar month (UTC). More than that bars nothing (`domain.allowance`)."""


class Traffic(msgspec.Struct, frozen=True):
    """What is stored of a SIM's traffic in one hour: an input of `domain.rules`."""

    since: datetime
    """The full hour (UTC)."""
    sms: int
    """Short messages that it sent."""
    calls: int
    """Calls that it made."""

    @property
    def until(self) -> datetime:
        """The end of the hour."""
        return self.since + HOUR


def hour_of(time: datetime) -> datetime:
    """The beginning of the hour in which a time (UTC) lies."""
    return time.replace(minute=0, second=0, microsecond=0)
