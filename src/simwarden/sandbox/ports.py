"""Finding virtual SIMs and commanding them. Nothing is kept: the number decides, today as tomorrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain import rules as domain_rules
from simwarden.domain.errors import (
    InvalidBinding,
    NothingSends,
    RecipientOptedOut,
    SendingBarred,
    SimNotFound,
)
from simwarden.domain.events import EventType
from simwarden.domain.messages import MessageOrigin
from simwarden.domain.opt_outs import ANY_NUMBER, OptOutEntry, OptOutSource
from simwarden.domain.rules.area import LimitArea
from simwarden.domain.rules.device import Bind
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine.function_status import function_views
from simwarden.engine.sending import QueuedMessage, may_send
from simwarden.engine.subscriptions import new_id
from simwarden.kit.clock import now_utc
from simwarden.sandbox import messages, rules, traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import date, datetime

    from simwarden.domain.decision import Decision
    from simwarden.domain.device_model import DeviceModel
    from simwarden.domain.hotzone import HotZones, SimTraffic
    from simwarden.domain.live_call import SeenCall
    from simwarden.domain.numbers import Assignment
    from simwarden.domain.place import Place
    from simwarden.domain.sim import Sim
    from simwarden.domain.standing import Standing
    from simwarden.engine.commands.command import SimCommand
    from simwarden.engine.function_status import FunctionView
    from simwarden.engine.idempotency import IdempotentRequest
    from simwarden.engine.sending import NewMessage
    from simwarden.store.sims import DeviceDates

    Clock = Callable[[], datetime]


class VirtualSims:
    """SimSource, PlaceFinder, Commands and FunctionSource of the sandbox. All raise SimwardenError where a number says
    so.

    An Idempotency-Key has no effect of its own here: the same call has the same answer anyway. Nothing of the sandbox
    is counted.
    """

    def __init__(self, clock: Clock = now_utc) -> None:
        self._clock = clock

    async def find(self, account_id: str, ref: SimRef) -> Sim | None:
        """SimSource."""
        return rules.virtual(account_id, ref, self._clock())

    async def device_dates(self, sim: Sim) -> DeviceDates:
        """When a SIM came into devices."""
        return rules.device_dates(sim, self._clock())

    async def assignment(self, sim: Sim) -> Assignment | None:
        """NumberHistory."""
        return rules.assignment(sim, self._clock())

    async def traffic(self, sim: Sim, zones: HotZones, first: date, last: date) -> SimTraffic:
        """What is counted of its calls."""
        return traffic.counted(sim, zones, first, last)

    async def traffic_of_its_like(self, _sim: Sim, _zones: HotZones, _asked: object) -> list[int]:
        """Every virtual SIM is its own measure."""
        return []

    async def hotzones(self, _account_id: str, names: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Every name is known."""
        return dict.fromkeys(names, ("001",))

    async def received(
        self, account_id: str, sim: Sim | None, *, since: datetime | None, after: int, limit: int
    ) -> Sequence[tuple[int, dict[str, Any]]]:
        """MessageReader: a message for each change that its number stands for."""
        now = self._clock()
        sim = sim or rules.virtual(account_id, SimRef(IdentifierKind.MSISDN, messages.ANY_SIM), now)
        assert sim is not None
        count = len(rules.changes_of(sim.imsi, EventType.SMS_RECEIVED))
        return messages.kept(sim, count, now, since, after)[:limit]

    async def calls(self, sim: Sim) -> Sequence[SeenCall]:
        """CallView."""
        return traffic.calls(sim, self._clock())

    async def origin(self, _account_id: str, message_id: str) -> MessageOrigin | None:
        """MessageReader: nothing is kept, so no id is known but one."""
        if message_id != messages.REPLIED:
            return None
        return MessageOrigin(SimRef(IdentifierKind.MSISDN, messages.ANY_SIM), messages.PEER)

    async def place(self, sim: Sim) -> Place | None:
        """PlaceFinder."""
        return rules.place(sim, self._clock())

    async def shown(self, sim: Sim) -> Standing:
        """What network elements show of a SIM."""
        return rules.shown(sim, self._clock())

    async def submit(self, command: SimCommand, _once: IdempotentRequest | None = None, /) -> Decision:
        """Commands, by the rules themselves."""
        found = await self.find(str(command.account_id), command.ref)
        if found is None:
            raise SimNotFound
        wanted = command.command
        if isinstance(wanted, Bind | LimitArea) and rules.kind_of(command.ref.value).conflict:
            raise InvalidBinding("The state of this SIM forbids binding it")
        if isinstance(wanted, LimitArea):
            area = rules.AREA if wanted.named else wanted.area  # whatever areas the account has
            wanted = msgspec.structs.replace(wanted, area=area, place=await self.place(found))
        return domain_rules.decide(found, wanted, self._clock(), command.cause)

    async def read(self, sim: Sim) -> Sequence[FunctionView]:
        """FunctionSource; a virtual SIM is attached nowhere."""
        return function_views(sim, [], {})


class VirtualSending:
    """MessageSender of the sandbox. Nothing is kept."""

    def __init__(self, clock: Clock = now_utc) -> None:
        self._clock = clock

    async def submit(self, new: NewMessage, _once: IdempotentRequest | None = None) -> QueuedMessage:
        """A message is taken unless the SIM's number, or that of a receiver, stands for something else."""
        if rules.kind_of(new.sim.imsi).conflict or not may_send(new.sim):
            raise SendingBarred
        if new.sim.seen is None:
            raise NothingSends
        if any(to.endswith(messages.OPTED_OUT) for to in new.to):
            raise RecipientOptedOut
        now = self._clock()
        return QueuedMessage(new_id(new.sim.bucket, now), now)


class VirtualOptOuts:
    """OptOutBook of the sandbox: one receiver wants nothing from any virtual SIM. What is changed is forgotten."""

    def __init__(self, clock: Clock = now_utc) -> None:
        self._clock = clock

    async def page(
        self, account_id: str, number: str | None, *, behind: tuple[datetime, str, str] | None, limit: int
    ) -> Sequence[OptOutEntry]:
        """OptOutBook."""
        since = self._clock().replace(hour=0, minute=0, second=0, microsecond=0)
        receiver = messages.PEER[: -len(messages.OPTED_OUT)] + messages.OPTED_OUT
        one = OptOutEntry(ANY_NUMBER, receiver, since, OptOutSource.MESSAGE, bytes(16))
        return [one][:limit] if behind is None else []

    async def add(self, account_id: str, number: str, receiver: str, source: OptOutSource) -> None:
        """OptOutBook."""

    async def remove(self, account_id: str, number: str, receiver: str) -> None:
        """OptOutBook."""


class VirtualModels:
    """ModelTable of the sandbox: it knows the model of the virtual SIMs' own device, and no other."""

    async def find(self, tac: str, /) -> DeviceModel | None:
        """ModelTable."""
        return rules.OWN_MODEL if tac == rules.OWN_MODEL.tac else None
