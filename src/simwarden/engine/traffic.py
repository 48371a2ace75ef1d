"""What becomes of SIMs by the traffic that is stored of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import rules
from simwarden.domain.traffic import hour_of
from simwarden.engine.unit_of_work import Outcome, UnitOfWork
from simwarden.store import limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import asyncpg

    from simwarden.domain.events import Cause


async def judge(connection: asyncpg.Connection, sims: Mapping[str, Cause], now: datetime) -> Outcome:
    """Let the rules see the running hour's traffic of SIMs, by IMSI, whose traffic is limited and of which records were
    stored just now.

    They are locked before their records are counted, so of two
    transactions the second one counts those of both. What is counted is what is stored: each record once, however
    often it was reported.
    """
    if not sims:
        return Outcome()
    work = UnitOfWork(connection, now)
    await work.lock(sims)
    for imsi, traffic in (await limits.traffic(connection, sorted(work.sims), hour_of(now))).items():
        decision = rules.decide(work.sims[imsi], traffic, now, sims[imsi])
        if decision.events:
            work.decide(decision)
    return await work.write()
