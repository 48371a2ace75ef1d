"""A load of sightings at a steady rate: every gateway sends dev-status reports over one kept connection.

As a device does, a gateway waits for the answer before it reports again, so its reports never overtake each other;
concurrency comes from the number of gateways.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from simwarden.simulator.encoded import EncodedReport, Shuffle
from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.fleet import SimulatedFleet
from simwarden.simulator.kept import KeptConnection, ReportTarget
from simwarden.simulator.reporter import CONTENT_TYPE
from simwarden.simulator.server import GatewayServer
from simwarden.simulator.serving import stop_task

#: Seconds between looks at the clock.
TICK = 0.005

#: Seconds an answer may take; then the connection is broken and the report counts as dropped.
PATIENCE = 10.0

#: Seconds before a refused connection is tried again.
RECONNECT = 0.2


@dataclass(slots=True)
class LoadTally:
    """What happened since the tally was begun; latencies in milliseconds from write to the whole answer."""

    reports: int = 0
    sightings: int = 0
    answered: int = 0
    rejected: int = 0
    dropped: int = 0
    moved: int = 0
    late: int = 0
    """Reports that were due and given up because every gateway still waited for an answer for a second."""

    latencies: list[float] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        """In numbers, with the 50th and 99th percentile of the latency in milliseconds."""
        ordered = sorted(self.latencies)
        return {
            "reports": self.reports,
            "sightings": self.sightings,
            "answered": self.answered,
            "rejected": self.rejected,
            "dropped": self.dropped,
            "moved": self.moved,
            "late": self.late,
            "p50_ms": round(ordered[len(ordered) // 2], 2) if ordered else None,
            "p99_ms": round(ordered[len(ordered) * 99 // 100], 2) if ordered else None,
        }


class _Device:
    """One gateway as a load source."""

    def __init__(self, load: Load, server: GatewayServer, changed: float) -> None:
        self.load = load
        self.server = server
        self.report = EncodedReport(server.gateway, form=server.form)
        self.shuffle = Shuffle(server.gateway, changed, load.fleet.random)
        self.connection: KeptConnection | None = None
        self.sent_at = 0.0
        self._target: ReportTarget | None = None
        self._url: str | None = None

    async def connect(self) -> None:
        """Open the connection, trying until it succeeds, and be ready."""
        loop = asyncio.get_running_loop()
        while True:
            url = self.server.reporter.url
            if url is not None and self.server.online:
                self._url, self._target = url, ReportTarget(url, CONTENT_TYPE)
                try:
                    _, self.connection = await loop.create_connection(
                        lambda: KeptConnection(self._answered), self._target.host, self._target.port
                    )
                except OSError:
                    await asyncio.sleep(RECONNECT)
                    continue
                self.load.ready.append(self)
                return
            await asyncio.sleep(RECONNECT)

    def send(self) -> bool:
        """Send the next report; False when the connection must be opened again first."""
        connection, target = self.connection, self._target
        stale = self.server.reporter.url != self._url or not self.server.online
        if connection is None or target is None or stale or not connection.usable:
            if connection is not None:
                connection.close()
            self.load.reconnect(self)
            return False
        tally = self.load.tally
        tally.moved += self.shuffle.step()
        body = self.report.render()
        tally.reports += 1
        tally.sightings += self.report.sightings
        self.server.reporter.sent += 1
        self.sent_at = time.perf_counter()
        self.load.flying.add(self)
        connection.send(target.request(body))
        return True

    def _answered(self, status: int | None) -> None:
        self.load.flying.discard(self)
        tally, reporter = self.load.tally, self.server.reporter
        if status is None:
            tally.dropped += 1
            reporter.dropped += 1
            self.load.reconnect(self)
            return
        tally.latencies.append((time.perf_counter() - self.sent_at) * 1000)
        if status < 300:
            tally.answered += 1
            reporter.answered += 1
        else:
            tally.rejected += 1
            reporter.rejected += 1
        self.load.ready.append(self)


class Load:
    """Keeps `rate` sightings a second going while it runs."""

    def __init__(self, fleet: SimulatedFleet, *, rate: float, changed: float = 0.0) -> None:
        """`changed` is the share (0 to 1) of a gateway's cards that sit in another slot than in its last report."""
        cards = sum(len(server.gateway.cards()) for server in fleet.servers.values())
        if not cards:
            raise InvalidRequest("a load needs cards in the gateways")
        self.fleet = fleet
        self.reports_per_second = rate / (cards / len(fleet.servers))
        self.tally = LoadTally()
        self.ready: deque[_Device] = deque()
        self.flying: set[_Device] = set()
        self._devices = [_Device(self, server, changed) for server in fleet.servers.values()]
        self._connecting: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect and begin."""
        for device in self._devices:
            self.reconnect(device)
        self._task = asyncio.create_task(self._run())

    async def close(self, *, drain: float = 2.0) -> None:
        """Stop sending, wait up to `drain` seconds for the last answers, break the connections."""
        await stop_task(self._task)
        end = time.perf_counter() + drain
        while self.flying and time.perf_counter() < end:  # noqa: ASYNC110 - answers arrive in callbacks
            await asyncio.sleep(TICK)
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for device in self._devices:
            if device.connection is not None:
                device.connection.close()

    @property
    def failed(self) -> bool:
        """Whether it ended by itself; close() then raises why."""
        return self._task is not None and self._task.done()

    def take_tally(self) -> LoadTally:
        """What happened since the last call."""
        tally, self.tally = self.tally, LoadTally()
        return tally

    def reconnect(self, device: _Device) -> None:
        """Open this device's connection in the background; it is ready afterwards."""
        task = asyncio.create_task(device.connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _run(self) -> None:
        begin = time.perf_counter()
        done = 0
        next_look = begin + 1.0
        while True:
            now = time.perf_counter()
            due = int((now - begin) * self.reports_per_second)
            behind = due - done - int(self.reports_per_second) - 1
            if behind > 0:
                self.tally.late += behind
                done += behind
            while done < due and self.ready:
                if self.ready.popleft().send():
                    done += 1
            if now >= next_look:
                next_look = now + 1.0
                self._break_stuck(now)
            await asyncio.sleep(TICK)

    def _break_stuck(self, now: float) -> None:
        for device in [device for device in self.flying if now - device.sent_at > PATIENCE]:
            if device.connection is not None:
                device.connection.close()
