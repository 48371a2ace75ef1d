"""Which tone a state has: how good or bad it is, beside its word and its symbol."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

_TONES = MappingProxyType(
    {
        "ok": ("LOCKED", "ACTIVE", "APPLIED", "ONLINE", "INSIDE", "CLEARED", "COMPLETED", "DELIVERED", "SUCCEEDED"),
        "warn": ("ARMED", "PENDING", "SUSPENDED", "MINOR", "WARNING", "UNKNOWN", "NOT_SEPARABLE", "QUOTA", "RISK"),
        "bad": (
            *("DIFFERED", "FAILED", "OFFLINE", "OUTSIDE", "CRITICAL", "MAJOR", "IMEI_MISMATCH", "AREA_EXIT"),
            *("OPEN", "EXHAUSTED"),
        ),
        "info": ("CLOSED_BY_CUSTOMER", "PREVIEWING", "READY", "RUNNING", "PRE_ACTIVE"),
    }
)
_OF = {value: tone for tone, values in _TONES.items() for value in values}


def tone(value: object) -> str:
    """ok, warn, bad, info or idle."""
    return _OF.get(str(value), "idle")


def off(sim: Any) -> str:
    """How a SIM's functions stand: ok when all work, bad when none does."""
    count = len(sim["off"])
    return "ok" if count == 0 else "bad" if count >= 3 else "warn"
