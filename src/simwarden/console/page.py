"""What a page is: a path, what shows it, what its forms do, and where it stands in the navigation.

A folder below `pages/` with a `page.py` is found by that; its `PAGES` are served. See README.md of this room.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from simwarden.console import pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from starlette.types import ASGIApp

    from simwarden.console.live import LivePart
    from simwarden.console.visit import Visit

    Handler = Callable[[Visit], Awaitable[ASGIApp]]
    Stream = Callable[[Visit], AsyncIterator[Sequence[LivePart]]]

GROUPS = ("watch", "sims", "network", "customers", "operate")
"""Of the navigation, in this order."""
FORM = 64 * 1024
"""Bytes of a form, where a page does not take more."""


class Nav(msgspec.Struct, frozen=True):
    """An entry of the navigation; its words are the text `PAGE.nav`."""

    group: str
    order: int
    icon: str
    """Name of a symbol in static/icons.svg."""


class ConsolePage(msgspec.Struct, frozen=True, kw_only=True):
    """One path."""

    name: str
    """Of the folder; keys of its texts begin with it."""
    path: str
    """Below /console; `{name}` is one segment."""
    show: Handler | None = None
    """Answers GET. Raises CallRefused."""
    act: Handler | None = None
    """Answers POST: what the form wants is done, and the browser sent on."""
    needs: tuple[str, ...] = ()
    """Operations of the management API (operationId) without which the page means nothing to a role."""
    acts: tuple[str, ...] = ()
    """Those without which its form does not."""
    nav: Nav | None = None
    under: str = ""
    """Name of the page whose entry of the navigation is marked; its own when empty."""
    live: Stream | None = None
    """What is sent while the page is open, at `PATH/live`."""
    is_open: bool = False
    """For who is not signed in, too."""
    before_factor: bool = False
    """For who still has to get a second factor."""
    may_be_absent: bool = False
    """An installation need not have what it is about: who may not call the operations finds no such page."""
    suggests_accounts: bool = False
    """It has a field that names an account: who sees several is shown some of them."""
    most: int = FORM
    """Bytes of its form."""


@cache
def all_pages() -> tuple[ConsolePage, ...]:
    """Every page of every folder."""
    found: list[ConsolePage] = []
    for each in pkgutil.iter_modules(pages.__path__):
        if each.ispkg:
            found += importlib.import_module(f"{pages.__name__}.{each.name}.page").PAGES
    return tuple(found)
