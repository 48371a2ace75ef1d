"""Where SIMs are seen, and where they may be: the rules see places, and named areas move all SIMs that share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import rules
from simwarden.domain.area import check
from simwarden.domain.errors import AreaNotFound, IncompatibleState, SimwardenError
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.rules.area import LimitArea, PlaceLost, RedrawArea
from simwarden.engine.deciding import AT_ONCE, DecidingWorker
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.kit.clock import now_utc
from simwarden.kit.ids import uuid7
from simwarden.store import areas as store
from simwarden.store import places as places_store
from simwarden.store.areas import NamedArea

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.area import Area
    from simwarden.domain.command import Command
    from simwarden.domain.place import Place
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

POLL = 5.0
"""Most seconds until an area that another process redrew is noticed here."""


_DEFAULT = "Its account takes this area for SIMs that are limited without one: simwarden account set NAME --area none"


class TooManyAreas(SimwardenError):
    """The account has as many areas as it may."""

    status, code = 429, "QUOTA_EXCEEDED"


class AreaInUse(IncompatibleState):
    """SIMs are limited to this area."""


async def judge(
    connection: asyncpg.Connection, places: Mapping[str, Place | None], now: datetime, causes: Mapping[str, Cause]
) -> Outcome:
    """Let the rules see where SIMs are, by IMSI (None: seen, and nobody knows where), in the caller's transaction.

    SIMs that are not limited to an area cost a probe of the primary key. `causes`: of each SIM, by IMSI too.
    """
    limited = await store.limited(connection, sorted(places)) if places else set()
    if not limited:
        return Outcome()
    work = UnitOfWork(connection, now)
    await work.lock(limited)
    see(work, places, now, causes)
    return await work.write()


def see(work: UnitOfWork, places: Mapping[str, Place | None], now: datetime, causes: Mapping[str, Cause]) -> None:
    """The same for SIMs that the caller has locked; others, and those without a limit, are passed over."""
    for imsi, place in places.items():
        sim = work.sims.get(imsi)
        if sim is None or sim.area is None:
            continue
        decision = rules.decide(sim, PlaceLost(causes[imsi].at) if place is None else place, now, causes[imsi])
        if decision.sim != sim:
            work.decide(decision)


async def completed(
    connection: asyncpg.Connection, wanted: Sequence[tuple[Sim | None, Command]], now: datetime
) -> list[Command]:
    """The commands, those that limit a SIM to an area with what is known of it: where the SIM is, and the shape of the
    area that is named, if the SIM's account has it."""
    limits = [(sim, command) for sim, command in wanted if sim and isinstance(command, LimitArea)]
    if not limits:
        return [command for _, command in wanted]
    names = {(sim.account_id, command.named) for sim, command in limits if command.named}
    named = await store.named(connection, names) if names else {}
    here = await places_store.latest(connection, [sim for sim, _ in limits], now)
    return [_completed(sim, command, named, here) if sim else command for sim, command in wanted]


def _completed(
    sim: Sim, command: Command, named: Mapping[tuple[str, str], NamedArea], here: Mapping[str, Place]
) -> Command:
    if not isinstance(command, LimitArea):
        return command
    command = msgspec.structs.replace(command, place=here.get(sim.imsi), id=None, version=0)
    if not command.named:
        return command
    area = named.get((sim.account_id, command.named))
    if area is None:
        return msgspec.structs.replace(command, area=None)
    return msgspec.structs.replace(command, area=area.shape, id=area.id, version=area.version)


class NamedAreas:
    """Areas that many SIMs share. `changed` is called when SIMs are to follow one."""

    def __init__(
        self,
        db: Database,
        *,
        most: int = 1000,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`most`: areas of one account."""
        self._db = db
        self._most = most
        self._changed = changed
        self._clock = clock

    async def add(self, account_id: str, name: str, shape: Area) -> NamedArea:
        """Add an area. Raises InvalidArea, AlreadyExists, TooManyAreas."""
        check(shape)
        now = self._clock()
        async with self._db.transaction() as connection:
            if await store.count_alone(connection, account_id) >= self._most:
                raise TooManyAreas(f"An account has at most {self._most} areas (setting areas_per_account)")
            return await store.add(connection, uuid7(now).hex, account_id, name, shape, now)

    async def get(self, name_or_id: str) -> NamedArea:
        """The area with this id, or with this name if only one account has such.

        Raises AreaNotFound, IncompatibleState.
        """
        found = [] if "\x00" in name_or_id else await store.find(self._db, name_or_id)
        if not found:
            raise AreaNotFound(f"No area has the name or id {name_or_id[:64]!r}")
        if len(found) > 1:
            raise IncompatibleState(f"Several accounts have an area named {name_or_id!r}: name it by its id")
        return found[0]

    async def named(self, account_id: str, name: str) -> NamedArea:
        """The account's area of this name. Raises AreaNotFound."""
        async with self._db.connection() as connection:
            found = await store.named(connection, {(account_id, name)})
        if not found:
            raise AreaNotFound(f"The account has no area named {name!r}")
        return found[account_id, name]

    async def page(self, account_id: str | None, after: tuple[str, str], limit: int) -> list[NamedArea]:
        """Areas of one account or of all, by name."""
        return await store.page(self._db, account_id, after, limit)

    async def sims(self, area: NamedArea) -> int:
        """How many SIMs are limited to it."""
        return await store.sims_of(self._db, area.id)

    async def change(self, id: str, *, name: str | None = None, shape: Area | None = None) -> NamedArea:  # noqa: A002
        """Give an area another name or shape. Its SIMs follow behind the commit. Raises as `add`, AreaNotFound."""
        if shape is not None:
            check(shape)
        async with self._db.transaction() as connection:
            found = await store.lock(connection, id)
            if found is None:
                raise AreaNotFound
            made = msgspec.structs.replace(found, name=name or found.name, shape=shape or found.shape)
            if made == found:
                return found
            if made.name != found.name and await store.is_default(connection, found):
                raise AreaInUse(_DEFAULT)
            made = msgspec.structs.replace(made, version=found.version + 1, behind=True, changed_at=self._clock())
            made = await store.change(connection, made)
        self._changed()
        return made

    async def delete(self, id: str) -> None:  # noqa: A002
        """Delete an area to which no SIM is limited. Raises AreaNotFound, AreaInUse."""
        async with self._db.transaction() as connection:
            found = await store.lock(connection, id)
            if found is None:
                raise AreaNotFound
            if await store.is_default(connection, found):
                raise AreaInUse(_DEFAULT)
            if count := await store.sims_of(connection, id):
                raise AreaInUse(f"{count} SIMs are limited to this area: give them another one, or unlimit them first")
            await store.delete(connection, id)


class AreaFollower(DecidingWorker):
    """Moves the SIMs of areas that were redrawn, some at a time. Which are left is in their rows: a restart loses none,
    and of two that work at once the second finds nothing to do."""

    worker_name = "areas"

    async def turn(self) -> float:
        """One batch of each area that has SIMs behind; returns the seconds until the next look."""
        changed = 0
        for area in await store.behind(self._db):
            imsis = await store.sims_behind(self._db, area, AT_ONCE)
            if not imsis:
                await store.caught_up(self._db, area)
                continue
            now = self._clock()
            cause = Cause(CauseKind.OPERATOR, "areas", now, f"area {area.name} changed")
            wanted = RedrawArea(area.id, area.name, area.version, area.shape)
            changed += (await self.decide_all(imsis, wanted, now, cause)).changed
        return 0.0 if changed else POLL
