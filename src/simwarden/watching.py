"""The watch and the pushing of alarms, wired from the settings: a part of the composition root."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from simwarden.domain.errors import StoreUnavailable
from simwarden.edge import tls
from simwarden.engine.census import Census
from simwarden.engine.hotspots import Hotspots
from simwarden.engine.pulse import Pulse
from simwarden.engine.watch import Watch, WatchSettings
from simwarden.kit.clock import now_utc
from simwarden.notify.alarms.log import LogPush
from simwarden.notify.alarms.mail import MailPush, MailServer
from simwarden.notify.alarms.pusher import Pusher
from simwarden.notify.alarms.webhook import WebhookPush
from simwarden.notify.sender import Sender
from simwarden.store import fleet
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from simwarden.claim import Claim
    from simwarden.notify.alarms.pusher import Push
    from simwarden.settings import Settings
    from simwarden.store.database import Database
    from simwarden.store.fleet import LastCounts
    from simwarden.telemetry import Metrics

FRESH = 5.0
"""Seconds for which the counts are kept: asking for /metrics often asks the database no more often."""
SAMPLE = 5.0
"""Seconds between two looks at the pools."""


class Watching:
    """What one worker process does so that a person learns of trouble."""

    def __init__(self, settings: Settings, front: Database, db: Database, worker: Claim, metrics: Metrics) -> None:
        """`front`: the pool that calls and reports use; `db`: that of background work."""
        self._pools = {"calls": front, "background": db}
        self._metrics = metrics
        self._read: tuple[float, LastCounts | None] = (float("-inf"), None)
        self._reading = asyncio.Lock()
        self._sampler: asyncio.Task[None] | None = None
        self.pulse = Pulse(db, worker.name, lambda: _delivered(metrics))
        self.census = Census(db, Leases(db, "census", worker.name, shares=1, heir_of=worker.heir_of))
        self.hotspots = Hotspots(db, Leases(db, "hotspots", worker.name, shares=1, heir_of=worker.heir_of))
        self._settings = settings
        self._sender: Sender | None = None
        self.watch = Watch(
            db,
            Leases(db, "watch", worker.name, shares=1, heir_of=worker.heir_of),
            WatchSettings(
                every=timedelta(seconds=settings.alarm_check_seconds),
                backlog=timedelta(seconds=settings.alarm_backlog_seconds),
                slow=timedelta(seconds=settings.alarm_database_seconds),
                keep=timedelta(days=settings.alarms_kept_days),
            ),
        )
        self.pusher = Pusher(
            db,
            Leases(db, "alarm-push", worker.name, shares=1, heir_of=worker.heir_of),
            self._channels(),
            clock=now_utc,
            every=timedelta(seconds=min(2.0, settings.alarm_check_seconds)),
            pushed=lambda channel, result: metrics.alarm_pushes.labels(channel, result).inc(),
        )

    def start(self) -> None:
        """Begin; inside the running loop."""
        self.watch.start()
        self.census.start()
        self.pulse.start()
        self.hotspots.start()
        self._sampler = asyncio.create_task(self._sample(), name="sampler")
        self.pusher.start()

    async def stop(self) -> None:
        """Stop, and let other workers go on."""
        if self._sampler is not None:
            self._sampler.cancel()
            await asyncio.gather(self._sampler, return_exceptions=True)
        await self.pulse.stop()
        await self.hotspots.stop()
        await self.census.stop()
        await self.watch.stop()
        await self.pusher.stop()
        if self._sender is not None:
            await self._sender.close()

    async def counts(self) -> LastCounts | None:
        """What was counted over the installation last, at most FRESH seconds old; None when it cannot be read now."""
        async with self._reading:  # however many ask, one reads
            at, counts = self._read
            if time.monotonic() - at > FRESH:
                try:
                    counts = await fleet.read(self._pools["background"])
                except (StoreUnavailable, asyncpg.PostgresError):
                    counts = None
                self._read = time.monotonic(), counts
        return counts

    async def _sample(self) -> None:
        while True:
            for name, pool in self._pools.items():
                self._metrics.sample(name, pool.usage)
            await asyncio.sleep(SAMPLE)

    def _channels(self) -> list[Push]:
        settings = self._settings
        channels: list[Push] = [LogPush()]
        if settings.alarm_webhook_url:
            channels.append(
                WebhookPush(settings.alarm_webhook_url, settings.alarm_webhook_secret, self._open, clock=now_utc)
            )
        if settings.alarm_mail_host:
            assert settings.alarm_mail_from is not None
            assert settings.alarm_mail_to is not None
            server = MailServer(
                host=settings.alarm_mail_host,
                port=settings.alarm_mail_port,
                sender=settings.alarm_mail_from,
                to=tuple(part.strip() for part in settings.alarm_mail_to.split(",")),
                user=settings.alarm_mail_user,
                password=settings.alarm_mail_password,
                security=settings.alarm_mail_security,
            )
            pause = timedelta(seconds=settings.alarm_mail_seconds)
            channels.append(MailPush(server, clock=now_utc, pause=pause, tls=tls.client_context(settings)))
        return channels

    def _open(self) -> Sender:
        # The operator's own address, so a private one is allowed.
        self._sender = self._sender or Sender(allow_private=True, tls=tls.client_context(self._settings))
        return self._sender


def _delivered(metrics: Metrics) -> float:
    """Events that sinks took from this process."""
    found = metrics.registry.restricted_registry(["simwarden_notify_attempts_total"]).collect()
    return sum(sample.value for each in found for sample in each.samples if sample.labels.get("result") == "delivered")
