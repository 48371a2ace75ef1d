"""What can be set about handing out notifications."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from simwarden.notify.retry import Schedule
from simwarden.notify.sink_host import SinkLimits
from simwarden.store import leases


class NotifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults are for production; times in seconds where they are plain numbers."""

    source: str = "urn:simwarden"
    """The `source` of every CloudEvent: a URI that names this installation. Change it before the first event only."""
    schedule: Schedule = Schedule()
    limits: SinkLimits = SinkLimits()
    in_flight: int = 512
    """Most sends at once to all sinks; each takes a file descriptor."""
    held: int = 2048
    """Most queues in memory."""
    burst: int = 16
    """Most deliveries that are sent to one sink one after the other before what came of them is written."""
    burst_time: float = 1.0
    """A burst ends after this time, so that a crash repeats little."""
    poll: float = 5.0
    """Longest time between two looks at the database."""
    connect_timeout: float = 5.0
    total_timeout: float = 15.0
    shares: int = 16
    """Shares of the buckets; more workers than this find nothing to do. The same for all workers."""
    lease: timedelta = leases.TERM
    """Deliveries of a worker that died wait this long."""
    keep_deliveries: timedelta = timedelta(days=30)
    """Finished deliveries, and subscriptions that ended, are forgotten after this."""
    keep_attempts: timedelta = timedelta(days=7)
    """Attempts are forgotten after this."""
    stop_time: float = 5.0
    """So long `stop` waits for sends under way."""
