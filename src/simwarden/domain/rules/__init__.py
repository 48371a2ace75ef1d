"""The rules: what becomes of a SIM when it is seen, or when something is to be done to it. Pure.

Each module is about one matter: its inputs (a `Command`, or what was observed), and what decides them, all of one
signature. It names them in `RULES`, from where they are found here: a new module needs no line anywhere else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from simwarden.domain.command import Command
from simwarden.domain.decision import Decision
from simwarden.domain.events import Cause
from simwarden.domain.sim import Sim

Rule = Callable[[Sim, Any, datetime, Cause], Decision]
"""`(sim, input, now, cause)`: `now` stamps events and bars, `cause` is kept with every event.

Raises SimwardenError when it cannot be; NothingToChange when the SIM is in that state already.
"""


def _found() -> dict[type, Rule]:
    rules: dict[type, Rule] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        rules |= importlib.import_module(module.name).RULES
    return rules


RULES: Mapping[type, Rule] = MappingProxyType(_found())
"""By type of input, the rule that decides it."""
COMMANDS: tuple[type[Command], ...] = tuple(each for each in RULES if issubclass(each, Command))


def decide(sim: Sim, given: object, now: datetime, cause: Cause) -> Decision:
    """What becomes of `sim` by this input. Raises what its rule raises."""
    return RULES[type(given)](sim, given, now, cause)
