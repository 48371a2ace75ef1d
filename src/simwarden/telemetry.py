"""Prometheus metrics.

Only worker processes import this: when it is imported, the client library looks whether there are several of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess

from simwarden import fleet_page
from simwarden.store.database import PoolUsage

if TYPE_CHECKING:
    from simwarden.engine.ingest import Tally
    from simwarden.northbound.kernel.ports import Answered
    from simwarden.store.fleet import LastCounts

_FAST = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """What is counted. One per process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.registry = registry
        self.southbound = Counter(
            "simwarden_southbound_messages", "Messages pushed by gateways", ["outcome", "type"], registry=registry
        )
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
        self._of_calls: dict[tuple[str, str | None, int], tuple[Counter, Histogram | None]] = {}
        """The metrics that a call counts in: finding them by their labels costs as much as counting."""
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

        self.refused = Counter(
            "simwarden_refused_requests", "Requests refused before any API saw them", ["reason"], registry=registry
        )

        self.alarm_pushes = Counter(
            "simwarden_alarm_pushes",
            "Tries to tell the operator of alarms, by log, webhook or mail",
            ["channel", "result"],
            registry=registry,
        )

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

    def answered(self, call: Answered) -> None:
        """Count a call, and how long it took when it is known what was called."""
        of_call = call.api, call.operation, call.status
        known = self._of_calls.get(of_call)
        if known is None:
            known = self._of_calls[of_call] = (
                self.requests.labels(call.api, call.operation or "", str(call.status)),
                None if call.operation is None else self.request_seconds.labels(call.api, call.operation),
            )
        counter, seconds = known
        counter.inc()
        if seconds is not None:
            seconds.observe(call.seconds)

    def sample(self, pool: str, usage: PoolUsage) -> None:
        """How a pool of connections is used at this moment."""
        for state in PoolUsage.__struct_fields__:
            self.connections.labels(pool, state).set(getattr(usage, state))

    def page(self, counts: LastCounts | None = None) -> bytes:
        """All metrics in Prometheus' text format, those of the other workers included, and `counts` of the fleet."""
        registry = self.registry
        directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if directory:
            _forget_the_dead(Path(directory))
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(registry) + fleet_page.page(counts)


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
