"""Prometheus metrics.

Only worker processes import this: when it is imported, the client library looks whether there are several of them.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess

from simwarden import fleet_page
from simwarden.store.database import PoolUsage

if TYPE_CHECKING:
    from simwarden.engine.ingest import Tally
    from simwarden.engine.unit_of_work import Outcome
    from simwarden.northbound.kernel.ports import Answered
    from simwarden.store.fleet import LastCounts

FLUSHED_AFTER = 0.25
"""Seconds after which calls that were answered are in the metrics, where other workers can read them."""
_FAST = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """What is counted. One per process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.registry = registry
        self.southbound = Counter(
            "simwarden_southbound_messages", "Messages pushed by gateways", ["outcome", "type"], registry=registry
        )
        # The client library takes 1 us to find a counter by its labels, and packets come by the thousand a second.
        self._message_count = cache(self.southbound.labels)
        self.sightings = Counter("simwarden_sightings", "Sightings taken in", registry=registry)
        self.unknown_sims = Counter(
            "simwarden_unknown_sim_sightings", "Sightings of SIMs that are not in the register", registry=registry
        )
        self.late = Counter("simwarden_late_sightings", "Sightings that a newer one had overtaken", registry=registry)
        self.sessions = Counter(
            "simwarden_session_reports", "Reports of data sessions, by what they changed", ["news"], registry=registry
        )
        self.unknown_cells = Counter(
            "simwarden_unknown_cells", "SIMs that came into a cell of which no position is known", registry=registry
        )
        self.doubts = Counter(
            "simwarden_doubts", "Reports, or slots and SIMs in them, that were doubted", ["kind"], registry=registry
        )
        self.polls = Counter(
            "simwarden_gateway_polls",
            "Gateways asked for their status",
            ["result"],
            registry=registry,
        )
        self.changes = Counter("simwarden_sim_changes", "SIMs changed by reports", registry=registry)
        self.events = Counter("simwarden_events", "Events committed by reports", registry=registry)
        self.commands = Histogram(
            "simwarden_gateway_command_seconds",
            "Requests to gateways: lock, unlock, and status where a command is to be proved",
            ["command", "result"],
            buckets=_FAST,
            registry=registry,
        )
        self.requests = Counter(
            "simwarden_api_requests", "Calls of the northbound APIs", ["api", "operation", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "simwarden_api_seconds",
            "How long calls took, by what they called",
            ["api", "operation"],
            buckets=_FAST,
            registry=registry,
        )
        self._calls: dict[tuple[str, str | None, int], _Calls] = {}
        """What was answered since the last `flush`, by what was called and the status."""
        self._flushing: asyncio.TimerHandle | None = None
        self.connections = Gauge(
            "simwarden_database_connections",
            "Connections to the database that are in use or idle, and tasks that wait for one",
            ["pool", "state"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.standby = Gauge(
            "simwarden_standby",
            "1 while this server only answers what reads",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.rules_fired = Counter("simwarden_rules_fired", "Rules that SIMs met", registry=self.registry)
        self.messages = Counter(
            "simwarden_messages",
            "Short messages that customers sent, by what sends them and how far they came; each counts once a stage",
            ["carrier", "stage"],
            registry=registry,
        )
        self.subscriptions_refused = Counter(
            "simwarden_subscriptions_refused",
            "Subscriptions refused because as many are active as a setting allows",
            ["limit"],
            registry=registry,
        )
        self.calls_limited = Counter(
            "simwarden_limited_calls", "Calls refused by a rate limit or a quota", ["limit"], registry=registry
        )

        self.blocks = Histogram(
            "simwarden_block_seconds",
            "From the commit that wants a lock to the network element's showing it",
            buckets=(*_FAST, 10.0, 30.0, 60.0, 300.0),
            registry=registry,
        )
        self.refused = Counter(
            "simwarden_refused_requests", "Requests refused before any API saw them", ["reason"], registry=registry
        )

        self.alarm_pushes = Counter(
            "simwarden_alarm_pushes",
            "Tries to tell the operator of alarms, by log, webhook or mail",
            ["channel", "result"],
            registry=registry,
        )

    def took_message(self, outcome: str, type_: str) -> None:
        """Count one message of a network element."""
        self._message_count(outcome, type_).inc()

    def took_in(self, tally: Tally) -> None:
        """Add up a batch of reports."""
        self.sightings.inc(tally.sightings)
        self.unknown_sims.inc(tally.unknown_sims)
        self.late.inc(tally.late)
        for news, count in tally.sessions.items():
            self.sessions.labels(news).inc(count)
        self.unknown_cells.inc(tally.unknown_cells)
        for kind, count in tally.doubts.items():
            self.doubts.labels(kind).inc(count)
        self.changes.inc(tally.outcome.changed)
        self.events.inc(tally.outcome.events)

    def committed(self, outcome: Outcome) -> None:
        """Count what a commit brought."""
        self.rules_fired.inc(outcome.fired)
        for carrier, stage in outcome.messages:
            self.messages.labels(carrier, stage).inc()
        for seconds in outcome.blocked:
            self.blocks.observe(seconds)

    def answered(self, call: Answered) -> None:
        """Count a call, and how long it took when it is known what was called."""
        calls = self._calls.get((call.api, call.operation, call.status))
        if calls is None:
            calls = self._calls[call.api, call.operation, call.status] = _Calls()
        calls.number += 1
        calls.seconds += call.seconds
        calls.places[bisect_left(_FAST, call.seconds)] += 1
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(FLUSHED_AFTER, self.flush)

    def flush(self) -> None:
        """Put what was gathered of calls into the metrics."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        for (api, operation, status), calls in self._calls.items():
            if calls.number:
                self.requests.labels(api, operation or "", str(status)).inc(calls.number)
                if operation is not None:
                    _observe(self.request_seconds.labels(api, operation), calls)
                calls.clear()

    def sample(self, pool: str, usage: PoolUsage) -> None:
        """How a pool of connections is used at this moment."""
        for state in PoolUsage.__struct_fields__:
            self.connections.labels(pool, state).set(getattr(usage, state))

    def page(self, counts: LastCounts | None = None) -> bytes:
        """All metrics in Prometheus' text format, those of the other workers included, and `counts` of the fleet."""
        self.flush()
        registry = self.registry
        directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if directory:
            _forget_the_dead(Path(directory))
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(registry) + fleet_page.page(counts)


class _Calls:
    """Calls that were answered alike."""

    __slots__ = ("number", "places", "seconds")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """There were none."""
        self.number = 0
        self.seconds = 0.0
        self.places = [0] * (len(_FAST) + 1)
        """How many took no longer than each bound of the histogram, and longer than the one before."""


def _observe(histogram: Histogram, calls: _Calls) -> None:
    """Add many observations at once, for which the client library has no call: one by one they cost as much as the
    check of a token each."""
    histogram._sum.inc(calls.seconds)
    for bucket, number in zip(histogram._buckets, calls.places, strict=True):
        if number:
            bucket.inc(number)


def _forget_the_dead(directory: Path) -> None:
    """What a worker that was killed said of itself is over; what it counted is kept."""
    for file in directory.glob("gauge_live*_*.db"):
        process = file.stem.rpartition("_")[2]
        try:
            os.kill(int(process), 0)
        except (ProcessLookupError, ValueError):
            multiprocess.mark_process_dead(process, str(directory))  # type: ignore[no-untyped-call]
        except PermissionError:
            pass
