"""A small world for the customer APIs: SIMs in memory, tokens by name, and a client that holds every answer
against the contracts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID, uuid4

import msgspec
from starlette.applications import Starlette
from tests.conformance import contract
from tests.unit.northbound.asgi import Reply, call
from tests.unit.northbound.operations import OperationsInMemory
from tests.unit.northbound.recorded import RecordsInMemory

from simwarden import northbound
from simwarden.accounts.scopes import KNOWN
from simwarden.domain import rules
from simwarden.domain.device_model import DeviceModel
from simwarden.domain.eligibility import NotEligible
from simwarden.domain.errors import KeyReused, SimNotFound, SimwardenError, SubscriptionNotFound
from simwarden.domain.hotzone import HotZones, SimTraffic
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.messages import MessageOrigin
from simwarden.domain.payments import PaymentRules
from simwarden.domain.sim import IdentifierKind, OneSim, Policy, Seen, Sim, SimRef
from simwarden.domain.sink import parse_sink
from simwarden.domain.standing import Standing
from simwarden.edge.throttle import HeldBack
from simwarden.engine.eligibility import KeptEligibility
from simwarden.engine.function_status import function_views
from simwarden.engine.sending import QueuedMessage
from simwarden.engine.subscriptions import NewSubscription, Subscription
from simwarden.northbound.device_authenticity.part import VirtualLists
from simwarden.northbound.kernel.devices import Devices
from simwarden.northbound.kernel.edge import Edge
from simwarden.northbound.kernel.services import Services
from simwarden.notify.inbox import Inboxes
from simwarden.sandbox.billing import VirtualBilling
from simwarden.sandbox.ports import VirtualOptOuts
from simwarden.store.pseudonyms import Pseudonyms
from simwarden.store.sims import DeviceDates
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from starlette.types import ASGIApp

    from simwarden.domain.command import Command
    from simwarden.domain.decision import Decision
    from simwarden.domain.events import Cause, Event
    from simwarden.domain.live_call import SeenCall
    from simwarden.domain.numbers import Assignment
    from simwarden.domain.place import Place
    from simwarden.domain.usage import Usage
    from simwarden.engine.bulk_jobs import BulkJobs
    from simwarden.engine.commands.command import SimCommand
    from simwarden.engine.function_status import FunctionView
    from simwarden.engine.idempotency import CallKey, IdempotencyStore, IdempotentRequest, StoredResponse
    from simwarden.engine.quota import Quotas
    from simwarden.engine.sending import NewMessage
    from simwarden.engine.subscriptions import Subscriptions
    from simwarden.northbound.connected_network_type.part import Connection
    from simwarden.northbound.kernel.ports import Answered
    from simwarden.store.accounts import Accounts
    from simwarden.store.database import Database

W = TypeVar("W")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
IMEI = "35209900176148"
FULL_IMEI = "352099001761481"
API = "iot-sim-fraud-prevention"
SUBSCRIPTIONS = f"{API}-subscriptions"
SCOPES = frozenset(KNOWN)


class Caller(msgspec.Struct, frozen=True):
    """Who calls."""

    app_key: str
    account_id: str
    scopes: frozenset[str] = SCOPES
    device: str | None = None
    sandbox: bool = False
    daily_quota: int | None = None
    granted: frozenset[str] = SCOPES
    only: OneSim | None = None


class Settings(msgspec.Struct, frozen=True):
    """What the account wants."""

    policy: Policy = Policy()
    strict: bool = False
    home_networks: tuple[str, ...] = ()
    area: str | None = None
    area_radius: int = 5000
    payments: PaymentRules | None = None


def sim(number: str, account_id: str = "acc_meters", *, imei: str | None = IMEI) -> Sim:
    """A SIM with this phone number, seen in a device or never."""
    imsi = "46000" + number[-10:]
    seen = None if imei is None else Seen(NOW - timedelta(minutes=1), imei)
    return Sim(bucket=bucket_of(imsi), imsi=imsi, account_id=account_id, msisdn=number, seen=seen)


class ConnectionsInMemory:
    """How SIMs are connected, by IMSI."""

    def __init__(self) -> None:
        self.known: dict[str, Connection] = {}

    async def of(self, sim: Sim) -> Connection | None:
        """Connections."""
        return self.known.get(sim.imsi)


class VolumesInMemory:
    """What SIMs used, by IMSI."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    async def used(self, sim: Sim, now: datetime) -> int | None:
        """Volumes."""
        assert now
        return self.known.get(sim.imsi)


class World:
    """Everything the APIs need, in memory; it plays all the ports at once."""

    def __init__(
        self,
        quota: Quotas | None = None,
        *,
        refusals: HeldBack | None = None,
        nai_identification: bool = False,
        **options: Any,
    ) -> None:
        self.settings_of: dict[str, Settings] = {}
        self.failure: Exception | None = None
        self.sims: dict[SimRef, Sim] = {}
        self.dates: dict[str, DeviceDates] = {}
        """By IMSI: when the SIM came into devices."""
        self.assignments: dict[str, Assignment] = {}
        """By IMSI: since when the SIM has had its number."""
        self.traffic_of: dict[str, SimTraffic] = {}
        """By IMSI: what is counted of the SIM; every count is one with the hotzones."""
        self.lists: dict[tuple[str, str], tuple[str, ...]] = {}
        """Hotzones by account and name."""
        self.baselines_read = 0
        self.counts_of_others: list[int] = []
        """What SIMs of the same model have each day."""
        self.recorded = RecordsInMemory(self.sims)
        self.messages: list[tuple[Sim, dict[str, Any]]] = []
        """What SIMs received, in order."""
        self.calls_of: dict[str, list[SeenCall]] = {}
        """By IMSI: its newest calls."""
        self.texts: list[NewMessage] = []
        """What was sent."""
        self.refusal: SimwardenError | None = None
        """Why nothing is sent."""
        self.places: dict[str, Place] = {}
        """By IMSI: where the SIM was seen last."""
        self.standing: dict[str, Standing] = {}
        """By IMSI: what network elements show of the SIM."""
        self.models = ModelsInMemory()
        self.causes: list[Cause] = []
        self.commands: list[Command] = []
        self.created: list[NewSubscription] = []
        self.subscriptions: dict[str, Subscription] = {}
        self.used: list[Usage | None] = []
        """What commands were to be counted as."""
        self.read_only: list[Usage] = []
        self.metered: list[Answered] = []
        self.answers = AnswersInMemory()
        self.responses = ResponsesInMemory(self)
        self.operations = OperationsInMemory()
        self.callers = {
            "good": Caller("swk_meters", "acc_meters"),
            "colleague": Caller("swk_other", "acc_meters"),
            "stranger": Caller("swk_stranger", "acc_stranger"),
            "narrow": Caller("swk_narrow", "acc_meters", frozenset({"something:else"})),
            "device": Caller("swk_meters", "acc_meters", device="+8613800000001"),
            "other-device": Caller("swk_meters", "acc_meters", device="+8613800000002"),
            "lost-device": Caller("swk_meters", "acc_meters", device="+8613899999999"),
        }
        self.add(sim("+8613800000001"))
        self.add(sim("+8613800000002", imei=None))
        self.add(sim("+8613800000009", "acc_stranger"))
        edge = Edge(
            tokens=self,
            meter=self.metered.append,
            answers=cast("IdempotencyStore", self.answers),
            reads=self.read_only.append,
            quota=quota,
            refusals=refusals or HeldBack(rate=1e6, burst=1000, patience=0.0),
        )
        self.connections, volumes = ConnectionsInMemory(), VolumesInMemory()
        self.octets = volumes.known
        """By IMSI: how much data the SIM used in this month."""
        self.services = Services(
            edge=edge,
            sims=self,
            devices=Devices(self, network_access_identifiers=nai_identification),
            commands=self,
            functions=self,
            places=self,
            messages=self,
            opt_outs=VirtualOptOuts(lambda: NOW),
            sending=Texts(self),
            records=self.recorded,
            billing=VirtualBilling(lambda: NOW),
            subscriptions=cast("Subscriptions", Book(self)),
            operations=cast("BulkJobs", self.operations),
            inboxes=Inboxes(cast("Database", None), Vault(bytes(32)), base_url="https://warden.example"),
            accounts=cast("Accounts", self),
            models=self.models,
            pseudonyms=Pseudonyms(Vault(bytes(32))),
            own={
                "eligibility-info": self.responses,
                "connected-network-type": self.connections,
                "device-data-volume": volumes,
                "device-authenticity": VirtualLists(),
            },
            **options,
        )
        self.app = northbound.ApisFirst(Starlette(), northbound.apis(self.services))

    def add(self, sim: Sim, *others: SimRef) -> None:
        """Add a SIM, found by its phone number and by `others`."""
        own = SimRef(IdentifierKind.MSISDN, str(sim.msisdn)), SimRef(IdentifierKind.IMSI, sim.imsi)
        for ref in (*own, *others):
            self.sims[ref] = sim

    async def check(self, token: str) -> Caller | None:
        """TokenCheck."""
        self._fail()
        return self.callers.get(token)

    async def find(self, account_id: str, ref: SimRef) -> Sim | None:
        """SimSource."""
        self._fail()
        found = self.sims.get(ref)
        return found if found and found.account_id == account_id else None

    async def device_dates(self, sim: Sim) -> DeviceDates:
        """DeviceHistory."""
        return self.dates.get(sim.imsi, DeviceDates())

    async def traffic(self, sim: Sim, zones: HotZones, first: date, last: date) -> SimTraffic:
        """TrafficHistory."""
        found = self.traffic_of.get(sim.imsi, SimTraffic(first))
        return msgspec.structs.replace(found, days=tuple(each for each in found.days if first <= each.day <= last))

    async def traffic_of_its_like(self, sim: Sim, zones: HotZones, asked: object) -> list[int]:
        """TrafficHistory."""
        self.baselines_read += 1
        return self.counts_of_others

    async def hotzones(self, account_id: str, names: Collection[str]) -> Mapping[str, Sequence[str]]:
        """TrafficHistory."""
        return {name: self.lists[account_id, name] for name in names if (account_id, name) in self.lists}

    async def received(
        self, account_id: str, sim: Sim | None, *, since: datetime | None, after: int, limit: int
    ) -> Sequence[tuple[int, dict[str, Any]]]:
        """MessageReader."""
        found = [
            (n, message)
            for n, (whose, message) in enumerate(self.messages, 1)
            if whose.account_id == account_id
            and n > after
            and (sim is None or sim.imsi == whose.imsi)
            and (since is None or datetime.fromisoformat(message["receivedAt"]) >= since)
        ]
        return found[:limit]

    async def calls(self, sim: Sim) -> Sequence[SeenCall]:
        """CallView."""
        return self.calls_of.get(sim.imsi, ())

    async def origin(self, account_id: str, message_id: str) -> MessageOrigin | None:
        """MessageReader."""
        for whose, message in self.messages:
            if (whose.account_id, message["messageId"]) == (account_id, message_id):
                return MessageOrigin(SimRef(IdentifierKind.IMSI, whose.imsi), message["from"])
        return None

    async def place(self, sim: Sim) -> Place | None:
        """PlaceFinder."""
        return self.places.get(sim.imsi)

    async def shown(self, sim: Sim) -> Standing:
        """NetworkView."""
        return self.standing.get(sim.imsi, Standing())

    async def assignment(self, sim: Sim) -> Assignment | None:
        """NumberHistory."""
        return next(
            (each for each in self.assignments.values() if (each.imsi, each.number) == (sim.imsi, sim.msisdn)), None
        )

    async def life(self, sim: Sim, *, limit: int = 200) -> list[Event]:
        """Nothing has happened."""
        return []

    async def settings(self, account_id: str) -> Settings:
        """What the account wants (Accounts)."""
        return self.settings_of.get(account_id, Settings())

    async def submit(self, command: SimCommand, once: IdempotentRequest | None = None, /) -> Decision:
        """Commands, by the rules themselves."""
        self.used.append(command.usage)
        found = await self.find(str(command.account_id), command.ref)
        if found is None:
            raise SimNotFound
        self.causes.append(command.cause)
        self.commands.append(command.command)
        return self._do(once, lambda: rules.decide(found, command.command, NOW, command.cause))

    async def read(self, sim: Sim) -> list[FunctionView]:
        """FunctionSource; nothing can be acted upon."""
        return function_views(sim, [], {None: NOW})

    def _do(self, once: IdempotentRequest | None, rule: Callable[[], Decision]) -> Decision:
        decided = self.answers.do(once, rule)
        for ref, known in self.sims.items():
            if known.imsi == decided.sim.imsi:
                self.sims[ref] = decided.sim
        return decided

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class Texts:
    """MessageSender in memory."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def submit(self, new: NewMessage, once: IdempotentRequest | None = None) -> QueuedMessage:
        """Remember a message."""
        return self._world.answers.do(once, lambda: self._queued(new))

    def _queued(self, new: NewMessage) -> QueuedMessage:
        if self._world.refusal is not None:
            raise self._world.refusal
        self._world.texts.append(new)
        return QueuedMessage(f"{len(self._world.texts):034x}", NOW)


class ModelsInMemory(dict[str, DeviceModel]):
    """ModelTable, by TAC."""

    async def find(self, tac: str, /) -> DeviceModel | None:
        """ModelTable."""
        return self.get(tac)


class AnswersInMemory:
    """IdempotencyStore, and the work behind it."""

    def __init__(self) -> None:
        self.kept: dict[CallKey, tuple[bytes, StoredResponse]] = {}

    async def find(self, name: CallKey, digest: bytes) -> StoredResponse | None:
        """What was answered before."""
        before = self.kept.get(name)
        if before is None:
            return None
        if before[0] != digest:
            raise KeyReused
        return before[1]

    def do(self, once: IdempotentRequest | None, work: Callable[[], W]) -> W:
        """Do it, and keep the answer."""
        try:
            outcome = work()
        except SimwardenError as error:
            if once is not None:
                self.kept[once.name] = once.digest, once.keep(error)
            raise
        if once is not None:
            self.kept[once.name] = once.digest, once.keep(outcome)
        return outcome


class ResponsesInMemory:
    """EligibilityResponses, without an end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.kept: dict[UUID, tuple[str, Sim, frozenset[str]]] = {}

    async def keep(self, app_key: str, sim: Sim, number: str, scopes: Collection[str]) -> KeptEligibility:
        """Keep it."""
        assert sim.msisdn == number
        made = uuid4()
        self.kept[made] = app_key, sim, frozenset(scopes)
        return KeptEligibility(str(made), NOW + timedelta(hours=1), 3600)

    async def covered(self, id: UUID, app_key: str, scopes: Collection[str]) -> frozenset[SimRef]:  # noqa: A002
        """All names of the SIM."""
        whose, sim, eligible = self.kept.get(id, ("", None, frozenset[str]()))
        if whose != app_key or sim is None or eligible.isdisjoint(scopes):
            raise NotEligible
        return frozenset(ref for ref, each in self._world.sims.items() if each.imsi == sim.imsi)


class Book:
    """Subscriptions in memory."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def create(self, new: NewSubscription, once: IdempotentRequest | None = None) -> tuple[Subscription, str]:
        """Remember a subscription."""
        parse_sink(new.sink, allow_private=False)
        return self._world.answers.do(once, lambda: self._made(new))

    def _made(self, new: NewSubscription) -> tuple[Subscription, str]:
        self._world.created.append(new)
        made = Subscription(
            id=f"{new.subject[0]:02x}{len(self._world.created):030x}{new.subject[0]:02x}",
            bucket=new.subject[0],
            imsi=new.subject[1],
            account_id=new.account_id,
            app_key=new.app_key,
            api=new.api,
            topic=new.topic,
            type=new.type,
            protocol=new.protocol,
            sink=new.sink,
            protocol_settings=new.protocol_settings,
            device=new.device,
            config=new.config,
            status="ACTIVE",
            starts_at=NOW,
            expires_at=new.expires_at,
            max_events=new.max_events,
            event_count=0,
            created_at=NOW,
            ended_at=None,
            ended_reason=None,
        )
        self._world.subscriptions[made.id] = made
        return made, "whsec_c2VjcmV0"

    async def get(self, app_key: str, id: str) -> Subscription:  # noqa: A002
        """The client's own."""
        found = self._world.subscriptions.get(id)
        if found is None or found.app_key != app_key:
            raise SubscriptionNotFound
        return found

    async def list(
        self, app_key: str, api: str, *, imsi: str | None, after: tuple[bool, datetime, str] | None, limit: int
    ) -> Sequence[Subscription]:
        """The client's own, by their ids."""
        mine = [
            each
            for each in self._world.subscriptions.values()
            if (each.app_key, each.api) == (app_key, api)
            and imsi in (None, each.imsi)
            and (after is None or each.id > after[2])
        ]
        return sorted(mine, key=lambda each: each.id)[:limit]

    async def delete(self, app_key: str, id: str) -> None:  # noqa: A002
        """Forget it."""
        await self.get(app_key, id)
        del self._world.subscriptions[id]

    async def rotate_secret(self, app_key: str, id: str) -> tuple[str, datetime]:  # noqa: A002
        """Always the same."""
        await self.get(app_key, id)
        return "whsec_bmV3", NOW + timedelta(hours=24)


class Client:
    """Calls the APIs; every answer must keep both contracts, ours and (where it is at hand) CAMARA's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "good",
        headers: Sequence[tuple[str, str]] = (),
        camara: bool = True,
    ) -> Reply:
        """One call. `body`: bytes as they are, anything else as JSON, None for none. `camara`: hold CAMARA's too."""
        raw = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        sent = [*headers]
        if token is not None:
            sent.append(("authorization", f"Bearer {token}"))
        if body is not None and not any(name == "content-type" for name, _ in headers):
            sent.append(("content-type", "application/json"))
        reply = await call(self._app, method, path, raw, sent)
        _, api, *rest = path.partition("?")[0].split("/")
        below = "/" + "/".join(rest[1:])
        contract.ours(api).check(method, below, reply)
        upstream = contract.camaras(api)
        if camara and upstream is not None and not contract.ours(api).extends(method, below):
            upstream.check(method, below, reply)
        return reply
