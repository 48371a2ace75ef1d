"""The simulator of a sandbox installation: look at it, move a SIM, take a gateway down, begin and end an infection."""

from __future__ import annotations

import re
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta
from msgspec.json import Decoder

from simwarden.domain.errors import ResourceNotFound
from simwarden.management.house import House, read
from simwarden.management.query import Query
from simwarden.northbound.kernel.api import Answer, Request

OPERATIONS = frozenset(
    {"getSimulator", "moveSimulatedSim", "switchSimulatedGateway", "infectSimulatedSim", "cureSimulatedSim"}
)
MOST_MESSAGES, FASTEST = 2000, 50
"""Of one infection: messages, and messages a second."""
MOST_INFECTIONS = 8
"""At a time."""
_Imsi = Annotated[str, Meta(pattern=r"^[0-9]{6,15}\Z")]
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z"
_Gateway = Annotated[str, Meta(pattern=_NAME)]


class Simulator(Protocol):
    """The virtual gateways beside this server. What there is of them is as the document says."""

    def is_there(self) -> bool:
        """Whether there are any."""

    async def look(self) -> dict[str, Any]:
        """The gateways with their SIMs. Raises ResourceNotFound when there are none."""

    async def move(self, imsi: str, gateway: str, port: int, slot: int, *, swap: bool) -> dict[str, Any]:
        """Carry a SIM to a slot. Raises ResourceNotFound, IncompatibleState."""

    async def switch(self, gateway: str, *, on: bool) -> None:
        """Take a gateway down, or up. Raises ResourceNotFound."""

    async def infect(self, imsi: str, messages: int, rate: float, at_once: int) -> None:
        """Let the device of a SIM send messages, unless `at_once` others do. Raises ResourceNotFound,
        IncompatibleState."""

    async def cure(self, imsi: str) -> None:
        """End that. Raises ResourceNotFound."""


class _Body(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class MoveSim(_Body, frozen=True):
    """MoveSimulatedSim."""

    imsi: _Imsi
    gateway: _Gateway
    port: Annotated[int, Meta(ge=1, le=512)]
    slot: Annotated[int, Meta(ge=1, le=99)] = 1
    swap: bool = False


class SwitchGateway(_Body, frozen=True):
    """SwitchSimulatedGateway."""

    on: bool


class Infect(_Body, frozen=True):
    """InfectSimulatedSim."""

    imsi: _Imsi
    messages: Annotated[int, Meta(ge=1, le=MOST_MESSAGES)] = 200
    rate: Annotated[float, Meta(ge=1, le=FASTEST)] = 5


class EndInfection(_Body, frozen=True):
    """CureSimulatedSim."""

    imsi: _Imsi


class SimulatorRoutes:
    """The operations under `/simulator`: 404 where there is none."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._move = Decoder(MoveSim)
        self._switch = Decoder(SwitchGateway)
        self._infect = Decoder(Infect)
        self._cure = Decoder(EndInfection)

    async def show(self, request: Request) -> Answer:
        """getSimulator."""
        Query(request.query, (), "simulator")
        return Answer(200, await self._there().look())

    async def move(self, request: Request) -> Answer:
        """moveSimulatedSim: the gateways report it at once."""
        wanted: MoveSim = read(self._move, request)
        where = wanted.gateway, wanted.port, wanted.slot
        return Answer(200, await self._there().move(wanted.imsi, *where, swap=wanted.swap))

    async def switch(self, request: Request) -> Answer:
        """switchSimulatedGateway."""
        wanted: SwitchGateway = read(self._switch, request)
        there = self._there()
        if not re.match(_NAME, request.parameter):
            raise ResourceNotFound("There is no such virtual gateway")
        await there.switch(request.parameter, on=wanted.on)
        return Answer(200, await there.look())

    async def infect(self, request: Request) -> Answer:
        """infectSimulatedSim: some at a time."""
        wanted: Infect = read(self._infect, request)
        there = self._there()
        await there.infect(wanted.imsi, wanted.messages, wanted.rate, MOST_INFECTIONS)
        return Answer(200, await there.look())

    async def cure(self, request: Request) -> Answer:
        """cureSimulatedSim."""
        wanted: EndInfection = read(self._cure, request)
        await self._there().cure(wanted.imsi)
        return Answer(204)

    def _there(self) -> Simulator:
        if self._house.simulator is None:
            raise ResourceNotFound("This server has no simulator")
        return self._house.simulator
