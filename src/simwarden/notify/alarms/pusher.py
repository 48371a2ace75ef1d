"""Pushes alarms that changed: one worker at a time, each channel at its own pace, until the receiver has taken them.

What is to be pushed is a question to the database (an alarm's version against the one pushed last), so it survives
every crash, and what came and went while a receiver was down is pushed once, as it is now.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

from simwarden.domain.errors import SimwardenError
from simwarden.kit.worker import SoleWorker
from simwarden.store import alarms
from simwarden.store.alarms import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.domain.alarm import Alarm
    from simwarden.store.alarms import ChannelName
    from simwarden.store.database import Database
    from simwarden.store.leases import Leases

_log = structlog.get_logger(__name__)
_FIRST, _LONGEST = timedelta(seconds=1), timedelta(seconds=60)
_BATCHES = 20
"""Batches that one channel pushes before the others have their turn."""


class PushFailed(SimwardenError):
    """The receiver did not take it."""


class Push(Protocol):
    """One channel to the operator: log, webhook or mail."""

    name: ChannelName
    most: int
    """Alarms pushed together."""
    pause: timedelta
    """Least time between two pushes."""

    async def push(self, changed: Sequence[Alarm]) -> None:
        """Push these as they are now. Raises PushFailed: they are pushed again."""


class Pusher(SoleWorker):
    """`leases` has a single share. A channel that is not among `channels` is not set up."""

    worker_name = "alarm-push"

    def __init__(
        self,
        db: Database,
        leases: Leases,
        channels: Sequence[Push],
        *,
        clock: Callable[[], datetime],
        every: timedelta = timedelta(seconds=2),
        pushed: Callable[[str, str], None] = lambda _channel, _result: None,
    ) -> None:
        """`pushed(channel, "sent" or "failed")` is called after each try."""
        super().__init__(leases)
        self._db = db
        self._leases = leases
        self._channels = channels
        self._clock = clock
        self._every = every
        self._pushed = pushed

    async def look(self) -> float:
        """Push what is due; what is under way at a stop is pushed again by whoever takes over."""
        set_up = {channel.name for channel in self._channels}
        if "webhook" not in set_up:
            await alarms.skip(self._db, "webhook")
        if "mail" not in set_up:
            await alarms.skip(self._db, "mail")
        await asyncio.gather(*(self._serve(channel) for channel in self._channels))
        return self._every.total_seconds()

    async def _serve(self, channel: Push) -> None:
        state = await alarms.channel_state(self._db, channel.name, self._clock())
        for _ in range(_BATCHES):
            if self._clock() < state.due_at or not self._leases.owned():
                return
            changed = await alarms.unsent(self._db, channel.name, channel.most)
            if not changed:
                return
            state = await self._push(channel, state, changed)

    async def _push(self, channel: Push, state: Channel, changed: Sequence[Alarm]) -> Channel:
        try:
            await channel.push(changed)
        except PushFailed as error:
            self._pushed(channel.name, "failed")
            if not state.failures:
                _log.warning("alarms cannot be pushed", channel=channel.name, reason=error.message)
            wait = min(_LONGEST, _FIRST * 2 ** min(state.failures, 10))
            after = Channel(due_at=self._clock() + wait, failures=state.failures + 1, last_error=error.message[:500])
        else:
            self._pushed(channel.name, "sent")
            now = self._clock()
            await alarms.sent(self._db, channel.name, changed)
            after = Channel(due_at=now + channel.pause, sent_at=now)
        if channel.name != "log":
            await alarms.save_channel(self._db, channel.name, after)
        return after
