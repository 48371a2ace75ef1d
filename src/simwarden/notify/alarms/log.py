"""Alarms in the log: one line when one is raised and one when it is over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from simwarden.domain.alarm_words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.alarm import Alarm
    from simwarden.store.alarms import ChannelName

_log = structlog.get_logger(__name__)
_LINES = 100
"""Of alarms that changed at once; the rest are counted in one line."""


class LogPush:
    """The log takes everything at once."""

    name: ChannelName = "log"
    most = 10_000
    pause = timedelta(0)

    async def push(self, changed: Sequence[Alarm]) -> None:
        """Write the lines."""
        for alarm in changed[:_LINES]:
            over = alarm.cleared_at is not None
            (_log.info if over else _log.warning)(
                "alarm cleared" if over else "alarm raised",
                alarm=alarm.id,
                kind=alarm.kind,
                severity=alarm.severity,
                gateway=alarm.facts.get("gateway"),
                imsi=alarm.imsi,
                account=alarm.facts.get("account"),
                count=alarm.count,
                text=alarm.cleared_because if over else words(alarm.kind, alarm.facts).what,
            )
        if len(changed) > _LINES:
            _log.warning("more alarms changed", more=len(changed) - _LINES, see="simwarden alarm list")
