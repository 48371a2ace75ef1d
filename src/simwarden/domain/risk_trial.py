"""What a rule would have done to a SIM by what is recorded of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.risk_windows import Plan, SimWindows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simwarden.domain.risk import StoredRule
    from simwarden.domain.risk_windows import Fact


class Met(msgspec.Struct, frozen=True):
    """A SIM would have met a rule."""

    times: int
    first: int
    """Seconds since 1970."""
    last: int
    counted: dict[str, int]
    """The first time."""


def tried(rule: StoredRule, facts: Sequence[Fact], reached: Iterable[str] = ()) -> Met | None:
    """Let a rule that is on see facts of one SIM in the order of their times; None: it would not have fired.

    `reached`: countries that the SIM had reached before them.

    A bar that has an end ends then; without one, and with a suspension, the rule fires once.
    """
    plan, state = Plan([rule]), SimWindows()
    plan.remember(state, reached)
    then = rule.rule.then
    hours = then.bar.hours if then.bar is not None and not then.suspend else None
    fired: list[tuple[int, dict[str, int]]] = []
    held_until: int | None = None
    for fact in sorted(facts, key=lambda each: each.at):
        if held_until is not None and fact.at >= held_until:
            plan.resume(state, rule.id)
            held_until = None
        if not plan.take(state, (fact,)):
            continue
        hit = plan.hit(state, rule.id, fact.at)
        if hit is not None:
            fired.append((fact.at, hit.counted))
            plan.rest(state, rule.id, fact.at, int(then.holds))
            held_until = fact.at + hours * 3600 if hours else None
    return Met(len(fired), fired[0][0], fired[-1][0], fired[0][1]) if fired else None
