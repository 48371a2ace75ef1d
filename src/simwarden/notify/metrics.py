"""What the notifier counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class NotifyMetrics:
    """Counters of one notifier, in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.attempts = Counter(
            "simwarden_notify_attempts",
            "Attempts to hand out an event, by what came of it",
            ["result"],
            registry=registry,
        )
        for result in ("delivered", "retried", "dead", "ended"):
            self.attempts.labels(result)
        self.delay = Histogram(
            "simwarden_notify_delay_seconds",
            "From writing a delivery to the sink's having taken it; what is sent again on request is not in it",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86400),
            registry=registry,
        )
        self.lanes_pending = Gauge(
            "simwarden_notify_lanes_pending",
            "Subscriptions with something left to deliver, in the shares of this worker",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.circuits_opened = Counter(
            "simwarden_notify_circuits_opened",
            "Times a sink's origin was taken for dead: no answers, or errors only",
            registry=registry,
        )
        self.fanned_out = Counter(
            "simwarden_notify_fanned_out", "Deliveries written behind the commit of their event", registry=registry
        )
        self.fan_out_age = Gauge(
            "simwarden_notify_fan_out_age_seconds",
            "How long the oldest event has waited to be written into its lanes, in the shares of this worker",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.outages = Counter(
            "simwarden_notify_store_outages", "Times the database could not be used", registry=registry
        )
