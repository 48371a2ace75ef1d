"""Judging by what is recorded of SIMs whether they may pay by the phone bill."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from simwarden.domain.payments import LastDevice, PaymentFacts, judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from simwarden.domain.numbers import Assignment
    from simwarden.domain.payments import PaymentRules, RuleResult
    from simwarden.domain.sim import Sim
    from simwarden.store.sims import DeviceDates


@runtime_checkable
class PaymentRecord(Protocol):
    """Knows the history of SIMs."""

    async def assignment(self, sim: Sim) -> Assignment | None:
        """Since when a SIM has had its phone number; None: it has none, or that is not recorded."""

    async def device_dates(self, sim: Sim) -> DeviceDates:
        """When a SIM came into devices."""


async def judged(record: PaymentRecord, sim: Sim, rules: PaymentRules, now: datetime) -> list[RuleResult]:
    """What comes of all rules for a SIM. Reads what they ask for, and nothing else."""
    number = device = None
    if sim.msisdn is not None and {rules.tenure_days, rules.sim_swap_hours, rules.recycled_days} != {None}:
        number = await record.assignment(sim)
    if rules.device_swap_hours is not None and sim.seen is not None and sim.seen.imei is not None:
        at, is_swap = (await record.device_dates(sim)).latest
        device = None if at is None else LastDevice(at, is_swap)
    return judge(PaymentFacts(sim, number, device), rules, now)


async def judged_all(
    record: PaymentRecord, sims: Sequence[Sim], rules: PaymentRules, now: datetime
) -> list[list[RuleResult]]:
    """The same for SIMs that are read together; their lookups are gathered."""
    return await asyncio.gather(*(judged(record, sim, rules, now) for sim in sims))
