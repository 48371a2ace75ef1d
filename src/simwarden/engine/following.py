"""Telling those who follow a phone number that it is in another SIM.

Such a subscription stands under the number, not under a SIM: it outlives the SIM, and goes on with the next one of the
same account that is given the number. What happens to the number at another account it is not told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.telling import correlator_of_cause
from simwarden.store import numbers
from simwarden.store.outbox import save_outboxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.domain.events import Cause
    from simwarden.domain.numbers import Assignment


async def publish(connection: asyncpg.Connection, moved: Sequence[Assignment], cause: Cause) -> int:
    """Write the deliveries to all who follow numbers that came to other SIMs; returns how many.

    Call it in the transaction that gave the SIMs the numbers. All queues are written there: so many as one account may
    have to one number, and only for numbers that moved.
    """
    locked = await numbers.lock_followers(connection, moved)
    for one, outbox in locked:
        outbox.append({}, one.since, event=None, correlator=correlator_of_cause(cause))
    return await save_outboxes(connection, [outbox for _, outbox in locked])
