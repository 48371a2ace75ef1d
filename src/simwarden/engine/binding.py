"""Binding SIMs to devices, on a customer's call or an operator's command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import decide as rules
from simwarden.domain.errors import SimNotFound
from simwarden.domain.sim import Policy
from simwarden.engine.changes import Changes
from simwarden.engine.ports import now_utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.domain.decide import Decision, Target
    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Sim, SimRef
    from simwarden.engine.changes import Outcome
    from simwarden.store.database import Database
    from simwarden.store.sims import Sims


class Bindings:
    """Bind, unbind and resume. Each is one transaction; `committed` is called after it."""

    def __init__(
        self,
        db: Database,
        sims: Sims,
        *,
        committed: Callable[[Outcome], None] = lambda _outcome: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._db = db
        self._sims = sims
        self._committed = committed
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
    ) -> Decision:
        """Bind the account's SIM, replacing what bound it. `policy` None: as bound before, else the default.

        Raises SimNotFound, InvalidBinding, InvalidIdentifier; with `strict` NoDeviceSeen when none was seen yet.
        """

        def rule(sim: Sim) -> Decision:
            chosen = policy or (sim.binding.policy if sim.binding else Policy())
            return rules.bind(sim, target, chosen, self._clock(), cause, strict=strict)

        return await self._change(account_id, ref, rule)

    async def unbind(self, account_id: str, ref: SimRef, cause: Cause) -> Decision:
        """Remove the binding and its bar. Raises SimNotFound, NotBound."""
        return await self._change(account_id, ref, lambda sim: rules.unbind(sim, self._clock(), cause))

    async def resume(self, account_id: str, ref: SimRef, cause: Cause) -> Decision:
        """Open a SIM that came back, where its policy waits for a person. Raises SimNotFound, NotBound."""
        return await self._change(account_id, ref, lambda sim: rules.resume(sim, self._clock(), cause))

    async def _change(self, account_id: str, ref: SimRef, rule: Callable[[Sim], Decision]) -> Decision:
        known = await self._sims.find(account_id, ref)
        if known is None:
            raise SimNotFound
        async with self._db.transaction() as connection:
            changes = Changes(connection, self._clock())
            await changes.lock([known.imsi])
            if known.imsi not in changes.sims:
                raise SimNotFound
            decision = rule(changes.sims[known.imsi])
            changes.decide(decision)
            outcome = await changes.write()
        self._committed(outcome)
        return decision
