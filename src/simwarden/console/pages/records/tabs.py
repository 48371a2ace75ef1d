"""The three lists of records, and how one leads to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.console.rendering import address
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.console.visit import Visit

HOME = f"{ROOT}/records"
MAY_REVEAL = "actOnSim"
"""Texts and numbers are shown to who may act on SIMs: the API asks the same role."""


def tabs(visit: Visit, kept: Mapping[str, str | None]) -> dict[str, str]:
    """Their addresses, with whose records are looked at."""
    found = {"messages": address(HOME, kept), "calls": address(f"{HOME}/calls", kept)}
    if visit.may("listSentMessages"):
        asked = {name: kept.get(name) for name in ("sim", "account", "reveal")}
        found["sent"] = address(f"{HOME}/sent", asked)
    return found


def reveals(visit: Visit) -> bool:
    """Whether texts and numbers are to be shown."""
    return visit.may(MAY_REVEAL) and visit.query.get("reveal") == "yes"
