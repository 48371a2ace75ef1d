"""Writing the deliveries of what happened to SIMs, in the transaction that commits it.

So a committed event always has its deliveries, or the row that says that they are to be written (promises 2 and 3).
Handing them out is the work of `simwarden.notify`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.store import fanout
from simwarden.store import subscriptions as store
from simwarden.store.outbox import EndReason, save_outboxes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.events import Event
    from simwarden.domain.sim import Sim


async def publish(connection: asyncpg.Connection, changes: Sequence[tuple[Sim, Sequence[Event]]]) -> int:
    """See to it that every live subscription that waits for these events gets them; returns how many deliveries of
    them there are by now.

    Call it inside the transaction that commits the events, after the rows of the SIMs are locked; then wake the
    notifier. The queues of a SIM with a handful of subscriptions are written here, those of one with more behind the
    commit, by the notifier. One statement when nobody waits, five more when somebody does, for the whole batch. On a
    cluster a batch holds the SIMs of one shard.
    """
    changed = {(sim.bucket, sim.imsi): (sim, events) for sim, events in changes if events}
    if not changed:
        return 0
    topics = sorted({str(event.type) for _, events in changed.values() for event in events})
    few, many = await fanout.survey(connection, sorted(changed), topics)
    if many:
        intents = [
            fanout.Intent(
                bucket=sim.bucket, imsi=sim.imsi, first=events[0].n, last=events[-1].n, account_id=sim.account_id
            )
            for sim, events in (changed[key] for key in sorted(many))
        ]
        await fanout.defer(connection, intents)
    if not few:
        return 0
    outboxes = await store.lock_listening(connection, sorted(few), topics)
    for outbox in outboxes:
        fanout.append([outbox], changed[outbox.bucket, outbox.imsi][1])
    return await save_outboxes(connection, [outbox for outbox in outboxes if outbox.added])


async def end_of_sims(connection: asyncpg.Connection, sims: Sequence[Sim], now: datetime) -> int:
    """End all live subscriptions of SIMs that are no more, with subscription-ended to each.

    Returns how many deliveries were made by now.

    Call it after `publish`, inside the transaction that deletes the SIMs; then wake the notifier.
    """
    by_key = {(sim.bucket, sim.imsi): sim for sim in sims}
    few, many = await fanout.survey(connection, sorted(by_key), None)
    if many:
        intents = [
            fanout.Intent(
                bucket=sim.bucket,
                imsi=sim.imsi,
                first=sim.event_count,
                last=sim.event_count,
                account_id=sim.account_id,
                ends=True,
            )
            for sim in (by_key[key] for key in sorted(many))
        ]
        await fanout.defer(connection, intents)
    outboxes = await store.lock_living(connection, sorted(few)) if few else []
    for outbox in outboxes:
        outbox.end(EndReason.NETWORK_TERMINATED, now)
    return await save_outboxes(connection, outboxes)
