"""What an operation does with each of its SIMs: written down as data, turned into a rule of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain import decide, lifecycle, switching
from simwarden.domain.decide import Target
from simwarden.domain.errors import NothingToChange
from simwarden.domain.identifiers import parse_imei
from simwarden.domain.lifecycle import Step
from simwarden.domain.sim import Function, Policy
from simwarden.domain.switching import Wish

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.domain.errors import SimwardenError
    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Sim
    from simwarden.engine.orders import Decided, Rule


class Switch(msgspec.Struct, frozen=True, tag="switch"):
    """Open or close communication functions."""

    wish: Wish
    functions: int

    @property
    def verb(self) -> str:
        """In one word."""
        return str(self.wish)

    @property
    def told(self) -> str:
        """As the history of a SIM tells it."""
        return f"{self.wish} {switching.names_of(Function(self.functions))}"


class Advance(msgspec.Struct, frozen=True, tag="step"):
    """Take a step in the SIM's life. A SIM that is there already counts as unchanged, with the reason."""

    step: Step

    @property
    def verb(self) -> str:
        """In one word."""
        return str(self.step)

    @property
    def told(self) -> str:
        """As the history of a SIM tells it."""
        return str(self.step)


class Bind(msgspec.Struct, frozen=True, tag="bind", omit_defaults=True):
    """Bind to a device: the SIM's own of the list, else the one given here, else the one that it is in now."""

    imei: str | None = None
    tac: str | None = None
    first_seen: bool = False
    policy: Policy | None = None
    """None: as it is bound now, else the default."""
    verb = "bind"
    told = "bind"


class Unbind(msgspec.Struct, frozen=True, tag="unbind"):
    """Remove the binding."""

    verb = "unbind"
    told = "unbind"


class Add(msgspec.Struct, frozen=True, tag="add"):
    """Register the SIM that the item describes."""

    verb = "add"
    told = "add"


Action = Switch | Advance | Bind | Unbind | Add


def from_plain(value: Any) -> Action:
    """An action as it was written down. Raises msgspec.ValidationError."""
    action: Action = msgspec.convert(value, Action)
    return action


def rule(action: Action, data: dict[str, Any] | None, now: datetime, cause: Cause) -> Rule:
    """What is to become of one SIM. `data`: what goes with this SIM alone.

    The rule raises SimwardenError: NothingToChange when the SIM is so already.
    """
    match action:
        case Switch():
            return lambda sim: switching.switch(sim, Function(action.functions), action.wish, now, cause)
        case Advance():
            return lambda sim: lifecycle.step(sim, action.step, now, cause)
        case Bind():
            return lambda sim: _bind(sim, action, data or {}, now, cause)
        case Unbind():
            return lambda sim: decide.unbind(sim, now, cause)
        case Add():
            raise ValueError("Adding is not a rule about a SIM that is there")


def _bind(sim: Sim, action: Bind, data: dict[str, Any], now: datetime, cause: Cause) -> Decided:
    imei = data.get("imei")
    target = Target(imei=imei) if imei else Target(imei=action.imei, tac=action.tac, first_seen=action.first_seen)
    policy = action.policy or (sim.binding.policy if sim.binding else Policy())
    decision = decide.bind(sim, target, policy, now, cause)
    before, after = sim.binding, decision.sim.binding
    assert after is not None
    if not decision.events:
        raise NothingToChange("The SIM keeps the device that it was bound to by name; name another to replace it")
    if before is not None and (before.kind, before.values, before.policy) == (after.kind, after.values, after.policy):
        raise NothingToChange("The SIM is bound so already")
    return decision


def remark(action: Action, data: dict[str, Any] | None, sim: Sim, decided: Decided) -> str | None:
    """What a preview should tell of a SIM that would change: which binding is replaced, and what looks wrong."""
    said = [_replaced(sim, decided)]
    imei = ((data or {}).get("imei") or action.imei) if isinstance(action, Bind) else None
    if imei and parse_imei(imei).luhn_valid is False:
        said.append("The IMEI has a wrong check digit")
    return "; ".join(each for each in said if each) or None


def _replaced(sim: Sim, decided: Decided) -> str | None:
    before, after = sim.binding, decided.sim.binding
    if before is None or after is None or after == before:
        return None
    if (before.kind, before.values) == (after.kind, after.values):
        return "Changes the policy of its binding"
    if decide.is_explicit(before):
        return "Replaces a binding to a device that was named"
    return "Replaces a binding to the device seen" if before.values else "Replaces a binding to the first device seen"


def refusal_of(error: SimwardenError) -> tuple[str, str, str]:
    """Status (UNCHANGED or REFUSED), code and reason of an item that was not done."""
    return "UNCHANGED" if error.unchanged else "REFUSED", error.code, error.public
