"""Trying a rule on what is stored, a page of SIMs at a time: what would have happened, and to whom.

Each page is a few short statements, and nothing is held between two pages.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.risk import Signal
from simwarden.domain.risk_trial import Met, tried
from simwarden.domain.sim import ALL_FUNCTIONS, Lifecycle
from simwarden.store import risk
from simwarden.store import risk_records as store

if TYPE_CHECKING:
    from simwarden.domain.risk import StoredRule
    from simwarden.store.database import Database
    from simwarden.store.risk_records import ListedSim
    from simwarden.store.vault import Vault

MOST_SIMS = 200
"""Of a page."""


class Trial(msgspec.Struct, frozen=True):
    """What came of a page."""

    sims: int
    """SIMs that were looked at."""
    facts: int
    met: list[tuple[str, Met]]
    """SIMs that would have met the rule, by IMSI."""
    cut: int
    """Of these SIMs there are more records than were looked at."""
    last: str | None
    """The IMSI to go on from; None: there are no more SIMs."""


async def page(
    db: Database, vault: Vault, rule: StoredRule, since: datetime, now: datetime, after: str, limit: int
) -> Trial:
    """Try a rule, be it on or off, on the next SIMs of its account, from behind this IMSI. Raises WrongKey."""
    rule = msgspec.structs.replace(rule, is_on=True)
    most = min(limit, MOST_SIMS)
    listed = await store.sims(db, rule.account_id, after, most)
    last = listed[-1].imsi if len(listed) == most else None
    if rule.rule.is_silence:
        before = now - timedelta(minutes=rule.rule.in_minutes)
        silent = [(each.imsi, _silence(each, now)) for each in listed if _is_silent(each, before)]
        return Trial(len(listed), len(listed), silent, 0, last)
    signals = [each.signal for each in rule.rule.when]
    imsis = [each.imsi for each in listed]
    facts, cut = await store.facts(db, vault, rule.account_id, imsis, since, signals) if imsis else ({}, set())
    reached = await risk.reached(db, facts, since.date()) if Signal.NEW_COUNTRIES in signals else {}
    met = []
    for imsi in sorted(facts):
        found = tried(rule, facts[imsi], reached.get(imsi, ()))
        if found is not None:
            met.append((imsi, found))
        await asyncio.sleep(0)  # others are served meanwhile
    return Trial(len(listed), sum(map(len, facts.values())), met, len(cut), last)


def _is_silent(sim: ListedSim, before: datetime) -> bool:
    kept_off = sim.lifecycle != Lifecycle.ACTIVE or sim.functions_off == ALL_FUNCTIONS
    return sim.seen_at is not None and sim.seen_at < before and not kept_off


def _silence(sim: ListedSim, now: datetime) -> Met:
    """By now: since when SIMs were seen before is not kept."""
    assert sim.seen_at is not None
    second = int(now.timestamp())
    return Met(1, second, second, {"silence": int((now - sim.seen_at).total_seconds()) // 60})
