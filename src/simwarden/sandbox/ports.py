"""Finding, binding and switching virtual SIMs. Nothing is kept: the number decides, today as tomorrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain import decide, switching
from simwarden.domain.errors import InvalidBinding, SimNotFound
from simwarden.domain.sim import Policy
from simwarden.engine.functions import function_views
from simwarden.kit.clock import now_utc
from simwarden.sandbox import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from simwarden.domain.change import Changed
    from simwarden.domain.decide import Decision, Target
    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Function, Sim, SimRef
    from simwarden.domain.switching import Wish
    from simwarden.domain.usage import Usage
    from simwarden.engine.functions import FunctionView
    from simwarden.engine.idempotency import Once

    Clock = Callable[[], datetime]


class VirtualSims:
    """SimSource, Binder, Switcher and FunctionSource of the sandbox. All raise SimwardenError where a number says so.

    An Idempotency-Key (`once`) has no effect of its own here: the same call has the same answer anyway. Nothing of the
    sandbox is counted (`usage`).
    """

    def __init__(self, clock: Clock = now_utc) -> None:
        self._clock = clock

    async def find(self, account_id: str, ref: SimRef) -> Sim | None:
        """SimSource."""
        return rules.virtual(account_id, ref, self._clock())

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
        """Binder, by the rules themselves."""
        del once, usage
        found = _there(rules.virtual(account_id, ref, self._clock()))
        if rules.kind_of(ref.value).conflict:
            raise InvalidBinding("The state of this SIM forbids binding it")
        kept = Policy() if found.binding is None else found.binding.policy
        return decide.bind(found, target, policy or kept, self._clock(), cause, strict=strict)

    async def unbind(
        self, account_id: str, ref: SimRef, cause: Cause, *, once: Once | None = None, usage: Usage | None = None
    ) -> Decision:
        """Binder, by the rules themselves."""
        del once, usage
        return decide.unbind(_there(rules.virtual(account_id, ref, self._clock())), self._clock(), cause)

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
        """Switcher, by the rules themselves."""
        del account_id, once, usage
        return switching.switch(_there(rules.of_imsi(imsi, self._clock())), functions, wish, self._clock(), cause)

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
        """Switcher, by the rules themselves."""
        del account_id, once, usage
        return switching.switch_apn(_there(rules.of_imsi(imsi, self._clock())), apn, wish, self._clock(), cause)

    async def read(self, sim: Sim) -> Sequence[FunctionView]:
        """FunctionSource; a virtual SIM is attached nowhere."""
        return function_views(sim, [], {})


def _there(sim: Sim | None) -> Sim:
    if sim is None:
        raise SimNotFound
    return sim
