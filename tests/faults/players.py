"""The other side as processes of their own: virtual gateways and a sink that write down what they see as they see it.

What is in their files outlives a `kill -9`: every report that was answered 200, every delivery before it is answered,
and where the cards and locks of the gateways are (a device keeps those without power).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simwarden.simulator.control import ControlServer
from simwarden.simulator.fleet import FleetPlan, SimulatedFleet, build_fleet
from simwarden.simulator.identity import VirtualSim
from simwarden.simulator.reporter import Reporter
from simwarden.simulator.sink import ReceivedCall, SinkServer
from simwarden.simulator.slot_addresses import parse_place

if TYPE_CHECKING:
    from simwarden.simulator.server import GatewayServer, Generation


class Ledger:
    """A file to which one JSON line is added at once for everything that is seen."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, entry: dict[str, Any]) -> None:
        """Write it now: one write, so that a kill leaves whole lines."""
        os.write(self._file, json.dumps(entry).encode() + b"\n")


class PatientReporter(Reporter):
    """Sends a report again until it is acknowledged, and writes down which ones were."""

    def __init__(self, gateway: str, ledger: Ledger) -> None:
        super().__init__(attempts=10**6, retry_delay=0.1, timeout=4.0)
        self._gateway = gateway
        self._ledger = ledger

    async def _post(self, body: bytes) -> int | None:
        status = await super()._post(body)
        if status == 200:
            self._ledger.add({"at": time.time_ns(), "gateway": self._gateway, "report": json.loads(body)})
        elif status is not None and status != 503:
            self._ledger.add({"at": time.time_ns(), "gateway": self._gateway, "refused": status})
        return status


def plan(generation: Generation) -> FleetPlan:
    """Three gateways of 8 ports and 2 slots with 8 cards each: half of the slots are free to move to."""
    return FleetPlan(gateways=3, ports=8, slots=2, fill=0.5, generation=generation, interval=2.0)


def save(fleet: SimulatedFleet, path: Path) -> None:
    """Keep cards and locks."""
    state = {
        server.name: {
            "port": server.port,
            "url": server.reporter.url,
            "cards": {str(place): card_of(sim) for place, sim in server.gateway.cards().items()},
            "locked": [str(place) for place in server.gateway.locked()],
        }
        for server in fleet.servers.values()
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(state))
    fresh.replace(path)


def card_of(sim: VirtualSim) -> dict[str, str]:
    """A card as JSON."""
    return {"imsi": sim.imsi, "iccid": sim.iccid, "msisdn": sim.msisdn}


def restore(fleet: SimulatedFleet, path: Path) -> None:
    """Put cards and locks where they were."""
    for name, kept in json.loads(path.read_text()).items():
        server = fleet.servers[name]
        server.port, server.reporter.url = kept["port"], kept["url"]
        for place in server.gateway.cards():
            server.gateway.take(*place)
        for text, card in kept["cards"].items():
            server.gateway.insert(VirtualSim(**card), *parse_place(text))
        server.gateway.lock(parse_place(text) for text in kept["locked"])


async def run_fleet(directory: Path, generation: Generation) -> None:
    """The gateways, until SIGTERM."""
    fleet = build_fleet(plan(generation))
    ledger, state = Ledger(directory / "reports.jsonl"), directory / "fleet.json"
    pending: list[asyncio.Handle] = []

    def keep() -> None:
        pending.clear()
        save(fleet, state)

    def told_where(server: GatewayServer) -> None:
        """The report URL is kept too: a device that comes back introduces itself with its status number 1."""
        configure = server.configure_reports

        def remember(url: str | None, period: float | None) -> None:
            configure(url, period)
            keep()

        server.configure_reports = remember  # type: ignore[method-assign]

    def changed(_place: object) -> None:
        if not pending:  # not before the whole change is made: a card on its way is nowhere
            pending.append(asyncio.get_running_loop().call_soon(keep))

    for server in fleet.servers.values():
        server.reporter = server.executor.reporter = PatientReporter(server.name, ledger)
    if state.exists():
        restore(fleet, state)
    for server in fleet.servers.values():
        server.gateway.watch(changed)
        told_where(server)
    control = ControlServer(fleet)
    await fleet.start()
    await control.start()
    save(fleet, state)
    gateways = {server.name: server.port for server in fleet.servers.values()}
    print(json.dumps({"control": control.url, "gateways": gateways}), flush=True)
    await stopped()
    await control.close()
    await fleet.close()


async def run_sink(directory: Path, port: int) -> None:
    """The sink, until SIGTERM. `port` 0 takes a free one."""
    ledger = Ledger(directory / "sink.jsonl")
    sink = SinkServer(port=port, keep=1)

    def tell(delivery: ReceivedCall) -> None:
        ledger.add({"at": delivery.received_ns, "status": delivery.status, "body": delivery.body})

    sink.on_delivery = tell
    await sink.start()
    print(json.dumps({"sink": sink.url}), flush=True)
    await stopped()
    await sink.close()


async def stopped() -> None:
    """Wait for SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


if __name__ == "__main__":
    role, folder, value = sys.argv[1:4]
    if role == "fleet":
        asyncio.run(run_fleet(Path(folder), 3 if value == "3" else 2))
    else:
        asyncio.run(run_sink(Path(folder), int(value)))
