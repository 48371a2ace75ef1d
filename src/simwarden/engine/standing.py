"""What the rules say of SIMs of which somebody is told how they stand, in the commit that may change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import rules
from simwarden.domain.allowance import Reached, month_of, reached
from simwarden.domain.events import EventType
from simwarden.domain.rules.allowance import VolumeSeen
from simwarden.domain.rules.connection import ConnectionSeen
from simwarden.domain.rules.reachability import ReachSeen
from simwarden.domain.rules.roaming import ServingSeen
from simwarden.domain.standing import Remembered, Standing, remembered
from simwarden.store import standing as store
from simwarden.store import volumes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.decision import Decision
    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Sim


async def decide(
    connection: asyncpg.Connection, sims: Sequence[Sim], causes: Mapping[str, Cause], now: datetime
) -> list[Decision]:
    """Compare how SIMs stand by what is stored now with how they stood when that was looked at last.

    The SIMs are locked by this transaction, as they are to be stored. `causes`: by IMSI. SIMs of which nobody is told
    cost a probe of an index. What is not known any more stays as it was: nothing said that it changed.
    """
    watched = await store.watched(connection, [sim.imsi for sim in sims])
    if not watched:
        return []
    concerned = [sim for sim in sims if sim.imsi in watched]
    before = await store.remembered(connection, sorted(watched))
    stand = await current(connection, concerned, now)
    used = await _used_of_watched(connection, concerned, now)
    changed: dict[str, Remembered] = {}
    decisions = []
    for sim in concerned:
        old, new = before.get(sim.imsi, Remembered()), stand[sim.imsi]
        volume = used.get(sim.imsi)
        kept = Remembered(
            new.reach or old.reach, new.roams or old.roams, new.generation or old.generation, volume or old.volume
        )
        if kept != old:
            changed[sim.imsi] = kept
        decided = sim
        if new.reach is not None:
            decision = rules.decide(decided, ReachSeen(old.reach, new.reach), now, causes[sim.imsi])
            decided = decision.sim
            decisions += [decision] if decision.events else []
        if new.roams is not None:
            decision = rules.decide(decided, ServingSeen(old.roams, new.roams), now, causes[sim.imsi])
            decided = decision.sim
            decisions += [decision] if decision.events else []
        if new.generation is not None:
            seen = ConnectionSeen(old.generation, new.generation)
            decision = rules.decide(decided, seen, now, causes[sim.imsi])
            decided = decision.sim
            decisions += [decision] if decision.events else []
        if volume is not None:
            decision = rules.decide(decided, VolumeSeen(old.volume, volume), now, causes[sim.imsi])
            decisions += [decision] if decision.events else []
    if changed:
        await store.remember(connection, changed)
    return decisions


async def current(connection: asyncpg.Connection, sims: Sequence[Sim], now: datetime) -> dict[str, Remembered]:
    """How SIMs stand, by IMSI, by what is stored in this transaction."""
    shown = await store.shown(connection, [store.whose(sim) for sim in sims])
    homes = await store.homes(connection, [sim.account_id for sim in sims])
    return {
        sim.imsi: remembered(sim, shown.get(store.whose(sim), Standing()), now, homes.get(sim.account_id, ()))
        for sim in sims
    }


async def begin(connection: asyncpg.Connection, sim: Sim, topic: EventType, now: datetime) -> Remembered:
    """How a SIM stands of which somebody is to be told from now on, by events of this topic.

    It is remembered, unless it is already for others: to them a change may still have to be told.
    """
    stand = (await current(connection, [sim], now))[sim.imsi]
    if topic is EventType.DATA_USED:
        volume = (await _used(connection, [sim], now)).get(sim.imsi)
        stand = msgspec.structs.replace(stand, volume=volume)
    if not await store.watched(connection, [sim.imsi]):
        await store.remember(connection, {sim.imsi: stand})
    elif topic is EventType.DATA_USED and not await store.watched(connection, [sim.imsi], [topic]):
        known = (await store.remembered(connection, [sim.imsi]))[sim.imsi]
        await store.remember(connection, {sim.imsi: msgspec.structs.replace(known, volume=stand.volume)})
    return stand


async def _used(connection: asyncpg.Connection, sims: Sequence[Sim], now: datetime) -> dict[str, Reached]:
    """How far SIMs have come in their data allowances, by IMSI, by what is stored in this transaction; those without
    an allowance are missing."""
    allowed = [(sim, sim.limits.data_allowance) for sim in sims if sim.limits.data_allowance is not None]
    if not allowed:
        return {}
    used = await volumes.used_since(connection, [sim for sim, _ in allowed], month_of(now))
    return {sim.imsi: reached(allowance, used.get(sim.imsi, 0), now) for sim, allowance in allowed}


async def _used_of_watched(connection: asyncpg.Connection, sims: Sequence[Sim], now: datetime) -> dict[str, Reached]:
    """The same of those of which somebody is told that."""
    allowed = [sim for sim in sims if sim.limits.data_allowance is not None]
    if not allowed:
        return {}
    told = await store.watched(connection, [sim.imsi for sim in allowed], [EventType.DATA_USED])
    return await _used(connection, [sim for sim in allowed if sim.imsi in told], now)
