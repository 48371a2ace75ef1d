"""Binding SIMs to devices, on a customer's call or an operator's command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import decide as rules
from simwarden.domain.decide import Decision
from simwarden.domain.errors import SimNotFound
from simwarden.domain.sim import Policy
from simwarden.engine.gather import Gather
from simwarden.engine.orders import Order
from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.domain.decide import Target
    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Sim, SimRef
    from simwarden.domain.usage import Usage
    from simwarden.engine.changes import Outcome
    from simwarden.engine.idempotency import Once
    from simwarden.store.database import Database
    from simwarden.store.sims import Sims


class Bindings:
    """Bind, unbind and resume: committed when they return, together with what others do at the same time.

    `gather` is where; without one the bindings have their own, which calls `committed` after each commit.
    """

    def __init__(
        self,
        db: Database,
        sims: Sims,
        *,
        gather: Gather | None = None,
        committed: Callable[[Outcome], None] = lambda _outcome: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._sims = sims
        self._gather = gather or Gather(db, committed=committed, clock=clock)
        self._clock = clock

    async def bind(
        self,
        account_id: str,
        ref: SimRef,
        target: Target,
        policy: Policy | None,
        cause: Cause,
        *,
        strict: bool = False,
        once: Once | None = None,
        usage: Usage | None = None,
    ) -> Decision:
        """Bind the account's SIM, replacing what bound it. `policy` None: as bound before, else the default.

        `usage`: what it counts as when it is done. Raises SimNotFound, InvalidBinding, InvalidIdentifier; with `strict`
        NoDeviceSeen when none was seen yet; with `once` Replayed, KeyReused.
        """
        now = self._clock()
        return await self._change(
            account_id, ref, lambda sim: _bind(sim, target, policy, now, cause, strict=strict), once, usage
        )

    async def unbind(
        self, account_id: str, ref: SimRef, cause: Cause, *, once: Once | None = None, usage: Usage | None = None
    ) -> Decision:
        """Remove the binding and its bar. Raises SimNotFound, NotBound; with `once` Replayed, KeyReused."""
        now = self._clock()
        return await self._change(account_id, ref, lambda sim: rules.unbind(sim, now, cause), once, usage)

    async def resume(self, account_id: str, ref: SimRef, cause: Cause) -> Decision:
        """Open a SIM that came back, where its policy waits for a person. Raises SimNotFound, NotBound."""
        now = self._clock()
        return await self._change(account_id, ref, lambda sim: rules.resume(sim, now, cause))

    async def _change(
        self,
        account_id: str,
        ref: SimRef,
        rule: Callable[[Sim], Decision],
        once: Once | None = None,
        usage: Usage | None = None,
    ) -> Decision:
        known = await self._sims.find(account_id, ref)
        if known is None:
            raise SimNotFound
        decided = await self._gather.submit(Order(known.imsi, rule, account_id, usage), once)
        assert isinstance(decided, Decision)
        return decided


def _bind(sim: Sim, target: Target, policy: Policy | None, now: datetime, cause: Cause, *, strict: bool) -> Decision:
    chosen = policy or (sim.binding.policy if sim.binding else Policy())
    return rules.bind(sim, target, chosen, now, cause, strict=strict)
