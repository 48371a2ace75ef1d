"""What is counted over the whole installation, as Prometheus reads it.

Every server shows the same, from what one of them counted last: it is one truth, whichever is asked. So these have no
label for a worker or a server, and none for a gateway either: a fleet of thousands would make thousands of series
whose names change; which gateway it is, the alarms say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import prometheus_client
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from simwarden import __version__
from simwarden.domain.alarm import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simwarden.store.fleet import FleetCounts, LastCounts

_STATUSES = ("PENDING", "FAILED")


class _FleetCollector(Collector):
    def __init__(self, counts: LastCounts | None) -> None:
        self._counts = counts

    def collect(self) -> Iterator[GaugeMetricFamily]:
        build = GaugeMetricFamily("simwarden_build_info", "The version that runs; always 1", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        if self._counts is None:
            return
        if self._counts.fleet is not None:
            yield from _fleet(self._counts.fleet)
        if self._counts.sims_at is not None:
            yield from _sims(self._counts)
        at = GaugeMetricFamily(
            "simwarden_counted_timestamp_seconds", "When the gauges of a kind were counted", labels=["what"]
        )
        for what, time in (("fleet", self._counts.fleet_at), ("sims", self._counts.sims_at)):
            if time is not None:
                at.add_metric([what], time.timestamp())
        yield at


def _fleet(fleet: FleetCounts) -> Iterator[GaugeMetricFamily]:
    gateways = GaugeMetricFamily("simwarden_gateways", "Gateways, by what is heard of them", labels=["state"])
    for state, count in fleet.gateways.items():
        gateways.add_metric([state], count)
    yield gateways
    yield GaugeMetricFamily(
        "simwarden_gateways_unreachable", "Gateways that do not answer commands", value=fleet.unreachable
    )
    work = GaugeMetricFamily("simwarden_enforcements_open", "Slots that are to be acted upon", labels=["status"])
    age = GaugeMetricFamily(
        "simwarden_enforcements_oldest_seconds", "How long the oldest of them has been due", labels=["status"]
    )
    for status in _STATUSES:
        found = fleet.enforcements.get(status)
        work.add_metric([status], found.count if found else 0)
        age.add_metric([status], found.oldest if found else 0.0)
    yield work
    yield age
    lanes = GaugeMetricFamily(
        "simwarden_deliveries_waiting",
        "Subscriptions whose next event has waited for longer than so many seconds",
        labels=["older_than"],
    )
    lanes.add_metric(["0"], fleet.lanes.count)
    for seconds, count in fleet.lanes.older.items():
        lanes.add_metric([seconds], count)
    yield lanes
    yield GaugeMetricFamily(
        "simwarden_deliveries_oldest_seconds",
        "How long the event has waited that has waited longest for its sink",
        value=fleet.lanes.oldest,
    )
    yield GaugeMetricFamily(
        "simwarden_fan_out_oldest_seconds",
        "How long the event has waited that has waited longest to be written into its lanes",
        value=fleet.fan_out,
    )
    alarms = GaugeMetricFamily("simwarden_alarms_open", "Open alarms", labels=["kind", "severity"])
    fresh = GaugeMetricFamily(
        "simwarden_alarms_unacknowledged", "Open alarms that nobody has taken on", labels=["kind", "severity"]
    )
    open_ones = {(one.kind, one.severity): one for one in fleet.alarms}
    shown = {(str(kind), str(severity)) for kind, severity in SEVERITY.items()} | open_ones.keys()
    for kind, severity in sorted(shown):
        one = open_ones.get((kind, severity))
        alarms.add_metric([kind, severity], one.count if one else 0)
        fresh.add_metric([kind, severity], one.unacknowledged if one else 0)
    yield alarms
    yield fresh


def _sims(counts: LastCounts) -> Iterator[GaugeMetricFamily]:
    total = GaugeMetricFamily("simwarden_sims", "SIMs in the register", labels=["binding", "lifecycle"])
    off = GaugeMetricFamily(
        "simwarden_sims_off", "SIMs of which a function is not to work", labels=["binding", "lifecycle"]
    )
    for one in counts.sims:
        total.add_metric([one.state, one.lifecycle], one.count)
        off.add_metric([one.state, one.lifecycle], one.off)
    yield total
    yield off


def page(counts: LastCounts | None) -> bytes:
    """In Prometheus' text format; without counts (the database is away, or nobody counted yet) the version only."""
    registry = CollectorRegistry()
    registry.register(_FleetCollector(counts))
    return prometheus_client.generate_latest(registry)
