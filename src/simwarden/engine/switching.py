"""Opening and closing communication functions and APNs, on a customer's call or an operator's command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import switching as rules
from simwarden.domain.change import Changed
from simwarden.engine import orders
from simwarden.engine.orders import Order
from simwarden.engine.ports import now_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    import asyncpg

    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Function, Sim
    from simwarden.domain.switching import Wish
    from simwarden.domain.usage import Usage
    from simwarden.engine.changes import Outcome
    from simwarden.engine.gather import Gather
    from simwarden.engine.idempotency import Once
    from simwarden.engine.orders import Preview, Result


class Switches:
    """The customer's switches: committed when they return, together with what others do at the same time."""

    def __init__(self, gather: Gather, *, clock: Callable[[], datetime] = now_utc) -> None:
        self._gather = gather
        self._clock = clock

    async def switch(
        self,
        account_id: str,
        imsi: str,
        functions: Function,
        wish: Wish,
        cause: Cause,
        *,
        once: Once | None = None,
        usage: Usage | None = None,
    ) -> Changed:
        """Open or close functions of the account's SIM. `usage`: what it counts as when it is done.

        Raises SimNotFound, NothingToChange when all of them are so already; with `once` Replayed, KeyReused.
        """
        now = self._clock()
        return await self._change(
            account_id, imsi, lambda sim: rules.switch(sim, functions, wish, now, cause), once, usage
        )

    async def switch_apn(
        self,
        account_id: str,
        imsi: str,
        apn: str,
        wish: Wish,
        cause: Cause,
        *,
        once: Once | None = None,
        usage: Usage | None = None,
    ) -> Changed:
        """Open or close one access point name for the account's SIM.

        Raises SimNotFound, InvalidIdentifier, NothingToChange, TooManyApns; with `once` Replayed, KeyReused.
        """
        now = self._clock()
        return await self._change(
            account_id, imsi, lambda sim: rules.switch_apn(sim, apn, wish, now, cause), once, usage
        )

    async def _change(
        self, account_id: str, imsi: str, rule: Callable[[Sim], Changed], once: Once | None, usage: Usage | None
    ) -> Changed:
        changed = await self._gather.submit(Order(imsi, rule, account_id, usage), once)
        assert isinstance(changed, Changed)
        return changed


async def many(
    connection: asyncpg.Connection,
    imsis: Iterable[str],
    functions: Function,
    wish: Wish,
    cause: Cause,
    now: datetime,
    *,
    account_id: str | None = None,
) -> tuple[list[Result], Outcome]:
    """Open or close functions of many SIMs in the caller's transaction; see `orders.many`."""
    return await orders.many(
        connection, imsis, lambda sim: rules.switch(sim, functions, wish, now, cause), now, account_id=account_id
    )


async def many_apn(
    connection: asyncpg.Connection,
    imsis: Iterable[str],
    apn: str,
    wish: Wish,
    cause: Cause,
    now: datetime,
    *,
    account_id: str | None = None,
) -> tuple[list[Result], Outcome]:
    """Open or close one access point name for many SIMs in the caller's transaction; see `orders.many`."""
    return await orders.many(
        connection, imsis, lambda sim: rules.switch_apn(sim, apn, wish, now, cause), now, account_id=account_id
    )


def preview(sim: Sim, functions: Function, wish: Wish, now: datetime) -> Preview:
    """What opening or closing functions would change of a SIM, or why it cannot. Writes nothing."""
    return orders.preview(sim, lambda sim, now, cause: rules.switch(sim, functions, wish, now, cause), now)
