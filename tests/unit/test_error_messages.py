"""The docstring of an error is its message: one line, without the indentation of the source."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import simwarden
from simwarden.domain.errors import SimwardenError

if TYPE_CHECKING:
    from collections.abc import Iterator


def below(base: type[SimwardenError]) -> Iterator[type[SimwardenError]]:
    """Every error of ours below `base`."""
    for each in base.__subclasses__():
        yield each
        yield from below(each)


def test_every_message_is_one_line() -> None:
    for module in pkgutil.walk_packages(simwarden.__path__, "simwarden."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = {error for error in below(SimwardenError) if error.__module__.startswith("simwarden.")}  # tests have theirs
    wrong = [error.__name__ for error in ours if "\n" in (error.__doc__ or "").strip()]
    assert not wrong
