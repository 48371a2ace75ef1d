"""Structured logs and Prometheus metrics."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, multiprocess

if TYPE_CHECKING:
    from simwarden.engine.ingest import Tally
    from simwarden.settings import Settings

_FAST = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def configure_logs(settings: Settings) -> None:
    """Send all logs, ours and the libraries', to standard error in one form."""
    level = getattr(logging, settings.log_level.upper())
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("granian.access").setLevel(logging.WARNING)


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
        self.changes = Counter("simwarden_sim_changes", "SIMs changed by reports", registry=registry)
        self.events = Counter("simwarden_events", "Events committed by reports", registry=registry)
        self.commands = Histogram(
            "simwarden_gateway_command_seconds",
            "Commands to gateways",
            ["result"],
            buckets=_FAST,
            registry=registry,
        )
        self.requests = Counter(
            "simwarden_api_requests", "Calls of the northbound APIs", ["api", "operation", "status"], registry=registry
        )

    def took_in(self, tally: Tally) -> None:
        """Add up a batch of reports."""
        self.sightings.inc(tally.sightings)
        self.unknown_sims.inc(tally.unknown_sims)
        self.late.inc(tally.late)
        self.changes.inc(tally.outcome.changed)
        self.events.inc(tally.outcome.events)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format, those of the other workers included."""
        registry = self.registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(registry)
