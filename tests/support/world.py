"""A small world on a real database: gateways with cards in them, whose reports are taken in, and a clock to turn."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.support.patience import PATIENCE

from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.reports import CallRecord, Evidence, GatewayFacts, PortObservation, Report, SmsRecord
from simwarden.domain.rules.device import Bind, Unbind
from simwarden.domain.sim import (
    ALL_FUNCTIONS,
    BindingState,
    CardSlot,
    IdentifierKind,
    NetworkTarget,
    Policy,
    Sim,
    SimRef,
)
from simwarden.engine import provision
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.commands.command import SimCommand
from simwarden.engine.enforcement import Enforcement
from simwarden.engine.ingest import Ingest, Tally
from simwarden.engine.polling import Polls
from simwarden.engine.ports import Capabilities, CommandFailed, OutgoingText, ProvenBy
from simwarden.store import attachments, ports
from simwarden.store import sims as sim_store
from simwarden.store.gateways import GatewayRef, Gateways
from simwarden.store.leases import Leases
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import asyncpg

    from simwarden.domain.attachment import Attachment
    from simwarden.domain.command import Command
    from simwarden.domain.decision import Decision
    from simwarden.engine.ports import Driver, TargetState
    from simwarden.store.database import Database
    from simwarden.store.gateways import CommandAccess
    from simwarden.store.vault import Vault

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT = "acme"
REGISTERED, LOCKED, EMPTY = 3, 12, 0
CALLER = Cause(CauseKind.CALL, "app-1", START, "bind", "correlator-1")


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self.now


def imsi(number: int) -> str:
    """The IMSI of card `number`."""
    return f"46000099{number:07}"


def iccid(number: int) -> str:
    """The ICCID of card `number`."""
    return f"898600990000{number:08}"


def device(number: int) -> str:
    """The 14 digits of some device; each is a model of its own."""
    return f"35{number:06}000001"


class Box:
    """A gateway: a device in every port, cards in slots, locks, and commands that may go wrong."""

    def __init__(self, world: World, ref: GatewayRef) -> None:
        self.world = world
        self.ref = ref
        self.cards: dict[tuple[int, int], int] = {}
        self.devices: dict[int, str | None] = {}
        self.locked: set[tuple[int, int]] = set()
        self.ports = {1, 2, 3}
        self.sequence = 0
        self.statuses = 0
        self.fault = ""
        """refuse, dead, lie (says yes, does nothing), silent (does it, reports nothing) or hang."""
        self.commands: list[tuple[str, list[tuple[int, int]]]] = []
        self.texts: dict[int, OutgoingText] = {}
        """Messages that were taken, by task,"""
        self.told: list[int] = []
        """and the numbers of tasks that were, as often as they were told."""
        self.refusals: dict[str, str] = {}
        """By receiver, why a message is not taken."""
        self.asked = 0
        self.released = asyncio.Event()

    @property
    def id(self) -> int:
        """Its id in the store."""
        return self.ref.id

    def place(self, port: int, slot: int = 1) -> CardSlot:
        """A slot of this gateway."""
        return CardSlot(self.ref.id, port, slot)

    def target(self, port: int, slot: int = 1) -> NetworkTarget:
        """The same slot, as something that can be acted upon."""
        return self.place(port, slot).target

    def put(self, card: int, port: int, slot: int = 1) -> None:
        """Move a card here, from wherever in the world it is."""
        for box in self.world.boxes:
            box.cards = {where: what for where, what in box.cards.items() if what != card}
        self.cards[port, slot] = card

    def device_at(self, port: int) -> str | None:
        """The IMEI of a port's module."""
        return self.devices.get(port, device(self.ref.id * 100 + port))

    def observation(self, port: int, slot: int = 1, **changes: Any) -> PortObservation:
        """The port object as this gateway would send it now, counted."""
        self.sequence += 1
        self.ports.add(port)
        where = (port, slot)
        card = self.cards.get(where)
        status = EMPTY if card is None else LOCKED if where in self.locked else REGISTERED
        fields: dict[str, Any] = {
            "port": port,
            "slot": slot,
            "sequence": self.sequence,
            "status": status,
            "locked": None if status == EMPTY else status == LOCKED,
            "imei": self.device_at(port),
            "imsi": None if card is None else imsi(card),
            "iccid": None if card is None else iccid(card),
        }
        return PortObservation(**(fields | changes))

    def _report(self, **fields: Any) -> Report:
        return Report(gateway_id=self.ref.id, gateway_name=self.ref.name, received_at=self.world.clock(), **fields)

    def port_status(self, port: int, slot: int = 1, **changes: Any) -> Report:
        """What is pushed when a slot changed."""
        return self._report(message="port-status", ports=(self.observation(port, slot, **changes),))

    def dev_status(self, *, ports: Sequence[int] = (1, 2, 3), slots: int = 2, polled: bool = False) -> Report:
        """The status of all slots."""
        self.statuses += 1
        seen = tuple(self.observation(port, slot) for port in ports for slot in range(1, slots + 1))
        return self._report(
            message="dev-status",
            whole=True,
            polled=polled,
            sequence=self.statuses,
            digest=hashlib.sha256(repr((self.statuses, seen)).encode()).digest()[:16],
            facts=GatewayFacts(mac="0030f1006db1"),
            ports=seen,
        )

    def evidence(self, card: int, imei: str, at: datetime, port: int | None = None, **fields: Any) -> Report:
        """A record that says in which device a SIM was at some time."""
        item = Evidence(imsi=imsi(card), iccid=None, imei=imei, at=at, port=port, slot=1 if port else 0)
        return self._report(message="cdr", evidence=(item,), **fields)

    def records(self, *, calls: Sequence[CallRecord] = (), sms: Sequence[SmsRecord] = ()) -> Report:
        """Calls and short messages."""
        return self._report(message="cdr", calls=tuple(calls), sms=tuple(sms))

    def reboot(self) -> None:
        """Counters begin again; cards and locks stay."""
        self.sequence = self.statuses = 0

    # -- as a Driver -------------------------------------------------------------------------------------------------

    generation: str | None = None

    @property
    def capabilities(self) -> Capabilities:
        """All or nothing; the status can be asked for."""
        return Capabilities((ALL_FUNCTIONS,), ProvenBy.READ_BACK)

    async def send(self, texts: Sequence[OutgoingText]) -> dict[int, str | None]:
        """MessageCarrier: a task that is known is taken."""
        await self._reach()
        if self.fault == "refuse":
            raise CommandFailed("The gateway refused: code 7, Server Error.")
        answers: dict[int, str | None] = {}
        for text in texts:
            answers[text.task] = self.refusals.get(text.to)
            if answers[text.task] is None:
                self.texts.setdefault(text.task, text)
                self.told.append(text.task)
        if self.fault == "mute":
            raise CommandFailed("The gateway did not answer within 5 s.", reached=False)
        return answers

    def sent(self, text: OutgoingText, code: int = 0) -> Report:
        """What is pushed when a message was sent, or could not be."""
        self.sequence += 1
        port, slot = _where(text.target)
        record = SmsRecord(
            key=f"sent {text.task} {self.sequence}".encode(),
            direction="outbound",
            at=self.world.clock(),
            port=port,
            slot=slot,
            receiver=text.to.removeprefix("+"),
            status=code,
            task=text.task,
        )
        return self._report(message="sent-sms", sms=(record,))

    async def apply(self, states: Sequence[TargetState]) -> None:
        """Lock or unlock slots, as the fault of the day has it."""
        for name, lock in (("lock", True), ("unlock", False)):
            where = [_where(state.target) for state in states if bool(state.off) is lock]
            if where:
                await self._command(name, where)

    async def observe(self) -> Report:
        """The state of all slots; only a dead gateway does not tell."""
        self.asked += 1
        await self._reach()
        return self.dev_status(ports=sorted(self.ports), polled=True)

    async def _reach(self) -> None:
        if self.fault == "hang":
            await self.released.wait()
        if self.fault in ("dead", "hang"):
            raise CommandFailed("The gateway cannot be reached.", reached=False)

    async def _command(self, name: str, where: Sequence[tuple[int, int]]) -> None:
        where = list(where)
        self.commands.append((name, where))
        await self._reach()
        if self.fault == "refuse":
            raise CommandFailed("The gateway refused: code 7, Server Error.")
        if self.fault == "lie":
            return
        self.locked = self.locked | set(where) if name == "lock" else self.locked - set(where)
        if self.fault != "silent":
            await self.world.take(*(self.port_status(*slot) for slot in where))


class World:
    """Everything of one worker, wired by hand."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self.db = db
        self.clock = Clock()
        self.vault = vault
        self.gateways = Gateways(db, vault)
        self.sims = Sims(db)
        self.tallies: list[Tally] = []
        self.ingest = self.another_ingest()
        self.commands = CommandBatcher(db, clock=self.clock)
        self.boxes: list[Box] = []
        self.enforcement: Enforcement | None = None
        self.polls: Polls | None = None
        self.tokens: dict[str, str] = {}

    def another_ingest(self, **changes: Any) -> Ingest:
        """As another process would have it."""
        return Ingest(self.db, self.vault, clock=self.clock, committed=self.tallies.append, **changes)

    async def prepare(self) -> None:
        """Empty the database and make the accounts."""
        tables = await self.db.fetch(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
        kept = {"schema_migration", "account", "gateway"}  # the last two are referred to
        names = [name for name in (row["relname"] for row in tables) if name not in kept]
        emptied = "; ".join(f'delete from "{name}"' for name in (*names, "gateway", "account"))
        # Invoices and the audit trail refuse to be deleted, by triggers; replicas have none.
        emptied = f"set session_replication_role = replica; {emptied}; set session_replication_role = origin"
        await self.db.execute(emptied)
        await self.db.execute("insert into account (id, name) values ('acme', 'Acme'), ('other', 'Other')")

    async def box(self, name: str = "gw1", *, url: str | None = "http://127.0.0.1:9", **more: Any) -> Box:
        """Register a gateway."""
        given = {"kind": "ejoin", "command_url": url, "username": "root", "password": "root"} | more
        id_, token = await self.gateways.add(name, **given)
        self.tokens[name] = token
        found = Box(self, GatewayRef(id_, name, more.get("report_interval", 60), None))
        self.boxes.append(found)
        return found

    async def card(self, *numbers: int, imei: str | None = None) -> None:
        """Register SIMs, bound to `imei` when given."""
        for number in numbers:
            sim = provision.new_sim(ACCOUNT, imsi=imsi(number), iccid=iccid(number))
            await provision.add(self.db, sim, Cause(CauseKind.OPERATOR, "test", START), imei=imei)

    async def take(self, *reports: Report) -> None:
        """Reports that came together."""
        await self.ingest.submit(*reports)

    async def do(self, number: int, command: Command) -> Decision:
        """Execute a command to a SIM."""
        return await self.commands.submit(SimCommand(ref(number), command, CALLER, ACCOUNT))

    async def bind(self, number: int, policy: Policy | None = None, **device: Any) -> Decision:
        """Bind a SIM."""
        return await self.do(number, Bind(**device, policy=policy, again=True))

    async def unbind(self, number: int) -> Decision:
        """Remove its binding."""
        return await self.do(number, Unbind())

    async def sim(self, number: int) -> Sim:
        """The SIM as it is stored."""
        async with self.db.connection() as connection:
            rows = await connection.fetch(
                "select * from sim where bucket = $1 and imsi = $2", bucket_of(imsi(number)), imsi(number)
            )
        return sim_store.from_row(rows[0])

    async def state(self, number: int) -> BindingState:
        """Its binding state."""
        return (await self.sim(number)).state

    async def barred(self, number: int) -> bool:
        """Whether a bar stands."""
        return bool((await self.sim(number)).bars)

    async def ports(self, box: Box) -> list[dict[str, Any]]:
        """The slots of a gateway as they are stored."""
        return await ports.of_gateway(self.db, box.id)

    async def port(self, place: CardSlot) -> dict[str, Any]:
        """One of them."""
        rows = await ports.of_gateway(self.db, place.gateway_id)
        return next(row for row in rows if (row["port"], row["slot"]) == (place.port, place.slot))

    async def attached(self, number: int) -> dict[NetworkTarget, Attachment]:
        """Where it can be acted upon."""
        async with self.db.connection() as connection:
            found = await attachments.of_sims(connection, [imsi(number)])
        return {item.target: item for item in found[imsi(number)]}

    async def events(self, number: int) -> list[Event]:
        """Its history, checked: numbered without gaps, every parent there, no state without its event count."""
        sim = await self.sim(number)
        events = await self.sims.events(sim, limit=100_000)
        assert [event.n for event in events] == list(range(1, sim.event_count + 1))
        assert all(event.parent is None or event.parent < event.n for event in events)
        return events

    async def types(self, number: int) -> list[EventType]:
        """The types of its events."""
        return [event.type for event in await self.events(number)]

    async def count(self, number: int, kind: EventType) -> int:
        """How many events of one type it has."""
        return (await self.types(number)).count(kind)

    async def written(self, table: str) -> Sequence[asyncpg.Record]:
        """Which version of every row is stored: equal before and after means that nothing was written."""
        return await self.db.fetch(f"select ctid::text, xmin::text from {table} order by 1")

    def _driver_for(self, access: CommandAccess) -> Driver:
        if access.url is None:
            raise CommandFailed("The gateway has no command URL")
        return next(box for box in self.boxes if box.ref.id == access.id)

    async def start_enforcement(self, owner: str = "worker-1", **changes: Any) -> Enforcement:
        """Let the worker act on the boxes, and ask them for their status when their reports are doubted."""
        driver_for = changes.pop("driver_for", self._driver_for)
        self.enforcement = Enforcement(
            self.db,
            self.gateways,
            self.ingest,
            Leases(self.db, "enforce", owner),
            driver_for,
            clock=self.clock,
            **changes,
        )
        self.enforcement.start()
        self.polls = self.new_polls()
        self.polls.start()
        return self.enforcement

    def new_polls(self) -> Polls:
        """Who asks gateways for their status."""
        return Polls(self.db, self.gateways, self.ingest, self._driver_for, clock=self.clock)

    async def ask(self) -> int:
        """Ask the gateways that are to be asked now, and take in what they say; returns how many."""
        polls, asked = self.new_polls(), 0
        while found := await polls.look():
            asked += found
            await polls.finish()
        return asked

    async def stop_enforcement(self) -> None:
        """As a process that ends."""
        if self.enforcement is not None:
            await self.enforcement.stop()
            self.enforcement = None
        if self.polls is not None:
            await self.polls.stop()
            self.polls = None

    async def eventually(
        self, what: Callable[[], Awaitable[Any]], *, step: float = 0.5, patience: float = PATIENCE
    ) -> Any:
        """Turn the clock in steps until something is so; what it was at the end is the failure's message."""
        deadline = time.monotonic() + patience
        while True:
            found = await what()
            if found:
                return found
            assert time.monotonic() < deadline, "it did not happen in time"
            self.clock.turn(step)
            if self.enforcement is not None:
                self.enforcement.wake()
            if self.polls is not None:
                self.polls.wake()
            await asyncio.sleep(0.01)

    async def enforced(self, *numbers: int) -> bool:
        """Whether the network was seen to match for these cards, and no report about them waits for its proof."""
        for number in numbers:
            if (await self.sim(number)).upheld_at is not None:
                return False
            found = await self.attached(number)
            if not found or any(item.is_open for item in found.values()):
                return False
        return True

    async def close(self) -> None:
        """Stop what runs."""
        for box in self.boxes:
            box.released.set()
        await self.stop_enforcement()
        with suppress(Exception):
            await asyncio.wait_for(self.ingest.drain(), PATIENCE)


def _where(target: str) -> tuple[int, int]:
    """Port and slot of a target."""
    port, _, slot = target.partition(".")
    return int(port), int(slot or 0)


def ref(number: int) -> SimRef:
    """How a customer names the card."""
    return SimRef(IdentifierKind.IMSI, imsi(number))
