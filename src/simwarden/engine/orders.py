"""Orders about SIMs, carried out in one transaction: each is done or refused for itself, all are written together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from simwarden.domain.attachment import Attachment, AttachmentStatus
from simwarden.domain.change import Changed
from simwarden.domain.decide import Decision
from simwarden.domain.errors import IllegalTransition, SimNotFound, SimwardenError
from simwarden.domain.sim import Lifecycle, Sim
from simwarden.domain.usage import Usage
from simwarden.engine.changes import Changes, Outcome
from simwarden.store import usage
from simwarden.store.usage import Key

Decided = Changed | Decision
Rule = Callable[[Sim], Decided]
"""What is to become of a SIM. Pure; raises SimwardenError when that cannot be."""


class Order(msgspec.Struct, frozen=True):
    """One SIM, and what is to become of it."""

    imsi: str
    rule: Rule
    account_id: str | None = None
    """Whose SIM it must be; None: whosever, for the operator."""
    usage: Usage | None = None
    """What it counts as when it is done; None: nothing, for the operator."""


async def carry_out(
    connection: asyncpg.Connection, orders: Sequence[Order], now: datetime
) -> tuple[list[Decided | SimwardenError], Outcome]:
    """Carry out orders in the transaction of `connection`: what each came to, in their order.

    SIMs are locked in one order for everybody. Several orders about one SIM follow each other. An unknown SIM and one
    of another account are refused alike, with SimNotFound. What was done is counted, what was refused is not. The
    caller commits, then wakes whoever the outcome names.
    """
    changes = Changes(connection, now)
    await changes.lock({order.imsi for order in orders})
    results: list[Decided | SimwardenError] = []
    used: Counter[Key] = Counter()
    day = now.astimezone(UTC).date()
    for order in orders:
        sim = changes.sims.get(order.imsi)
        try:
            if sim is None or sim.lifecycle is Lifecycle.DELETED or order.account_id not in (None, sim.account_id):
                raise SimNotFound
            decided = order.rule(sim)
            if decided.sim.lifecycle is Lifecycle.DELETED:
                _may_go(sim, changes.attachments(sim.imsi), by_operator=order.account_id is None)
        except SimwardenError as error:
            results.append(error)
        else:
            changes.decide(decided)
            results.append(decided)
            if order.usage is not None and decided.events:
                used[day, decided.sim.bucket, order.usage] += 1
    outcome = await changes.write()
    if used:
        await usage.count(connection, used)
    return results, outcome


def _may_go(sim: Sim, places: Sequence[Attachment], *, by_operator: bool) -> None:
    """A SIM is forgotten when it is seen to be stopped: nobody would stop it afterwards. Raises IllegalTransition.

    Where a gateway could not be made to (FAILED), the operator has the last word.
    """
    for item in places:
        undone = item.current and item.wants_lock and item.is_open
        if undone and not (by_operator and item.status is AttachmentStatus.FAILED):
            raise IllegalTransition(
                f"The SIM is {sim.lifecycle}, but the network has not confirmed yet that it is stopped "
                f"({item.status}); to delete it, that must be confirmed"
            )
