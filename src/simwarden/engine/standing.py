"""What the rules say of SIMs of which somebody is told how they stand, in the commit that may change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import rules
from simwarden.domain.rules.connection import ConnectionSeen
from simwarden.domain.rules.reachability import ReachSeen
from simwarden.domain.rules.roaming import ServingSeen
from simwarden.domain.standing import Remembered, Standing, remembered
from simwarden.store import standing as store

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
    changed: dict[str, Remembered] = {}
    decisions = []
    for sim in concerned:
        old, new = before.get(sim.imsi, Remembered()), stand[sim.imsi]
        kept = Remembered(new.reach or old.reach, new.roams or old.roams, new.generation or old.generation)
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
