"""The time of day. What needs it is handed this function, so that a test can hand in its own."""

from __future__ import annotations

from datetime import UTC, datetime


def now_utc() -> datetime:
    """The time of day in UTC. It may be set back or forward: lengths of time are measured with time.monotonic."""
    return datetime.now(UTC)
