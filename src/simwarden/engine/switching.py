"""Opening and closing communication functions and APNs, on a customer's call or an operator's command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import switching as rules
from simwarden.domain.change import Changed
from simwarden.engine.orders import Order
from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Function, Sim
    from simwarden.domain.switching import Wish
    from simwarden.domain.usage import Usage
    from simwarden.engine.gather import Gather
    from simwarden.engine.idempotency import Once


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
