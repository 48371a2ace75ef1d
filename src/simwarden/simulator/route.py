"""Cards that travel: along gateways, each of which stands in another town."""

from __future__ import annotations

import asyncio

import msgspec

from simwarden.simulator.errors import InvalidRequest, SimulatorError
from simwarden.simulator.fleet import SimulatedFleet
from simwarden.simulator.messages import Message
from simwarden.simulator.operations import Move
from simwarden.simulator.server import GatewayServer

MOST_STOPS = 1000
"""Gateways of one journey."""


class Travel(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Carry a card along gateways, in the background: into the same slot of each, where it changes places with another.

    `pause`: seconds at each stop. `port` and `slot`: where it is put; without them where it is now.
    """

    imsi: str
    stops: list[str]
    pause: float = 1.0
    port: int | None = None
    slot: int | None = None

    async def perform(self, fleet: SimulatedFleet) -> Message:
        if not 1 <= len(self.stops) <= MOST_STOPS:
            raise InvalidRequest(f"stops must be 1 to {MOST_STOPS} gateways")
        if not 0 <= self.pause <= 86_400:
            raise InvalidRequest(f"pause must be 0 to 86400 seconds, not {self.pause}")
        imsi = fleet.imsi(self.imsi)
        _, here = fleet.locate(imsi)
        port = here.port if self.port is None else self.port
        slot = here.slot if self.slot is None else self.slot
        for name in self.stops:
            fleet.server(name).gateway.place(port, slot)

        async def travel() -> None:
            for number, name in enumerate(self.stops):
                if number:
                    await asyncio.sleep(self.pause)
                try:
                    await Move(imsi=imsi, gateway=name, port=port, slot=slot, swap=True).perform(fleet)
                except SimulatorError as error:
                    fleet.happened("journey-broken-off", imsi=imsi, gateway=name, error=str(error))
                    return
                fleet.happened("arrived", imsi=imsi, gateway=name, site=_site(fleet.server(name)))
            fleet.happened("journey-ended", imsi=imsi, stops=len(self.stops))

        fleet.background(travel())
        return {"imsi": imsi, "stops": self.stops, "pause": self.pause}


def _site(server: GatewayServer) -> Message | None:
    return None if server.site is None else dict(server.site.describe())
