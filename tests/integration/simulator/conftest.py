from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.support.patience import PATIENCE

from simwarden.simulator.fleet import FleetPlan, SimulatedFleet, build_fleet
from simwarden.simulator.serving import Serving


class Receiver:
    """The platform's side: takes reports, lets a test wait for one."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, Any]] = []
        self.status = 200
        self.connections: set[Any] = set()
        self._arrived = asyncio.Condition()
        self._serving = Serving([web.post("/{name}", self._take)])

    @property
    def url(self) -> str:
        return self._serving.url + "/{gateway}"

    async def _take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.connections.add(request.transport.get_extra_info("peername") if request.transport else None)
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            body = raw
        async with self._arrived:
            self.reports.append((request.match_info["name"], body))
            self._arrived.notify_all()
        return web.json_response({"code": 200, "reason": "OK"}, status=self.status)

    async def wait_for(self, matches: Callable[[str, Any], bool], *, skip: int = 0) -> Any:
        """The first report from number `skip` on that matches; earlier ones count too."""

        def found() -> Any:
            return next((body for name, body in self.reports[skip:] if matches(name, body)), None)

        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: found() is not None), PATIENCE)
        return found()

    async def start(self) -> None:
        await self._serving.start()

    async def close(self) -> None:
        await self._serving.close()


def is_slot(port: str | float, st: int | str) -> Callable[[str, Any], bool]:
    """Whether a report is the port-status of this slot in this state."""
    return lambda _name, body: isinstance(body, dict) and body.get("port") == port and body.get("st") == st


def is_device(_name: str, body: Any) -> bool:
    return isinstance(body, dict) and str(body.get("type")).lower() == "dev-status"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    taker = Receiver()
    await taker.start()
    yield taker
    await taker.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        yield session


async def start_fleet(receiver: Receiver, **changes: Any) -> SimulatedFleet:
    """Two small gateways, each slot 1 with a card, that report only changes after their first dev-status."""
    plan: dict[str, Any] = {"gateways": 2, "ports": 3, "slots": 2, "fill": 0.5, "interval": 3600.0}
    fleet = build_fleet(FleetPlan(**(plan | {"report_urls": (receiver.url,)} | changes)))
    for server in fleet.servers.values():
        server.reporter.retry_delay = 0.01
    await fleet.start()
    await receiver.wait_for(lambda name, body: name == "gw2" and is_device(name, body))
    await receiver.wait_for(lambda name, body: name == "gw1" and is_device(name, body))
    return fleet


@pytest.fixture
async def fleet(receiver: Receiver) -> AsyncIterator[SimulatedFleet]:
    running = await start_fleet(receiver)
    yield running
    await running.close()


@pytest.fixture
async def fleet_v3(receiver: Receiver) -> AsyncIterator[SimulatedFleet]:
    running = await start_fleet(receiver, generation=3)
    yield running
    await running.close()
