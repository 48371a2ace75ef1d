"""What a customer's call counts as in the usage ledger."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """One call that is counted."""

    account_id: str
    app_key: str
    api: str
    operation: str
    """operationId in the API's document."""


def until_tomorrow(now: datetime) -> int:
    """Seconds until the next day (UTC) of the ledger begins; at least one."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(tzinfo=UTC))
    return -((now - tomorrow) // timedelta(seconds=1))
