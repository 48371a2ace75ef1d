"""One run of the simulator from a terminal: start, say where everything is, show progress, end cleanly."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from simwarden.simulator.commands import ReceivedCommand
from simwarden.simulator.control import ControlServer
from simwarden.simulator.fleet import FleetPlan, SimulatedFleet, build_fleet
from simwarden.simulator.load import Load
from simwarden.simulator.scenario import Scenario, check_scenario, play
from simwarden.simulator.server import GatewayServer
from simwarden.simulator.sink import ReceivedCall, SinkServer

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Voice:
    """How a run speaks: one JSON line for each thing, or sentences and a progress line on a terminal."""

    as_json: bool

    def say(self, message: Message, sentence: str) -> None:
        """Tell one thing now."""
        self.progress("")
        print(json.dumps(message) if self.as_json else sentence, flush=True)

    def progress(self, line: str) -> None:
        """Redraw the progress line, only on a terminal."""
        if not self.as_json and sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[2K{line}")
            sys.stderr.flush()

    def happening(self, message: Message) -> None:
        """Tell an event of the simulator."""
        details = ", ".join(f"{key} {value}" for key, value in message.items() if key != "event")
        self.say(message, f"{message['event']}: {details}")


async def run_gateways(
    plan: FleetPlan,
    *,
    control_port: int = 0,
    duration: float | None = None,
    rate: float = 0.0,
    changed: float = 0.0,
    scenario: Scenario | None = None,
    voice: Voice,
) -> None:
    """Run virtual gateways until a signal or for `duration` seconds, with a load of `rate` sightings/s if not 0."""
    fleet = build_fleet(plan)
    if scenario is not None:
        check_scenario(scenario, fleet)
    load = Load(fleet, rate=rate, changed=changed) if rate > 0 else None
    fleet.on_happening = voice.happening
    for server in fleet.servers.values():
        server.executor.on_command = _teller(fleet, server)
    control = ControlServer(fleet, port=control_port)
    try:
        await fleet.start()
        await control.start()
        _introduce(fleet, control, plan, voice)
        if scenario is not None:
            fleet.background(play(scenario, fleet))
        if load is not None:
            load.start()
        await _until_stopped(duration, lambda: _tick(fleet, load, voice))
    finally:
        if load is not None:
            await load.close()
            _tell_load(load, voice)
        await control.close()
        await fleet.close()
    totals = _totals(fleet)
    voice.say({"event": "stopped"} | totals, "Stopped: " + ", ".join(f"{v} {k}" for k, v in totals.items()))


async def run_sink(
    *, port: int, bearer: str | None, secret: str | None, keep: int, duration: float | None, voice: Voice
) -> None:
    """Run a reference sink until a signal or for `duration` seconds."""
    sink = SinkServer(port=port, bearer=bearer, secret=secret, keep=keep)

    def tell(delivery: ReceivedCall) -> None:
        body = delivery.body if isinstance(delivery.body, dict) else {}
        voice.happening(
            {
                "event": "delivery",
                "id": body.get("id"),
                "type": body.get("type"),
                "status": delivery.status,
                "problem": delivery.problem,
            }
        )

    sink.on_delivery = tell
    try:
        await sink.start()
        message = {
            "ready": True,
            "sink": sink.url,
            "events": f"{sink.url}/events",
            "behaviour": f"{sink.url}/behaviour",
        }
        voice.say(message, f"Sink at {sink.url}/, received events at {sink.url}/events. Ctrl-C ends.")
        await _until_stopped(duration, lambda: True)
    finally:
        await sink.close()
    voice.say({"event": "stopped", "received": sink.received}, f"Stopped: {sink.received} deliveries received")


def _introduce(fleet: SimulatedFleet, control: ControlServer, plan: FleetPlan, voice: Voice) -> None:
    gateways = [
        {
            "name": server.name,
            "command_url": server.command_url,
            "username": plan.username,
            "password": plan.password,
        }
        for server in fleet.servers.values()
    ]
    lines = [
        f"{server.name}  commands at {server.command_url}  reports to {_origin(server.reporter.url)}"
        for server in fleet.servers.values()
    ]
    lines.append(f"Control server at {control.url}/gateways. Ctrl-C ends.")
    voice.say({"ready": True, "control": control.url, "gateways": gateways}, "\n".join(lines))


def _origin(url: str | None) -> str:
    """Scheme, host and port: the path of a report URL is the device's secret."""
    if url is None:
        return "nobody yet"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _teller(fleet: SimulatedFleet, server: GatewayServer) -> Callable[[ReceivedCommand], None]:
    def tell(command: ReceivedCommand) -> None:
        fleet.happened("command", gateway=server.name, op=command.op, slots=command.slots, fault=command.fault)

    return tell


def _tick(fleet: SimulatedFleet, load: Load | None, voice: Voice) -> bool:
    """Once a second; False when there is no point in going on."""
    voice.progress(_progress(fleet))
    if load is None:
        return True
    _tell_load(load, voice)
    return not load.failed


def _tell_load(load: Load, voice: Voice) -> None:
    numbers = load.take_tally().describe()
    if numbers["reports"] or numbers["answered"]:
        voice.happening({"event": "load"} | numbers)


def _totals(fleet: SimulatedFleet) -> dict[str, int]:
    servers = fleet.servers.values()
    return {
        "sent": sum(server.reporter.sent for server in servers),
        "answered": sum(server.reporter.answered for server in servers),
        "rejected": sum(server.reporter.rejected for server in servers),
        "dropped": sum(server.reporter.dropped for server in servers),
        "commands": sum(server.executor.received for server in servers),
    }


def _progress(fleet: SimulatedFleet) -> str:
    totals = _totals(fleet)
    return (
        f"reports {totals['sent']} sent, {totals['answered']} answered, {totals['dropped']} dropped; "
        f"{totals['commands']} commands"
    )


async def _until_stopped(duration: float | None, tick: Callable[[], bool]) -> None:
    """Wait for SIGINT, SIGTERM or `duration` seconds; `tick` runs once a second and ends it by answering False."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    end = None if duration is None else loop.time() + duration
    try:
        while not stop.is_set() and (end is None or loop.time() < end) and tick():
            rest = 1.0 if end is None else min(1.0, max(end - loop.time(), 0))
            try:
                await asyncio.wait_for(stop.wait(), rest)
            except TimeoutError:
                continue
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
