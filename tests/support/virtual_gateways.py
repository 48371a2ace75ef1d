"""Virtual gateways that say in a server's data directory that they run, as the quickstart's do."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from simwarden.quickstart import env
from simwarden.simulator.control import ControlServer
from simwarden.simulator.fleet import FleetPlan, SimulatedFleet, build_fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def virtual_gateways(file: Path) -> AsyncIterator[SimulatedFleet]:
    """Two gateways of three ports; the first two of each hold a card. They report to nobody."""
    fleet = build_fleet(FleetPlan(gateways=2, ports=3, slots=1, fill=0.67, interval=0.0))
    await fleet.start()
    control = ControlServer(fleet)
    await control.start()
    env.announce(file, control.url)
    try:
        yield fleet
    finally:
        env.withdraw(file, control.url)
        await control.close()
        await fleet.close()
