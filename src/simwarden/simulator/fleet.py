"""Several virtual gateways with their cards: made from a few numbers, deterministic for a seed, started together."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simwarden.simulator.errors import InvalidRequest, NotFound
from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.identity import SERIALS, VirtualSim, make_imei, make_mac, make_sim
from simwarden.simulator.server import FACTORY_LOGIN, GatewayServer, Generation
from simwarden.simulator.serving import stop_task
from simwarden.simulator.sites import site_of
from simwarden.simulator.slot_addresses import SlotAddress

Happening = dict[str, Any]


@dataclass(slots=True)
class Outbreak:
    """What an infected device does: messages or calls from one card, until there are enough or somebody ends it."""

    kind: str
    """The operation: mass-sms or mass-calls."""
    of: int
    done: int = 0
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What to build. Card number n (from 0) has the IMSI `imsi_base` + `first_card` + n."""

    gateways: int = 4
    prefix: str = "gw"
    """Gateways are named by this and their number, from 1."""

    ports: int = 32
    slots: int = 4
    fill: float = 1.0
    """Share of the slots that hold a card: first slot 1 of every port of a gateway, then slot 2 and so on."""

    generation: Generation = 2
    host: str = "127.0.0.1"
    base_port: int = 0
    """Command port of the first gateway, the others follow; 0 = free ports."""

    username: str = FACTORY_LOGIN
    password: str = FACTORY_LOGIN
    report_urls: Sequence[str] = ()
    """None, one a gateway, or one with the placeholder `{gateway}`."""

    interval: float = 60.0
    effect_delay: float = 0.02
    imsi_base: int = 460000990000000
    first_card: int = 0
    """Also decides the ICCIDs and phone numbers, so that two fleets need not share any."""

    seed: int = 1
    one_active: bool = False
    counters: bool = False

    def report_url(self, index: int, name: str) -> str | None:
        """Where gateway `index` (from 0) reports."""
        urls = self.report_urls
        if not urls:
            return None
        if len(urls) == 1 and "{gateway}" in urls[0]:
            return urls[0].replace("{gateway}", name)
        if len(urls) != self.gateways:
            raise InvalidRequest(
                f"{self.gateways} gateways need {self.gateways} report URLs or one with {{gateway}}, got {len(urls)}"
            )
        return urls[index]


class SimulatedFleet:
    """The running gateways by name, and the drawer for cards that are in none of them."""

    def __init__(self, servers: Sequence[GatewayServer], *, imsi_base: int = 460000990000000, seed: int = 1) -> None:
        self.servers = {server.name: server for server in servers}
        self.imsi_base = imsi_base
        self.random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self.drawer: dict[str, VirtualSim] = {}
        self.homes = {sim.imsi: (each.name, place) for each in servers for place, sim in each.gateway.cards().items()}
        """By IMSI: the gateway and slot where a card was at the start."""
        self.outbreaks: dict[str, Outbreak] = {}
        """By IMSI: the last one of each card."""
        self.on_happening: Callable[[Happening], None] = lambda _happening: None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start every gateway; when one cannot, stop those that have."""
        try:
            for server in self.servers.values():
                await server.start()
        except OSError:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop every gateway and what still runs in the background."""
        for task in list(self._tasks):
            await stop_task(task)
        await asyncio.gather(*(server.close() for server in self.servers.values()))

    def server(self, name: str) -> GatewayServer:
        """The gateway with this name."""
        if name not in self.servers:
            raise NotFound(f"there is no gateway {name!r}; there are {', '.join(self.servers)}")
        return self.servers[name]

    def imsi(self, text: str) -> str:
        """An IMSI as given, or `base+N` for card number N of this fleet."""
        if text.startswith("base+") and text[5:].isdecimal():
            return f"{self.imsi_base + int(text[5:]):015d}"
        if not (text.isascii() and text.isdecimal() and 6 <= len(text) <= 15):
            raise InvalidRequest(f"{text!r} is not an IMSI; give up to 15 digits or base+N")
        return text

    def find(self, imsi: str) -> tuple[GatewayServer, SlotAddress] | None:
        """The gateway and slot that hold this card."""
        for server in self.servers.values():
            if (place := server.gateway.find(imsi)) is not None:
                return server, place
        return None

    def locate(self, imsi: str) -> tuple[GatewayServer, SlotAddress]:
        """As find, but the card must be in some gateway."""
        found = self.find(imsi)
        if found is None:
            where = "lies outside, insert it" if imsi in self.drawer else "is unknown"
            raise NotFound(f"no gateway holds the card with IMSI {imsi}: it {where}")
        return found

    def happened(self, event: str, **details: Any) -> None:
        """Tell whoever listens (the CLI prints it)."""
        self.on_happening({"event": event} | details)

    def background(self, work: Any) -> None:
        """Run a coroutine until it ends or the fleet closes."""
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def build_fleet(plan: FleetPlan) -> SimulatedFleet:
    """Make the gateways gw1, gw2, ... with their modules and cards; nothing listens yet."""
    rng = random.Random(plan.seed)  # noqa: S311 - reproducible, not secret
    first_serial = rng.randrange(SERIALS)
    first_mac = rng.randrange(1 << 24)
    per_gateway = round(plan.ports * plan.slots * plan.fill)
    servers = []
    for index in range(plan.gateways):
        name = f"{plan.prefix}{index + 1}"
        serials = (first_serial + index * plan.ports + port for port in range(plan.ports))
        gateway = VirtualGateway(
            name,
            ports=plan.ports,
            slots=plan.slots,
            imeis=[make_imei(serial) for serial in serials],
            mac=make_mac(first_mac + index),
            ip=plan.host,
            one_active=plan.one_active,
            counters=plan.counters,
        )
        for number in range(per_gateway):
            slot, port = divmod(number, plan.ports)
            card = plan.first_card + index * per_gateway + number
            gateway.insert(make_sim(plan.imsi_base, card), port + 1, slot + 1)
        servers.append(
            GatewayServer(
                gateway,
                generation=plan.generation,
                host=plan.host,
                port=plan.base_port + index if plan.base_port else 0,
                username=plan.username,
                password=plan.password,
                report_url=plan.report_url(index, name),
                interval=plan.interval,
                effect_delay=plan.effect_delay,
                site=site_of(index),
            )
        )
    return SimulatedFleet(servers, imsi_base=plan.imsi_base, seed=plan.seed)
