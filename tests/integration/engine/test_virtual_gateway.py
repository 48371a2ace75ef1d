"""The whole way over HTTP: virtual gateways report to the receiver, and are locked and unlocked through their API."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from starlette.applications import Starlette
from tests.support.patience import PATIENCE
from tests.support.world import ACCOUNT, World
from tests.unit.northbound.asgi import call

from simwarden.domain.attachment import AttachmentStatus
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.rules.device import Bind
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine import provision
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.commands.command import SimCommand
from simwarden.engine.enforcement import Enforcement
from simwarden.engine.explain import explain
from simwarden.engine.ingest import Ingest, Tally
from simwarden.engine.polling import Polls
from simwarden.kit.clock import now_utc
from simwarden.simulator.faults import Fault
from simwarden.simulator.fleet import FleetPlan, SimulatedFleet, build_fleet
from simwarden.simulator.identity import make_sim
from simwarden.simulator.serving import Serving
from simwarden.simulator.slot_addresses import SlotAddress
from simwarden.southbound.ejoin.network import EjoinNetwork
from simwarden.southbound.ejoin.receiver import Receiver
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from simwarden.domain.sim import Sim
    from simwarden.store.gateways import CommandAccess

HOME, AWAY = SlotAddress(1, 1), SlotAddress(2, 1)


class Street:
    """Two virtual gateways and a worker on the clock of this machine."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self.world = world
        self.db = world.db
        self.session = session
        self.ingest = Ingest(self.db, world.vault, committed=self._took_in)
        self.commands = CommandBatcher(self.db, committed=lambda _outcome: self.worker.wake())
        self.receiver = Receiver(world.gateways, self.ingest)
        self.app = Starlette(routes=self.receiver.routes())
        self.worker = self.new_worker()
        self.polls = Polls(self.db, self.world.gateways, self.ingest, self._network)
        self.door = Serving([web.post("/southbound/ejoin/{token}", self._forward)])
        self.fleet: SimulatedFleet

    def new_worker(self) -> Enforcement:
        return Enforcement(
            self.db,
            self.world.gateways,
            self.ingest,
            Leases(self.db, "enforce", "worker-1"),
            self._network,
        )

    def _network(self, access: CommandAccess) -> EjoinNetwork:
        return EjoinNetwork(self.session, access, 0.5)

    def _took_in(self, tally: Tally) -> None:
        self.worker.wake()
        if tally.doubts:
            self.polls.wake()

    async def _forward(self, request: web.Request) -> web.Response:
        """HTTP in front of the ASGI application."""
        headers = [(name, value) for name, value in request.headers.items() if name.lower() == "content-type"]
        reply = await call(self.app, "POST", request.path, await request.read(), headers)
        return web.Response(status=reply.status, body=reply.body, headers={"Content-Type": "application/json"})

    async def open(self, generation: Any) -> None:
        await self.door.start()
        plan = FleetPlan(gateways=2, ports=4, slots=1, fill=0.0, interval=3600.0, generation=generation)
        self.fleet = build_fleet(plan)
        await self.fleet.start()
        for server in self.fleet.servers.values():
            _, token = await self.world.gateways.add(
                server.name, kind="ejoin", command_url=server.command_url, username="root", password="root"
            )
            server.reporter.retry_delay = 0.01
            server.configure_reports(f"{self.door.url}/southbound/ejoin/{token}", None)
        self.worker.start()
        self.polls.start()

    async def close(self) -> None:
        await self.fleet.close()
        await self.worker.stop()
        await self.polls.stop()
        await self.door.close()
        await self.ingest.drain()

    def server(self, name: str = "gw1") -> Any:
        return self.fleet.server(name)

    async def insert(self, number: int, slot: SlotAddress, name: str = "gw1") -> Any:
        """A registered card, put into a slot; the gateway reports it."""
        card = make_sim(self.fleet.imsi_base, number)
        made = provision.new_sim(ACCOUNT, imsi=card.imsi, iccid=card.iccid)
        await provision.add(self.db, made, Cause(CauseKind.OPERATOR, "test", now_utc()))
        server = self.server(name)
        server.report_slots(server.gateway.insert(card, *slot))
        await self.until(lambda: self._seen(card.imsi))
        return card

    async def move(self, source: SlotAddress, target: SlotAddress, name: str = "gw1") -> None:
        server = self.server(name)
        server.report_slots(server.gateway.move(source, target))

    async def sim(self, imsi: str) -> Sim:
        found = await self.world.sims.find_any(imsi)
        assert found is not None
        return found

    async def _seen(self, imsi: str) -> bool:
        return (await self.sim(imsi)).seen is not None

    async def bind(self, imsi: str) -> None:
        cause = Cause(CauseKind.CALL, "app-1", now_utc(), "bind")
        await self.commands.submit(SimCommand(SimRef(IdentifierKind.IMSI, imsi), Bind(again=True), cause, ACCOUNT))

    async def settled(self, imsi: str, *, locked: SlotAddress | None) -> bool:
        """Whether the store and the gateway agree that this slot, and no other, is locked."""
        rows = await self.db.fetch("select status from attachment where imsi = $1", imsi)
        wanted = [] if locked is None else [locked]
        return (
            all(row["status"] == "APPLIED" for row in rows)
            and (await self.sim(imsi)).functions_off.value == (7 if locked else 0)
            and self.server().gateway.locked() == wanted
        )

    async def until(self, what: Callable[[], Awaitable[Any]], patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not await what():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.01)

    async def types(self, imsi: str) -> list[EventType]:
        return [event.type for event in await self.world.sims.events(await self.sim(imsi))]


@pytest.fixture
async def street(world: World, request: pytest.FixtureRequest) -> AsyncIterator[Street]:
    async with aiohttp.ClientSession() as session:
        made = Street(world, session)
        await made.open(getattr(request, "param", 2))
        yield made
        await made.close()


@pytest.mark.parametrize("street", [2, 3], indirect=True, ids=["v2", "v3"])
async def test_the_story_of_a_stolen_sim(street: Street) -> None:
    card = await street.insert(1, HOME)
    await street.bind(card.imsi)
    await street.move(HOME, AWAY)
    await street.until(lambda: street.settled(card.imsi, locked=AWAY))
    shown = await explain(street.db, street.world.gateways, await street.sim(card.imsi))
    assert [step.type for step in shown.chain] == [
        "DEVICE_CHANGED",
        "BINDING_DIFFERED",
        "BAR_RAISED",
        "ENFORCEMENT_COMMANDED",
        "ENFORCEMENT_APPLIED",
    ]
    await street.move(AWAY, HOME)
    await street.until(lambda: street.settled(card.imsi, locked=None))
    (access,) = [row for row in await street.world.gateways.all() if row["name"] == "gw1"]
    assert str(access["generation"]).startswith(str(street.server().generation))
    assert len(street.server().executor.log) < 12


@pytest.mark.parametrize(
    "fault",
    [
        Fault("refuse", remaining=1),
        Fault("refuse", status=200, remaining=1),
        Fault("lie", remaining=1),
        Fault("timeout", remaining=1),
        Fault("no_report"),
        Fault("slow", delay=0.2),
    ],
    ids=lambda fault: f"{fault.name}-{fault.status}",
)
async def test_a_fault_of_the_gateway_delays_the_lock_and_does_not_lose_it(street: Street, fault: Fault) -> None:
    card = await street.insert(1, HOME)
    await street.bind(card.imsi)
    await street.server().set_fault(dataclasses.replace(fault, cleared=asyncio.Event()))
    await street.move(HOME, AWAY)
    await street.until(lambda: street.settled(card.imsi, locked=AWAY))
    types = await street.types(card.imsi)
    assert types.count(EventType.ENFORCEMENT_COMMANDED) == 1
    assert types.count(EventType.ENFORCEMENT_APPLIED) == 1
    await street.server().set_fault(Fault())


async def test_a_gateway_that_was_off_is_locked_when_it_is_back_and_delays_nobody(street: Street) -> None:
    card = await street.insert(1, HOME)
    other = await street.insert(2, HOME, "gw2")
    await street.bind(card.imsi)
    await street.bind(other.imsi)
    await street.server().set_fault(Fault("timeout"))
    await street.move(HOME, AWAY)
    await street.until(lambda: _pending(street, card.imsi))
    await street.move(HOME, AWAY, "gw2")

    async def other_locked() -> bool:
        return bool(street.server("gw2").gateway.locked())

    await street.until(other_locked)
    assert not street.server().gateway.locked(), "it was not waited for"
    await street.server().set_fault(Fault("offline"))
    await street.until(lambda: _unreachable(street))
    await street.server().set_fault(Fault())
    await street.until(lambda: street.settled(card.imsi, locked=AWAY))


async def _pending(street: Street, imsi: str) -> bool:
    rows = await street.db.fetch("select status, commanded_at from attachment where imsi = $1", imsi)
    return any(row["commanded_at"] and row["status"] == AttachmentStatus.PENDING for row in rows)


async def _unreachable(street: Street) -> bool:
    return bool(await street.db.fetchval("select unreachable_since is not null from gateway where name = 'gw1'"))


async def test_a_new_worker_goes_on_where_the_old_one_was_stopped(street: Street) -> None:
    card = await street.insert(1, HOME)
    await street.bind(card.imsi)
    await street.server().set_fault(Fault("timeout"))
    await street.move(HOME, AWAY)
    await street.until(lambda: _pending(street, card.imsi))
    await street.worker.stop()
    await street.server().set_fault(Fault())
    street.worker = street.new_worker()
    street.worker.start()
    await street.until(lambda: street.settled(card.imsi, locked=AWAY))
    types = await street.types(card.imsi)
    assert types.count(EventType.ENFORCEMENT_APPLIED) == 1
