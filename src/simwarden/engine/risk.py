"""The rules of accounts, in the commit that stores what they count.

SIMs of accounts without rules cost one probe for all of a batch, and nothing where no account has any. What is
remembered of a SIM is read without a lock, and written if nobody else wrote it since: else it is counted again, on what
the other transaction left. SIMs that rules do something to are locked before anything is written.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

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
    from simwarden.domain.risk_windows import Hit
    from simwarden.domain.sim import Sim
    from simwarden.store.holders import Holder

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
    sims: Mapping[str, Holder | Sim],
    causes: Mapping[str, Cause],
    now: datetime,
    locked: Callable[[Collection[str]], Awaitable[Mapping[str, Sim]]],
    seal: Callable[[str, bytes], bytes] = lambda _imsi, number: number,
) -> list[Decision]:
    """Count facts of SIMs, by IMSI; returns what rules that fire do to them, in the order in which it happens.

    `sims`: those that are registered. `locked` locks SIMs and returns them as they are to be stored. `seal`: makes of a
    SIM's receiver what may be remembered. `causes`: by IMSI.
    """
    stamps = await store.stamps(connection, {sims[imsi].account_id for imsi in facts}) if facts else {}
    if not stamps:
        return []
    plans = await _ready(connection, {stamp: account_id for account_id, stamp in stamps.items()})
    counted: dict[str, tuple[Plan, list[Fact]]] = {}
    for imsi, each in facts.items():
        stamp = stamps.get(sims[imsi].account_id)
        if stamp is not None and (some := _sealed(each, plans[stamp], imsi, seal)):
            counted[imsi] = plans[stamp], some
    done: list[Decision] = []
    while counted:
        states = await store.states(connection, {imsi: sims[imsi].first_event for imsi in counted})
        attempt = _Attempt(counted, states)
        await attempt.remember_countries(connection, now)
        decisions = await attempt.count(causes, now, locked)
        written = await store.save_states(connection, states, now.date())
        for imsi in decisions.keys() & written:
            done += decisions[imsi]
        counted = {imsi: some for imsi, some in counted.items() if imsi not in written}
    fired = [(each.sim, event.data) for each in done for event in each.events if event.type is EventType.RULE_FIRED]
    for sim, data in fired:
        _log.info("rule fired", rule=data["rule"], account=sim.account_id, imsi=sim.imsi)
    await store.tag(connection, [(sim.imsi, data["tag"]) for sim, data in fired if "tag" in data])
    return done


class _Attempt:
    """SIMs of which rules count something, as they were read."""

    def __init__(
        self, counted: Mapping[str, tuple[Plan, list[Fact]]], states: Mapping[str, store.StoredWindows]
    ) -> None:
        self._counted = counted
        self._states = states

    async def remember_countries(self, connection: asyncpg.Connection, now: datetime) -> None:
        """Of SIMs of which nothing was remembered."""
        new = [imsi for imsi, (plan, _) in self._counted.items() if plan.is_new_to(self._states[imsi].state)]
        if new:
            known = await store.reached(connection, new, now.date() + _DAY)  # this batch is not counted by day yet
            for imsi in new:
                self._counted[imsi][0].remember(self._states[imsi].state, known.get(imsi, ()))

    async def count(
        self,
        causes: Mapping[str, Cause],
        now: datetime,
        locked: Callable[[Collection[str]], Awaitable[Mapping[str, Sim]]],
    ) -> dict[str, list[Decision]]:
        """Count the facts; returns what rules that fire do, by IMSI."""
        await self._resume(locked)
        second = int(now.timestamp())
        hits: dict[str, list[Hit]] = {}
        for imsi, (plan, facts) in self._counted.items():
            state = self._states[imsi].state
            plan.forget(state)
            near = plan.take(state, facts)
            met = [hit for rule_id in near if (hit := plan.hit(state, rule_id, second)) is not None]
            if met:
                hits[imsi] = met
        return await self._fire(hits, causes, now, locked) if hits else {}

    async def _resume(self, locked: Callable[[Collection[str]], Awaitable[Mapping[str, Sim]]]) -> None:
        """Rules rest while what they raised stands."""
        plans = {imsi: plan for imsi, (plan, _) in self._counted.items()}
        held = {imsi: found for imsi, plan in plans.items() if (found := plan.held(self._states[imsi].state))}
        if not held:
            return
        sims = await locked(held)
        for imsi, resting in held.items():
            for rule_id, event in resting:
                if imsi in sims and not stands(sims[imsi], event):
                    plans[imsi].resume(self._states[imsi].state, rule_id)

    async def _fire(
        self,
        hits: Mapping[str, Sequence[Hit]],
        causes: Mapping[str, Cause],
        now: datetime,
        locked: Callable[[Collection[str]], Awaitable[Mapping[str, Sim]]],
    ) -> dict[str, list[Decision]]:
        decisions: dict[str, list[Decision]] = {}
        sims = await locked(hits)
        for imsi, met in hits.items():
            sim, remembered = sims.get(imsi), self._states[imsi]
            if sim is None or sim.first_event != remembered.first_event:
                continue  # deleted meanwhile
            for hit in met:
                decision = rules.decide(sim, hit, now, causes[imsi])
                sim = decision.sim
                self._counted[imsi][0].rest(remembered.state, hit.rule.id, int(now.timestamp()), raised(decision))
                decisions.setdefault(imsi, []).append(decision)
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
                fact = Fact(fact.signal, fact.at, fact.amount, seal(imsi, fact.what))
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
