"""Draws the growth table: JSON rows on standard input, an SVG file at the path given. Runs in `.venv-bench`."""

from __future__ import annotations

import json
import sys

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "simwarden"  # the same picture from the same figures
import matplotlib.pyplot as plt  # noqa: E402


def draw(rows: list[dict[str, float]], path: str) -> None:
    """What goes through, what it costs and what waits, over the number of SIMs."""
    sims = [row["sims"] for row in rows]
    figure, (through, costs, waits) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for name, label in (
        ("steady", "sightings/s, steady"),
        ("moved", "sightings/s, 2 % moved"),
        ("queries", "queries/s"),
    ):
        through.plot(sims, [row[name] for row in rows], marker="o", label=label)
    through.set(title="Throughput", ylim=(0, None), ylabel="per second")
    for name, label in (("cost", "steady"), ("moved_cost", "2 % moved")):
        costs.plot(sims, [row[name] for row in rows], marker="o", label=label)
    costs.set(title="Processor time per sighting", ylim=(0, None), ylabel="microseconds, server and PostgreSQL")
    waits.plot(sims, [row["query_p99"] for row in rows], marker="o", color="tab:red", label="query p99 at 2,300/s")
    waits.set(title="Time", ylim=(0, None), ylabel="milliseconds")
    for panel in (through, costs, waits):
        panel.set(xscale="log", xlabel="SIMs in the register")
        panel.grid(alpha=0.3)
        panel.legend(loc="lower left")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(json.load(sys.stdin), sys.argv[1])
