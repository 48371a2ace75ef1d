"""What a job does with each of its SIMs: a command, as it is stored, and what is said of what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

import msgspec

from simwarden.domain import rules
from simwarden.domain.command import Command
from simwarden.domain.identifiers import parse_imei
from simwarden.domain.rules.device import Bind, is_explicit

if TYPE_CHECKING:
    from simwarden.domain.decision import Decision
    from simwarden.domain.errors import SimwardenError
    from simwarden.domain.sim import Sim


class Add(Command, frozen=True, tag="add"):
    """Register the SIM that the item describes. No rule decides it: there is no SIM yet."""

    @property
    def verb(self) -> str:
        """`add`."""
        return "add"


_COMMANDS: tuple[Any, ...] = (*rules.COMMANDS, Add)
_TAGGED = tuple(each for each in _COMMANDS if each.__struct_config__.tag is not None)
_STORED: Any = Union[_TAGGED]  # noqa: UP007


def from_plain(value: Any) -> Command:
    """A command as it was stored with its `tag`. Raises msgspec.ValidationError."""
    command: Command = msgspec.convert(value, _STORED)
    return command


def for_item(command: Command, data: dict[str, Any] | None) -> Command:
    """The command for one SIM of a list. `data`: what goes with this SIM alone; its own IMEI replaces the device."""
    imei = (data or {}).get("imei")
    if imei and isinstance(command, Bind):
        return msgspec.structs.replace(command, imei=imei, tac=None, first_seen=False)
    return command


def remark(command: Command, sim: Sim, decision: Decision) -> str | None:
    """What a preview should say of a SIM that would change: which binding is replaced, and what looks wrong."""
    said = [_replaced(sim, decision)]
    if isinstance(command, Bind) and command.imei and parse_imei(command.imei).luhn_valid is False:
        said.append("The IMEI has a wrong check digit")
    return "; ".join(each for each in said if each) or None


def _replaced(sim: Sim, decision: Decision) -> str | None:
    before, after = sim.binding, decision.sim.binding
    if before is None or after is None or after == before:
        return None
    if (before.kind, before.values) == (after.kind, after.values):
        return "Changes the policy of its binding"
    if is_explicit(before):
        return "Replaces a binding to a device that was named"
    return "Replaces a binding to the device seen" if before.values else "Replaces a binding to the first device seen"


def refusal_of(error: SimwardenError) -> tuple[str, str, str]:
    """Status (UNCHANGED or REFUSED), code and reason of an item that was not done."""
    return "UNCHANGED" if error.unchanged else "REFUSED", error.code, error.public
