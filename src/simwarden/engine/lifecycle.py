"""Steps in the life of SIMs, on a customer's call or an operator's command. Adding them is `provision`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import lifecycle as rules
from simwarden.domain.change import Changed
from simwarden.engine import orders
from simwarden.engine.orders import Order
from simwarden.engine.ports import now_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    import asyncpg

    from simwarden.domain.events import Cause
    from simwarden.domain.lifecycle import Step
    from simwarden.domain.sim import Sim
    from simwarden.engine.changes import Outcome
    from simwarden.engine.gather import Gather
    from simwarden.engine.idempotency import Once
    from simwarden.engine.orders import Preview, Result


class Lives:
    """Activate, suspend, restore, deactivate, delete: committed when they return."""

    def __init__(self, gather: Gather, *, clock: Callable[[], datetime] = now_utc) -> None:
        self._gather = gather
        self._clock = clock

    async def step(self, account_id: str, imsi: str, what: Step, cause: Cause, *, once: Once | None = None) -> Changed:
        """Take a step in the life of the account's SIM. Deleting ends its subscriptions and frees its names.

        Raises SimNotFound, IllegalTransition naming the state; with `once` Replayed, KeyReused.
        """
        now = self._clock()
        changed = await self._gather.submit(
            Order(imsi, lambda sim: rules.step(sim, what, now, cause), account_id), once
        )
        assert isinstance(changed, Changed)
        return changed


async def many(
    connection: asyncpg.Connection,
    imsis: Iterable[str],
    what: Step,
    cause: Cause,
    now: datetime,
    *,
    account_id: str | None = None,
) -> tuple[list[Result], Outcome]:
    """Take the same step with many SIMs in the caller's transaction; see `orders.many`."""
    return await orders.many(
        connection, imsis, lambda sim: rules.step(sim, what, now, cause), now, account_id=account_id
    )


def preview(sim: Sim, what: Step, now: datetime) -> Preview:
    """What a step would change of a SIM, or why it cannot be taken. Writes nothing."""
    return orders.preview(sim, lambda sim, now, cause: rules.step(sim, what, now, cause), now)
