"""The rules of accounts, in the commit that stores what they count.

SIMs of accounts without rules cost one probe for all of a batch, and nothing where no account has any. What is
remembered of a SIM is locked before it is counted, so of two transactions the second one counts on what the first one
left.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog

from simwarden.domain import rules
from simwarden.domain.events import EventType
from simwarden.domain.risk import Signal
from simwarden.domain.risk_windows import Fact, Plan
from simwarden.domain.rules.risk import raised, stands
from simwarden.store import risk as store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.decision import Decision
    from simwarden.domain.events import Cause, Event
    from simwarden.domain.risk_windows import Hit, SimWindows
    from simwarden.domain.sim import Sim

_log = structlog.get_logger()
_EVENTS = {EventType.DEVICE_CHANGED: Signal.DEVICE_CHANGES, EventType.AREA_CHANGED: Signal.AREA_CHANGES}
_DAY = timedelta(days=1)
_KEPT = 1000
"""Accounts whose rules are kept ready."""
_plans: dict[str, Plan] = {}
"""By the stamp of their rules, which no two changes anywhere share: what is here is never out of date."""


async def decide(
    connection: asyncpg.Connection,
    facts: Mapping[str, Sequence[Fact]],
    causes: Mapping[str, Cause],
    now: datetime,
    locked: Callable[[Collection[str]], Awaitable[Mapping[str, Sim]]],
    seal: Callable[[str, bytes], bytes] = lambda _imsi, number: number,
) -> list[Decision]:
    """Count facts of SIMs, by IMSI; returns what rules that fire do to them, in the order in which it happens.

    `locked` locks SIMs and returns them as they are to be stored. `seal`: makes of a SIM's receiver what may be
    remembered. `causes`: by IMSI.
    """
    owners = await store.ruled(connection, sorted(facts)) if facts else {}
    if not owners:
        return []
    plans = await _ready(connection, {stamp: account_id for account_id, stamp in owners.values()})
    counted = {imsi: _sealed(facts[imsi], plans[stamp], imsi, seal) for imsi, (_, stamp) in owners.items()}
    counted = {imsi: some for imsi, some in counted.items() if some}
    if not counted:
        return []
    states = await store.lock_states(connection, counted, now.date())
    counted = {imsi: some for imsi, some in counted.items() if imsi in states}
    plan_of = {imsi: plans[owners[imsi][1]] for imsi in counted}
    held = {imsi: found for imsi, plan in plan_of.items() if (found := plan.held(states[imsi]))}
    if held:
        sims = await locked(held)
        for imsi, resting in held.items():
            for rule_id, event in resting:
                if imsi in sims and not stands(sims[imsi], event):
                    plan_of[imsi].resume(states[imsi], rule_id)
    new = [imsi for imsi, plan in plan_of.items() if plan.is_new_to(states[imsi])]
    if new:
        known = await store.reached(connection, new, now.date() + _DAY)  # this batch is not counted by day yet
        for imsi in new:
            plan_of[imsi].remember(states[imsi], known.get(imsi, ()))
    second = int(now.timestamp())
    hits: dict[str, list[Hit]] = {}
    for imsi, some in counted.items():
        plan, state = plan_of[imsi], states[imsi]
        plan.forget(state)
        touched = plan.take(state, some)
        met = [hit for rule_id in touched if (hit := plan.hit(state, rule_id, second)) is not None]
        if met:
            hits[imsi] = met
    decisions = await _fire(hits, plan_of, states, causes, now, locked) if hits else []
    await store.save_states(connection, {imsi: states[imsi] for imsi in counted}, now.date())
    tags = [(each.sim.imsi, event.data["tag"]) for each in decisions for event in each.events if "tag" in event.data]
    await store.tag(connection, tags)
    return decisions


async def _fire(
    hits: Mapping[str, Sequence[Hit]],
    plan_of: Mapping[str, Plan],
    states: Mapping[str, SimWindows],
    causes: Mapping[str, Cause],
    now: datetime,
    locked: Callable[[Collection[str]], Awaitable[Mapping[str, Sim]]],
) -> list[Decision]:
    decisions = []
    sims = dict(await locked(hits))
    for imsi, met in hits.items():
        for hit in met:
            if imsi not in sims:
                continue
            decision = rules.decide(sims[imsi], hit, now, causes[imsi])
            sims[imsi] = decision.sim
            plan_of[imsi].rest(states[imsi], hit.rule.id, int(now.timestamp()), raised(decision))
            decisions.append(decision)
            _log.info("rule fired", rule=hit.rule.name, account=hit.rule.account_id, imsi=imsi)
    return decisions


async def _ready(connection: asyncpg.Connection, wanted: Mapping[str, str]) -> dict[str, Plan]:
    """The rules of accounts, by their stamp. `wanted`: the account of each stamp."""
    ready = {stamp: _plans[stamp] for stamp in wanted if stamp in _plans}
    missing = {account_id for stamp, account_id in wanted.items() if stamp not in ready}
    if missing:
        found = await store.on(connection, missing)
        if len(_plans) >= _KEPT:
            _plans.clear()
        for stamp, account_id in wanted.items():
            if stamp not in ready:
                ready[stamp] = _plans[stamp] = Plan(each for each in found if each.account_id == account_id)
    return ready


def _sealed(facts: Iterable[Fact], plan: Plan, imsi: str, seal: Callable[[str, bytes], bytes]) -> list[Fact]:
    """What the rules look at."""
    kept = []
    for fact in facts:
        if fact.signal in plan.signals:
            if fact.signal is Signal.RECEIVERS:
                fact = msgspec.structs.replace(fact, what=seal(imsi, fact.what))
            kept.append(fact)
    return kept


def facts_of(events: Mapping[str, Sequence[Event]]) -> dict[str, list[Fact]]:
    """What of the events of SIMs, by IMSI, rules may count."""
    found: dict[str, list[Fact]] = {}
    for imsi, items in events.items():
        for event in items:
            if event.type in _EVENTS:
                found.setdefault(imsi, []).append(Fact(_EVENTS[event.type], int(event.at.timestamp())))
    return found
